package engine

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
	{Name: "stable-cleared-early", Defect: "the first of two completions clears the stable mark of both", Killers: []string{"sub-folio"},
		plant: wrap(func(r rules) rules { return stableClearedEarly{r} })},
	{Name: "error-lost", Defect: "a writeback error is never reported", Killers: []string{"merge-refused"},
		plant: wrap(func(r rules) rules { return errorLost{r} })},
}

type earlyIoend struct{ rules }

func (earlyIoend) complete(int32) bool { return true }

type remapPerExtent struct{ rules }

func (m remapPerExtent) remap(t *task, slot int32) {
	k, f := t.k, &t.f
	x := &k.units.u[slot]
	for f.extent = x.from; ; {
		e := k.unitIoend(slot, f.extent)
		if e == nil {
			return
		}
		t.Step(stepRemapExtent)
		t.waitMap(x.from)
		k.remapExtent(e)
		if ino := k.inodeOf(x.from); e.eof > ino.diskSize {
			k.logSize(ino, e.eof)
		}
		f.extent = (e.file + e.len) / k.blockSectors
	}
}

type sizeApart struct{ rules }

func (m sizeApart) remap(t *task, slot int32) {
	k := t.k
	x := &k.units.u[slot]
	ino := k.inodeOf(x.from)
	size := ino.diskSize
	// No ioend reaches past a size that is as large as sizes get.
	ino.diskSize = 1<<31 - 1
	m.rules.remap(t, slot)
	ino.diskSize = size
	t.Step(stepSize)
	if end := min(x.to*k.blockSectors, ino.size); end > size {
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

func (errorLost) reportsErrors() bool { return false }
