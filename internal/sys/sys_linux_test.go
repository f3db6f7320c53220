package sys

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func open(t *testing.T, flags int) (int, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	fd, err := Open(path, flags|ReadWrite|Create|Exclusive)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, Close(fd)) })
	return fd, path
}

func buffer(t *testing.T, n int, fill byte) []byte {
	t.Helper()
	b, err := Aligned(n)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, Unmap(b)) })
	for i := range b {
		b[i] = fill
	}
	return b
}

func TestFile(t *testing.T) {
	fd, path := open(t, 0)
	n, err := Pwritev2(fd, [][]byte{[]byte("ab"), []byte("cd")}, 4096, 0)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	got := make([]byte, 8)
	n, err = Preadv2(fd, [][]byte{got}, 4096, 0)
	require.NoError(t, err)
	require.Equal(t, "abcd", string(got[:n]))
	require.NoError(t, Fsync(fd))
	require.NoError(t, Fdatasync(fd))
	require.NoError(t, Ftruncate(fd, 2*PageSize()))
	m, err := Map(fd, PageSize(), int(PageSize()))
	require.NoError(t, err)
	m[0] = 'z'
	require.NoError(t, Msync(m))
	require.NoError(t, Unmap(m))
	_, err = Preadv2(fd, [][]byte{got[:1]}, PageSize(), 0)
	require.NoError(t, err)
	require.Equal(t, byte('z'), got[0])
	st, err := Stat(path)
	require.NoError(t, err)
	require.Equal(t, Regular, st.Kind)
	require.Equal(t, 2*PageSize(), st.Size)
	_, err = Open(path, ReadWrite|Create|Exclusive)
	require.Equal(t, ErrnoOf(err), ErrnoOf(os.NewSyscallError("x", err)), "an error number survives wrapping")
	require.ErrorIs(t, err, os.ErrExist)
	require.Zero(t, ErrnoOf(errors.New("no number")))
}

func TestLimitFileSize(t *testing.T) {
	fd, _ := open(t, 0)
	restore, err := LimitFileSize(4096)
	require.NoError(t, err)
	n, err := Pwritev2(fd, [][]byte{make([]byte, 8192)}, 0, 0)
	require.NoError(t, restore())
	require.NoError(t, err)
	require.Equal(t, 4096, n)
	n, err = Pwritev2(fd, [][]byte{make([]byte, 8192)}, 0, 0)
	require.NoError(t, err)
	require.Equal(t, 8192, n)
}

// Several calls are in flight together, and each result comes back with what
// names its call.
func TestRing(t *testing.T) {
	fd, _ := open(t, 0)
	const depth = 4
	r, err := NewRing(depth)
	if e := ErrnoOf(err); (e == ENOSYS || e == EPERM) && os.Getenv("CI") == "" {
		t.Skipf("io_uring is not for this process: %v", e)
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	for round := range 3 {
		for i := range depth {
			r.Write(fd, buffer(t, 4096, byte('a'+i+round)), int64(i)*4096, 0, uint64(i))
		}
		require.Equal(t, depth, r.InFlight())
		require.NoError(t, r.Submit(depth))
		seen := map[uint64]bool{}
		for user, result, ok := r.Done(); ok; user, result, ok = r.Done() {
			require.Equal(t, 4096, result)
			seen[user] = true
		}
		require.Len(t, seen, depth)
		require.Zero(t, r.InFlight())
		for i := range depth {
			got := make([]byte, 1)
			_, err := Preadv2(fd, [][]byte{got}, int64(i)*4096, 0)
			require.NoError(t, err)
			require.Equal(t, byte('a'+i+round), got[0])
		}
	}
	r.Sync(fd, true, 9)
	r.Write(-1, buffer(t, 512, 0), 0, 0, 10)
	require.NoError(t, r.Submit(2))
	got := map[uint64]int{}
	for user, result, ok := r.Done(); ok; user, result, ok = r.Done() {
		got[user] = result
	}
	require.Equal(t, map[uint64]int{9: 0, 10: -int(EBADF)}, got)
}

// A signal that ends the wait does not end it too early.
func TestRingSignals(t *testing.T) {
	fd, _ := open(t, 0)
	r, err := NewRing(1)
	if e := ErrnoOf(err); (e == ENOSYS || e == EPERM) && os.Getenv("CI") == "" {
		t.Skipf("io_uring is not for this process: %v", e)
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC() // stops the world with signals
			}
		}
	}()
	b := buffer(t, 1<<20, 1)
	for range 200 {
		r.Write(fd, b, 0, Dsync, 1)
		require.NoError(t, r.Submit(1))
		_, _, ok := r.Done()
		require.True(t, ok)
	}
}
