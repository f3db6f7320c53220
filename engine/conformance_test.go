package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/workloads"
)

// mounted is a kernel that has the file and runs nothing.
func mounted(t *testing.T, f conformFile) *Kernel {
	k := newKernel(t, f.config())
	k.Reset()
	if f.down {
		k.down = 1
	}
	return k
}

// TestStatx holds the limits of every file of the grid against the table of
// them, and the queue's against what stands next to the device.
func TestStatx(t *testing.T) {
	seen := map[Filesystem]map[unitLimits]bool{XFS: {}, Ext4: {}, BlockDevice: {}}
	for _, dev := range devices {
		for _, f := range files(dev) {
			k := mounted(t, f)
			require.Equal(t, f.statx(), k.fs.limits(k.axes.writeback.value), "%v", f)
			seen[f.filesystem][f.statx()] = true
		}
	}
	for filesystem, limits := range seen {
		require.Greater(t, len(limits), 3, "different limits of %v", filesystem)
		require.Contains(t, limits, unitLimits{}, "%v without the capability", filesystem)
	}
}

// TestConformance asks for the verdict of step 1 on every call of the grid, on
// every file of it, and compares it with the facts in their order. Each fact
// has to decide on some call, and for each two of them with different errors
// that can refuse one call there has to be such a call: else the grid would not
// notice one that is missing, or an order that is wrong.
func TestConformance(t *testing.T) {
	all := calls()
	decides := make([]int, len(facts))
	meet := map[[2]int]int{}
	accepted := 0
	for _, dev := range devices {
		for _, f := range files(dev) {
			k := mounted(t, f)
			u := f.statx()
			for down := range int32(2) {
				f.down, k.down = down == 1, down
				for i := range all {
					c := &all[i]
					by, want := f.refusedBy(u, c), workloads.Errno(0)
					if by >= 0 {
						want = facts[by].errno
					}
					if got := k.validate(*c); got != want {
						fact := "no fact refuses it"
						if by >= 0 {
							fact = facts[by].name
						}
						t.Fatalf("%v\n%+v\nis answered %v; want %v: %s", f, *c, got, want, fact)
					}
					if by < 0 {
						accepted++
						continue
					}
					decides[by]++
					for later := by + 1; later < len(facts); later++ {
						if facts[later].errno != facts[by].errno && facts[later].refuses(&f, u, c) {
							meet[[2]int{by, later}]++
						}
					}
				}
			}
		}
	}
	require.NotZero(t, accepted)
	for i := range facts {
		require.NotZero(t, decides[i], "%s decides on no call", facts[i].name)
		for j := i + 1; j < len(facts); j++ {
			if facts[i].errno != facts[j].errno && !neverMeet[[2]string{facts[i].name, facts[j].name}] {
				require.NotZero(t, meet[[2]int{i, j}], "no call is refused by both: %s, and %s", facts[i].name, facts[j].name)
			}
		}
	}
	t.Logf("%d calls accepted; refused by each fact: %v", accepted, decides)
}

// neverMeet are the pairs of facts that cannot refuse the same call: they are
// of different kinds of file, of reads and writes, or one leaves no limit that
// the other could ask for.
var neverMeet = map[[2]string]bool{
	{"a read with the flag", "a write at or past the end of a block device"}:             true,
	{"a file without the capability", "below unit_min"}:                                  true,
	{"a file system that has shut down", "a write at or past the end of a block device"}: true,
	{"a file system that has shut down", "across the end of a block device"}:             true,
	{"below unit_min", "a write at or past the end of a block device"}:                   true,
	{"above unit_max", "a write at or past the end of a block device"}:                   true,
}

// TestSentences are the sentences on validation one by one, each with an answer
// written by hand, for the engine and for the facts of the grid.
func TestSentences(t *testing.T) {
	const accepted = workloads.Errno(0)
	byName := map[string]device{}
	for _, dev := range devices {
		byName[dev.name] = dev
	}
	hw16, none := byName["16 KiB"], byName["limit above the boundary"]
	cow := conformFile{filesystem: XFS, reflink: true, block: 4 * kib, device: none}
	cowDown := cow
	cowDown.down = true
	incapable := conformFile{filesystem: XFS, block: 4 * kib, device: none}
	incapableDown := incapable
	incapableDown.down = true
	big := conformFile{filesystem: Ext4, block: 4 * kib, cluster: 32 * kib, device: hw16}
	bigDown := big
	bigDown.down = true
	small := conformFile{filesystem: Ext4, block: 4 * kib, cluster: 4 * kib, device: hw16}
	bdev := conformFile{filesystem: BlockDevice, block: 4 * kib, device: hw16}
	bdevNone := conformFile{filesystem: BlockDevice, block: 4 * kib, device: none}

	direct := func(offset, length int64) ioCall {
		return ioCall{offset: offset, length: length, atomic: true, direct: true}
	}
	buffered := func(offset, length int64) ioCall { return ioCall{offset: offset, length: length, atomic: true} }
	permitted := func(offset, length int64) ioCall {
		return ioCall{offset: offset, length: length, atomic: true, lifted: true}
	}
	plain := func(offset, length int64) ioCall { return ioCall{offset: offset, length: length} }
	with := func(c ioCall, change func(*ioCall)) ioCall { change(&c); return c }
	read := func(c *ioCall) { c.read = true }
	iovecs := func(c *ioCall) { c.iovecs = 2 }
	registered := func(c *ioCall) { c.registered = true }

	for _, s := range []struct {
		name string
		file conformFile
		call ioCall
		want workloads.Errno
	}{
		{"a read with the flag", cow, with(direct(0, 4*kib), read), workloads.EOPNOTSUPP},
		{"a read with the flag, before the size", cow, with(direct(0, 2*kib), read), workloads.EOPNOTSUPP},
		{"a read with the flag, before the shutdown", cowDown, with(direct(0, 4*kib), read), workloads.EOPNOTSUPP},
		{"a read with the flag, past the end of a block device", bdev, with(direct(128*kib, 4*kib), read), workloads.EOPNOTSUPP},
		{"a file without the capability", incapable, direct(0, 4*kib), workloads.EOPNOTSUPP},
		{"a file without the capability, before the shutdown", incapableDown, direct(0, 4*kib), workloads.EOPNOTSUPP},
		{"a file without the capability, before a bad length", incapable, direct(0, 12*kib), workloads.EOPNOTSUPP},
		{"a block device without the capability, before its end", bdevNone, direct(128*kib, 4*kib), workloads.EOPNOTSUPP},

		{"XFS: shut down", cowDown, direct(0, 4*kib), workloads.EIO},
		{"XFS: shut down, before a bad size", cowDown, direct(0, 2*kib), workloads.EIO},
		{"XFS: shut down, without the flag", cowDown, plain(512, 512), workloads.EIO},
		{"XFS: below min", cow, direct(0, 2*kib), workloads.EINVAL},
		{"XFS: above max", cow, direct(0, 512*kib), workloads.EINVAL},
		{"XFS: up to max, without hardware", cow, direct(0, 256*kib), accepted},
		{"ext4: shut down, before a bad size", bigDown, direct(0, 2*kib), workloads.EIO},
		{"ext4: below min", big, direct(0, 2*kib), workloads.EINVAL},
		{"ext4: up to what hardware and cluster allow", big, direct(0, 16*kib), accepted},
		{"ext4: above the hardware limit", big, direct(0, 32*kib), workloads.EINVAL},
		{"ext4: more than one block needs bigalloc", small, direct(0, 8*kib), workloads.EINVAL},
		{"ext4: one block does not", small, direct(4*kib, 4*kib), accepted},
		{"block device: at the end", bdev, direct(100*kib, 4*kib), workloads.ENOSPC},
		{"block device: past the end, before the generic checks", bdev, direct(128*kib+512, 12*kib), workloads.ENOSPC},
		{"block device: at the end, without the flag", bdev, plain(100*kib, 4*kib), workloads.ENOSPC},
		{"block device: a plain read past the end is none of it", bdev, with(plain(128*kib, 4*kib), read), accepted},

		{"more than one iovec", cow, with(direct(0, 4*kib), iovecs), workloads.EINVAL},
		{"more than one iovec, without the flag", cow, with(plain(0, 4*kib), iovecs), accepted},
		{"a registered buffer", cow, with(direct(0, 4*kib), registered), workloads.EINVAL},
		{"a registered buffer, before the page cache", cow, with(buffered(0, 4*kib), registered), workloads.EINVAL},
		{"length no power of two", cow, direct(0, 12*kib), workloads.EINVAL},
		{"position not a multiple of length", cow, direct(4*kib, 8*kib), workloads.EINVAL},
		{"not O_DIRECT", cow, buffered(0, 4*kib), workloads.EOPNOTSUPP},
		{"not O_DIRECT, ext4", big, buffered(0, 4*kib), workloads.EOPNOTSUPP},
		{"not O_DIRECT, permitted", cow, permitted(0, 4*kib), accepted},
		{"not O_DIRECT, permitted, misaligned all the same", cow, permitted(4*kib, 8*kib), workloads.EINVAL},
		{"a badly sized buffered write on a file system", cow, buffered(0, 2*kib), workloads.EINVAL},
		{"a misaligned buffered write", cow, buffered(4*kib, 8*kib), workloads.EINVAL},

		{"block device: across the end", bdev, direct(96*kib, 16*kib), workloads.EINVAL},
		{"block device: across the end, after the generic checks", bdev, buffered(96*kib, 16*kib), workloads.EOPNOTSUPP},
		{"block device: across the end, permitted", bdev, permitted(96*kib, 16*kib), workloads.EINVAL},
		{"block device: across the end, without the flag", bdev, plain(96*kib, 16*kib), accepted},
		{"block device: up to the end", bdev, direct(96*kib, 4*kib), accepted},
		{"block device: a buffered write that is too long", bdev, buffered(0, 64*kib), workloads.EOPNOTSUPP},
		{"block device: too long is found out at submission", bdev, direct(0, 64*kib), accepted},
		{"block device: one LBA", bdev, direct(512, 512), accepted},
	} {
		t.Run(s.name, func(t *testing.T) {
			k := mounted(t, s.file)
			require.Equal(t, s.want, k.validate(s.call), "the engine")
			fact := workloads.Errno(0)
			if by := s.file.refusedBy(s.file.statx(), &s.call); by >= 0 {
				fact = facts[by].errno
			}
			require.Equal(t, s.want, fact, "the facts")
		})
	}
}
