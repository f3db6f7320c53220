package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"untorn/internal/run"
)

// asUntorn makes the test binary be untorn itself.
const asUntorn = "UNTORN_TEST_MAIN"

func TestMain(m *testing.M) {
	// A recorded disk is served by the program once more.
	if os.Getenv(asUntorn) != "" || len(os.Args) == 2 && os.Args[1] == diskServerName {
		main()
	}
	os.Exit(m.Run())
}

// TestInterrupt: Ctrl-C ends a run with what is done so far, says that it is
// partial, and leaves no directory half filled.
func TestInterrupt(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	var out, errs bytes.Buffer
	// The first row breaks within moments and leaves its directory, the other
	// would take hours.
	c := exec.Command(self, "run", "no-pin", "two-writers", "--set", "faults.budget=9", "--set", "explore.preemptions=9")
	c.Env = append(os.Environ(), asUntorn+"=1")
	c.Dir, c.Stdout, c.Stderr = dir, &out, &errs
	require.NoError(t, c.Start())
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "runs", "no-pin", "single"))
		return err == nil
	}, time.Minute, time.Millisecond)
	require.NoError(t, c.Process.Signal(os.Interrupt))
	err = c.Wait()
	require.Equal(t, run.ExitUnexpected, c.ProcessState.ExitCode(), "%v: %s", err, errs.String())
	require.Contains(t, out.String(), "PARTIAL")
	require.Contains(t, out.String(), "no-pin")
	report, err := os.ReadFile(filepath.Join(dir, "runs", "report.json"))
	require.NoError(t, err)
	require.Contains(t, string(report), `"partial": true`)
	entries, err := filepath.Glob(filepath.Join(dir, "runs", "*", "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, "runs", "no-pin", "single")}, entries)
}
