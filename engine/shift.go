package engine

import (
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// collapse is FALLOC_FL_COLLAPSE_RANGE, steps T13 to T17.
func (t *task) collapse(op *workloads.Op) workloads.Result {
	return t.shift(op, t.k.fs.collapse)
}

// insert is FALLOC_FL_INSERT_RANGE, steps T13 to T17.
func (t *task) insert(op *workloads.Op) workloads.Result {
	return t.shift(op, t.k.fs.insert)
}

// shift moves what follows a range, in the way of the file system.
func (t *task) shift(op *workloads.Op, how func(*task, *workloads.Op) workloads.Errno) workloads.Result {
	t.Step(stepShiftLock)
	t.lockForChange()
	err := t.checkShift(op)
	if err == 0 {
		err = how(t, op)
	}
	t.unlockInode()
	return workloads.Fail(err)
}

// checkShift refuses what is not aligned to what the file system allocates, a
// collapse that reaches the end of file, and an insertion past it
// (xfs_is_falloc_aligned, xfs_falloc_collapse_range, xfs_falloc_insert_range).
func (t *task) checkShift(op *workloads.Op) workloads.Errno {
	k := t.k
	size := int64(t.ino().size-t.ino().base) * sectorBytes
	unit := k.fs.allocationUnit()
	switch {
	case k.down != 0:
		return workloads.EIO
	case op.Offset%unit != 0 || op.Length%unit != 0:
		return workloads.EINVAL
	case op.Kind == workloads.Collapse && op.Offset+op.Length >= size:
		return workloads.EINVAL
	case op.Kind == workloads.Insert && op.Offset >= size:
		return workloads.EINVAL
	}
	return 0
}

// blocks returns how many blocks a number of bytes is, which is a multiple.
func (k *Kernel) blocks(bytes int64) int32 { return int32(bytes / k.design.Block) }

// prepareShift writes back and drops what the cache has from the block before
// the operation to the end of file, and gives up what the COW fork has there
// (xfs_prepare_shift).
func (t *task) prepareShift() workloads.Errno {
	k, f := t.k, &t.f
	t.Step(stepShiftFlush)
	if k.rules.flushesShift() {
		if err := t.writeAndWait(k.beforeShift(f), t.endPage()); err != 0 {
			return err
		}
	}
	t.Step(stepShiftCache)
	t.dropForShift(k.beforeShift(f))
	t.waitMap(f.start / k.blockSectors)
	k.cancelCow(k.beforeShift(f)*pageSectors/k.blockSectors, k.fileEnd(f.file)/k.blockSectors)
	return 0
}

// beforeShift returns the page of the block before the operation, so that no
// completion there changes the extent that begins at it.
func (k *Kernel) beforeShift(f *frame) int32 {
	return max(f.start-k.blockSectors, k.inodes[f.file].base) / pageSectors
}

// endPage returns the first page that begins at the end of file or after it.
func (t *task) endPage() int32 { return (t.ino().size + pageSectors - 1) / pageSectors }

// dropForShift drops what the cache has from a page on, and what remembers
// units there.
func (t *task) dropForShift(page int32) {
	k, f := t.k, &t.f
	from, end := page*pageSectors, k.fileEnd(f.file)
	t.truncateCache(from, end)
	for b := from / k.blockSectors; b < end/k.blockSectors; b++ {
		if k.forks.data[b] == delalloc {
			k.forks.data[b] = hole
		}
	}
	k.rules.shifted(from/k.blockSectors, end/k.blockSectors)
}

// shiftDown moves the extents from a block on down by some blocks, first one
// first, each in a transaction of its own (xfs_bmap_collapse_extents). The
// extent maps stay locked; the log may be forced in between.
func (t *task) shiftDown(first, by int32) workloads.Errno {
	k, f := t.k, &t.f
	end := k.fileEnd(f.file) / k.blockSectors
	t.lockMap(first)
	for f.extent = first; ; {
		e, ok := k.extentFrom(f.extent, end)
		if !ok || k.down != 0 {
			break
		}
		t.Step(stepShiftExtent)
		k.moveExtent(e, -by)
		f.extent = e.to
	}
	t.unlockMap(first)
	return t.unlessDown()
}

// shiftUp moves the extents from a block on up by some blocks, last one first
// (xfs_bmap_insert_extents). An extent that begins before is split.
func (t *task) shiftUp(first, by int32) workloads.Errno {
	k, f := t.k, &t.f
	t.lockMap(first)
	for f.extent = k.fileEnd(f.file) / k.blockSectors; ; {
		e, ok := k.extentBefore(first, f.extent)
		if !ok || k.down != 0 {
			break
		}
		t.Step(stepShiftExtent)
		k.moveExtent(e, by)
		f.extent = e.from
	}
	t.unlockMap(first)
	return t.unlessDown()
}

func (t *task) unlessDown() workloads.Errno {
	if t.k.down != 0 {
		return workloads.EIO
	}
	return 0
}

// extentFrom returns the first extent of the data fork within [from, end).
func (k *Kernel) extentFrom(from, end int32) (e span, ok bool) {
	fork := k.forks.data
	for from < end && !fork[from].real() {
		from++
	}
	e = span{from, from}
	for e.to < end && fork[e.to].real() && (e.to == from || fork[e.to].follows(fork[e.to-1])) {
		e.to++
	}
	return e, e.to > e.from
}

// extentBefore returns the last extent of the data fork within [first, end).
func (k *Kernel) extentBefore(first, end int32) (e span, ok bool) {
	fork := k.forks.data
	for end > first && !fork[end-1].real() {
		end--
	}
	e = span{end, end}
	for e.from > first && fork[e.from-1].real() && (e.from == end || fork[e.from].follows(fork[e.from-1])) {
		e.from--
	}
	return e, e.to > e.from
}

// moveExtent maps an extent of the data fork to other file blocks
// (xfs_bmap_shift_update_extent).
func (k *Kernel) moveExtent(e span, by int32) {
	fork := k.forks.data
	first := fork[e.from]
	k.logFile(ondisk.Item{Kind: ondisk.Unmap, Ext: ondisk.Extent{Off: e.from, Len: e.to - e.from}})
	k.logFile(ondisk.Item{Kind: ondisk.Map, Ext: ondisk.Extent{Off: e.from + by, Block: first.block(), Len: e.to - e.from,
		Unwritten: first.unwritten()}})
	clear(fork[e.from:e.to])
	for i := range e.to - e.from {
		fork[e.from+by+i] = first + forkEntry(i)
	}
	k.forksChanged()
}
