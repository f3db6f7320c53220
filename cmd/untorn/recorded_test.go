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

	"untorn/internal/loopfs"
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
	for _, fault := range []string{"eio=6", "eio=9", "eio=7,flush=1ms"} {
		code, out, errs := call(t, "run", "s.yaml", "--target", "recorded", "--set", "runs=30", "--disk-fault", fault)
		require.Contains(t, []int{run.ExitOK, run.ExitUnexpected}, code, "%s: %s", fault, errs)
		require.Contains(t, strings.Join(strings.Fields(out), " "), "ends with EIO")
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

// A fault that was asked for and did not strike is no reason to say that the design
// held under it; one that did is counted.
func TestRecordedFaultsStrike(t *testing.T) {
	needsRecorded(t, "xfs")
	t.Chdir(t.TempDir())
	write(t, "s.yaml", onXFS)
	args := []string{"run", "s.yaml", "--target", "recorded", "--set", "runs=30", "--disk-fault"}
	for _, fault := range []string{"eio=100000", "short=100000", "flush=1ms,eio=100000"} {
		code, out, errs := call(t, append(args, fault)...)
		require.Equal(t, run.ExitUnexpected, code, errs)
		require.Regexp(t, `on-xfs +inconclusive! +torn `, out)
		require.Regexp(t, `the disk fault (eio|short)=100000 never struck the design: its disk took \d+ commands this time, \d+ of them before the first call`,
			strings.Join(strings.Fields(out), " "))
	}
	res := result(t, append(args, "flush=1ms,eio=7")...)
	require.Equal(t, "1", res.Fired.Get("disk_eio"))
	require.Regexp(t, `^[1-9]\d*$`, res.Fired.Get("disk_slow_flush"))
	require.Equal(t, "1", res.Control.Fired.Get("disk_eio"))
	require.Empty(t, res.Fired.Get("disk_short"))

	// One that hits the mount is named as what may have ended the run.
	code, _, errs := call(t, append(args, "eio=3")...)
	require.Equal(t, run.ExitEnvironment, code)
	require.Regexp(t, `^untorn: on-xfs: mount of /dev/loop\d+: input/output error; a disk fault that was asked for had struck \(command 3 ends with EIO\)`, errs)
}

// Rows that were done before the machine failed are kept, and a row of two files is
// skipped.
func TestRecordedFailsLater(t *testing.T) {
	needsRecorded(t, "xfs")
	t.Chdir(t.TempDir())
	write(t, "s.yaml", onXFS)
	require.NoError(t, os.MkdirAll("runs", 0o755))
	write(t, "runs/other", "a file where the directory of a row has to be")
	write(t, "other.yaml", strings.Replace(onXFS, "on-xfs", "other", 1))
	code, out, errs := call(t, "run", "s.yaml", "second-file", "other.yaml", "--target", "recorded", "--set", "explore.runs=30", "--keep")
	require.Equal(t, run.ExitEnvironment, code, errs)
	require.Contains(t, errs, "untorn: other: ")
	require.Regexp(t, `(?m)^on-xfs +held +torn `, out)
	require.Regexp(t, `(?m)^second-file +skipped `, out)
	require.Contains(t, out, "a workload of two files")
	require.Contains(t, out, "PARTIAL")
	kept, err := os.ReadFile("runs/report.json")
	require.NoError(t, err)
	require.Contains(t, string(kept), `"partial": true`)
}

// Root without what root has elsewhere is told so before anything is tried.
func TestRecordedWithoutCapability(t *testing.T) {
	needsRecorded(t, "xfs")
	self, err := os.Executable()
	require.NoError(t, err)
	for _, c := range []struct{ with, want string }{
		{"setpriv --bounding-set -sys_admin --inh-caps -sys_admin", "needs root with CAP_SYS_ADMIN, which this process does not have"},
		{"unshare -Ur", "needs root with CAP_SYS_ADMIN; this process has it in a user namespace only"},
		{"unshare -Urm", "needs root with CAP_SYS_ADMIN; this process has it in a user namespace only"},
		{"unshare -U", "needs root with CAP_SYS_ADMIN; this user is not root"},
	} {
		with := strings.Fields(c.with)
		if err := exec.Command(with[0], append(with[1:], "true")...).Run(); err != nil {
			needs.Or(t, &loopfs.MissingError{What: c.with + ": " + err.Error()})
		}
		for _, args := range []string{"run real-cow --target recorded", "device conformance"} {
			x := exec.Command(with[0], append(append(with[1:], self), strings.Fields(args)...)...)
			x.Env = append(os.Environ(), asUntorn+"=1")
			x.Dir = t.TempDir()
			out, err := x.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "%s", out)
			require.Equal(t, run.ExitNotBuilt, exit.ExitCode(), "%s %s: %s", c.with, args, out)
			require.Contains(t, string(out), c.want)
		}
	}
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
