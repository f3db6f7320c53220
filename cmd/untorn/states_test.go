package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/run"
)

// killedAgain runs a command, whose --out is "killed", and kills it after a time,
// again and again until it ends. It returns how often that was.
func killedAgain(t *testing.T, args []string, wait time.Duration) (kills int) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	for {
		var errs bytes.Buffer
		c := exec.Command(self, append(args, "--out", "killed")...)
		c.Env = append(os.Environ(), asUntorn+"=1")
		c.Stderr = &errs
		require.NoError(t, c.Start())
		timer := time.AfterFunc(wait, func() { _ = c.Process.Kill() })
		err := c.Wait()
		timer.Stop()
		assert.NotContains(t, errs.String(), "explored from its beginning")
		if code := c.ProcessState.ExitCode(); code >= 0 {
			require.Contains(t, []int{run.ExitOK, run.ExitUnexpected}, code, "%v: %s", err, errs.String())
			return kills
		}
		if kills++; kills > 3 {
			wait = wait * 5 / 4 // the machine may have become slower
		}
	}
}

// withinARow is how runs are killed that have one row.
const withinARow = " --workers 2 --resume --save-every 10ms"

// wholeInPieces runs a command line, runs it again and again while it is killed,
// compares what both left, and returns how long the first one took.
func wholeInPieces(t *testing.T, args []string) (took time.Duration) {
	begun := time.Now()
	code, _, errs := call(t, append(args, "--out", "whole")...)
	require.Equal(t, run.ExitOK, code, errs)
	took = time.Since(begun)
	kills := killedAgain(t, args, took/3)
	t.Logf("one run takes %v; killed %d times", took, kills)
	assert.Positive(t, kills)
	assert.Equal(t, tree(t, "whole"), tree(t, "killed"))
	assert.Empty(t, glob(t, "killed/states-*"), "what was saved goes with the row")
	return took
}

// TestKillWithinASample: a sample that takes longer than any of the runs that are
// killed comes to an end, and to the report of one that was left alone.
func TestKillWithinASample(t *testing.T) {
	for _, strategy := range []string{"uniform", "pct", "coverage"} {
		t.Run(strategy, func(t *testing.T) {
			t.Chdir(t.TempDir())
			wholeInPieces(t, strings.Fields("run random --row track=sidecar --set explore.runs=3000 --set explore.strategy="+strategy+withinARow))
		})
	}
}

// TestKillWithinARow: a row that takes longer than any of the runs that are
// killed comes to an end all the same, and to the report of one that was left
// alone.
func TestKillWithinARow(t *testing.T) {
	t.Chdir(t.TempDir())
	args := strings.Fields("run short-copy --set faults.budget=3 --set explore.preemptions=1" + withinARow)
	took := wholeInPieces(t, args)

	// A kill may come after a row was noted and before its states were removed.
	write(t, "killed/states-0-left.bin", "of a row that is done")
	code, _, errs := call(t, append(args, "--out", "killed")...)
	require.Equal(t, run.ExitOK, code, errs)
	assert.Empty(t, glob(t, "killed/states-*"), "what was saved goes with the row")

	// Saved states that are damaged, or of another run, cost time only.
	var saved []string
	for wait := took / 2; len(saved) == 0; wait = wait * 4 / 5 {
		require.Greater(t, wait, time.Millisecond, "an end that was asked for saves as well")
		require.NoError(t, os.RemoveAll("cut"))
		call(t, append(args, "--out", "cut", "--timeout", wait.String())...)
		saved = glob(t, "cut/states-*")
	}
	data := read(t, saved[0])
	for _, bad := range []string{data[:len(data)/2], data[:100] + "?" + data[101:], "untorn states 0\n" + data[16:]} {
		write(t, saved[0], bad)
		write(t, "cut/journal.txt", strings.SplitAfter(read(t, "cut/journal.txt"), "\n")[0])
		code, _, errs := call(t, append(args, "--out", "cut")...)
		assert.Equal(t, run.ExitOK, code)
		assert.Contains(t, errs, "; the row is explored from its beginning")
		assert.Equal(t, tree(t, "whole"), tree(t, "cut"))
	}
}
