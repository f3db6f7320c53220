package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"untorn/internal/needs"
	"untorn/internal/run"
	"untorn/internal/target/recorded"
)

// onXFS is a scenario of one unit, written twice, for the running kernel.
const onXFS = `name: on-xfs
design: {submit: direct, writeback: cow}
device: {nawupf: 512}
workload:
  file: 32KiB
  ops:
    - {task: db, op: pwrite, offset: 0, length: 16KiB, atomic: true}
    - {task: db, op: fsync}
    - {task: db, op: pwrite, offset: 0, length: 16KiB, atomic: true}
    - {task: db, op: fsync}
explore: {mode: random, runs: 60, seed: 1}
`

func needsRecorded(t *testing.T, filesystem string) {
	t.Helper()
	if err := recorded.Missing(filesystem); err != nil {
		needs.Or(t, err)
	}
}

// left lists what a recorded disk may leave on the machine: loop devices,
// mounts, processes of this program that serve a disk, temporary files.
func left(t *testing.T) string {
	t.Helper()
	var out []string
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	require.NoError(t, err)
	for _, f := range files {
		b, _ := os.ReadFile(f)
		out = append(out, f+" "+strings.TrimSpace(string(b)))
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "untorn") || strings.Contains(line, "/dev/loop") {
			out = append(out, line)
		}
	}
	self, err := os.Executable()
	require.NoError(t, err)
	servers, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, f := range servers {
		if b, _ := os.ReadFile(f); string(b) == self+"\x00"+diskServerName+"\x00" {
			out = append(out, f)
		}
	}
	temp, err := filepath.Glob(filepath.Join(os.TempDir(), "untorn-*"))
	require.NoError(t, err)
	return strings.Join(append(out, temp...), "\n")
}

// nothingLeft waits until there is nothing that was not there before: what a
// process that was killed had goes as the kernel closes what it had open.
func nothingLeft(t *testing.T, before string) {
	t.Helper()
	had := make(map[string]bool)
	for _, line := range strings.Split(before, "\n") {
		had[line] = true
	}
	var now string
	require.Eventually(t, func() bool {
		now = left(t)
		for _, line := range strings.Split(now, "\n") {
			if !had[line] && line != "" {
				return false
			}
		}
		return true
	}, 20*time.Second, 20*time.Millisecond, "left: %s", now)
}

// The kernel keeps the units, the same writes without the flag are torn, and
// what a run left shows it again.
func TestRecorded(t *testing.T) {
	needsRecorded(t, "xfs")
	t.Chdir(t.TempDir())
	write(t, "s.yaml", onXFS)
	before := left(t)
	code, out, errs := call(t, "run", "s.yaml", "--target", "recorded", "--keep")
	require.Zero(t, code, errs+out)
	require.Regexp(t, `on-xfs +held +torn `, out)
	require.Contains(t, out, "neither exhaustive nor the same by seed")
	for _, file := range []string{"scenario.yaml", "ops.txt", "tape.txt", "history.txt", "trace.txt", "log.bin", "image.raw", "report.json"} {
		require.FileExists(t, filepath.Join("runs", "on-xfs", "single", file))
		require.FileExists(t, filepath.Join("runs", "on-xfs", "single", "control", file))
	}
	code, out, errs = call(t, "replay", "runs/on-xfs/single/control")
	require.Zero(t, code, errs)
	require.Regexp(t, `(?m)^torn: unit of op \d`, out)
	code, out, errs = call(t, "replay", "runs/on-xfs/single")
	require.Zero(t, code, errs)
	require.Contains(t, out, "held: every unit is whole")

	// The control as a scenario of its own is torn, which nobody expects.
	code, out, _ = call(t, "run", "runs/on-xfs/single/control/scenario.yaml", "--target", "recorded", "--set", "expect=held", "--out", "again")
	require.Equal(t, run.ExitUnexpected, code, out)
	require.Contains(t, out, "torn!")
	require.Contains(t, out, "untorn replay again/on-xfs/single")

	// Damage is named.
	for _, size := range []int64{5000, 0} {
		require.NoError(t, os.Truncate("again/on-xfs/single/log.bin", size))
		code, _, errs = call(t, "replay", "again/on-xfs/single")
		require.Equal(t, run.ExitUsage, code)
		require.Contains(t, errs, "log.bin")
	}
	nothingLeft(t, before)
}

// A control that cannot break proves nothing.
func TestRecordedInconclusive(t *testing.T) {
	needsRecorded(t, "xfs")
	t.Chdir(t.TempDir())
	write(t, "s.yaml", onXFS)
	code, out, _ := call(t, "run", "s.yaml", "--target", "recorded", "--set", "nawupf=16KiB", "--set", "runs=20")
	require.Equal(t, run.ExitUnexpected, code)
	require.Regexp(t, `on-xfs +inconclusive! +held`, out)
	require.Empty(t, glob(t, "runs/on-xfs"))
}

// Rows that make no sense for a kernel are skipped, with the reason, or refused
// where the kernel refuses.
func TestRecordedRows(t *testing.T) {
	needsRecorded(t, "ext4")
	t.Chdir(t.TempDir())
	code, out, errs := call(t, "run", "direct-eof", "ext4-refused", "real-no-cow", "--target", "recorded")
	require.Zero(t, code, errs+out)
	require.Contains(t, out, "its control is a mutant")
	require.Regexp(t, `ext4-refused +refused`, out)
	write(t, "s.yaml", onXFS)
	code, out, errs = call(t, "run", "s.yaml", "--target", "recorded", "--set", "recovery_power_loss=1", "--set", "filesystem=block", "--set", "writeback=atomic")
	require.Zero(t, code, errs+out)
	require.Contains(t, out, "not mounted")
}

// Power is lost again while crash images are mounted, and what a run left of such a
// mount shows it again.
func TestRecordedRecovery(t *testing.T) {
	needsRecorded(t, "xfs")
	t.Chdir(t.TempDir())
	write(t, "s.yaml", onXFS)
	code, out, errs := call(t, "run", "s.yaml", "--target", "recorded", "--keep", "--set", "recovery_power_loss=2", "--set", "runs=20")
	require.Zero(t, code, errs+out)
	require.Regexp(t, `(?m)^on-xfs +part +\d+ +\d+ +[1-9]\d*$`, out)
	dir := filepath.Join("runs", "on-xfs", "single")
	require.FileExists(t, filepath.Join(dir, "mount-2.bin"))
	code, out, errs = call(t, "replay", dir)
	require.Zero(t, code, errs)
	require.Contains(t, out, "power is lost again before entry")
	require.Contains(t, out, "mount 2 of what that left")
	require.Contains(t, out, "held: every unit is whole")
	// Damage is named.
	require.NoError(t, os.Truncate(filepath.Join(dir, "mount-2.bin"), 700))
	code, _, errs = call(t, "replay", dir)
	require.Equal(t, run.ExitUsage, code)
	require.Contains(t, errs, "mount-2.bin")
}

// A disk with faults is no reason for a run to fail: an operation that the caller
// saw fail promised nothing.
func TestRecordedFaults(t *testing.T) {
	needsRecorded(t, "xfs")
	t.Chdir(t.TempDir())
	write(t, "s.yaml", onXFS)
	before := left(t)
	for _, fault := range []string{"eio=6", "eio=9", "eio=12,flush=1ms"} {
		code, out, errs := call(t, "run", "s.yaml", "--target", "recorded", "--set", "runs=30", "--disk-fault", fault)
		require.Contains(t, []int{run.ExitOK, run.ExitUnexpected}, code, "%s: %s", fault, errs)
		require.Contains(t, out, "ends with EIO")
		require.Regexp(t, `on-xfs +(held|inconclusive!|refused!) `, out)
	}
	nothingLeft(t, before)
	for _, bad := range []string{"eio=0", "eio", "flush=2s", "flush=-1ms", "short=x", "other=1"} {
		code, _, errs := call(t, "run", "s.yaml", "--target", "recorded", "--disk-fault", bad)
		require.Equal(t, run.ExitUsage, code)
		require.Contains(t, errs, bad)
		require.Contains(t, errs, "allowed: eio=N")
	}
	code, _, errs := call(t, "run", "s.yaml", "--disk-fault", "eio=1")
	require.Equal(t, run.ExitUsage, code)
	require.Contains(t, errs, "allowed: --target recorded")
}

// Ctrl-C and kill leave nothing behind.
func TestRecordedIsEnded(t *testing.T) {
	needsRecorded(t, "xfs")
	self, err := os.Executable()
	require.NoError(t, err)
	for _, sig := range []os.Signal{os.Interrupt, os.Kill} {
		for _, wait := range []time.Duration{0, 100, 400, 900} {
			before := left(t)
			dir := t.TempDir()
			write(t, filepath.Join(dir, "s.yaml"), onXFS)
			var out bytes.Buffer
			c := exec.Command(self, "run", "s.yaml", "--target", "recorded", "--set", "runs=1000")
			c.Env = append(os.Environ(), asUntorn+"=1")
			c.Dir, c.Stdout, c.Stderr = dir, &out, &out
			require.NoError(t, c.Start())
			require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "runs")); return err == nil }, 20*time.Second, time.Millisecond)
			time.Sleep(wait * time.Millisecond) // whatever it does then, it is ended in it
			require.NoError(t, c.Process.Signal(sig))
			_ = c.Wait()
			if sig == os.Interrupt {
				require.Equal(t, run.ExitUnexpected, c.ProcessState.ExitCode(), out.String())
				require.Contains(t, out.String(), "PARTIAL")
			}
			nothingLeft(t, before)
		}
	}
}
