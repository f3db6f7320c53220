package engine

import (
	"untorn/internal/blk"
	"untorn/workloads"
)

// MaxUnit is the largest unit in bytes that XFS can remap in one transaction
// chain: what log reservation leaves.
const MaxUnit = 256 << 10

// xfs is filesystem: xfs, with reflink: data CoW, delayed allocation, a log
// with intents.
type xfs struct{ *Kernel }

// limits follows xfs_get_atomic_write_min, _max and _max_opt. A design that
// only writes in place has the limit of the device.
func (k xfs) limits(w Writeback) unitLimits {
	hardware := int64(k.Kernel.limits.unitMax) * blk.SectorSize
	if hardware < k.design.Block {
		hardware = 0 // xfs_configure_buftarg_atomic_writes
	}
	u := unitLimits{min: k.design.Block, max: MaxUnit}
	if w == WritebackAtomic {
		u.max = hardware
	}
	if m := k.design.MaxAtomicWrite; m > 0 {
		u.max = min(u.max, m)
	}
	if u.max < u.min {
		return unitLimits{}
	}
	if u.max > u.min {
		u.opt = min(u.max, hardware)
	}
	return u
}

func (k xfs) validatePlain(ioCall) workloads.Errno {
	if k.down != 0 {
		return workloads.EIO
	}
	return 0
}

// validateSize is that of xfs_file_write_iter.
func (k xfs) validateSize(c ioCall) workloads.Errno {
	if k.down != 0 {
		return workloads.EIO
	}
	return k.sizeWithin(c)
}

func (xfs) validateEnd(ioCall) workloads.Errno { return 0 }

// prepare refuses a unit that cannot go in place where there is no CoW to
// fall back to.
func (k xfs) prepare(_ *task, s span) workloads.Errno {
	if !k.rules.inPlace(s) && ask(&k.axes.writeback, func(w Writeback) bool { return w == WritebackAtomic }) {
		return workloads.EINVAL
	}
	return 0
}

// inPlace follows xfs_bmap_hw_atomic_write_possible: one written extent, aligned
// to its length, within the limits of the device; and within the durable size:
// else the size would become durable in a transaction after the data.
func (k xfs) inPlace(s span) bool {
	n := (s.to - s.from) * k.blockSectors
	return s.to*k.blockSectors <= k.inodeOf(s.from).diskSize && k.fitsUnit(n) && k.oneExtent(s, false) && k.alignedOnDisk(s, n)
}

func (xfs) sizeFirst() bool     { return false }
func (xfs) byBuffer() bool      { return false }
func (xfs) flushesPunch() bool  { return true }
func (xfs) flushesGrowth() bool { return true }

func (k xfs) allocationUnit() int64 { return k.design.Block }

// collapse frees the range, shifts the extents behind it down, each in a
// transaction of its own, and sets the size in one more
// (xfs_collapse_file_space, xfs_falloc_setsize).
func (k xfs) collapse(t *task, op *workloads.Op) workloads.Errno {
	f, by := &t.f, k.blocks(op.Length)
	if err := t.freeSpace(op); err != 0 {
		return err
	}
	if err := t.prepareShift(); err != 0 {
		return err
	}
	if err := t.shiftDown(f.start/k.blockSectors+by, by); err != 0 {
		return err
	}
	f.pos = t.ino().size - by*k.blockSectors
	return t.setSize()
}

// insert sets the size first, so that a crash leaves no extent past it, and
// shifts the extents up, last first (xfs_falloc_insert_range,
// xfs_insert_file_space).
func (k xfs) insert(t *task, op *workloads.Op) workloads.Errno {
	f, by := &t.f, k.blocks(op.Length)
	f.pos = t.ino().size + by*k.blockSectors
	if err := t.setSize(); err != 0 {
		return err
	}
	if err := t.prepareShift(); err != 0 {
		return err
	}
	return t.shiftUp(f.start/k.blockSectors, by)
}
