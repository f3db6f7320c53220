package engine

import (
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// clone is FICLONERANGE (xfs_file_remap_range), steps T18 to T22. The kernel
// shares the lock of the source again once it is written back; here readers
// wait longer.
func (t *task) clone(op *workloads.Op) workloads.Result {
	t.Step(stepCloneLock)
	t.lockBoth(op)
	err := t.checkClone(op)
	if err == 0 {
		err = t.prepareClone(op)
	}
	if err == 0 {
		err = t.remapBlocks(op)
	}
	t.unlockInode()
	return workloads.Fail(err)
}

// lockBoth takes the locks of source and destination, in one order
// (xfs_ilock2_io_mmap).
func (t *task) lockBoth(op *workloads.Op) {
	k := t.k
	for i := range k.numFiles {
		if i != int32(op.File) && i != int32(op.FromFile) {
			continue
		}
		t.block(waitInodeLock, i)
		k.inodes[i].lockedBy = int32(t.ID()) + 1
		t.stopFaults(i)
	}
}

// checkClone refuses what cannot share blocks (generic_remap_checks,
// generic_remap_check_len).
func (t *task) checkClone(op *workloads.Op) workloads.Errno {
	k := t.k
	size := func(file int) int64 { return int64(k.inodes[file].size-k.inodes[file].base) * sectorBytes }
	block := k.design.Block
	toEOF := op.From+op.Length == size(op.FromFile)
	switch {
	case k.down != 0:
		return workloads.EIO
	case op.From%block != 0 || op.Offset%block != 0:
		return workloads.EINVAL
	case op.From+op.Length > size(op.FromFile):
		return workloads.EINVAL
	case op.Length%block != 0 && (!toEOF || op.Offset+op.Length < size(op.File)):
		return workloads.EINVAL
	case op.File == op.FromFile && op.Offset < op.From+op.Length && op.From < op.Offset+op.Length:
		return workloads.EINVAL
	}
	return 0
}

// source returns the sector where the source of a clone begins.
func (t *task) source(op *workloads.Op) int32 {
	return t.k.inodes[op.FromFile].base + int32(op.From/sectorBytes)
}

// prepareClone writes both ranges back and drops what the cache has of the
// destination (generic_remap_file_range_prep, xfs_reflink_remap_prep).
func (t *task) prepareClone(op *workloads.Op) workloads.Errno {
	k, f := t.k, &t.f
	n := int32(op.Length / sectorBytes)
	t.Step(stepCloneFlush)
	if k.rules.flushesSource() {
		from := t.source(op)
		if err := t.writeAndWait(from/pageSectors, (from+n+pageSectors-1)/pageSectors); err != 0 {
			return err
		}
	}
	t.Step(stepCloneZero)
	if ino := t.ino(); f.start > ino.size {
		t.zeroToBlockEnd(ino.size)
	}
	t.Step(stepCloneUnmap)
	if err := t.writeAndWait(min(f.start, t.ino().size)/pageSectors, (f.start+n+pageSectors-1)/pageSectors); err != 0 {
		return err
	}
	t.Step(stepCloneCache)
	f.zeroFrom = min(f.start, t.ino().size) / pageSectors * pageSectors
	last := (f.start + n + pageSectors - 1) / pageSectors * pageSectors
	t.truncateCache(f.zeroFrom, min(last, k.fileEnd(f.file)))
	f.zeroFrom = 0
	k.rules.shifted(f.start/k.blockSectors, (f.start+n+k.blockSectors-1)/k.blockSectors)
	return 0
}

// remapBlocks maps the destination to the blocks of the source, extent by
// extent (xfs_reflink_remap_blocks), and sets the size where holes end the
// range (xfs_reflink_update_dest).
func (t *task) remapBlocks(op *workloads.Op) workloads.Errno {
	k, f := t.k, &t.f
	n := (int32(op.Length/sectorBytes) + k.blockSectors - 1) / k.blockSectors
	from, to := t.source(op)/k.blockSectors, f.start/k.blockSectors
	for f.extent = 0; f.extent < n; {
		f.extentTo = f.extent + k.cloneRun(from+f.extent, to+f.extent, n-f.extent)
		if k.remaps(from+f.extent, to+f.extent) {
			t.Step(stepCloneExtent)
			t.waitMap(from)
			t.waitMap(to)
			if k.down != 0 {
				return workloads.EIO
			}
			k.remapShared(from+f.extent, to+f.extent, f.extentTo-f.extent)
			t.growTo(min((to+f.extentTo)*k.blockSectors, f.start+int32(op.Length/sectorBytes)))
		}
		f.extent = f.extentTo
	}
	f.extentTo = 0
	if end := f.start + int32(op.Length/sectorBytes); end > t.ino().size {
		t.Step(stepCloneSize)
		t.growTo(end)
	}
	return 0
}

// growTo logs a size if it is larger than the file.
func (t *task) growTo(end int32) {
	if ino := t.ino(); end > ino.size {
		ino.size = end
		t.k.logSize(ino, end)
	}
}

// cloneRun returns for how many blocks, up to n, source and destination are
// each in one extent or in one hole.
func (k *Kernel) cloneRun(from, to, n int32) int32 {
	fork := k.forks.data
	goesOn := func(b int32) bool {
		return fork[b].follows(fork[b-1]) || !fork[b].real() && !fork[b-1].real()
	}
	run := int32(1)
	for run < n && goesOn(from+run) && goesOn(to+run) {
		run++
	}
	return run
}

// remaps reports whether the destination changes: it does not where both are
// holes, or unwritten, or share the block already (xfs_reflink_remap_extent).
func (k *Kernel) remaps(from, to int32) bool {
	src, dst := k.forks.data[from], k.forks.data[to]
	written := src.real() && !src.unwritten()
	if !written {
		return dst.real() && !(src.real() && dst.unwritten())
	}
	return src != dst
}

// remapShared maps file blocks to the blocks of others, or to nothing where
// those have no data, in one transaction (xfs_reflink_remap_extent).
func (k *Kernel) remapShared(from, to, n int32) {
	for i := range n {
		k.freeBlock(to + i)
	}
	for i := range n {
		src := k.forks.data[from+i]
		if !src.real() || src.unwritten() {
			continue
		}
		k.forks.data[to+i] = src
		k.logFile(ondisk.Item{Kind: ondisk.Map, Ext: ondisk.Extent{Off: to + i, Block: src.block(), Len: 1}})
	}
	k.forksChanged()
}

// freeBlock takes a file block out of the data fork.
func (k *Kernel) freeBlock(b int32) {
	if k.forks.data[b].real() {
		k.unmapData(b)
		k.logFile(ondisk.Item{Kind: ondisk.Unmap, Ext: ondisk.Extent{Off: b, Len: 1}})
	}
	k.forks.data[b] = hole
}

// shared reports whether the block of a file block in the data fork has another
// owner (xfs_reflink_find_shared).
func (k *Kernel) shared(b int32) bool {
	e := k.forks.data[b]
	if !k.clones || !e.real() {
		return false
	}
	for i, other := range k.forks.data {
		if int32(i) != b && other.real() && other.block() == e.block() {
			return true
		}
	}
	return false
}
