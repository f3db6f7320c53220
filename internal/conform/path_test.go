package conform

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/engine"
	"untorn/internal/loopfs"
	"untorn/internal/needs"
	"untorn/internal/sys"
)

// What a user names is asked, with the limits of statx, and nothing is left.
func TestComparePath(t *testing.T) {
	for _, c := range []struct {
		name        string
		o           loopfs.Options
		accepted    int
		differences int
	}{
		{"xfs", loopfs.Options{Filesystem: "xfs", Size: 320 * mib}, 90, 35},
		{"xfs with a short log's limit", loopfs.Options{Filesystem: "xfs", Size: 320 * mib, Mkfs: []string{"-b", "size=1024"}}, 104, 30},
		{"xfs max_atomic_write=16k", loopfs.Options{Filesystem: "xfs", Size: 320 * mib, Mount: map[string]string{"max_atomic_write": "16k"}}, 68, 26},
		{"xfs without reflink", loopfs.Options{Filesystem: "xfs", Size: 320 * mib, Mkfs: []string{"-m", "reflink=0,rmapbt=0"}}, 0, 0},
		{"ext4", loopfs.Options{Filesystem: "ext4", Size: 64 * mib}, 0, 0},
		{"block device", loopfs.Options{Size: 9*mib + 512}, 0, 0},
		{"small block device of 4KiB", loopfs.Options{Size: Size, Block: 4 * kib}, 0, 368},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := needs.Scratch(t, c.o)
			path := s.Device
			if c.o.Filesystem != "" {
				path = s.Path("scratch")
			} else {
				ended := begin(t, path)
				defer func() { require.Equal(t, ended, begin(t, path), "what lies before the end is kept") }()
			}
			got, err := ComparePath(context.Background(), path)
			require.NoError(t, err)
			require.Equal(t, len(Calls(Size)), got.Calls)
			require.Equal(t, c.accepted, got.Accepted)
			require.Len(t, got.Differences, c.differences)
			require.Empty(t, got.Unexplained())
			if c.o.Filesystem == "" {
				return
			}
			require.NoFileExists(t, path)
			require.NoError(t, os.WriteFile(path, []byte("kept"), 0o600))
			_, err = ComparePath(context.Background(), path)
			var exists *ExistsError
			require.ErrorAs(t, err, &exists)
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, "kept", string(b))
			require.NoError(t, os.Remove(path))
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_, err = ComparePath(ctx, path)
			require.ErrorIs(t, err, context.Canceled)
			require.NoFileExists(t, path)
		})
	}
}

// begin marks the beginning of a device that is longer than what the grid
// takes, and returns what is there.
func begin(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	size, err := sys.DeviceSize(int(f.Fd()))
	require.NoError(t, err)
	_, from := end(size)
	b := make([]byte, from)
	_, err = f.ReadAt(b, 0)
	if from > 0 && b[0] == 0 {
		require.NoError(t, err)
		for i := range b {
			b[i] = byte(i%251 + 1)
		}
		_, err = f.WriteAt(b, 0)
	}
	require.NoError(t, err)
	return b
}

// The model does not know every file system; the file goes all the same.
func TestComparePathElsewhere(t *testing.T) {
	if !sys.Root() {
		needs.Or(t, &loopfs.MissingError{What: "a mount needs root"})
	}
	fd, err := sys.MountDetached("none", "tmpfs", nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, sys.Close(fd)) }()
	path := fmt.Sprintf("/proc/self/fd/%d/scratch", fd)
	_, err = ComparePath(context.Background(), path)
	var missing *loopfs.MissingError
	require.ErrorAs(t, err, &missing)
	require.ErrorContains(t, err, "tmpfs; the model knows xfs, ext4 and block devices")
	require.NoFileExists(t, path)
	_, err = ComparePath(context.Background(), filepath.Join(path, "deeper"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// What statx reports of hardware is what the model has.
func TestLimitsOfHardware(t *testing.T) {
	for _, c := range []struct {
		name  string
		lba   int64
		limit int64
		want  string
	}{
		{"one LBA", 512, 512, "unit 512 to 512, optimal 0"},
		{"of 4 KiB", 4 * kib, 64 * kib, "unit 4KiB to 64KiB, optimal 0"},
		{"long", 512, 256 * kib, "unit 512 to 256KiB, optimal 0"},
	} {
		m := model(Size, c.lba, c.limit, 0, inPlace(engine.BlockDevice))
		unitMin, unitMax, opt := m.UnitLimits()
		require.Equal(t, c.want, limits(unitMin, unitMax, opt), c.name)
		m.Machine().Close()
	}
}

func TestEnd(t *testing.T) {
	for _, whole := range []int64{512, Size, 4*mib - 512, 4 * mib, 4*mib + 512, 7*mib + 4*kib, 1 << 40} {
		size, from := end(whole)
		require.Equal(t, whole, from+size)
		require.Zero(t, from%longest)
		require.LessOrEqual(t, size, int64(2*longest-512))
	}
}
