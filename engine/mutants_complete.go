package engine

import "untorn/internal/blk"

// completionMutants are defects of I/O completion, steps 32 to 36.
var completionMutants = []Mutant{
	{Name: "early-ioend", Defect: "the first ioend of a unit is submitted and completed on its own", Killers: []string{"remap-chain"},
		plant: wrap(func(r rules) rules { return earlyIoend{r} })},
	{Name: "remap-per-extent", Defect: "each extent is remapped in its own transaction", Killers: []string{"remap-chain"},
		plant: wrap(func(r rules) rules { return remapPerExtent{r} })},
	{Name: "size-apart", Defect: "size and remap are in separate transactions", Killers: []string{"append"},
		plant: wrap(func(r rules) rules { return sizeApart{r} })},
	{Name: "reuse-busy-extent", Defect: "freed blocks are given out before the freeing transaction is durable", Killers: []string{"rewrite"},
		plant: wrap(func(r rules) rules { return reuseBusyExtent{r} })},
	{Name: "discard-early", Defect: "old blocks are discarded before the remap is durable", Killers: []string{"rewrite"},
		plant: wrap(func(r rules) rules { return discardEarly{r} })},
	{Name: "stable-cleared-early", Defect: "the first of two completions clears the stable mark of both", Killers: []string{"sub-folio"},
		plant: wrap(func(r rules) rules { return stableClearedEarly{r} })},
	{Name: "error-lost", Defect: "a writeback error is never reported", Killers: []string{"merge-refused"},
		plant: wrap(func(r rules) rules { return errorLost{r} })},
	{Name: "error-fails-one-ioend", Defect: "an I/O error fails its own ioend, and the rest of the unit is remapped", Killers: []string{"io-error-fragmented"},
		plant: wrap(func(r rules) rules { return errorFailsOneIoend{r} })},
	{Name: "cancel-in-flight", Defect: "an I/O error frees the new blocks of a unit while the device still writes to some of them", Killers: []string{"io-error-fragmented"},
		plant: wrap(func(r rules) rules { return cancelInFlight{r} })},
	{Name: "busy-freed-early", Defect: "freed blocks are given out once the transaction that frees them is being written", Killers: []string{"rewrite"},
		plant: wrap(func(r rules) rules { return busyFreedEarly{r} })},
	{Name: "dropbehind-dirty", Defect: "a folio that is dirty again is dropped when the writeback before ends", Killers: []string{"dontcache-neighbour"},
		plant: wrap(func(r rules) rules { return dropbehindDirty{r} })},
}

type earlyIoend struct{ rules }

func (earlyIoend) complete(int32) bool { return true }

type remapPerExtent struct{ rules }

func (m remapPerExtent) remap(t *task, slot int32, withSize bool) {
	k, f := t.k, &t.f
	x := &k.units.u[slot]
	for f.extent = x.from; ; {
		r, ok := k.nextCow(slot, f.extent)
		if !ok {
			break
		}
		f.extent, f.extentTo = r.from, r.to
		t.Step(stepRemapExtent)
		t.waitMap(x.from)
		k.remapExtent(span{f.extent, f.extentTo})
		f.extent, f.extentTo = f.extentTo, 0
	}
	if ino, end := k.inodeOf(x.from), k.unitEnd(slot); withSize && end > ino.diskSize {
		k.logSize(ino, end)
	}
}

type sizeApart struct{ rules }

func (m sizeApart) remap(t *task, slot int32, _ bool) {
	k := t.k
	m.rules.remap(t, slot, false)
	t.Step(stepSize)
	if ino, end := k.inodeOf(k.units.u[slot].from), k.unitEnd(slot); end > ino.diskSize {
		k.logSize(ino, end)
	}
}

type reuseBusyExtent struct{ rules }

func (reuseBusyExtent) freed() blockState { return blockFree }

type stableClearedEarly struct{ rules }

func (stableClearedEarly) endWriteback(fo *folio) {
	if fo.writeback--; fo.lockedBy == 0 || fo.writeback < 0 {
		fo.writeback = 0
	}
}

type errorLost struct{ rules }

func (errorLost) keepsError(int32) *inode { return nil }

type discardEarly struct{ rules }

// unmapped sends a discard, which leaves zeros, and waits for nothing.
func (m discardEarly) unmapped(block int32) {
	k := m.kernel()
	tag := k.reqs.used.take()
	k.reqs.ioends[tag] = 0
	k.dev.Write(k.super.Sector(block), make([]blk.Handle, k.blockSectors), false, tag)
}

type errorFailsOneIoend struct{ rules }

func (errorFailsOneIoend) failed(*ioend) {}

func (m errorFailsOneIoend) remap(t *task, slot int32, withSize bool) {
	k := t.k
	for i := range k.ioends.used.all {
		if e := &k.ioends.e[i]; e.state == ioendDone && e.unit == slot+1 && e.err != 0 {
			k.mappingError(e.file / k.blockSectors)
			k.cancelCow(e.file/k.blockSectors, (e.file+e.len)/k.blockSectors)
		}
	}
	m.rules.remap(t, slot, withSize)
}

type cancelInFlight struct{ rules }

func (m cancelInFlight) failed(e *ioend) {
	k := m.kernel()
	m.rules.failed(e)
	if x := &k.units.u[e.unit-1]; x.place == placeCow {
		k.cancelCow(x.from, x.to)
	}
}

type busyFreedEarly struct{ rules }

func (busyFreedEarly) freeing() blockState { return blockFree }

type dropbehindDirty struct{ rules }

func (dropbehindDirty) dropsBehind(fo *folio) bool {
	return fo.lockedBy == 0 && fo.writeback == 0 && fo.refs == 0
}
