package engine

import (
	"untorn/internal/blk"
	"untorn/workloads"
)

// directWrite is one pwritev2 with O_DIRECT: xfs_file_dio_write and
// __iomap_dio_rw, steps D1 to D9.
func (t *task) directWrite(op *workloads.Op) workloads.Result {
	k, f := t.k, &t.f
	t.Step(stepDirectValidate)
	if err := k.validateWrite(op); err != 0 {
		return workloads.Fail(err)
	}
	t.Step(stepDirectLock)
	t.lockDirect(op)
	if op.Append {
		f.start = t.ino().size
		if err := k.rules.validateAppend(op, f.start-t.ino().base); err != 0 {
			t.unlockInode()
			return workloads.Fail(err)
		}
	}
	end, err := t.limitedEnd(op)
	if err != 0 {
		t.unlockInode()
		return workloads.Fail(err)
	}
	t.Step(stepDirectFlush)
	from, to := t.directPages(op)
	from, to = k.rules.rangeToWrite(from, to)
	t.writeRange(from, to, true)
	t.Step(stepDirectInvalidate)
	if !k.invalidate(from, to) {
		t.unlockInode()
		if k.rules.fallsBack(op) {
			plain := *op
			plain.Atomic = false
			return t.bufferedWrite(&plain)
		}
		return workloads.Fail(workloads.EAGAIN)
	}
	f.pos, f.end = f.start, end
	f.err = int32(t.directIO(op))
	t.Step(stepDirectEnd)
	if f.err == 0 {
		// A folio that was dirtied meanwhile will be written over this: that is
		// all but an error of writeback (dio_warn_stale_pagecache).
		t.waitWriteback(from, to)
		if !k.invalidate(from, to) {
			k.mappingError(f.start / k.blockSectors)
		}
	}
	t.unlockInode()
	if f.err != 0 {
		return workloads.Fail(workloads.Errno(f.err))
	}
	return workloads.Result((end - f.start) * sectorBytes)
}

// lockDirect takes the inode lock: shared, so that direct writers do not
// exclude each other, unless the file grows or a block is written in part.
func (t *task) lockDirect(op *workloads.Op) {
	k := t.k
	end := t.f.start + int32(op.Length/sectorBytes)
	if op.Append || end > t.ino().size || t.f.start%k.blockSectors != 0 || end%k.blockSectors != 0 {
		t.lockInode()
		return
	}
	t.block(waitInodeShared, t.f.file)
	t.ino().sharedBy |= 1 << t.ID()
}

// directPages returns the pages that a direct write covers.
func (t *task) directPages(op *workloads.Op) (from, to int32) {
	return t.f.start / pageSectors, (t.f.start + int32(op.Length/sectorBytes) + pageSectors - 1) / pageSectors
}

// invalidate drops the clean folios of a range of pages and reports whether
// none is left (invalidate_inode_pages2_range).
func (k *Kernel) invalidate(from, to int32) bool {
	all := true
	k.eachFolio(from, to, func(fo *folio) bool {
		if fo.evictable() {
			k.cache.remove(fo)
		} else {
			all = false
		}
		return true
	})
	return all
}

// directIO maps, submits and completes a direct write, steps D5 to D8.
func (t *task) directIO(op *workloads.Op) workloads.Errno {
	k, f := t.k, &t.f
	t.Step(stepDirectMap)
	from, to := f.start/k.blockSectors, (f.end+k.blockSectors-1)/k.blockSectors
	t.waitMap(from)
	place, err := t.directPlace(op, span{from, to})
	if err != 0 {
		return err
	}
	slot := int32(-1)
	if op.Atomic {
		slot = k.units.pick(span{from, to}, t.ID())
		k.units.u[slot].place = place
	}
	if place != placeCow && !t.allocateDirect(from, to) {
		return workloads.ENOSPC
	}
	for f.wbBlock = from; f.wbBlock < to; f.wbBlock++ {
		if _, _, ok := t.allocate(t.directBlock(slot, place)); !ok {
			return t.abandonDirect(slot)
		}
	}
	f.direct = 1
	for f.wbBlock = from; f.wbBlock < to; f.wbBlock++ {
		unit, at := t.directBlock(slot, place)
		disk, unwritten, _ := t.allocate(unit, at)
		unw := int32(0)
		if unwritten {
			unw = 1
		}
		t.addToIoend(disk, slot, at, unw)
	}
	t.Step(stepDirectSubmit)
	t.submitIoend()
	t.flushPlug()
	f.direct = 0
	t.block(waitDirect, int32(t.ID()))
	t.Step(stepDirectComplete)
	return t.completeDirect(slot)
}

// abandonDirect ends a direct write that found no space, before any of it was
// built.
func (t *task) abandonDirect(slot int32) workloads.Errno {
	k := t.k
	if slot >= 0 {
		x := &k.units.u[slot]
		x.picked = 0
		k.unreserve(x.from, x.to)
		k.units.release(slot)
	}
	if k.down != 0 {
		return workloads.EIO
	}
	return workloads.ENOSPC
}

// directPlace decides where a direct write goes (xfs_direct_write_iomap_begin,
// xfs_atomic_write_cow_iomap_begin). Plain writes overwrite what is there.
func (t *task) directPlace(op *workloads.Op, s span) (int32, workloads.Errno) {
	k := t.k
	if !op.Atomic {
		return placePlain, 0
	}
	switch d := ask(&k.axes.writeback, func(w Writeback) Writeback { return w }); {
	case d == WritebackPlain:
		return placePlain, 0
	case d != WritebackCow && k.rules.inPlaceDirect(s):
		return placeInPlace, 0
	case d == WritebackAtomic:
		return 0, workloads.EINVAL
	}
	if !k.reserve(s.from, s.to) {
		return 0, workloads.ENOSPC
	}
	return placeCow, 0
}

// directBlock returns where the present block of a direct write goes, and the
// unit that it is allocated with: in place, a shared block by itself goes to a
// new one (xfs_reflink_allocate_cow).
func (t *task) directBlock(slot, place int32) (unit, at int32) {
	if place == placePlain && t.k.rules.spares(t.f.wbBlock) {
		return -1, placeCow
	}
	return slot, place
}

// allocateDirect gives the holes of a range unwritten blocks
// (xfs_iomap_write_direct). It reports false when the disk is full.
func (t *task) allocateDirect(from, to int32) bool {
	k := t.k
	var need int32
	for b := from; b < to; b++ {
		if !k.forks.data[b].real() || k.rules.spares(b) && k.forks.cow[b] == hole {
			need++
		}
	}
	return need+k.promised() <= k.alloc.available()
}

// inPlaceDirect is inPlace for a direct write: the one extent may be
// unwritten, since its conversion sets the size, and the range may reach past
// the end of file.
func (k sound) inPlaceDirect(s span) bool {
	n := (s.to - s.from) * k.blockSectors
	return k.fitsUnit(n) && k.oneExtent(s, true) && k.alignedOnDisk(s, n)
}

// directPayload appends what the device reads from the user's buffer.
func (k *Kernel) directPayload(buf []blk.Handle, e *ioend) []blk.Handle {
	t := k.tasks[e.owner-1]
	for s := e.file; s < e.file+e.len; s++ {
		buf = append(buf, blk.Data(int(t.ops[t.f.next]), int(s-t.f.start)))
	}
	return buf
}

// directDone reports whether the device is done with all of a task's ioends.
func (k *Kernel) directDone(task int32) bool {
	for i := range k.ioends.used.all {
		if e := &k.ioends.e[i]; e.owner == task+1 && e.state != ioendDone {
			return false
		}
	}
	return true
}

// completeDirect ends a direct write in the task that issued it
// (iomap_dio_complete, xfs_dio_write_end_io): an atomic one that went to new
// blocks is remapped in one chain (xfs_reflink_end_atomic_cow), unwritten
// extents are converted with the size, one by one, and else the size is a
// transaction of its own. Shared blocks are remapped as those of an ioend
// without a unit (xfs_reflink_end_cow).
func (t *task) completeDirect(slot int32) (err workloads.Errno) {
	k, f := t.k, &t.f
	for i := range k.ioends.used.all {
		if e := &k.ioends.e[i]; e.owner == int32(t.ID())+1 && e.err != 0 {
			err = workloads.Errno(e.err)
		}
	}
	if slot >= 0 {
		x := &k.units.u[slot]
		x.picked = 0
		switch {
		case err != 0 && x.place == placeCow:
			k.cancelCow(x.from, x.to)
		case err == 0 && x.place == placeCow:
			k.rules.remap(t, slot, false)
		}
	}
	for f.extent = f.start; err == 0; {
		e := t.nextDirect(f.extent)
		if e == nil {
			break
		}
		f.extent = e.file + e.len
		if e.place == placeCow && (slot < 0 || k.units.u[slot].place != placeCow) {
			t.Step(stepDirectRemap)
			t.waitMap(e.file / k.blockSectors)
			k.remapLeft(span{e.file / k.blockSectors, (e.file + e.len) / k.blockSectors})
		}
		if e.unwritten != 0 && e.place != placeCow {
			t.Step(stepDirectConvert)
			t.waitMap(e.file / k.blockSectors)
			k.convertUnwritten(e)
		}
	}
	if err == 0 {
		t.ino().size = max(t.ino().size, f.end)
		if ino := t.ino(); f.end > ino.diskSize {
			t.Step(stepDirectSize)
			k.logSize(ino, max(f.end, ino.diskSize))
		}
	}
	for i := range k.ioends.used.all {
		if e := &k.ioends.e[i]; e.owner == int32(t.ID())+1 {
			if err != 0 && e.place == placeCow {
				k.cancelCow(e.file/k.blockSectors, (e.file+e.len)/k.blockSectors)
			}
			*e = ioend{}
			k.ioends.used.drop(int32(i))
		}
	}
	if slot >= 0 {
		k.units.u[slot].ioends = 0
		k.units.release(slot)
	}
	return err
}

// nextDirect returns the task's first ioend at or after a sector of the file.
func (t *task) nextDirect(from int32) (best *ioend) {
	k := t.k
	for i := range k.ioends.used.all {
		e := &k.ioends.e[i]
		if e.owner == int32(t.ID())+1 && e.file >= from && (best == nil || e.file < best.file) {
			best = e
		}
	}
	return best
}
