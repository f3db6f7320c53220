package engine

import (
	"untorn/internal/blk"
	"untorn/workloads"
)

// ext4 is filesystem: ext4: no data CoW, so that a unit goes in place or is
// refused at write time; new blocks are unwritten until their data is there,
// and converted for a whole range in one handle.
type ext4 struct{ *Kernel }

// limits follows ext4_atomic_write_init: a unit of several blocks needs
// bigalloc, whose clusters are in one piece.
func (k ext4) limits(Writeback) unitLimits {
	q := k.Kernel.limits
	u := unitLimits{
		min: max(k.design.Block, int64(q.unitMin)*blk.SectorSize),
		max: min(max(k.design.Block, k.design.Cluster), int64(q.unitMax)*blk.SectorSize),
	}
	if u.max < u.min {
		return unitLimits{}
	}
	return u
}

func (k ext4) validatePlain(ioCall) workloads.Errno {
	if k.down != 0 {
		return workloads.EIO
	}
	return 0
}

// validateSize is that of ext4_file_write_iter, which looks at the state of
// the file system first (ext4_emergency_state).
func (k ext4) validateSize(c ioCall) workloads.Errno {
	if k.down != 0 {
		return workloads.EIO
	}
	return k.sizeWithin(c)
}

func (ext4) validateEnd(ioCall) workloads.Errno { return 0 }

// prepare gives the holes of a unit unwritten blocks of one aligned run, as
// bigalloc does (ext4_map_blocks), and refuses what is in pieces or has data
// in a part of it.
func (k ext4) prepare(t *task, s span) workloads.Errno {
	holes := int32(0)
	for b := s.from; b < s.to; b++ {
		if !k.forks.data[b].real() {
			holes++
		}
	}
	switch {
	case holes == 0:
	case holes < s.to-s.from:
		return workloads.EINVAL
	default:
		if t.f.noSpace != 0 {
			t.f.noSpace = 0
			return workloads.ENOSPC
		}
		disk, n := k.alloc.run(holes, holes)
		if n < holes || k.super.Sector(disk)%(n*k.blockSectors) != 0 {
			return workloads.ENOSPC
		}
		k.mapNew(k.forks.data, s.from, s.to, disk, blockUsed)
	}
	if !k.rules.inPlace(s) && ask(&k.axes.writeback, func(w Writeback) bool { return w == WritebackAtomic }) {
		return workloads.EINVAL
	}
	return 0
}

// inPlace: one extent in one state, aligned. Written blocks must be within the
// durable size, since nothing hides their data from a size that comes later.
func (k ext4) inPlace(s span) bool {
	n := (s.to - s.from) * k.blockSectors
	unwritten := k.forks.data[s.from].unwritten()
	for b := s.from; b < s.to; b++ {
		if k.forks.data[b].unwritten() != unwritten {
			return false
		}
	}
	return (unwritten || s.to*k.blockSectors <= k.inodeOf(s.from).diskSize) && k.fitsUnit(n) && k.oneExtent(s, true) && k.alignedOnDisk(s, n)
}

// The size is part of the handle that maps the blocks, before their data is
// written (mpage_map_and_submit_extent).
func (ext4) sizeFirst() bool { return true }

func (ext4) byBuffer() bool { return false }

// ext4_punch_hole drops the page cache of the range as it is.
func (ext4) flushesPunch() bool { return false }

func (ext4) flushesGrowth() bool { return false }

// allocationUnit is a cluster, which ranges cannot be shifted by a part of.
func (k ext4) allocationUnit() int64 { return max(k.design.Block, k.design.Cluster) }

// collapse writes back what lies before and behind the range and drops all of
// it, then one handle removes the range, shifts the extents and sets the size
// (ext4_collapse_range).
func (k ext4) collapse(t *task, op *workloads.Op) workloads.Errno {
	f := &t.f
	t.Step(stepShiftFlush)
	from := f.start / pageSectors
	if f.start%pageSectors != 0 {
		if err := t.writeAndWait(from, from+1); err != 0 {
			return err
		}
	}
	if k.rules.flushesShift() {
		if err := t.writeAndWait((f.start+int32(op.Length/sectorBytes))/pageSectors, t.endPage()); err != 0 {
			return err
		}
	}
	t.Step(stepShiftCache)
	t.dropForShift(f.start / pageSectors)
	t.Step(stepShiftHandle)
	first, by, end := f.start/k.blockSectors, k.blocks(op.Length), k.fileEnd(f.file)/k.blockSectors
	t.waitMap(first)
	if k.down != 0 {
		return workloads.EIO
	}
	for b := first; b < first+by; b++ {
		k.freeBlock(b)
	}
	for e, ok := k.extentFrom(first+by, end); ok; e, ok = k.extentFrom(e.to, end) {
		k.moveExtent(e, -by)
	}
	ino := t.ino()
	ino.size -= by * k.blockSectors
	k.logSize(ino, ino.size)
	return 0
}

// insert writes back and drops what moves, then one handle sets the size and
// shifts the extents (ext4_insert_range).
func (k ext4) insert(t *task, op *workloads.Op) workloads.Errno {
	f := &t.f
	t.Step(stepShiftFlush)
	if k.rules.flushesShift() {
		if err := t.writeAndWait(f.start/pageSectors, t.endPage()); err != 0 {
			return err
		}
	}
	t.Step(stepShiftCache)
	t.dropForShift(f.start / pageSectors)
	t.Step(stepShiftHandle)
	first, by := f.start/k.blockSectors, k.blocks(op.Length)
	t.waitMap(first)
	if k.down != 0 {
		return workloads.EIO
	}
	ino := t.ino()
	ino.size += by * k.blockSectors
	k.logSize(ino, ino.size)
	for e, ok := k.extentBefore(first, k.fileEnd(f.file)/k.blockSectors); ok; e, ok = k.extentBefore(first, e.from) {
		k.moveExtent(e, by)
	}
	return 0
}
