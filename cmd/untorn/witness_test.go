package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/loopfs"
	"untorn/internal/needs"
	"untorn/internal/run"
	"untorn/internal/stamp"
)

// child starts untorn as a process of its own and returns it with the first line
// that it prints.
func child(t *testing.T, args ...string) (*exec.Cmd, string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), asUntorn+"=1")
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "%v: %s", args, &errs)
	go io.Copy(io.Discard, out)
	return c, line
}

// cutLive is long, so that the power is gone before its end.
func cutLive() string {
	s := "name: cut-live\ndesign: {submit: direct, writeback: cow}\nworkload:\n  file: 64KiB\n  ops:\n"
	for i := range 30 {
		s += fmt.Sprintf("    - {task: a, op: pwrite, offset: %dKiB, length: 16KiB, atomic: true}\n    - {task: a, op: fsync}\n", i%3*16)
	}
	return s
}

// A writer and its witness are two processes; the writer is killed and its disk
// copied as it is then. What the witness holds judges the copy after the file
// system has recovered it, and finds what is then damaged by hand.
func TestWitnessed(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, "s.yaml", cutLive())
	write(t, "token", "a token that nobody guesses\n")
	disk := needs.Scratch(t, loopfs.Options{Filesystem: "xfs", Size: 320 << 20})
	_, line := child(t, "witness", "--listen", "127.0.0.1:0", "--token-file", "token")
	addr := strings.TrimSuffix(strings.Fields(line)[2], ",")
	// The mount hangs at no path, and at another descriptor of a child; the
	// parent's is reached through its own.
	path := strings.Replace(disk.Path("scratch"), "/proc/self", fmt.Sprintf("/proc/%d", os.Getpid()), 1)
	writer, line := child(t, "device", "run", "s.yaml", "--on", path, "--witness", addr, "--token-file", "token",
		"--rounds", "1", "--cut", "kill -9 $PPID", "--cut-after", "9")
	name := strings.TrimSuffix(strings.Fields(line)[1], ";")
	require.ErrorContains(t, writer.Wait(), "killed")

	verify := func(on string, more ...string) (int, string) {
		args := append([]string{"device", "verify", "--on", on, "--witness", addr, "--token-file", "token", "--run", name}, more...)
		code, out, errs := call(t, args...)
		return code, out + errs
	}
	code, out := verify(path)
	assert.Equal(t, run.ExitUnexpected, code, out)
	assert.Contains(t, out, "killing a process is no loss of power")

	copySparse(t, disk.Device, "copy.img")
	cut := needs.Scratch(t, loopfs.Options{Filesystem: "xfs", Image: "copy.img", Mount: map[string]string{"nouuid": ""}})
	code, out = verify(cut.Path("scratch"), "--same-boot")
	assert.Equal(t, run.ExitOK, code, out)
	assert.Contains(t, out, "held: ")

	whole, err := os.ReadFile(cut.Path("scratch"))
	require.NoError(t, err)
	// version0 puts back what was there before the run, with the epoch that the
	// stamps of the round have above the number of the operation.
	write0, _, ok := stamp.Decode(whole[:stamp.Size])
	require.True(t, ok)
	write0 -= write0 % (1 << 6)
	version0 := func(from, to int) func([]byte) {
		return func(b []byte) {
			for i := from; i < to; i += stamp.Size {
				sector := stamp.Encode(write0, i/stamp.Size)
				copy(b[i:], sector[:])
			}
		}
	}
	for _, x := range []struct {
		name   string
		damage func([]byte)
		want   string
	}{
		{"nothing", func([]byte) {}, "held: "},
		{"a unit is gone that an fsync made durable", version0(0, 16<<10), "lost: "},
		{"half of it is", version0(0, 8<<10), "torn: "},
		{"one sector of it is", version0(4<<10, 4<<10+512), "torn: "},
		{"a unit at another place", func(b []byte) { copy(b[48<<10:], b[:16<<10]) }, "corrupt: "},
		{"a bit", func(b []byte) { b[100] ^= 1 }, "corrupt: "},
	} {
		b := bytes.Clone(whole)
		x.damage(b)
		require.NoError(t, os.WriteFile("damaged", b, 0o600))
		_, out = verify("damaged", "--same-boot")
		assert.Contains(t, out, x.want, x.name)
	}
}

// listening is the address of a witness on the loopback, whose token is in the
// environment.
func listening(t *testing.T) (addr string) {
	t.Helper()
	t.Setenv(run.TokenEnv, "a token that nobody guesses")
	_, line := child(t, "witness", "--listen", "127.0.0.1:0")
	return strings.TrimSuffix(strings.Fields(line)[2], ",")
}

// A disk that gives back what was on it before the round was prepared has lost
// the round, although each of its operations stands there with the same number:
// an earlier run wrote them, or an earlier round of this one.
func TestOlderRound(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "s.yaml", strings.Replace(plainLive, "length: 4KiB}", "length: 16KiB}", 1))
	addr := listening(t)
	round := func(rounds string) (name string, content []byte) {
		code, out, errs := call(t, "device", "run", "s.yaml", "--on", "scratch", "--existing", "--witness", addr, "--rounds", rounds)
		require.Equal(t, run.ExitOK, code, errs)
		content, err := os.ReadFile("scratch")
		require.NoError(t, err)
		return strings.TrimSuffix(strings.Fields(out)[1], ";"), content
	}
	verify := func(name string, content []byte) string {
		require.NoError(t, os.WriteFile("after", content, 0o600))
		_, out, errs := call(t, "device", "verify", "--on", "after", "--witness", addr, "--run", name, "--same-boot")
		return out + errs
	}
	_, older := round("1")
	name, newer := round("1")
	assert.Contains(t, verify(name, newer), "held: ")
	out := verify(name, older)
	assert.NotContains(t, out, "held: ")
	assert.Contains(t, out, "32 sectors hold what another round or run wrote")
	name, newer = round("2")
	assert.Contains(t, verify(name, newer), "held: ")
	assert.NotContains(t, verify(name, older), "held: ")
}

// partlyRefused has an atomic write that is longer than XFS takes with
// max_atomic_write=16k, before one that is not.
const partlyRefused = `name: partly-refused
design: {submit: direct, writeback: cow}
workload:
  file: 64KiB
  ops:
    - {op: pwrite, offset: 0, length: 32KiB, atomic: true}
    - {op: pwrite, offset: 32KiB, length: 16KiB, atomic: true}
    - {op: fsync}
`

// Where no atomic write is accepted, no loss of power says anything of one: the
// run ends with the words of a row, and what it left is not held. Of some that
// were refused the verdict says nothing.
func TestWitnessedRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "partly.yaml", partlyRefused)
	addr := listening(t)
	for _, x := range []struct {
		fs, scenario      string
		code              int
		run, lost, refuse string
	}{
		{"ext4", "real-cow", run.ExitUnexpected, "refused: no atomic write was accepted; ", "refused: no atomic write was accepted: ",
			"operation 1, db: pwrite offset=0 length=4KiB atomic direct, got EOPNOTSUPP"},
		{"xfs", "two-writers", run.ExitUnexpected, "refused: no atomic write was accepted; ", "refused: no atomic write was accepted: ",
			"operation 1, a: pwrite offset=0 length=8KiB atomic, got EOPNOTSUPP"},
		{"xfs", "partly.yaml", run.ExitOK, "1 of 2 atomic writes were refused", "held: ",
			"1 of 2 atomic writes were refused, and nothing is said of them: operation 1, db: pwrite offset=0 length=32KiB atomic direct, got EINVAL"},
	} {
		t.Run(x.fs+" "+x.scenario, func(t *testing.T) {
			limit, again := map[string]string{}, map[string]string{}
			if x.fs == "xfs" {
				limit["max_atomic_write"], again["nouuid"] = "16k", ""
			}
			disk := needs.Scratch(t, loopfs.Options{Filesystem: x.fs, Size: 320 << 20, Mount: limit})
			code, out, errs := call(t, "device", "run", x.scenario, "--on", disk.Path("scratch"), "--witness", addr, "--rounds", "2")
			assert.Equal(t, x.code, code, out+errs)
			assert.Equal(t, 1, strings.Count(out, x.run), out)
			assert.Equal(t, x.code == run.ExitOK, strings.Contains(out, "2 rounds were done"), out)

			copySparse(t, disk.Device, "copy.img")
			cut := needs.Scratch(t, loopfs.Options{Filesystem: x.fs, Image: "copy.img", Mount: again})
			code, out, errs = call(t, "device", "verify", "--on", cut.Path("scratch"), "--witness", addr, "--same-boot")
			assert.Equal(t, x.code, code, out+errs)
			assert.Contains(t, out, x.lost)
			assert.Contains(t, out, x.refuse)
		})
	}
}

// A file that was durable, and is not there after power was lost, is lost, also
// when no operation had been called; where its directory is not there either, or
// is in memory, nothing is said of it.
func TestWitnessedVanished(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "s.yaml", plainLive)
	addr := listening(t)
	disk := needs.Scratch(t, loopfs.Options{Filesystem: "xfs", Size: 320 << 20})
	code, out, errs := call(t, "device", "run", "s.yaml", "--on", disk.Path("scratch"), "--witness", addr, "--rounds", "1")
	require.Equal(t, run.ExitOK, code, errs)
	name := strings.TrimSuffix(strings.Fields(out)[1], ";")
	require.NoError(t, os.Remove(disk.Path("scratch")))
	verify := func(on string, more ...string) (int, string) {
		code, out, errs := call(t, append([]string{"device", "verify", "--on", on, "--witness", addr, "--run", name}, more...)...)
		return code, out + errs
	}
	code, out = verify(disk.Path("scratch"), "--same-boot")
	assert.Equal(t, run.ExitUnexpected, code, out)
	assert.Contains(t, out, "lost: "+disk.Path("scratch")+" is not there, and was durable before the first operation, by this name on this file system")
	for _, elsewhere := range []string{disk.Path("mistyped"), needs.Scratch(t, loopfs.Options{Filesystem: "ext4", Size: 16 << 20}).Path("scratch")} {
		code, out = verify(elsewhere, "--same-boot")
		assert.Equal(t, run.ExitUsage, code, out)
		assert.Regexp(t, "--on: "+elsewhere+" is not there; allowed: the path of scratch on the file system with UUID [0-9a-f]{32}, where the run was", out)
	}
	code, out = verify(disk.Path("scratch"))
	assert.Equal(t, run.ExitUnexpected, code, out)
	assert.Contains(t, out, "inconclusive: this kernel has not been started anew since")
	for _, nowhere := range []string{disk.Path("no/scratch"), "/dev/no-such-device"} {
		code, out = verify(nowhere, "--same-boot")
		assert.Equal(t, run.ExitUsage, code, out)
		assert.Contains(t, out, nowhere+": no such file or directory")
	}

	// So it is when power was lost right after the round had been prepared.
	record := filepath.Join("witness", name+".txt")
	text, err := os.ReadFile(record)
	require.NoError(t, err)
	prepared, _, ok := strings.Cut(string(text), "call 1\n")
	require.True(t, ok)
	write(t, record, prepared)
	code, out = verify(disk.Path("scratch"), "--same-boot")
	assert.Equal(t, run.ExitUnexpected, code, out)
	assert.Contains(t, out, "lost: ")
	write(t, record, regexp.MustCompile("places .*").ReplaceAllString(prepared, `places [""]`))
	code, out = verify(disk.Path("scratch"), "--same-boot")
	assert.Equal(t, run.ExitUnexpected, code, out)
	assert.Contains(t, out, "inconclusive: "+disk.Path("scratch")+" is not there, and was durable before the first operation, but the witness does not know")
	write(t, record, strings.TrimSuffix(prepared, "prepared\n"))
	code, out = verify(disk.Path("scratch"), "--same-boot")
	assert.Equal(t, run.ExitUnexpected, code, out)
	assert.Contains(t, out, "inconclusive: power was lost while the round was prepared")
}

// What to do after the reboot is said of a run that begins, and not of one that
// has no file to begin on.
func TestDeviceRunExists(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "s.yaml", plainLive)
	write(t, "there", "mine")
	addr := listening(t)
	code, out, errs := call(t, "device", "run", "s.yaml", "--on", "there", "--witness", addr)
	assert.Equal(t, run.ExitUsage, code)
	assert.Empty(t, out)
	assert.Contains(t, errs, "there exists; allowed: a file that does not")
}

// copySparse copies a device and leaves out what is zeros.
func copySparse(t *testing.T, from, to string) {
	t.Helper()
	src, err := os.Open(from)
	require.NoError(t, err)
	defer src.Close()
	dst, err := os.Create(to)
	require.NoError(t, err)
	defer dst.Close()
	b, zeros := make([]byte, 1<<20), make([]byte, 1<<20)
	at := int64(0)
	for {
		n, err := io.ReadFull(src, b)
		if !bytes.Equal(b[:n], zeros[:n]) {
			_, err := dst.WriteAt(b[:n], at)
			require.NoError(t, err)
		}
		if at += int64(n); err != nil {
			break
		}
	}
	require.NoError(t, dst.Truncate(at))
}

// The command that cuts the power runs in the middle, and a machine that then
// still has power is an error.
func TestCutCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "s.yaml", plainLive)
	addr := listening(t)
	on := []string{"device", "run", "s.yaml", "--on", "scratch", "--existing", "--witness", addr}
	code, out, errs := call(t, append(on, "--rounds", "2")...)
	assert.Equal(t, run.ExitOK, code, errs)
	assert.Contains(t, out, "2 rounds were done and power was not lost")
	code, _, errs = call(t, append(on, "--cut", "touch was-here", "--cut-after", "3", "--grace", "10ms")...)
	assert.Equal(t, run.ExitEnvironment, code)
	assert.Contains(t, errs, "10ms later there still is power")
	assert.FileExists(t, "was-here")
	code, _, errs = call(t, append(on, "--cut", "echo no; exit 5")...)
	assert.Equal(t, run.ExitEnvironment, code)
	assert.Contains(t, errs, "exit status 5: no")
	code, out, _ = call(t, "device", "verify", "--on", "scratch", "--witness", addr)
	assert.Equal(t, run.ExitUnexpected, code)
	assert.Contains(t, out, "inconclusive: ")
	t.Setenv(run.TokenEnv, "another token that nobody guesses")
	code, _, errs = call(t, "device", "verify", "--on", "scratch", "--witness", addr)
	assert.Equal(t, run.ExitEnvironment, code)
	assert.Contains(t, errs, "does not have the same token")
}
