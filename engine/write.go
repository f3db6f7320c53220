package engine

import (
	"untorn/internal/blk"
	"untorn/workloads"
)

// bufferedWrite is one pwritev2 through the page cache: xfs_file_buffered_write
// and iomap_file_buffered_write, steps 1 to 18.
func (t *task) bufferedWrite(op *workloads.Op) workloads.Result {
	k, f := t.k, &t.f
	t.Step(stepValidate)
	if e := k.validateWrite(op); e != 0 {
		return workloads.Fail(e)
	}
	t.Step(stepInodeLock)
	t.lockInode()

	t.Step(stepWriteChecks)
	f.pos, f.end = int32(op.Offset/sectorBytes), int32(op.End()/sectorBytes)

	if k.design.Copy == CopyPin {
		t.Step(stepPin)
		if !t.pinUserPages() {
			t.unlockInode()
			return workloads.Fail(workloads.EFAULT)
		}
	}
	f.err = int32(t.writeIter(op))
	if f.err != 0 {
		k.unreserveClean(op)
	}
	t.closeUnit()
	t.Step(stepUnlockInode)
	t.unpinUserPages()
	t.unlockInode()
	written := f.pos - int32(op.Offset/sectorBytes)
	if f.err != 0 && (op.Atomic || written == 0) {
		return workloads.Fail(workloads.Errno(f.err))
	}
	return workloads.Result(written * sectorBytes)
}

// writeIter is the loop over mappings and folios (iomap_iter and
// iomap_write_iter), steps 5 to 17.
func (t *task) writeIter(op *workloads.Op) workloads.Errno {
	k, f := t.k, &t.f
	for f.pos < f.end {
		t.Step(stepMap)
		if err := t.writeBegin(op); err != 0 {
			return err
		}
		for f.pos < f.mapEnd {
			t.Step(stepThrottle)
			t.Step(stepFaultIn)
			if !t.faultIn() {
				return workloads.EFAULT
			}
			t.Step(stepSignal)

			t.Step(stepGetFolio)
			t.lockFolio()
			t.Step(stepStablePages)
			t.waitStable()

			t.Step(stepMapValid)
			if f.mapStale != 0 {
				t.unlockFolio()
				break
			}
			t.Step(stepReadModify)
			t.readModify()

			t.Step(stepCopy)
			t.copyIn(op)
			t.Step(stepCopyEnd)
			if !t.copyEnd() {
				// Copy again just the bytes that were copied, so that the
				// folio can become uptodate piece by piece.
				t.unlockFolio()
				t.Step(stepRetry)
				f.retry = f.copied
				continue
			}
			f.retry = 0
			t.Step(stepTag)
			t.tagUnit()

			t.Step(stepUnlockFolio)
			f.pos += f.copied
			k.inode.size = max(k.inode.size, f.pos)
			t.unlockFolio()
			t.Step(stepNextFolio)
		}
	}
	return 0
}

// writeBegin maps the position and reserves space (xfs_buffered_write_iomap_begin).
// A tracked unit is opened and reserved as a whole, before the first folio.
func (t *task) writeBegin(op *workloads.Op) workloads.Errno {
	k, f := t.k, &t.f
	from, to := f.pos/k.blockSectors, (f.end+k.blockSectors-1)/k.blockSectors
	if f.opened != 0 {
		from, to = k.units.u[f.opened-1].from, k.units.u[f.opened-1].to
	}
	for {
		if k.inode.mapLockedBy != 0 {
			t.block(waitInodeMap, 0)
		} else if slot := k.units.picked(from, to); slot >= 0 {
			t.block(waitUnitFree, slot)
		} else {
			break
		}
	}
	f.mapStale, f.mapEnd = 0, f.end
	if k.tracks(op) {
		if k.design.Writeback == WritebackAtomic && !k.inPlace(from, to) {
			return workloads.EINVAL
		}
		t.openUnit(from, to)
	}
	if !k.reserve(from, to) {
		return workloads.ENOSPC
	}
	return 0
}

// lockFolio gets the folio at the position and locks it (iomap_get_folio).
func (t *task) lockFolio() {
	k, f := t.k, &t.f
	page := f.pos / pageSectors
	t.block(waitFolio, page)
	fo := k.grabFolio(f.pos, f.end-f.pos)
	fo.lockedBy = int32(t.ID()) + 1
	f.page = fo.index
	f.chunk = min(f.mapEnd, fo.end()*pageSectors) - f.pos
	if f.retry != 0 {
		f.chunk = min(f.chunk, f.retry)
	}
}

func (t *task) unlockFolio() { t.k.cache.folio(t.f.page).lockedBy = 0 }

// waitStable waits for writeback of the locked folio to end where the mapping
// asks for stable pages (folio_wait_stable).
func (t *task) waitStable() {
	if t.k.design.Stable == StableWait {
		t.block(waitWriteback, t.f.page)
	}
}

// readModify reads the blocks that the copy covers in part and that are not
// valid yet (__iomap_write_begin).
func (t *task) readModify() {
	k, f := t.k, &t.f
	fo := k.cache.folio(f.page)
	first, last := f.pos/k.blockSectors, (f.pos+f.chunk-1)/k.blockSectors
	for _, b := range [2]int32{first, last} {
		whole := f.pos <= b*k.blockSectors && f.pos+f.chunk >= (b+1)*k.blockSectors
		bit := k.blockBits(fo, b, b+1)
		if !whole && fo.uptodateBlocks&bit == 0 {
			k.readBlock(b)
			fo.uptodateBlocks |= bit
		}
	}
}

// readBlock fills a block of the cache from the data fork.
func (k *Kernel) readBlock(b int32) {
	for i := range k.blockSectors {
		s, h := b*k.blockSectors+i, blk.Zero
		if int(b) < len(k.inode.data) && s < k.inode.size {
			if e := k.inode.data[b]; e.real() && !e.unwritten() {
				h = k.dev.Read(k.super.Sector(e.block()) + i)
			}
		}
		k.cache.put(s, h)
	}
}

// copyIn copies with page faults disabled (copy_folio_from_iter_atomic): up
// to the first user page that is not there, or to where a fault ended it.
func (t *task) copyIn(op *workloads.Op) {
	k, f := t.k, &t.f
	n := t.resident(f.chunk)
	if f.copied > 0 && f.copied < n {
		n = f.copied
	}
	start := int32(op.Offset / sectorBytes)
	for s := f.pos; s < f.pos+n; s++ {
		k.putDirty(s, blk.Data(int(t.ops[f.next]), int(s-start)))
	}
	f.copied = n
}

// putDirty changes a sector of the cache. A device that is reading the folio
// right now may see either content.
func (k *Kernel) putDirty(s int32, h blk.Handle) {
	k.cache.put(s, h)
	if fo := k.cache.folio(s / pageSectors); fo.writeback > 0 {
		if at, ok := k.ioends.diskSector(k, s); ok {
			k.dev.Alter(at, h)
		}
	}
}

// copyEnd accepts or rejects what was copied (iomap_write_end): a short copy
// into a folio that is not uptodate would leave blocks that nobody filled.
func (t *task) copyEnd() bool {
	k, f := t.k, &t.f
	fo := k.cache.folio(f.page)
	if f.copied == 0 || f.copied < f.chunk && !k.uptodate(fo) {
		return false
	}
	first, last := f.pos/k.blockSectors, (f.pos+f.copied-1)/k.blockSectors
	bits := k.blockBits(fo, first, last+1)
	fo.uptodateBlocks |= bits
	fo.dirtyBlocks |= bits
	fo.dirty, fo.mark = true, true
	return true
}
