package engine

import (
	"untorn/crashsim"
	"untorn/internal/blk"
	"untorn/workloads"
)

// write is one pwritev2 (xfs_file_write_iter) and the sync that it asks for
// (generic_write_sync).
func (t *task) write(op *workloads.Op) workloads.Result {
	var res workloads.Result
	if op.Direct {
		res = t.directWrite(op)
	} else {
		res = t.bufferedWrite(op)
	}
	if op.Dsync && res > 0 {
		t.f.result = int32(res)
		t.Step(stepWriteSync)
		start := t.f.start / pageSectors
		if err := t.syncRange(start, start+int32((op.Length+PageSize-1)/PageSize)).Err(); err != 0 {
			return workloads.Fail(err)
		}
		return workloads.Result(t.f.result)
	}
	return res
}

// bufferedWrite is one pwritev2 through the page cache: xfs_file_buffered_write
// and iomap_file_buffered_write, steps 1 to 18.
func (t *task) bufferedWrite(op *workloads.Op) workloads.Result {
	k, f := t.k, &t.f
	t.Step(stepValidate)
	if e := k.validateWrite(op); e != 0 {
		return workloads.Fail(e)
	}
	t.Step(stepInodeLock)
	if k.rules.excludesWriters() {
		t.lockInode()
	}

	t.Step(stepWriteChecks)
	var err workloads.Errno
	if op.Append {
		f.start = t.ino().size
		f.err = int32(k.rules.validateAppend(op, f.start-t.ino().base))
	}
	f.pos, f.end = f.start, f.start+int32(op.Length/sectorBytes)
	if f.err == 0 {
		f.end, err = t.limitedEnd(op)
		f.err = int32(err)
	}
	f.pieceFrom, f.pieceTo = f.start, f.end
	if op.Atomic {
		f.pieceTo = min(f.end, f.start+int32(op.Piece()/sectorBytes))
	}
	k.orderPartialBlock(t)
	f.errorsBefore = t.ino().wbErrors
	if f.err == 0 {
		f.err = int32(k.copier.begin(t))
	}
	if f.err == 0 {
		f.err = int32(t.writeIter(op))
	}
	if f.err != 0 {
		k.copier.abandon(t)
		t.unreserveClean()
	}
	t.closeUnit()
	t.dropFolios()
	t.forgetCopy()
	t.Step(stepUnlockInode)
	k.copier.end(t)
	t.unlockInode()
	written := f.pos - f.start
	failed := workloads.Errno(f.err) // what is sent now has errors of its own
	if op.Atomic && op.Unit != 0 {
		// The units that are whole are a success.
		if written -= written % int32(op.Unit/sectorBytes); written > 0 {
			failed = 0
		}
	}
	if err := k.submit.unlocked(t, op); failed == 0 {
		failed = err
	}
	if failed != 0 && (op.Atomic || written == 0) {
		return workloads.Fail(failed)
	}
	return workloads.Result(written * sectorBytes)
}

// forgetCopy clears what decides nothing any more once the copying is over, so
// that states which differ in it are equal.
func (t *task) forgetCopy() {
	f := &t.f
	f.mapEnd, f.mapStale, f.page, f.chunk, f.copied, f.retry, f.tries, f.signal = 0, 0, 0, 0, 0, 0, 0, 0
	f.userPages, f.userGone = [2]int32{}, [2]int32{}
}

// limitedEnd returns where a write ends by the limits on the size of files, in
// sectors. The end of a block device shortens a plain write
// (blkdev_write_iter), which asks for no RLIMIT_FSIZE.
func (t *task) limitedEnd(op *workloads.Op) (int32, workloads.Errno) {
	end := t.f.start + int32(op.Length/sectorBytes)
	if t.k.design.Filesystem == BlockDevice {
		return min(end, t.ino().size), 0
	}
	base := t.ino().base
	end, err := t.k.rules.limited(op, t.f.start-base, end-base)
	return end + base, err
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
			if !k.copier.faultIn(t) {
				return workloads.EFAULT
			}
			t.Step(stepSignal)
			if k.rules.stopsAtSignal(t) {
				return workloads.EINTR
			}

			t.Step(stepGetFolio)
			if err := t.lockFolio(); err != 0 {
				return err
			}
			t.Step(stepStablePages)
			k.rules.stablePages(t)

			t.Step(stepMapValid)
			if f.mapStale != 0 {
				t.unlockFolio()
				break
			}
			t.Step(stepReadModify)
			t.readModify()

			t.Step(stepCopy)
			t.copyIn()
			t.Step(stepCopyEnd)
			if !t.copyEnd() {
				t.unlockFolio()
				t.Step(stepRetry)
				if err := k.copier.again(t); err != 0 {
					return err
				}
				continue
			}
			f.retry = 0
			t.Step(stepTag)
			k.rules.tag(t)
			k.submit.copied(t)
			t.Step(stepUnlockFolio)
			f.pos += f.copied
			t.ino().size = max(t.ino().size, f.pos)
			t.unlockFolio()
			t.Step(stepNextFolio)
			k.rules.nextFolio(t)
		}
		t.nextPiece(op)
	}
	return 0
}

// nextPiece goes on to the next unit of a write that has several.
func (t *task) nextPiece(op *workloads.Op) {
	if f := &t.f; op.Atomic && op.Unit != 0 && f.pos == f.pieceTo && f.pos < f.end {
		t.closeUnit()
		t.dropFolios()
		f.pieceFrom, f.pieceTo = f.pos, f.pos+int32(op.Unit/sectorBytes)
	}
}

// writeBegin maps the position and reserves space (xfs_buffered_write_iomap_begin).
// A unit is opened and reserved as a whole, before the first folio.
func (t *task) writeBegin(op *workloads.Op) workloads.Errno {
	k, f := t.k, &t.f
	from, to := f.pos/k.blockSectors, (f.pieceTo+k.blockSectors-1)/k.blockSectors
	if f.unitTo != 0 {
		from, to = f.unitFrom, f.unitTo
	}
	for {
		if k.inodeOf(from).mapLockedBy != 0 {
			t.waitMap(from)
		} else if slot := k.rules.beingPicked(t, from, to); slot >= 0 {
			t.block(waitUnitFree, slot)
		} else {
			break
		}
	}
	f.mapStale, f.mapEnd = 0, f.pieceTo
	if op.Atomic && f.unitTo == 0 {
		if t.noMemory() {
			return workloads.ENOMEM
		}
		if err := k.fs.prepare(t, span{from, to}); err != 0 {
			return err
		}
		f.unitFrom, f.unitTo = from, to
		k.tracker.open(t.unit())
	}
	if f.noSpace != 0 {
		f.noSpace = 0
		return workloads.ENOSPC
	}
	if f.pos > f.pieceFrom && f.unitTo != 0 {
		if !k.rules.renewMapping(t, t.unit()) {
			return workloads.ENOSPC
		}
	} else if !k.rules.newMapping(t, span{from, to}) {
		return workloads.ENOSPC
	}
	return 0
}

// unit returns the unit that the task holds open.
func (t *task) unit() span { return span{t.f.unitFrom, t.f.unitTo} }

// tagUnit is step 14: the range has dirty data that must go out as a whole.
func (t *task) tagUnit() {
	if t.f.unitTo != 0 {
		t.k.tracker.tag(t.unit(), t.k.cache.folio(t.f.page))
	}
}

// closeUnit ends the hold of a write on its unit.
func (t *task) closeUnit() {
	if t.f.unitTo != 0 {
		t.k.tracker.close(t.unit())
		t.f.unitFrom, t.f.unitTo = 0, 0
	}
}

// lockFolio gets the folio at the position and locks it (iomap_get_folio).
func (t *task) lockFolio() workloads.Errno {
	k, f := t.k, &t.f
	page := f.pos / pageSectors
	t.block(waitFolio, page)
	if t.noMemory() {
		return workloads.ENOMEM
	}
	if f.unitTo != 0 && f.holdTo == 0 && k.copier.holdsFolios() {
		t.holdFolios()
	}
	fo := k.grabFolio(f.pos, f.end-f.pos)
	fo.lockedBy = int32(t.ID()) + 1
	f.page = fo.index
	f.chunk = min(f.mapEnd, fo.end()*pageSectors) - f.pos
	if f.retry != 0 {
		f.chunk = min(f.chunk, f.retry)
	}
	return 0
}

// holdFolios gets all folios of the unit, so that no lack of memory can end
// the write when some of them are copied.
func (t *task) holdFolios() {
	k, f := t.k, &t.f
	f.holdFrom, f.holdTo = f.pieceFrom/pageSectors, (f.pieceTo+pageSectors-1)/pageSectors
	for pos := f.pieceFrom; pos < f.pieceTo; {
		fo := k.grabFolio(pos, f.end-pos)
		fo.refs++
		pos = fo.end() * pageSectors
	}
}

// dropFolios ends what holdFolios began.
func (t *task) dropFolios() {
	t.k.eachFolio(t.f.holdFrom, t.f.holdTo, func(fo *folio) bool {
		fo.refs--
		return true
	})
	t.f.holdFrom, t.f.holdTo = 0, 0
}

// noMemory reports whether an allocation fails now: a fault decided that.
func (t *task) noMemory() bool {
	fails := t.f.noMemory != 0
	t.f.noMemory = 0
	return fails
}

func (t *task) unlockFolio() { t.k.cache.folio(t.f.page).lockedBy = 0 }

// waitStable waits for writeback of the locked folio to end where the mapping
// asks for stable pages (folio_wait_stable).
func (t *task) waitStable() {
	t.submitOwn()
	if w := (crashsim.Wait{Kind: waitWriteback, Arg: t.f.page}); !t.k.Ready(w) && t.k.stableIs(StableWait) {
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
		if int(b) < len(k.forks.data) && s < k.inodeAt(s).size {
			if e := k.forks.data[b]; e.real() && !e.unwritten() {
				h = k.dev.Read(k.super.Sector(e.block()) + i)
			}
		}
		k.cache.put(s, h)
	}
}

// copyIn copies with page faults disabled (copy_folio_from_iter_atomic): up
// to the first user page that is not there, or to where a fault ended it.
func (t *task) copyIn() {
	k, f := t.k, &t.f
	n := t.resident(f.chunk)
	if f.copied > 0 && f.copied < n {
		n = f.copied
	}
	for s := f.pos; s < f.pos+n; s++ {
		k.putDirty(s, blk.Data(int(t.ops[f.next]), int(s-f.start)))
	}
	f.copied = n
}

// putDirty changes a sector of the cache. A device that is reading the folio
// right now may see either content.
func (k *Kernel) putDirty(s int32, h blk.Handle) {
	k.cache.put(s, h)
	if fo := k.cache.folio(s / pageSectors); fo.writeback > 0 && !k.stableIs(StableBounce) {
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
	if f.copied == 0 || f.copied < f.chunk && !(k.uptodate(fo) && k.copier.short(t)) {
		return false
	}
	first, last := f.pos/k.blockSectors, (f.pos+f.copied-1)/k.blockSectors
	bits := k.blockBits(fo, first, last+1)
	fo.uptodateBlocks |= bits
	fo.dirtyBlocks |= bits
	fo.dirty, fo.mark = true, true
	fo.dropBehind = k.submit.dropsBehind(t.op())
	return true
}
