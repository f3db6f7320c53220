package probe

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/loopfs"
	"untorn/internal/needs"
)

// sysfs makes a tree of a disk with one partition, as /sys has it.
func sysfs(t *testing.T, start int, queue map[string]string) string {
	t.Helper()
	root := t.TempDir()
	disk := filepath.Join(root, "devices", "nvme0n1")
	put := func(name, text string) {
		path := filepath.Join(disk, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
	}
	for name, text := range map[string]string{"logical_block_size": "4096", "physical_block_size": "4096", "write_cache": "write back",
		"fua": "1", "max_sectors_kb": "128", "max_segments": "33", "chunk_sectors": "0", "stable_writes": "0"} {
		put("queue/"+name, text)
	}
	for name, text := range queue {
		put("queue/"+name, text)
	}
	put("nvme0n1p1/partition", "1")
	put("nvme0n1p1/start", fmt.Sprint(start))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "dev/block"), 0o755))
	require.NoError(t, os.Symlink(disk, filepath.Join(root, "dev/block/259:0")))
	require.NoError(t, os.Symlink(filepath.Join(disk, "nvme0n1p1"), filepath.Join(root, "dev/block/259:1")))
	return root
}

var atomicQueue = map[string]string{"atomic_write_max_bytes": "65536", "atomic_write_unit_min_bytes": "4096",
	"atomic_write_unit_max_bytes": "65536", "atomic_write_boundary_bytes": "131072"}

func TestReadDevice(t *testing.T) {
	root := sysfs(t, 2048, atomicQueue)
	d, err := ReadDevice(root, "259:0")
	require.NoError(t, err)
	require.Equal(t, &Device{Name: "nvme0n1", Slaves: []string{}, Queue: Queue{LogicalBlock: 4096, PhysicalBlock: 4096, Cache: "write back",
		FUA: true, MaxTransfer: 128 * kib, MaxSegments: 33, Atomic: true, Max: 64 * kib, UnitMin: 4 * kib, UnitMax: 64 * kib, Boundary: 128 * kib}}, d)
	d, err = ReadDevice(root, "259:1")
	require.NoError(t, err)
	require.Equal(t, "nvme0n1", d.Name)
	require.Equal(t, 1, d.Partition)
	require.Equal(t, int64(1<<20), d.Start)
	require.True(t, d.aligned())
	d, err = ReadDevice(sysfs(t, 63, atomicQueue), "259:1")
	require.NoError(t, err)
	require.False(t, d.aligned(), "63 sectors")
	d, err = ReadDevice(sysfs(t, 63, nil), "259:1")
	require.NoError(t, err)
	require.False(t, d.Queue.Atomic)
	require.True(t, d.aligned(), "there is nothing to keep")
	d, err = ReadDevice(root, "0:33")
	require.NoError(t, err)
	require.Nil(t, d)
	_, err = ReadDevice(sysfs(t, 1, map[string]string{"max_segments": "many"}), "259:0")
	require.ErrorContains(t, err, "max_segments")
}

// The line on what can be claimed follows from what was found.
func TestClaim(t *testing.T) {
	hardware, err := ReadDevice(sysfs(t, 2048, atomicQueue), "259:1")
	require.NoError(t, err)
	astray, err := ReadDevice(sysfs(t, 63, atomicQueue), "259:1")
	require.NoError(t, err)
	none, err := ReadDevice(sysfs(t, 2048, nil), "259:1")
	require.NoError(t, err)
	on := Limits{Known: true, UnitMin: 4 * kib, UnitMax: 64 * kib}
	for _, c := range []struct {
		name        string
		r           Result
		want, facts string
	}{
		{"in place", Result{Kind: "block device", Statx: on, Device: hardware}, "direct writes of 4KiB to 64KiB are atomic on the word of nvme0n1", "multiple of 128KiB"},
		{"XFS alone", Result{Kind: "file", Filesystem: "xfs", Statx: on, Device: none}, "4KiB to 64KiB inside the file and its size limit are atomic because XFS remaps", "to new blocks and remaps"},
		{"XFS on a partition astray", Result{Kind: "file", Filesystem: "xfs", Statx: on, Device: astray}, "because XFS remaps", "partition 1 begins at byte 32256"},
		{"none", Result{Kind: "file", Filesystem: "ext4", Statx: Limits{Known: true}, Device: none}, "no write here is atomic", "a kernel before 6.11"},
		{"one block", Result{Kind: "file", Filesystem: "ext4", Statx: Limits{Known: true, UnitMin: 4 * kib, UnitMax: 4 * kib}, Device: hardware}, "4KiB to 4KiB inside the file and its size limit are atomic on the word", "bigalloc"},
		{"buffered", Result{Kind: "file", Filesystem: "xfs", Statx: on, Device: none, Tries: []Try{{4 * kib, "ok", "ok"}}}, "through the page cache up to 4KiB are accepted", ""},
		{"tried", Result{Kind: "file", Filesystem: "xfs", Statx: on, Device: none, Tries: []Try{{4 * kib, "ok", "EOPNOTSUPP"}}}, "the kernel refuses it", ""},
		{"XFS in place and longer", Result{Kind: "file", Filesystem: "xfs", Statx: Limits{Known: true, UnitMin: 4 * kib, UnitMax: 1024 * kib, UnitMaxOpt: 64 * kib}, Device: hardware},
			"4KiB to 1MiB inside the file and its size limit are atomic up to 64KiB on the word of nvme0n1 that it keeps a unit whole, above that because XFS remaps", "partition 1 begins at a multiple of 128KiB"},
		{"refused", Result{Kind: "file", Filesystem: "xfs", Statx: on, Device: hardware, Tries: []Try{{4 * kib, "EINVAL", "EINVAL"}}}, "refused a direct write of every length", "no length succeeded"},
		{"taken in part", Result{Kind: "file", Filesystem: "xfs", Statx: on, Device: none, Tries: []Try{{4 * kib, "ok", "EINVAL"}, {8 * kib, "EIO", "EINVAL"}}},
			"direct writes of 4KiB to 4KiB inside the file and its size limit are atomic", "units of 4KiB to 64KiB; direct writes of 4KiB to 4KiB succeeded"},
		{"overlay", Result{Kind: "file", Filesystem: "overlay", Statx: on}, "nothing yet: whether overlay takes", "hands on what the file below it reports"},
		{"overlay tried", Result{Kind: "file", Filesystem: "overlay", Statx: on, Tries: []Try{{4 * kib, "EOPNOTSUPP", "EOPNOTSUPP"}}}, "no write here is atomic under power loss: statx reports", ""},
		{"tmpfs", Result{Kind: "directory", Filesystem: "tmpfs", Tries: []Try{{4 * kib, "EOPNOTSUPP", "EOPNOTSUPP"}}}, "gone with the power", ""},
		{"a directory", Result{Kind: "directory", Filesystem: "xfs", Device: none}, "nothing yet", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.r.Kernel = "6.18.1"
			c.r.explain()
			require.Contains(t, c.r.Claim, c.want)
			require.Contains(t, strings.Join(c.r.Facts, "\n"), c.facts)
		})
	}
}

func TestMountOptions(t *testing.T) {
	name := filepath.Join(t.TempDir(), "mountinfo")
	require.NoError(t, os.WriteFile(name, []byte("22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n"+
		"24 22 259:3 / /mnt rw,noatime shared:1 - xfs /dev/nvme0n1p2 rw,max_atomic_write=64k\n"), 0o600))
	got, err := mountOptions(name, 24)
	require.NoError(t, err)
	require.Equal(t, "rw,noatime,max_atomic_write=64k", got)
	got, err = mountOptions(name, 2)
	require.NoError(t, err)
	require.Empty(t, got)
}

// Probing the running kernel: XFS on a loop device takes units by remapping and
// ext4 there takes none. Without a scratch file nothing is written.
func TestProbe(t *testing.T) {
	for fs, want := range map[string]string{"xfs": "because XFS remaps", "ext4": "no write here is atomic"} {
		t.Run(fs, func(t *testing.T) {
			s := needs.Scratch(t, loopfs.Options{Filesystem: fs, Size: 320 << 20})
			file := s.Path("there")
			require.NoError(t, os.WriteFile(file, []byte("kept"), 0o600))
			r, err := Probe(file, "")
			require.NoError(t, err)
			require.Equal(t, fs, r.Filesystem)
			require.Equal(t, filepath.Base(s.Device), r.Device.Name)
			require.Contains(t, r.Device.Backing, os.TempDir())
			require.Empty(t, r.Tries)
			require.Contains(t, r.Claim, want)
			require.Contains(t, r.Claim, "direct")
			_, err = Probe(s.Path("."), file)
			require.ErrorContains(t, err, "exists")
			_, err = Probe(file, filepath.Join(t.TempDir(), "elsewhere"))
			require.ErrorContains(t, err, "would not lie on the mount")
			_, err = Probe(file, s.Path("."))
			require.ErrorContains(t, err, "is a directory; allowed: a new file")
			_, err = Probe(s.Device, s.Path("scratch"))
			require.ErrorContains(t, err, "never writes to")
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, "kept", string(b))
			r, err = Probe(s.Path("."), s.Path("scratch"))
			require.NoError(t, err)
			require.NoFileExists(t, s.Path("scratch"))
			for _, x := range r.Tries {
				ok := r.Statx.UnitMax > 0 && r.Statx.UnitMin <= x.Length && x.Length <= r.Statx.UnitMax
				require.Equal(t, ok, x.Direct == "ok", "%+v", x)
				require.NotEqual(t, "ok", x.Buffered, "6.18 and 7.3 refuse it")
			}
			var b2 strings.Builder
			require.NoError(t, r.Write(&b2))
			require.Contains(t, b2.String(), "claim: ")
		})
	}
	_, err := Probe(filepath.Join(t.TempDir(), "nowhere"), "")
	require.ErrorContains(t, err, "no such file")
}
