package engine

import "untorn/workloads"

// writeThrough is submit: write-through: an atomic write sends its data
// itself. Each folio enters writeback before it is unlocked (steps 22 to 27
// come before 15), and with the last one still locked the unit is submitted.
// Nothing has to remember the range, since no other writeback finds the folios
// dirty. Plain writes are left to writeback.
type writeThrough struct{ laterWriteback }

func (writeThrough) copied(t *task) {
	k, f := t.k, &t.f
	if !t.op().Atomic {
		return
	}
	fo := k.cache.folio(f.page)
	if f.through == 0 {
		f.through = k.units.pick(t.unit(), t.ID()) + 1
	}
	k.tracker.take(f.unitFrom, f.unitTo)
	// The write before may still be on its way from this folio.
	t.block(waitWriteback, f.page)
	// The size moves first, or step 23 would zero the data that is past it.
	k.rules.growsFirst(t)
	t.startWriteback(fo)
	t.mapFolio(fo, f.pos/k.blockSectors, (f.pos+f.copied+k.blockSectors-1)/k.blockSectors)
	if f.pos+f.copied == f.pieceTo {
		t.submitThrough()
	}
	fo.writeback--
}

// submitOwn sends what this write has built when a short copy brings it to
// the same folio again: it would wait for itself. The unit goes out in two.
func (t *task) submitOwn() {
	f := &t.f
	if f.through != 0 && f.pos > max(f.pieceFrom, f.page*pageSectors) {
		t.submitThrough()
	}
}

// submitThrough ends the unit and sends what was built of it.
func (t *task) submitThrough() {
	k, f := t.k, &t.f
	k.units.u[f.through-1].picked = 0
	k.units.release(f.through - 1)
	f.through = 0
	t.Step(stepSubmitThrough)
	t.submitIoend()
	t.flushPlug()
}

// unlocked sends what a write that failed had built: nothing can take it back.
func (writeThrough) unlocked(t *task, _ *workloads.Op) workloads.Errno {
	if t.f.through != 0 {
		t.submitThrough()
	}
	return 0
}

// writeThroughWait is submit: write-through-wait: as before, and the call
// returns when the device has the data.
type writeThroughWait struct{ writeThrough }

func (x writeThroughWait) unlocked(t *task, op *workloads.Op) workloads.Errno {
	x.writeThrough.unlocked(t, op)
	if !op.Atomic {
		return 0
	}
	t.Step(stepWaitThrough)
	t.waitWriteback(t.f.start/pageSectors, (t.f.end+pageSectors-1)/pageSectors)
	if t.ino().wbErrors != t.f.errorsBefore {
		return workloads.EIO
	}
	return 0
}
