package engine

import (
	"untorn/internal/blk"
	"untorn/workloads"
)

// truncate is ftruncate(2), steps T1 to T5.
func (t *task) truncate() workloads.Result {
	t.Step(stepTruncateLock)
	t.lockForChange()
	t.f.pos = t.f.start
	err := t.setSize()
	t.unlockInode()
	return workloads.Fail(err)
}

// setSize makes the file end at the position (xfs_setattr_size): the page cache
// follows the new size first, then the size is logged, and then the extents past
// it are freed, each in a transaction of its own.
func (t *task) setSize() workloads.Errno {
	k, f, ino := t.k, &t.f, t.ino()
	if k.down != 0 {
		return workloads.EIO
	}
	t.Step(stepTruncateZero)
	t.zeroToBlockEnd(min(f.pos, ino.size))
	t.Step(stepTruncateCache)
	old := ino.size
	ino.size = f.pos
	switch {
	case f.pos < old:
		t.truncateCache(f.pos, k.fileEnd(f.file))
		k.rules.truncated(f.pos/k.blockSectors, k.fileEnd(f.file)/k.blockSectors)
	case k.fs.flushesGrowth() && f.pos > ino.diskSize && (old != ino.diskSize || old%k.blockSectors != 0):
		t.Step(stepTruncateFlush)
		if err := t.writeAndWait(ino.diskSize/pageSectors, t.endPage()); err != 0 {
			return err
		}
		f.pos = ino.size
	}
	t.Step(stepTruncateSize)
	t.waitMap(f.pos / k.blockSectors)
	k.logSize(ino, f.pos)
	t.freeExtents((f.pos+k.blockSectors-1)/k.blockSectors, k.fileEnd(f.file)/k.blockSectors)
	return 0
}

// fileEnd returns the first sector after all that a file may have.
func (k *Kernel) fileEnd(file int32) int32 {
	if file+1 < k.numFiles {
		return k.inodes[file+1].base
	}
	return k.sectors
}

// truncateCache drops what the cache has of a range of sectors
// (truncate_pagecache_range): it waits for folios that are locked or under
// writeback, and clears the part of a folio that the range covers.
func (t *task) truncateCache(from, to int32) {
	k, f := t.k, &t.f
	for f.wbPage = from / pageSectors; f.wbPage*pageSectors < to && int(f.wbPage) < len(k.cache.head); {
		fo := k.cache.folio(f.wbPage)
		switch {
		case fo == nil:
			f.wbPage++
		case fo.lockedBy != 0:
			t.block(waitFolio, f.wbPage)
		case fo.writeback > 0:
			t.block(waitWriteback, f.wbPage)
		default:
			f.wbPage = fo.end()
			k.clearFolio(fo, from, to)
		}
	}
}

// clearFolio drops a folio that lies in a range, or clears the part of it that
// does (truncate_inode_partial_folio).
func (k *Kernel) clearFolio(fo *folio, from, to int32) {
	first, last := fo.index*pageSectors, fo.end()*pageSectors
	if from <= first && last <= to && fo.refs == 0 {
		k.cache.remove(fo)
		return
	}
	for s := max(first, from); s < min(last, to); s++ {
		k.cache.put(s, blk.Zero)
	}
	a, b := k.folioBlocks(fo)
	a, b = max(a, (from+k.blockSectors-1)/k.blockSectors), min(b, to/k.blockSectors)
	if a < b {
		fo.dirtyBlocks &^= k.blockBits(fo, a, b)
		fo.uptodateBlocks &^= k.blockBits(fo, a, b)
	}
	fo.dirty = fo.dirtyBlocks != 0
	fo.mark = fo.dirty
}

// zeroToBlockEnd writes zeros through the cache from a sector to the end of its
// block (iomap_truncate_page).
func (t *task) zeroToBlockEnd(from int32) {
	k := t.k
	t.f.zeroFrom = from
	t.zeroInBlock(from, (from+k.blockSectors-1)/k.blockSectors*k.blockSectors)
	t.f.zeroFrom = 0
}

// zeroInBlock writes zeros through the cache to a part of one block
// (iomap_zero_iter). A block that is nowhere reads as zeros already.
func (t *task) zeroInBlock(from, to int32) {
	k := t.k
	if from >= to {
		return
	}
	b, page := from/k.blockSectors, from/pageSectors
	for {
		fo := k.cache.folio(page)
		if fo == nil && !k.forks.data[b].real() {
			return
		}
		if fo != nil && fo.lockedBy != 0 {
			t.block(waitFolio, page)
		} else if fo != nil && fo.writeback > 0 && k.stableIs(StableWait) {
			t.block(waitWriteback, page)
		} else {
			break
		}
	}
	fo := k.grabFolio(from, to-from)
	bit := k.blockBits(fo, b, b+1)
	if fo.uptodateBlocks&bit == 0 {
		k.readBlock(b)
	}
	for s := from; s < to; s++ {
		k.putDirty(s, blk.Zero)
	}
	if k.reserve(b, b+1) {
		fo.uptodateBlocks |= bit
		fo.dirtyBlocks |= bit
		fo.dirty, fo.mark = true, true
	}
}

// freeExtents takes a range of blocks out of both forks
// (xfs_reflink_cancel_cow_blocks, xfs_itruncate_extents): each extent in a
// transaction of its own, last first.
func (t *task) freeExtents(from, to int32) {
	k, f := t.k, &t.f
	to = min(to, int32(len(k.forks.data)))
	for f.extent = to; f.extent > from; {
		b := f.extent - 1
		first := b
		for first > from && k.forks.data[first].follows(k.forks.data[first-1]) {
			first--
		}
		f.extent = first
		if !k.forks.data[b].real() && k.forks.cow[b] == hole {
			continue
		}
		f.extentTo = b + 1
		t.Step(stepFreeExtent)
		t.waitMap(b)
		k.cancelCow(f.extent, f.extentTo)
		for i := f.extent; i < f.extentTo; i++ {
			k.freeBlock(i)
		}
		f.extentTo = 0
		k.forksChanged()
	}
}
