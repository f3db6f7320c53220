package ci

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
		{args: []string{"-h"}, says: "SECONDS_EACH"},
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
