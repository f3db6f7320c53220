package engine

// moveMutants are defects of operations that move content, steps T13 to T22.
var moveMutants = []Mutant{
	{Name: "sidecar-stale-collapse", Defect: "collapse does not trim the sidecar, and a stale range makes the next insertion be dropped",
		Killers: []string{"ext4-collapse"}, plant: stale(func(r rules, x *staleSidecar) rules { return staleShift{r, x} })},
	{Name: "shift-no-flush", Defect: "collapse and insert drop the page cache without writing it back", Killers: []string{"collapse"},
		plant: wrap(func(r rules) rules { return shiftNoFlush{r} })},
	{Name: "faults-during-shift", Defect: "page faults are not kept out while extents move", Killers: []string{"shift-store"},
		plant: wrap(func(r rules) rules { return faultsDuringShift{r} })},
	{Name: "clone-no-flush", Defect: "clone shares the blocks of the source without writing its pages back", Killers: []string{"clone"},
		plant: wrap(func(r rules) rules { return cloneNoFlush{r} })},
	{Name: "shared-block-in-place", Defect: "a shared block is written in place", Killers: []string{"clone"},
		plant: wrap(func(r rules) rules { return sharedInPlace{r} })},
	{Name: "shared-freed-early", Defect: "the first owner that lets go of a shared block frees it", Killers: []string{"clone-rewrite"},
		plant: wrap(func(r rules) rules { return sharedFreedEarly{r} })},
}

type staleShift struct {
	rules
	sidecar *staleSidecar
}

func (m staleShift) shifted(from, to int32) { m.sidecar.keep(from, to) }

type shiftNoFlush struct{ rules }

func (shiftNoFlush) flushesShift() bool { return false }

type faultsDuringShift struct{ rules }

func (faultsDuringShift) stopsFaults() bool { return false }

type cloneNoFlush struct{ rules }

func (cloneNoFlush) flushesSource() bool { return false }

type sharedInPlace struct{ rules }

func (sharedInPlace) spares(int32) bool { return false }

type sharedFreedEarly struct{ rules }

func (sharedFreedEarly) owned(int32) bool { return false }
