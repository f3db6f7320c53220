package temp

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asChild makes a directory in the one it is told, says so, and waits.
const asChild = "UNTORN_TEST_TEMP"

func TestMain(m *testing.M) {
	if parent := os.Getenv(asChild); parent != "" {
		d, err := New(parent)
		if err != nil {
			panic(err)
		}
		os.Stdout.WriteString(d.Path + "\n")
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

// child is another process that works in a directory of its own.
func child(t *testing.T, parent string) (*exec.Cmd, string) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), asChild+"="+parent)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	path := line[:len(line)-1]
	require.DirExists(t, path)
	return c, path
}

// What a killed process left goes with the next one, and nothing else does: not
// what another process works on, and not what only has such a name.
func TestLeftovers(t *testing.T) {
	parent := t.TempDir()
	_, living := child(t, parent)
	killed, left := child(t, parent)
	require.NoError(t, os.WriteFile(filepath.Join(left, "half"), []byte("x"), 0o600))
	require.NoError(t, killed.Process.Kill())
	_ = killed.Wait()
	for _, name := range []string{".untorn-mine", ".untorn-", "untorn-1"} {
		require.NoError(t, os.Mkdir(filepath.Join(parent, name), 0o700))
	}
	elsewhere := t.TempDir()
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(parent, ".untorn-7")))
	d, err := New(parent)
	require.NoError(t, err)
	require.NoDirExists(t, left)
	for _, name := range []string{".untorn-mine", ".untorn-", "untorn-1", ".untorn-7"} {
		_, err := os.Lstat(filepath.Join(parent, name))
		require.NoError(t, err)
	}
	require.DirExists(t, elsewhere)
	require.DirExists(t, living)
	require.DirExists(t, d.Path)
	for _, dir := range []string{parent, d.Path, living} {
		Sweep(dir)
	}
	inner, err := New(d.Path)
	require.NoError(t, err)
	require.NoError(t, inner.Remove())
	require.DirExists(t, living)
	require.DirExists(t, d.Path, "its own is not left")
	require.NoError(t, d.Remove())
	require.NoDirExists(t, d.Path)
	_, err = New(filepath.Join(parent, "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
