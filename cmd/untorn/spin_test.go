package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/loopfs"
	"untorn/internal/needs"
)

// TestSPIN: the model of one unit in Promela and untorn agree on a design that
// is sound and on two that are not, and a tool that says otherwise is seen.
func TestSPIN(t *testing.T) {
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			needs.Or(t, &loopfs.MissingError{What: tool + " is not installed; docs/spin/compare installs it for root"})
		}
	}
	self, err := os.Executable()
	require.NoError(t, err)
	script, err := filepath.Abs("../../docs/spin/compare")
	require.NoError(t, err)
	compare := func(untorn string) (string, int) {
		c := exec.Command(script, untorn)
		c.Env = append(os.Environ(), asUntorn+"=1")
		out, _ := c.CombinedOutput()
		return string(out), c.ProcessState.ExitCode()
	}
	out, code := compare(self)
	assert.Zero(t, code, out)
	assert.Contains(t, out, "\nthe verdicts agree\n")
	for _, line := range []string{"sound     SPIN    held ", "sound     untorn  held ", "sound     ratio   untorn/SPIN: ", "plain     SPIN    broke ",
		"plain     untorn  torn ", "no-flush  SPIN    broke ", "no-flush  untorn  exposed "} {
		assert.Contains(t, out, line)
	}

	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("liar", []byte("#!/bin/sh\nsleep 0.1\necho '\"verdict\": \"held\",\n\"work\"\n\"steps\": 1,\n\"states\": 1'\n"), 0o700))
	liar, err := filepath.Abs("liar")
	require.NoError(t, err)
	out, code = compare(liar)
	assert.Equal(t, 1, code, out)
	assert.Contains(t, out, "the verdicts are not those that both must give")
}
