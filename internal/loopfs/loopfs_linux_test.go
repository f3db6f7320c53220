package loopfs_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"untorn/internal/loopfs"
	"untorn/internal/needs"
	"untorn/internal/sys"
)

func TestScratch(t *testing.T) {
	for _, fs := range []string{"xfs", "ext4"} {
		t.Run(fs, func(t *testing.T) {
			s := needs.Scratch(t, loopfs.Options{Filesystem: fs, Size: 320 << 20})
			require.NoError(t, os.WriteFile(s.Path("f"), []byte("x"), 0o600))
			st, err := sys.Stat(s.Path("f"))
			require.NoError(t, err)
			require.Equal(t, sys.Regular, st.Kind)
			mounts, err := os.ReadFile("/proc/self/mountinfo")
			require.NoError(t, err)
			require.NotContains(t, string(mounts), s.Device+" ", "no path leads there")
		})
	}
}

// Where PATH is that of a user, the programs of root are found all the same.
func TestMkfsIsNotInPath(t *testing.T) {
	for _, fs := range []string{"xfs", "ext4"} {
		needs.Scratch(t, loopfs.Options{Filesystem: fs, Size: 320 << 20})
	}
	t.Setenv("PATH", "")
	for _, fs := range []string{"xfs", "ext4"} {
		s, err := loopfs.New(loopfs.Options{Filesystem: fs, Size: 320 << 20})
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
	_, err := loopfs.Mkfs("none")
	require.ErrorContains(t, err, "mkfs.none is not installed")
}

// That the kernel does not let a process do what it needs is no defect of anything.
func TestDenied(t *testing.T) {
	var missing *loopfs.MissingError
	for _, errno := range []sys.Errno{sys.EPERM, sys.EACCES} {
		err := loopfs.Denied(fmt.Errorf("fsopen fuse: %w", errno))
		require.ErrorAs(t, err, &missing)
		require.ErrorContains(t, err, "fsopen fuse: "+errno.Error()+"; a loop device with a file system needs root with CAP_SYS_ADMIN")
	}
	require.Equal(t, sys.EIO, loopfs.Denied(sys.EIO))
}

// What lies below a device never has a name, so that no moment is the wrong one
// to be killed in.
func TestUnnamed(t *testing.T) {
	dir := t.TempDir()
	fd, err := sys.Unnamed(dir)
	if err != nil {
		needs.Or(t, &loopfs.MissingError{What: "no O_TMPFILE in the directory for temporary files: " + err.Error()})
	}
	require.NoError(t, sys.Close(fd))
	t.Setenv("TMPDIR", dir)
	long := time.Unix(1, 0)
	require.NoError(t, os.Chtimes(dir, long, long))
	needs.Scratch(t, loopfs.Options{Size: 1 << 20})
	st, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, long, st.ModTime(), "a name was made there")
}

// A process that is killed leaves neither loop device nor mount nor file.
func TestKilled(t *testing.T) {
	if os.Getenv("UNTORN_TEST_CHILD") != "" {
		s, err := loopfs.New(loopfs.Options{Filesystem: "xfs", Size: 320 << 20})
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString(s.Device + "\n")
		time.Sleep(time.Hour)
	}
	if err := loopfs.Missing(loopfs.Options{Filesystem: "xfs"}); err != nil {
		needs.Or(t, err)
	}
	c := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
	c.Env = append(os.Environ(), "UNTORN_TEST_CHILD=1")
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	b := make([]byte, 64)
	n, err := out.Read(b)
	require.NoError(t, err)
	device := strings.TrimSpace(string(b[:n]))
	backing := "/sys/block/" + strings.TrimPrefix(device, "/dev/") + "/loop/backing_file"
	require.FileExists(t, backing)
	require.NoError(t, c.Process.Kill())
	_ = c.Wait()
	require.Eventually(t, func() bool { _, err := os.Stat(backing); return os.IsNotExist(err) }, 10*time.Second, 10*time.Millisecond)
}
