package ci

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/loopfs"
	"untorn/internal/needs"
)

// What ci/fio.sh cannot do it refuses before it makes or touches anything.
func TestFioScript(t *testing.T) {
	taken := filepath.Join(t.TempDir(), "taken")
	require.NoError(t, os.WriteFile(taken, []byte("kept"), 0o600))
	for _, c := range []struct {
		args, env []string
		code      int
		says      string
	}{
		{args: []string{"--help"}, says: "apt-get install fio"},
		{args: []string{"-h"}, says: "TURNS (50"},
		{args: []string{"-x"}, code: 2, says: "arguments -x; allowed: one file"},
		{args: []string{"a", "b"}, code: 2, says: "arguments a b; allowed: one file"},
		{env: []string{"ROUNDS=0"}, code: 2, says: "ROUNDS 0; allowed: 1 and above"},
		{env: []string{"UNIT=16K"}, code: 2, says: "UNIT 16K; allowed: whole KiB"},
		{env: []string{"UNTORN=/none"}, code: 2, says: "/none is missing; build it first"},
		{args: []string{"taken"}, env: []string{"UNTORN=/bin/false"}, code: 2, says: taken + " exists; allowed: a file that does not"},
	} {
		script, err := filepath.Abs("fio.sh")
		require.NoError(t, err)
		cmd := exec.Command(script, c.args...)
		cmd.Dir, cmd.Env = filepath.Dir(taken), append(os.Environ(), c.env...)
		out, err := cmd.CombinedOutput()
		if c.code == 0 {
			require.NoError(t, err)
		}
		assert.Equal(t, c.code, cmd.ProcessState.ExitCode(), "%v %v", c.args, c.env)
		assert.Contains(t, string(out), c.says)
	}
	data, err := os.ReadFile(taken)
	require.NoError(t, err)
	assert.Equal(t, "kept", string(data))
}

// A short comparison has its rows, and leaves neither file nor process, whether it
// ends by itself or is ended.
func TestFioScriptCompares(t *testing.T) {
	if _, err := exec.LookPath("fio"); err != nil {
		needs.Or(t, &loopfs.MissingError{What: "fio is missing: apt-get install fio"})
	}
	script, err := filepath.Abs("fio.sh")
	require.NoError(t, err)
	dir := t.TempDir()
	untorn, file := filepath.Join(dir, "untorn"), filepath.Join(dir, "file")
	out, err := exec.Command("go", "build", "-o", untorn, "../cmd/untorn").CombinedOutput()
	require.NoError(t, err, string(out))
	for _, ended := range []bool{false, true} {
		cmd := exec.Command(script, file)
		cmd.Env = append(os.Environ(), "UNTORN="+untorn, "FIO_ROOT="+dir, "SIZE=4MiB", "DEPTH=4", "ROUNDS=1", "TURNS=2", "TURN=200", "TMPDIR="+dir)
		var table bytes.Buffer
		cmd.Stdout, cmd.Stderr = &table, &table
		require.NoError(t, cmd.Start())
		if ended {
			require.Eventually(t, func() bool { return len(naming(t, file)) > 2 }, 20*time.Second, 10*time.Millisecond, "script, fio and untorn")
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		}
		err := cmd.Wait()
		if ended {
			require.Equal(t, 130, cmd.ProcessState.ExitCode(), table.String())
		} else {
			require.NoError(t, err, table.String())
			for _, row := range []string{"pwritev2, depth 1 ", "io_uring, depth 4 "} {
				require.Regexp(t, `(?m)^\| `+row+`\| plain \| [1-9]\d* \| [1-9]\d* \| \d+\.\d% \| \d+\.\d% to \d+\.\d% \|$`, table.String())
			}
		}
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		require.Equal(t, []string{untorn}, left)
		require.Empty(t, naming(t, file))
	}
}

// naming returns the processes whose arguments name the file.
func naming(t *testing.T, file string) (all []string) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, l := range lines {
		if args, err := os.ReadFile(l); err == nil && bytes.Contains(args, []byte(file)) {
			all = append(all, string(args))
		}
	}
	return all
}
