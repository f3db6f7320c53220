package probe

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/loopfs"
	"untorn/internal/needs"
)

const kib = 1 << 10

// identify builds the two structures as a disk would send them, the offsets
// being those of the NVMe base and NVM command set specifications.
func identify(change func(namespace, controller []byte)) (namespace, controller []byte) {
	namespace, controller = make([]byte, identifyLen), make([]byte, identifyLen)
	copy(controller[4:], "S4EVNX0M700000      ")
	copy(controller[24:], "Model 9000"+strings.Repeat(" ", 30))
	copy(controller[64:], "1.0     ")
	controller[77] = 5
	controller[525] = 1
	namespace[26] = 1         // format 1
	namespace[128+2] = 9      // format 0: 512 bytes
	namespace[132+2] = 12     // format 1: 4 KiB
	namespace[128+4*17+2] = 9 // format 17
	change(namespace, controller)
	return namespace, controller
}

func put(b []byte, at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }

func parsed(t *testing.T, change func(namespace, controller []byte)) *NVMe {
	t.Helper()
	n, err := ParseNVMe(identify(change))
	require.NoError(t, err)
	return n
}

// Every field is read from its own place: each has a value of its own.
func TestParseNVMe(t *testing.T) {
	n := parsed(t, func(ns, c []byte) {
		ns[24] = 2
		for i, at := range []int{34, 36, 40, 42, 44} {
			put(ns, at, uint16(3+i))
		}
		put(c, 526, 20)
		put(c, 528, 30)
	})
	require.Equal(t, &NVMe{Model: "Model 9000", Serial: "S4EVNX0M700000", Firmware: "1.0", LBA: 4 * kib, Namespaced: true,
		NAWUN: 16 * kib, NAWUPF: 20 * kib, NABSN: 24 * kib, NABO: 24 * kib, NABSPF: 32 * kib, AWUN: 84 * kib, AWUPF: 124 * kib,
		VolatileCache: true, MaxTransferLog: 5}, n)
	n = parsed(t, func(ns, c []byte) { ns[26] = 1 | 1<<5; c[525] = 0 })
	require.Equal(t, int64(512), n.LBA, "format 17 is 1 and a bit above")
	require.False(t, n.VolatileCache)
	require.Zero(t, n.NABSPF, "0 is no boundary")
	require.Equal(t, int64(512), n.NAWUPF, "0 is one LBA")
	_, err := ParseNVMe(make([]byte, identifyLen), make([]byte, identifyLen))
	require.ErrorContains(t, err, "not formatted")
	_, err = ParseNVMe(nil, nil)
	require.ErrorContains(t, err, "0 and 0 bytes")
}

// What each kernel makes of the same fields.
func TestLimit(t *testing.T) {
	namespaced := func(ns, _ []byte) { ns[24] = 2; put(ns, 36, 3); put(ns, 44, 15) }
	controller := func(_, c []byte) { put(c, 528, 7) }
	unused := func(ns, _ []byte) { put(ns, 36, 3) } // NAWUPF without NSFEAT bit 1
	offset := func(ns, c []byte) { namespaced(ns, c); put(ns, 42, 1) }
	for _, c := range []struct {
		release         string
		change          func(ns, c []byte)
		limit, boundary int64
		why             string
	}{
		{"6.10.1", namespaced, 0, 0, "before 6.11"},
		{"6.12.0", namespaced, 16 * kib, 64 * kib, "NAWUPF is 16KiB"},
		{"7.3.4-cloud", namespaced, 16 * kib, 64 * kib, "NAWUPF is 16KiB"},
		{"6.11", controller, 32 * kib, 0, "takes AWUPF, 32KiB"},
		{"6.15.9", controller, 32 * kib, 0, "takes AWUPF, 32KiB"},
		{"6.18.44-x", controller, 32 * kib, 0, "takes AWUPF, 32KiB"},
		{"7.0.0", controller, 4 * kib, 0, "is not looked at"},
		{"7.3.4", controller, 4 * kib, 0, "is not looked at"},
		{"7.3.4", unused, 4 * kib, 0, "NAWUPF is not given"},
		{"6.15.0", offset, 0, 0, "no support"},
		{"7.3.4", offset, 4 * kib, 0, "leaves one LBA"},
	} {
		v, err := ParseVersion(c.release)
		require.NoError(t, err)
		limit, boundary, why := parsed(t, c.change).Limit(v)
		require.Equal(t, []int64{c.limit, c.boundary}, []int64{limit, boundary}, c.release)
		require.Contains(t, why, c.why, c.release)
	}
	_, err := ParseVersion("next")
	require.Error(t, err)
}

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
		{"XFS alone", Result{Kind: "file", Filesystem: "xfs", Statx: on, Device: none}, "because XFS remaps", "to new blocks and remaps"},
		{"XFS on a partition astray", Result{Kind: "file", Filesystem: "xfs", Statx: on, Device: astray}, "because XFS remaps", "partition 1 begins at 32256"},
		{"none", Result{Kind: "file", Filesystem: "ext4", Statx: Limits{Known: true}, Device: none}, "no write here is atomic", "a kernel before 6.11"},
		{"one block", Result{Kind: "file", Filesystem: "ext4", Statx: Limits{Known: true, UnitMin: 4 * kib, UnitMax: 4 * kib}, Device: hardware}, "4KiB to 4KiB", "bigalloc"},
		{"buffered", Result{Kind: "file", Filesystem: "xfs", Statx: on, Device: none, Tries: []Try{{4 * kib, "ok", "ok"}}}, "through the page cache up to 4KiB are accepted", ""},
		{"tried", Result{Kind: "file", Filesystem: "xfs", Statx: on, Device: none, Tries: []Try{{4 * kib, "ok", "EOPNOTSUPP"}}}, "the kernel refuses it", ""},
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
	dir := t.TempDir()
	name := filepath.Join(dir, "mountinfo")
	require.NoError(t, os.WriteFile(name, []byte("22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n"+
		"24 22 259:3 / "+dir+" rw,noatime - xfs /dev/nvme0n1p2 rw,max_atomic_write=64k\n"), 0o600))
	got, err := mountOptions(name, "259:3", name)
	require.NoError(t, err)
	require.Equal(t, "rw,noatime,rw,max_atomic_write=64k", got)
	got, err = mountOptions(name, "8:1", name)
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
			require.Empty(t, r.Tries)
			require.Contains(t, r.Claim, want)
			require.Contains(t, r.Claim, "direct")
			_, err = Probe(s.Path("."), file)
			require.ErrorContains(t, err, "exists")
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
