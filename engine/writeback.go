package engine

import (
	"untorn/crashsim"
	"untorn/internal/blk"
	"untorn/workloads"
)

// runFlusher is the flusher: background writeback when asked to.
func (t *task) runFlusher() {
	k := t.k
	for {
		t.Idle(crashsim.Wait{Kind: waitFlusher})
		t.Step(stepWritebackBegin)
		from := k.started.from
		k.started.from = 0 // from here on it decides nothing, and states that differ in it are equal
		t.writepages(from, k.filePages, false)
		k.started = flusherWork{}
		t.f = frame{}
	}
}

// writepages writes back the dirty folios of a range of pages
// (iomap_writepages), steps 21 to 30. sync is data integrity writeback: it
// waits for what background writeback skips.
func (t *task) writepages(from, to int32, sync bool) {
	k, f := t.k, &t.f
	f.wbIndex, f.wbEnd, f.wbSync = from, to, 0
	if sync {
		f.wbSync = 1
	}
	for {
		t.Step(stepPickFolios)
		if !t.pickFolios() {
			break
		}
		for f.wbPage = f.pickFrom; f.wbPage < f.pickTo; f.wbPage = f.wbNext {
			f.wbNext = f.wbPage + 1
			fo := k.cache.folio(f.wbPage)
			if fo == nil {
				continue
			}
			k.rules.reached(t, fo)
			// A folio that came into a hole of the selection is not ours.
			if fo.lockedBy == int32(t.ID())+1 {
				f.wbNext = fo.end()
				t.writeFolio(fo)
			}
		}
		t.unpick(f.pickFrom, f.pickTo)
		f.wbIndex = f.pickTo
		f.pickFrom, f.pickTo, f.wbPage, f.wbNext = 0, 0, 0, 0
	}
	t.Step(stepSubmit)
	t.submitIoend()
	t.Step(stepBlockLayer)
	t.flushPlug()
	t.f = frame{next: f.next, file: f.file, start: f.start, result: f.result, asked: f.asked, waitFrom: f.waitFrom, waitTo: f.waitTo}
}

// writeRange is data integrity writeback of a range of pages. wait waits until
// all of it is done.
func (t *task) writeRange(from, to int32, wait bool) {
	f := &t.f
	f.asked, f.waitFrom, f.waitTo = int32(t.At())+1, from, to
	t.writepages(from, to, true)
	if wait {
		t.waitWriteback(f.waitFrom, f.waitTo)
	}
	f.asked, f.waitFrom, f.waitTo = 0, 0, 0
}

// States of the quota of background writeback (wbc->nr_to_write).
const (
	quotaReached = 1 // the selection at hand is the last
	quotaUsed    = 2
)

// obstacle is why a selection has to wait or be skipped.
type obstacle struct {
	kind uint8
	arg  int32
	skip bool // background writeback skips it
}

// pickFolios is step 21: it locks the next dirty folio together with every
// folio of the units in it, and of the units in those, or with none of them.
// It reports false when nothing is left to do.
func (t *task) pickFolios() bool {
	k, f := t.k, &t.f
	for f.wbIndex < f.wbEnd && f.wbQuota != quotaUsed {
		fo := k.cache.folio(f.wbIndex)
		if fo == nil || !fo.mark {
			f.wbIndex++
			continue
		}
		f.pickFrom, f.pickTo = k.rules.widen(fo.index, fo.end())
		if f.wbQuota == quotaReached {
			f.wbQuota = quotaUsed
			if f.pickFrom, f.pickTo = k.rules.quota(f.pickFrom, f.pickTo); f.pickTo == 0 {
				break
			}
		}
		switch o := k.rules.obstacle(f.pickFrom, f.pickTo); {
		case o.kind == 0:
			t.lockPicked()
			return true
		case k.rules.skips(t, o):
			f.wbIndex = f.pickTo
		default:
			// The selection is made anew after the wait.
			f.pickFrom, f.pickTo = 0, 0
			// What was built so far must not wait for whom this waits for.
			t.submitIoend()
			t.block(o.kind, o.arg)
		}
	}
	return false
}

// widen grows a range of pages until it holds whole folios and whole units.
func (k sound) widen(from, to int32) (int32, int32) {
	for {
		a, b := from, to
		if fo := k.cache.folio(from); fo != nil {
			from = fo.index
		}
		if fo := k.cache.folio(to - 1); fo != nil {
			to = fo.end()
		}
		first, last := k.pageBlock(from), k.pageBlock(to)
		for s, _, ok := k.tracker.next(first, last); ok; s, _, ok = k.tracker.next(s.to, last) {
			from = min(from, s.from*k.blockSectors/pageSectors)
			to = max(to, (s.to*k.blockSectors+pageSectors-1)/pageSectors)
		}
		if a == from && b == to {
			return from, to
		}
	}
}

// eachFolio calls fn for the folios of a range of pages until it returns false.
func (k *Kernel) eachFolio(from, to int32, fn func(*folio) bool) {
	for p := from; p < to; {
		fo := k.cache.folio(p)
		if fo == nil {
			p++
			continue
		}
		if !fn(fo) {
			return
		}
		p = fo.end()
	}
}

// pageBlock returns the first block that begins at a page or after it.
func (k *Kernel) pageBlock(page int32) int32 {
	return (page*pageSectors + k.blockSectors - 1) / k.blockSectors
}

// obstacle says what keeps a selection from being written now.
func (k sound) obstacle(from, to int32) (o obstacle) {
	first, last := k.pageBlock(from), k.pageBlock(to)
	for s, open, ok := k.tracker.next(first, last); ok; s, open, ok = k.tracker.next(s.to, last) {
		if open {
			return obstacle{waitUnitShut, s.from, true}
		}
	}
	k.eachFolio(from, to, func(fo *folio) bool {
		switch {
		case fo.lockedBy != 0:
			o = obstacle{waitFolio, fo.index, false}
		case fo.writeback > 0:
			o = obstacle{waitWriteback, fo.index, true}
		}
		return o.kind == 0
	})
	return o
}

// lockPicked locks the selection and takes its units over from the tracker.
func (t *task) lockPicked() {
	k, f := t.k, &t.f
	k.eachFolio(f.pickFrom, f.pickTo, func(fo *folio) bool {
		if k.rules.selects(fo) {
			fo.lockedBy = int32(t.ID()) + 1
		}
		return true
	})
	first, last := k.pageBlock(f.pickFrom), k.pageBlock(f.pickTo)
	for s, _, ok := k.tracker.next(first, last); ok; s, _, ok = k.tracker.next(s.to, last) {
		k.units.pick(s, t.ID())
	}
	k.tracker.take(first, last)
}

// unpick ends the selection: the folios of its units are under writeback now,
// and what the units guarded has gone out.
func (t *task) unpick(from, to int32) {
	k := t.k
	for i := range k.units.used.all {
		x := &k.units.u[i]
		if x.picked == int32(t.ID())+1 {
			if x.overlaps(k.pageBlock(from), k.pageBlock(to)) {
				x.picked = 0
				k.units.release(int32(i))
			}
		}
	}
}

// writeFolio writes one locked folio (iomap_writeback_folio), steps 22 to 28.
func (t *task) writeFolio(fo *folio) {
	k := t.k
	if !fo.dirty {
		fo.lockedBy = 0
		return
	}
	t.startWriteback(fo)
	t.mapFolio(fo, 0, int32(len(k.forks.data)))
	t.Step(stepUnlockPicked)
	fo.lockedBy = 0
	fo.writeback--
}

// startWriteback takes a locked folio from dirty to under writeback
// (folio_clear_dirty_for_io, iomap_writeback_handle_eof,
// folio_start_writeback), steps 22 to 24.
func (t *task) startWriteback(fo *folio) {
	k := t.k
	t.Step(stepClearDirty)
	fo.dirty = false
	k.rules.cleaned(fo)
	t.Step(stepEOF)
	for s := max(k.inodeAt(fo.index*pageSectors).size, fo.index*pageSectors); s < fo.end()*pageSectors; s++ {
		k.cache.put(s, blk.Zero)
	}
	t.Step(stepStartWriteback)
	fo.writeback++
	fo.mark = fo.dirty
}

// mapFolio sends those dirty blocks of a folio to the disk that lie in
// [from, to) (iomap_writeback_range), steps 25 to 27. A folio with others is
// dirty again. Blocks that find no place are discarded.
func (t *task) mapFolio(fo *folio, from, to int32) {
	k, f := t.k, &t.f
	t.Step(stepMapBlocks)
	first, last := k.folioBlocks(fo)
	for f.wbBlock = max(first, from); f.wbBlock < min(last, to); f.wbBlock++ {
		bit := k.blockBits(fo, f.wbBlock, f.wbBlock+1)
		if fo.dirtyBlocks&bit == 0 {
			continue
		}
		fo.dirtyBlocks &^= bit
		if f.wbBlock*k.blockSectors < k.inodeAt(fo.index*pageSectors).size {
			ok := t.writeBlock(fo)
			f.wbPlace, f.wbDisk, f.wbUnwritten = 0, 0, 0
			if !ok {
				t.discardBlock(fo)
			}
		}
	}
	f.noSpace, f.wbBlock = 0, 0
	if fo.dirtyBlocks != 0 {
		fo.dirty, fo.mark = true, true
	}
}

// writeBlock sends one dirty block to its place on the disk: steps 25 to 27.
// It reports false when there is none.
func (t *task) writeBlock(fo *folio) bool {
	k, f := t.k, &t.f
	slot := k.units.find(f.wbBlock, t.ID())
	f.wbPlace = placePlain
	switch {
	case slot >= 0:
		if k.units.u[slot].failed != 0 {
			return false
		}
		if k.units.u[slot].place == 0 {
			t.Step(stepChoose)
			t.waitMap(f.wbBlock)
			k.units.u[slot].place = k.choose(&k.units.u[slot])
		}
		f.wbPlace = k.rules.place(slot, f.wbBlock)
	case k.usesCow() || k.forks.cow[f.wbBlock] != hole: // the COW fork first (xfs_map_blocks)
		f.wbPlace = placeCow
	}
	disk, unwritten, ok := t.allocate(slot, f.wbPlace)
	if !ok {
		if f.wbPlace, ok = k.rules.withoutSpace(slot, f.wbPlace); !ok {
			return false
		}
		if disk, unwritten, ok = t.allocate(slot, f.wbPlace); !ok {
			return false
		}
	}
	if f.wbDisk = disk; unwritten {
		f.wbUnwritten = 1
	}
	if k.fs.sizeFirst() {
		if slot >= 0 {
			t.sizeFirst(k.units.u[slot].to)
		} else {
			t.sizeFirst(f.wbBlock + 1)
		}
	}
	t.Step(stepAddIoend)
	fo.writeback++
	t.addToIoend(f.wbDisk, slot, f.wbPlace, f.wbUnwritten)
	return true
}

// sizeFirst logs the size that the file has with the blocks up to one that are
// being mapped.
func (t *task) sizeFirst(to int32) {
	k := t.k
	ino := k.inodeOf(to - 1)
	if min(to*k.blockSectors, ino.size) > ino.diskSize {
		t.Step(stepSizeFirst)
		k.logSize(ino, max(min(to*k.blockSectors, ino.size), ino.diskSize))
	}
}

// discardBlock drops a block that found no place on the disk
// (iomap_writeback_folio, xfs_discard_folio): the cache is clean and has to be
// read again, the disk has what it had, and the error is recorded. A unit
// fails as a whole: what is built of it will not be remapped.
func (t *task) discardBlock(fo *folio) {
	k, f := t.k, &t.f
	t.Step(stepDiscard)
	k.rules.discarded(t, fo)
	fo.uptodateBlocks &^= k.blockBits(fo, f.wbBlock, f.wbBlock+1)
	slot := k.units.find(f.wbBlock, t.ID())
	if slot < 0 {
		k.mappingError(f.wbBlock)
		return
	}
	x := &k.units.u[slot]
	if x.failed == 0 {
		x.failed = 1
		k.mappingError(f.wbBlock)
		k.unreserve(x.from, x.to)
	}
	if x.place == placeInPlace && f.building != 0 && k.ioends.e[f.building-1].unit == slot+1 {
		// Half of a unit in place would tear: what is built of it is not sent
		// (iomap_submit_ioend with an error).
		k.ioends.e[f.building-1].err = int32(workloads.EIO)
		k.ioendDone(f.building - 1)
		f.building = 0
	}
}

// choose is step 26: in place as one atomic bio, or forced CoW.
func (k *Kernel) choose(x *unit) int32 {
	place := ask(&k.axes.writeback, func(w Writeback) int32 {
		if w == WritebackAtomic || w == WritebackCowOrAtomic && k.rules.inPlace(x.span) {
			return placeInPlace
		}
		return placeCow
	})
	if place == placeInPlace && k.usesCow() {
		k.unreserve(x.from, x.to)
	}
	return place
}

// allocate returns the disk block that the present block goes to, and makes
// sure that there is one (xfs_bmapi_convert_delalloc). A unit that goes to
// new blocks gets all of them at once.
func (t *task) allocate(slot, place int32) (disk int32, unwritten, ok bool) {
	k, f := t.k, &t.f
	if k.down != 0 {
		return 0, false, false
	}
	fork := k.forks.data
	state := blockUsed
	if place == placeCow {
		fork, state = k.forks.cow, blockStaged
	}
	t.waitMap(f.wbBlock)
	for !fork[f.wbBlock].real() {
		if f.noSpace != 0 {
			return 0, false, false
		}
		from, to := f.wbBlock, f.wbBlock+1
		if slot >= 0 {
			from, to = k.units.u[slot].from, k.units.u[slot].to
		}
		for from < to && fork[from].real() {
			from++
		}
		for slot < 0 && int(to) < len(fork) && fork[to] == delalloc {
			to++
		}
		b, n := k.alloc.run(to-from, to-from)
		if n == 0 {
			if k.alloc.available() == 0 {
				panic("engine: no block is left of those that were reserved")
			}
			// What transactions freed is free once they are durable.
			if _, err := t.logForce(); err != 0 {
				return 0, false, false
			}
			t.waitMap(f.wbBlock)
			continue
		}
		k.mapNew(fork, from, from+n, b, state)
	}
	e := fork[f.wbBlock]
	return e.block(), e.unwritten(), true
}

// mapNew maps file blocks to newly allocated disk blocks and logs it: as
// staged extents of the COW fork, or as unwritten ones of the data fork.
func (k *Kernel) mapNew(fork []forkEntry, from, to, disk int32, state blockState) {
	for b := from; b < to; b++ {
		if fork[b].real() {
			continue
		}
		d := disk + b - from
		fork[b] = mapped(d, state == blockUsed && k.rules.mapsUnwritten())
		k.alloc.set(d, state)
		k.counters.Allocated++
		k.logMapping(b, fork[b], state)
	}
	k.forksChanged()
}
