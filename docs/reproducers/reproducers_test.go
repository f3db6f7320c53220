package reproducers_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"untorn/internal/loopfs"
	"untorn/internal/needs"
)

const (
	eofCut    = "./xfs-eof-cut.sh"
	sizeLimit = "./xfs-size-limit.sh"
)

// standIn makes an xfs_io that claims to know the flag and drinks commands; for
// a write it does what it is told by a line of a shell, $f being the file.
func standIn(t *testing.T, write string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "xfs_io")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/bash\ncase \"$*\" in\n"+
		"*'help pwrite'*) echo RWF_ATOMIC ;;\n*pwrite*) f=${!#}; "+write+" ;;\n*) exec cat >/dev/null ;;\nesac\n"), 0o700))
	return path
}

func code(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil {
		require.True(t, errors.As(err, &exit), "%v", err)
		return exit.ExitCode()
	}
	return 0
}

func TestSyntax(t *testing.T) {
	all, err := filepath.Glob("*.sh")
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, f := range all {
		out, err := exec.Command("bash", "-n", f).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// What is not allowed is refused before anything is made.
func TestUsage(t *testing.T) {
	dir, full := t.TempDir(), t.TempDir()
	there := filepath.Join(full, "there")
	require.NoError(t, os.WriteFile(there, []byte("kept"), 0o600))
	image := filepath.Join(t.TempDir(), "image")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{eofCut}, "usage:"},
		{[]string{eofCut, image, dir, "0"}, "ROUNDS 0; allowed"},
		{[]string{eofCut, image, dir, "x[$(id)]"}, "allowed: a number"},
		{[]string{eofCut, image, dir, "1", "dd"}, "dd; allowed: xfs_io, fio"},
		{[]string{eofCut, there, dir}, "exists; allowed"},
		{[]string{eofCut, image, full}, "allowed: an empty directory"},
		{[]string{sizeLimit, image}, "usage:"},
		{[]string{sizeLimit, image, dir, "xfs_io", "1"}, "usage:"},
		{[]string{sizeLimit, image, dir, "dd"}, "dd; allowed: xfs_io, fio"},
		{[]string{sizeLimit, there, dir}, "exists; allowed"},
		{[]string{sizeLimit, image, full}, "allowed: an empty directory"},
	} {
		x := exec.Command(c.args[0], c.args[1:]...)
		x.Env = append(os.Environ(), "XFS_IO="+standIn(t, "exit 1"))
		out, err := x.CombinedOutput()
		require.Equal(t, 2, code(t, err), "%v: %s", c.args, out)
		require.Contains(t, string(out), c.want)
		require.NoFileExists(t, image)
	}
	b, err := os.ReadFile(there)
	require.NoError(t, err)
	require.Equal(t, "kept", string(b))
}

// Ended in the middle of a write they leave no process, mount, loop device or
// image.
func TestCleanUp(t *testing.T) {
	for _, script := range []string{eofCut, sizeLimit} {
		t.Run(script, func(t *testing.T) { cleanUp(t, script) })
	}
}

func cleanUp(t *testing.T, script string) {
	if err := loopfs.Missing(loopfs.Options{Filesystem: "xfs"}); err != nil {
		needs.Or(t, err)
	}
	dir, work := t.TempDir(), t.TempDir()
	image, asked := filepath.Join(work, "image"), filepath.Join(work, "asked")
	c := exec.Command(script, image, dir)
	c.Env = append(os.Environ(), "XFS_IO="+standIn(t, ": >'"+asked+"'; exec sleep 1000"))
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, c.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(asked); return err == nil }, time.Minute, 10*time.Millisecond, out.String())
	mounts := func() string {
		b, err := os.ReadFile("/proc/self/mounts")
		require.NoError(t, err)
		return string(b)
	}
	backing := func() (all string) {
		files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
		require.NoError(t, err)
		for _, f := range files {
			b, _ := os.ReadFile(f) // one of others may go meanwhile
			all += string(b)
		}
		return all
	}
	require.Contains(t, mounts(), dir)
	require.Contains(t, backing(), image)
	require.NoError(t, syscall.Kill(-c.Process.Pid, syscall.SIGINT)) // as a terminal does
	require.Equal(t, 130, code(t, c.Wait()), out.String())
	require.NotContains(t, mounts(), dir)
	require.Eventually(t, func() bool { return !strings.Contains(backing(), image) }, 10*time.Second, 10*time.Millisecond)
	require.NoFileExists(t, image)
	require.ErrorIs(t, syscall.Kill(-c.Process.Pid, 0), syscall.ESRCH, "a process of its group is left")
}

// What xfs_io writes decides: a part of it is seen, all and nothing are not.
func TestSizeLimit(t *testing.T) {
	if err := loopfs.Missing(loopfs.Options{Filesystem: "xfs"}); err != nil {
		needs.Or(t, err)
	}
	dd := "ulimit -S -f unlimited; dd if=/dev/zero of=\"$f\" bs=4k seek=2 conv=notrunc status=none count="
	for _, c := range []struct {
		write, want string
		code        int
	}{
		{dd + "1", "old old new old", 0},
		{dd + "2", "old old new new", 1},
		{"exit 1", "old old old old", 1},
	} {
		dir, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
		x := exec.Command(sizeLimit, image, dir)
		x.Env = append(os.Environ(), "XFS_IO="+standIn(t, c.write))
		out, err := x.CombinedOutput()
		require.Equal(t, c.code, code(t, err), "%s", out)
		require.Equal(t, "blocks of the file: "+c.want+"\n", string(out))
		require.NoFileExists(t, image)
	}
}

// The same by Python, on this kernel: plain writes are cut at the limit, an atomic
// one is torn there until a kernel refuses it, and where nothing is cut all is new.
func TestSizeLimitByPython(t *testing.T) {
	if err := loopfs.Missing(loopfs.Options{Filesystem: "xfs"}); err != nil {
		needs.Or(t, err)
	}
	if _, err := exec.LookPath("python3"); err != nil {
		needs.Or(t, &loopfs.MissingError{What: "python3 is not installed"})
	}
	dir, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	out, err := exec.Command("python3", "xfs-size-limit.py", image, dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoFileExists(t, image)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, 4)
	const cut, whole = "returned 4096; sectors: 16 old, 8 new, 8 old", "returned 8192; sectors: 16 old, 16 new"
	require.Equal(t, "limit 12288, plain: "+cut, lines[0])
	require.Equal(t, "limit 16384, plain: "+whole, lines[2])
	if strings.Contains(lines[3], "Operation not supported") {
		needs.Or(t, &loopfs.MissingError{What: "XFS of this kernel takes no atomic writes without hardware; that of 6.16 does"})
	}
	require.Contains(t, []string{"limit 12288, atomic: " + cut, "limit 12288, atomic: returned Invalid argument; sectors: 32 old"}, lines[1])
	require.Equal(t, "limit 16384, atomic: "+whole, lines[3])
}
