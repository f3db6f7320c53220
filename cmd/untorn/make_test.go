package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/run"
)

// TestMakeTargets: the runs of the Makefile that are too long for the gate begin, all
// of them: each ends early because its time is over, and not with an error.
func TestMakeTargets(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	list := exec.Command("make", "--no-print-directory", "--dry-run", "--assume-old=build", "torture-full", "torture-deep", "debate")
	list.Dir = filepath.Join("..", "..")
	lines, err := list.Output()
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	begun := 0
	for line := range strings.Lines(strings.ReplaceAll(string(lines), "\\\n", "")) {
		line = strings.ReplaceAll(line, "./bin/untorn run", self+" run --timeout 1ms")
		line = strings.ReplaceAll(line, "./bin/untorn", self)
		var out bytes.Buffer
		c := exec.Command("sh", "-c", line)
		c.Env = append(os.Environ(), asUntorn+"=1")
		c.Stdout, c.Stderr = &out, &out
		_ = c.Run()
		assert.Equal(t, run.ExitUnexpected, c.ProcessState.ExitCode(), "%s%s", line, out.String())
		assert.Contains(t, out.String(), "PARTIAL: ended early", line)
		begun++
	}
	assert.Equal(t, 5, begun, string(lines))
}
