package engine

import "untorn/workloads"

// punchHole is FALLOC_FL_PUNCH_HOLE (xfs_falloc_punch_hole).
func (t *task) punchHole(op *workloads.Op) workloads.Result {
	if err := t.changeRange(op); err != 0 {
		return workloads.Fail(err)
	}
	t.unlockInode()
	return 0
}

// zeroFileRange is FALLOC_FL_ZERO_RANGE (xfs_falloc_zero_range): a hole, and
// unwritten blocks in it.
func (t *task) zeroFileRange(op *workloads.Op) workloads.Result {
	if err := t.changeRange(op); err != 0 {
		return workloads.Fail(err)
	}
	err := t.allocateRange()
	t.unlockInode()
	return workloads.Fail(err)
}

// fallocate is fallocate(2) with mode 0 (xfs_falloc_allocate_range).
func (t *task) fallocate(op *workloads.Op) workloads.Result {
	t.Step(stepFallocateLock)
	t.lockForChange()
	t.f.pos, t.f.end = t.f.start, t.f.start+int32(op.Length/sectorBytes)
	err := workloads.EIO
	if t.k.down == 0 {
		err = t.allocateRange()
	}
	t.unlockInode()
	return workloads.Fail(err)
}

// changeRange makes a hole of a range and leaves the inode locked.
func (t *task) changeRange(op *workloads.Op) workloads.Errno {
	t.Step(stepPunchLock)
	t.lockForChange()
	err := t.freeSpace(op)
	if err != 0 {
		t.unlockInode()
	}
	return err
}

// freeSpace makes a hole of a range (xfs_free_file_space), steps T7 to T9: what
// the cache has of it is written back and dropped, whole blocks are freed, and
// the edges are zeroed in the cache.
func (t *task) freeSpace(op *workloads.Op) workloads.Errno {
	k, f := t.k, &t.f
	if k.down != 0 {
		return workloads.EIO
	}
	if k.fs.flushesPunch() {
		t.Step(stepPunchFlush)
		if err := t.writeAndWait(t.opPages(op)); err != 0 {
			return err
		}
	} else if ino := t.ino(); k.rules.punchesSize() && ino.size > ino.diskSize && f.start <= ino.size && f.start+int32(op.Length/sectorBytes) >= ino.size {
		// No writeback will come to log the size (ext4_update_disksize_before_punch).
		t.Step(stepPunchSize)
		t.waitMap(f.start / k.blockSectors)
		k.logSize(ino, ino.size)
	}
	t.Step(stepPunchCache)
	f.pos, f.end = f.start, f.start+int32(op.Length/sectorBytes)
	f.zeroTo = min(f.end, t.ino().size)
	if f.pos < f.zeroTo {
		t.punchCache(f.zeroTo)
	}
	if first, last := (f.pos+k.blockSectors-1)/k.blockSectors, f.zeroTo/k.blockSectors; first < last {
		t.freeExtents(first, last)
	}
	t.Step(stepPunchEdges)
	if f.pos < f.zeroTo {
		t.zeroEdges(f.zeroTo)
	}
	f.zeroTo = 0
	return 0
}

// punchCache drops the folios of a range; the blocks at its edges stay, to be
// zeroed.
func (t *task) punchCache(end int32) {
	k, f := t.k, &t.f
	first := (f.pos + k.blockSectors - 1) / k.blockSectors * k.blockSectors
	last := end / k.blockSectors * k.blockSectors
	if first < last {
		t.truncateCache(first, last)
	}
	k.rules.punched(f.pos/k.blockSectors, (end+k.blockSectors-1)/k.blockSectors)
}

// zeroEdges zeroes the parts of blocks at the edges of a range.
func (t *task) zeroEdges(end int32) {
	k, f := t.k, &t.f
	first, last := f.pos/k.blockSectors, end/k.blockSectors
	if first == last {
		t.zeroInBlock(f.pos, end)
		return
	}
	if f.pos%k.blockSectors != 0 {
		t.zeroInBlock(f.pos, (first+1)*k.blockSectors)
	}
	t.zeroInBlock(last*k.blockSectors, end)
}

// allocateRange gives the holes of a range unwritten blocks, each run in a
// transaction of its own (xfs_alloc_file_space), and extends the file over it.
func (t *task) allocateRange() workloads.Errno {
	k, f := t.k, &t.f
	last := (f.end + k.blockSectors - 1) / k.blockSectors
	if !t.allocateDirect(f.pos/k.blockSectors, last) {
		return workloads.ENOSPC
	}
	for f.wbBlock = f.pos / k.blockSectors; f.wbBlock < last; f.wbBlock++ {
		if k.forks.data[f.wbBlock].real() {
			continue
		}
		t.Step(stepAllocateRange)
		if _, _, ok := t.allocate(-1, placePlain); !ok {
			return workloads.ENOSPC
		}
	}
	if ino := t.ino(); f.end > ino.size {
		t.Step(stepAllocateSize)
		t.zeroToBlockEnd(ino.size)
		ino.size = f.end
		t.waitMap(last - 1)
		k.logSize(ino, f.end)
	}
	return 0
}
