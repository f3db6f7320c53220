package file

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"untorn/internal/loopfs"
	"untorn/internal/needs"
	"untorn/internal/sys"
)

func TestLoad(t *testing.T) {
	for _, depth := range []int{0, 8} {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, Lay(context.Background(), path, 1<<20, false))
		l := &Load{Path: path, Size: 1 << 20, Unit: 16 << 10, Depth: depth, Time: 50 * time.Millisecond, Seed: 1}
		r, err := l.Run(context.Background())
		require.NoError(t, err)
		require.Positive(t, r.Writes)
		require.Positive(t, r.Units)
		require.LessOrEqual(t, r.Units, min(r.Writes, 64))
		var refused *RefusedError
		require.ErrorAs(t, Lay(context.Background(), path, 1<<20, false), &refused)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		r, err = l.Run(ctx)
		require.NoError(t, err)
		require.Zero(t, r.Writes)
	}
}

// A file that could not be laid out is gone, unless it was there before.
func TestLayInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	path := filepath.Join(t.TempDir(), "file")
	require.ErrorIs(t, Lay(ctx, path, 1<<20, true), context.Canceled)
	require.NoFileExists(t, path)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.ErrorIs(t, Lay(ctx, path, 1<<20, true), context.Canceled)
	require.FileExists(t, path)
}

// A load that does not fit a device is refused before the first write.
func TestLoadBeyondADevice(t *testing.T) {
	s := needs.Scratch(t, loopfs.Options{Size: 1 << 20})
	l := &Load{Path: s.Device, Offset: 512 << 10, Size: 1 << 20, Unit: 4096, Time: time.Millisecond}
	_, err := l.Run(context.Background())
	require.ErrorContains(t, err, "allowed: up to its size, 1MiB")
	l.Size = 512 << 10
	_, err = l.Run(context.Background())
	require.NoError(t, err)
}

// Atomic units that the file does not take are refused by their size.
func TestLoadOfUnitsTooLarge(t *testing.T) {
	s := needs.Scratch(t, loopfs.Options{Filesystem: "xfs", Size: 300 << 20})
	l := &Load{Path: s.Path("file"), Size: 4 << 20, Unit: 2 << 20, Atomic: true, Time: time.Millisecond}
	require.NoError(t, Lay(context.Background(), l.Path, l.Size, false))
	st, err := sys.Stat(l.Path)
	require.NoError(t, err)
	if !st.AtomicAttr {
		needs.Or(t, &loopfs.MissingError{What: "XFS of this kernel takes no atomic writes without hardware; that of 6.16 does"})
	}
	_, err = l.Run(context.Background())
	var refused *RefusedError
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "atomic writes of 2097152 bytes; allowed by "+l.Path+": 4KiB to 1MiB")
}

// What is outside of the part that is written stays as it was.
func TestLoadOfAPart(t *testing.T) {
	const unit, part = 16 << 10, 1 << 20
	for _, depth := range []int{0, 8} {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, Lay(context.Background(), path, 3*part, false))
		r, err := (&Load{Path: path, Offset: part, Size: part, Unit: unit, Depth: depth, Time: 50 * time.Millisecond, Seed: 1}).Run(context.Background())
		require.NoError(t, err)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		written := int64(0)
		for at := 0; at < len(data); at += unit {
			if bytes.Count(data[at:at+unit], []byte{0}) != unit {
				require.True(t, part <= at && at < 2*part, "a write at %d", at)
				written++
			}
		}
		require.Equal(t, r.Units, written)
	}
}

// A unit that was not written, or only in part, is found when it is read back,
// and an error ends the load.
func TestLoadOnABrokenKernel(t *testing.T) {
	for name, pwrite := range map[string]func(fd int, b []byte, offset int64, flags int) (int, error){
		"lost": func(_ int, b []byte, _ int64, _ int) (int, error) { return len(b), nil },
		"half": func(fd int, b []byte, offset int64, flags int) (int, error) {
			n, err := sys.Pwritev2(fd, [][]byte{b[:8<<10]}, offset, flags)
			return 2 * n, err
		},
		"short": func(_ int, b []byte, _ int64, _ int) (int, error) { return len(b) / 2, nil },
		"error": func(int, []byte, int64, int) (int, error) { return -1, sys.EIO },
	} {
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, Lay(context.Background(), path, 1<<20, false))
		fd, err := sys.Open(path, sys.ReadWrite|sys.Direct)
		require.NoError(t, err)
		buf, err := sys.Aligned(16 << 10)
		require.NoError(t, err)
		x := &loader{Load: &Load{Path: path, Size: 1 << 20, Unit: 16 << 10, Time: 10 * time.Millisecond}, fd: fd, pwrite: pwrite,
			rand: rand.New(rand.NewPCG(1, 0)), last: make([]uint32, 64), busy: make([]bool, 64), slots: []slot{{buf: buf}}}
		_, err = x.run(context.Background())
		var mixture *MixtureError
		require.Error(t, err, name)
		require.Equal(t, name == "lost" || name == "half", errors.As(err, &mixture), name)
		require.NoError(t, sys.Close(fd))
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, l := range []Load{
		{Size: 1 << 20, Unit: 12 << 10, Time: 1}, {Size: 1 << 20, Unit: 256, Time: 1}, {Size: 1<<20 + 512, Unit: 4096, Time: 1},
		{Size: 16 << 10, Unit: 4096, Depth: 4, Time: 1}, {Size: 1 << 20, Unit: 4096},
		{Offset: 512, Size: 1 << 20, Unit: 4096, Time: 1}, {Offset: -4096, Size: 1 << 20, Unit: 4096, Time: 1},
	} {
		var refused *RefusedError
		require.ErrorAs(t, l.Check(), &refused, "%+v", l)
	}
}

func BenchmarkFill(b *testing.B) {
	buf := make([]byte, 16<<10)
	b.SetBytes(int64(len(buf)))
	for i := 0; b.Loop(); i++ {
		fill(buf, i)
	}
}
