package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/blk/logwrites"
	"untorn/internal/disk"
	"untorn/internal/loopfs"
	"untorn/internal/run"
	"untorn/internal/target/recorded"
)

// recordedDisk is a disk on which every write falls apart into sectors.
var recordedDisk = recorded.Config{Filesystem: "xfs", Device: recorded.Device{LBA: 512, NAWUPF: 512}}

// writes is a scenario of three units that are written in turn, with an fsync
// after the first write and then after every n-th, 0 for never.
func writes(op string, n int) string {
	s := "name: writes\ndesign: {submit: direct, writeback: cow}\nworkload:\n  file: 64KiB\n  ops:\n"
	for i := range 32 {
		s += fmt.Sprintf("    - {task: a, op: pwrite, offset: %dKiB, length: 16KiB, %s}\n", i%3*16, op)
		if i == 0 || n > 0 && i%n == 0 {
			s += "    - {task: a, op: fsync}\n"
		}
	}
	return s
}

// killedOn runs a scenario as a process, with a witness, on XFS on a recorded
// disk, and kills it after some calls and returns. It returns the name of the
// run, what the disk heard until another file was written and synced after that,
// and how many entries came before the writer was dead. A writer that does not
// sync all the time may have ended before.
func killedOn(t *testing.T, scenario string, syncs bool, addr string) (name string, r *recorded.Recording, killed int) {
	t.Helper()
	p, err := disk.Start(diskCommand(), recordedDisk.Size())
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Close()) }()
	on := loopfs.Options{Image: p.Path(), Direct: true}
	bare, err := loopfs.New(on)
	require.NoError(t, err)
	out, err := exec.Command("mkfs.xfs", "-q", "-f", "-K", bare.Device).CombinedOutput()
	assert.NoError(t, bare.Close())
	require.NoError(t, err, "%s", out)
	require.NoError(t, p.Record())
	on.Filesystem = "xfs"
	fs, err := loopfs.New(on)
	require.NoError(t, err)
	defer func() { assert.NoError(t, fs.Close()) }()
	// A writer that syncs is most of the time in a flush, with writes that are
	// not on the medium for sure.
	require.NoError(t, p.SetFaults(disk.Faults{FlushMicro: 40_000}))

	write(t, "s.yaml", scenario)
	_ = os.Remove("now")
	// The mount hangs at no path, and at another descriptor of a child.
	path := strings.Replace(fs.Path("scratch"), "/proc/self", fmt.Sprintf("/proc/%d", os.Getpid()), 1)
	writer, line := child(t, "device", "run", "s.yaml", "--on", path, "--witness", addr, "--token-file", "token",
		"--rounds", "1", "--cut", "touch now", "--cut-after", "9")
	defer writer.Process.Kill()
	name = strings.TrimSuffix(strings.Fields(line)[1], ";")
	require.Eventually(t, func() bool { _, err := os.Stat("now"); return err == nil }, 20*time.Second, time.Millisecond)
	// After Kill the writer makes no further step, so that whatever it told the
	// witness had returned before the mark.
	killErr := writer.Process.Kill()
	require.NoError(t, p.Mark("killed"))
	if err := writer.Wait(); syncs {
		require.NoError(t, killErr)
		require.ErrorContains(t, err, "killed")
	}
	// The kernel goes on without it.
	other, err := os.Create(fs.Path("other"))
	require.NoError(t, err)
	_, err = other.Write(make([]byte, 64<<10))
	require.NoError(t, errors.Join(err, other.Sync(), other.Close()))
	log, err := p.Log()
	require.NoError(t, err)
	r, err = recorded.FromLog(log)
	require.NoError(t, err)
	killed = 1 + slices.IndexFunc(r.Entries, func(e logwrites.Entry) bool { return e.Flags&logwrites.Mark != 0 && string(e.Data) == "killed" })
	require.Positive(t, killed)
	return name, r, killed
}

// A writer and its witness are two processes, and the writer's file system is on
// a disk that keeps a log. The writer is killed; what the disk may hold when it
// loses power then, or later, is recovered by the kernel and judged by what the
// witness holds. The log at an earlier moment is a disk that lost what it had
// promised.
func TestWitnessedDisk(t *testing.T) {
	needsRecorded(t, "xfs")
	t.Chdir(t.TempDir())
	write(t, "token", "a token that nobody guesses\n")
	_, line := child(t, "witness", "--listen", "127.0.0.1:0", "--token-file", "token")
	addr := strings.TrimSuffix(strings.Fields(line)[2], ",")

	// verdicts mounts images of moments of a recording, whole writes and halves of
	// writes among them, and counts what verify says of them.
	verdicts := func(name string, r *recorded.Recording, from, to int) map[string]int {
		s, err := r.Enumerate(&recordedDisk.Device, from, to, 400, 1)
		require.NoError(t, err)
		require.NotEmpty(t, s.Images)
		got, all := make(map[string]int), len(s.Images)
		for i := range min(all, 10) {
			f := &s.Found[slices.IndexFunc(s.Found, func(f recorded.Found) bool { return f.Image == i*all/min(all, 10) })]
			code, out := verifyImage(t, r, f, "device", "verify", "--witness", addr, "--token-file", "token", "--run", name, "--same-boot")
			m := regexp.MustCompile(`(?m)^(held|torn|lost|corrupt): `).FindStringSubmatch(out)
			require.NotNil(t, m, "cut %d, %v: %s", f.Cut, f, out)
			assert.Equal(t, m[1] == "held", code == run.ExitOK, out)
			got[m[1]]++
		}
		t.Logf("cuts %d to %d: %v of %d images", from, to, got, all)
		return got
	}
	only := func(verdict string, got map[string]int) {
		t.Helper()
		assert.Positive(t, got[verdict])
		assert.Len(t, got, 1, "%v", got)
	}

	name, r, killed := killedOn(t, writes("atomic: true", 2), true, addr)
	only("held", verdicts(name, r, killed, killed))
	later := verdicts(name, r, killed, len(r.Entries))
	only("held", later)
	assert.Greater(t, later["held"], 4, "different images")
	// Before the first write the disk does not have what an fsync made durable.
	// Stamps have the epoch of the round above the number of the operation.
	first := slices.IndexFunc(r.Entries, func(e logwrites.Entry) bool { w := recorded.WriteOf(&e); return w > 0 && w%(1<<6) == 1 })
	require.Positive(t, first)
	only("lost", verdicts(name, r, first, first))
	// So it is on a disk whose flushes lie from then on.
	lies := *r
	lies.Entries = slices.Clone(r.Entries)
	for i := range lies.Entries[first:] {
		if e := &lies.Entries[first+i]; e.Flags&logwrites.Flush != 0 {
			*e = logwrites.Entry{Flags: logwrites.Mark, Data: []byte("a flush that lies")}
		}
	}
	assert.Positive(t, verdicts(name, &lies, killed, killed)["lost"])

	// Without the flag XFS writes in place.
	name, r, killed = killedOn(t, writes("atomic: true, unflagged: true", 0), false, addr)
	assert.Positive(t, verdicts(name, r, killed, killed)["torn"])
}

// verifyImage lets the kernel mount an image, which recovers it, and calls untorn
// with the path of the file in it.
func verifyImage(t *testing.T, r *recorded.Recording, f *recorded.Found, args ...string) (int, string) {
	t.Helper()
	img, err := os.Create("cut.img")
	require.NoError(t, err)
	require.NoError(t, img.Truncate(recordedDisk.Size()))
	require.NoError(t, recordedDisk.Medium(r, f, func(b []byte, offset int64) error {
		_, err := img.WriteAt(b, offset)
		return err
	}))
	require.NoError(t, img.Close())
	fs, err := loopfs.New(loopfs.Options{Filesystem: "xfs", Image: "cut.img", Mount: map[string]string{"nouuid": ""}})
	require.NoError(t, err, "cut %d, %v", f.Cut, f)
	defer func() { assert.NoError(t, fs.Close()) }()
	code, out, errs := call(t, append(args, "--on", fs.Path("scratch"))...)
	return code, out + errs
}
