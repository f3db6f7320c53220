package engine

import (
	"fmt"

	"untorn/crashsim/nvme"
	"untorn/workloads"
)

// device is a device of the conformance grid, with what its queue must offer
// written down by hand: unit_min and unit_max in bytes, 0 for no support.
type device struct {
	name             string
	config           nvme.Config
	unitMin, unitMax int64
}

func queue(lba, nawupf, transfer int64) nvme.Config {
	return nvme.Config{LBA: lba, NAWUPF: nawupf, AWUN: nawupf, MaxTransfer: transfer, CachedAtomicity: nvme.CommandUnit, FUA: true,
		Tear: nvme.OldOrNew}
}

func bounded(c nvme.Config, boundary, boundaryOffset, partition int64) nvme.Config {
	c.Boundary, c.BoundaryOffset, c.PartitionOffset = boundary, boundaryOffset, partition
	return c
}

var devices = []device{
	{"NAWUPF of one LBA", queue(512, 512, 128*kib), 512, 512},
	{"NAWUPF of one LBA of 4 KiB", queue(4*kib, 4*kib, 128*kib), 4 * kib, 4 * kib},
	{"4 KiB", queue(512, 4*kib, 128*kib), 512, 4 * kib},
	{"16 KiB", queue(512, 16*kib, 128*kib), 512, 16 * kib},
	{"24 KiB is rounded down to a power of two", queue(512, 24*kib, 128*kib), 512, 16 * kib},
	{"64 KiB", queue(512, 64*kib, 128*kib), 512, 64 * kib},
	{"512-byte LBAs with a 128 KiB transfer give 64 KiB", queue(512, 128*kib, 128*kib), 512, 64 * kib},
	{"4 KiB LBAs fill the transfer", queue(4*kib, 256*kib, 128*kib), 4 * kib, 128 * kib},
	{"a short transfer caps", queue(512, 64*kib, 16*kib), 512, 8 * kib},
	{"boundary as large as the limit", bounded(queue(512, 16*kib, 128*kib), 16*kib, 0, 0), 512, 16 * kib},
	{"limit above the boundary", bounded(queue(512, 16*kib, 128*kib), 8*kib, 0, 0), 0, 0},
	{"a boundary with an offset", bounded(queue(512, 16*kib, 128*kib), 16*kib, 4*kib, 0), 0, 0},
	{"partition aligned to the boundary", bounded(queue(512, 16*kib, 128*kib), 16*kib, 0, 48*kib), 512, 16 * kib},
	{"partition off the boundary", bounded(queue(512, 16*kib, 128*kib), 16*kib, 0, 8*kib), 0, 0},
	{"without a boundary an LBA is enough", bounded(queue(512, 16*kib, 128*kib), 0, 0, 512), 512, 16 * kib},
	{"partition off unit_min", bounded(queue(4*kib, 16*kib, 128*kib), 0, 0, 2*kib), 0, 0},
}

// gridSize is the size of the files of the grid. It is no power of two, so that
// there are aligned units that cross it.
const gridSize = 100 * kib

// conformFile is a file whose limits the oracle works out.
type conformFile struct {
	filesystem     Filesystem
	reflink        bool // XFS: a write may go to new blocks
	block, cluster int64
	maxAtomic      int64 // the mount option max_atomic_write, 0 for none
	device         device
	down           bool // the file system has shut down
}

func (f conformFile) String() string {
	return fmt.Sprintf("%v reflink=%v block=%d cluster=%d max_atomic_write=%d on %s, down=%v",
		f.filesystem, f.reflink, f.block, f.cluster, f.maxAtomic, f.device.name, f.down)
}

// config is how the engine is told of the file.
func (f conformFile) config() *Config {
	c := testConfig()
	c.Device = f.device.config
	c.Workload.File = gridSize
	d := &c.Design
	d.Filesystem, d.Block, d.MaxAtomicWrite = f.filesystem, f.block, f.maxAtomic
	d.FolioMin, d.FolioMax = max(PageSize, f.block), max(PageSize, f.block)
	if f.cluster != 0 {
		d.Cluster = f.cluster
	}
	d.Track, d.Writeback = TrackSidecar, WritebackAtomic
	if f.reflink {
		d.Track, d.Writeback = TrackCowFork, WritebackCowOrAtomic
	}
	return c
}

// files returns the files of the grid on a device.
func files(dev device) (all []conformFile) {
	for _, block := range []int64{kib, 4 * kib, 16 * kib} {
		if block < dev.config.LBA {
			continue
		}
		for _, maxAtomic := range []int64{0, 2 * kib, 8 * kib, 64 * kib, 1024 * kib} {
			for _, reflink := range []bool{false, true} {
				all = append(all, conformFile{filesystem: XFS, reflink: reflink, block: block, maxAtomic: maxAtomic, device: dev})
			}
		}
		for _, cluster := range []int64{block, 32 * kib, 256 * kib} {
			all = append(all, conformFile{filesystem: Ext4, block: block, cluster: cluster, device: dev})
		}
	}
	return append(all, conformFile{filesystem: BlockDevice, block: 4 * kib, device: dev})
}

// statx is the table of limits for each kind of file.
func (f conformFile) statx() unitLimits {
	dev := f.device
	hardware := dev.unitMin != 0 && dev.unitMin <= f.block && f.block <= dev.unitMax
	switch f.filesystem {
	case BlockDevice:
		return unitLimits{min: dev.unitMin, max: dev.unitMax}
	case Ext4:
		if !hardware { // max(block, limit) to min(cluster, limit) is empty
			return unitLimits{}
		}
		return unitLimits{min: f.block, max: min(f.cluster, dev.unitMax)}
	}
	if !hardware && !f.reflink {
		return unitLimits{}
	}
	u := unitLimits{min: f.block, max: 256 * kib} // what log reservation leaves
	if !f.reflink {
		u.max = dev.unitMax // of the designs that write in place; 7.3 has one block
	}
	if f.maxAtomic != 0 {
		u.max = min(u.max, f.maxAtomic)
	}
	switch {
	case u.max < f.block:
		return unitLimits{}
	case hardware && u.max > f.block:
		u.opt = min(u.max, dev.unitMax)
	}
	return u
}

// A fact is a sentence on validation: the calls that it refuses, and how.
type fact struct {
	name    string
	refuses func(f *conformFile, u unitLimits, c *ioCall) bool
	errno   workloads.Errno
}

// facts stand in the order in which the kernel looks at them. The first that
// refuses a call decides.
var facts = []fact{
	{"a read with the flag", func(_ *conformFile, _ unitLimits, c *ioCall) bool { return c.atomic && c.read }, workloads.EOPNOTSUPP},
	{"a file without the capability", func(_ *conformFile, u unitLimits, c *ioCall) bool { return c.atomic && u.max == 0 },
		workloads.EOPNOTSUPP},
	{"a file system that has shut down", func(f *conformFile, _ unitLimits, _ *ioCall) bool {
		return f.filesystem != BlockDevice && f.down
	}, workloads.EIO},
	{"below unit_min", func(f *conformFile, u unitLimits, c *ioCall) bool {
		return c.atomic && f.filesystem != BlockDevice && c.length < u.min
	}, workloads.EINVAL},
	{"above unit_max", func(f *conformFile, u unitLimits, c *ioCall) bool {
		return c.atomic && f.filesystem != BlockDevice && c.length > u.max
	}, workloads.EINVAL},
	{"a write at or past the end of a block device", func(f *conformFile, _ unitLimits, c *ioCall) bool {
		return f.filesystem == BlockDevice && !c.read && c.offset >= gridSize
	}, workloads.ENOSPC},
	{"more than one iovec", func(_ *conformFile, _ unitLimits, c *ioCall) bool { return c.atomic && c.iovecs > 1 }, workloads.EINVAL},
	{"a registered buffer", func(_ *conformFile, _ unitLimits, c *ioCall) bool { return c.atomic && c.registered }, workloads.EINVAL},
	{"a length that is no power of two", func(_ *conformFile, _ unitLimits, c *ioCall) bool {
		p := int64(512)
		for p < c.length {
			p += p
		}
		return c.atomic && p != c.length
	}, workloads.EINVAL},
	{"a position that is no multiple of the length", func(_ *conformFile, _ unitLimits, c *ioCall) bool {
		return c.atomic && c.offset/c.length*c.length != c.offset
	}, workloads.EINVAL},
	{"through the page cache, where that is not permitted", func(_ *conformFile, _ unitLimits, c *ioCall) bool {
		return c.atomic && !c.direct && !c.lifted
	}, workloads.EOPNOTSUPP},
	{"across the end of a block device", func(f *conformFile, _ unitLimits, c *ioCall) bool {
		return c.atomic && f.filesystem == BlockDevice && c.offset+c.length > gridSize
	}, workloads.EINVAL},
}

// refusedBy returns the number of the fact that decides on a call, -1 for a
// call that is accepted.
func (f *conformFile) refusedBy(u unitLimits, c *ioCall) int {
	for i := range facts {
		if facts[i].refuses(f, u, c) {
			return i
		}
	}
	return -1
}

// calls are those of the grid.
func calls() (all []ioCall) {
	bools := []bool{false, true}
	for _, offset := range []int64{0, 512, 2 * kib, 4 * kib, 16 * kib, 64 * kib, 96 * kib, gridSize - 512, gridSize, 128 * kib, 256 * kib} {
		for _, length := range []int64{512, kib, 2 * kib, 4 * kib, 4*kib + 512, 8 * kib, 12 * kib, 16 * kib, 32 * kib, 64 * kib, 128 * kib, 256 * kib, 512 * kib} {
			for _, buffer := range []ioCall{{}, {iovecs: 1}, {iovecs: 2}, {registered: true}} {
				for _, read := range bools {
					for _, direct := range bools {
						for _, lifted := range bools {
							for _, atomic := range bools {
								all = append(all, ioCall{offset: offset, length: length, read: read, atomic: atomic, direct: direct,
									lifted: lifted, iovecs: buffer.iovecs, registered: buffer.registered})
							}
						}
					}
				}
			}
		}
	}
	return all
}
