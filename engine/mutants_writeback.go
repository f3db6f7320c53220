package engine

import "untorn/internal/blk"

// writebackMutants are defects of the selection of folios and of their place,
// steps 20 to 28.
var writebackMutants = []Mutant{
	{Name: "partial-selection", Defect: "writeback with a quota picks part of a unit", Killers: []string{"quota"},
		plant: wrap(func(r rules) rules { return partialSelection{r} })},
	{Name: "skip-under-writeback", Defect: "a folio under writeback is skipped and the rest submitted", Killers: []string{"stable-bounce"},
		plant: wrap(func(r rules) rules { return skipUnderWriteback{r} })},
	{Name: "shared-cow-blocks", Defect: "two buffered units share COW blocks", Killers: []string{"stable-bounce"},
		plant: wrap(func(r rules) rules { return sharedCowBlocks{r} })},
	{Name: "fragmented-in-place", Defect: "a unit over two extents goes in place", Killers: []string{"cow-or-atomic"},
		plant: wrap(func(r rules) rules { return fragmentedInPlace{r} })},
	{Name: "nospace-falls-back", Defect: "no space for CoW at writeback: written in place", Killers: []string{"no-space"},
		plant: wrap(func(r rules) rules { return nospaceFallsBack{r} })},
	{Name: "error-marks-clean", Defect: "a failed unit is half retried later", Killers: []string{"no-space"},
		plant: wrap(func(r rules) rules { return errorMarksClean{r} })},
	{Name: "neighbour-error", Defect: "a mapping error on another folio fails the half of the unit already built",
		Killers: []string{"no-space-neighbour"}, plant: wrap(func(r rules) rules { return neighbourError{r} })},
	{Name: "ioend-spans-units", Defect: "a cap ends an ioend inside the next unit, and its completion remaps half of it", Killers: []string{"ioend-cap"},
		plant: wrap(func(r rules) rules { return ioendSpansUnits{r} })},
	{Name: "widen-forward-only", Defect: "a selection is widened to the end of a unit and not to its beginning", Killers: []string{"sync-range"},
		plant: wrap(func(r rules) rules { return widenForwardOnly{r} })},
	{Name: "fsync-skips-open", Defect: "fsync passes over a unit that is held open, as background writeback does", Killers: []string{"same-unit"},
		plant: wrap(func(r rules) rules { return fsyncSkips{r, waitUnitShut} })},
	{Name: "fsync-skips-writeback", Defect: "fsync passes over a dirty folio that is under writeback, as background writeback does",
		Killers: []string{"stable-bounce"}, plant: wrap(func(r rules) rules { return fsyncSkips{r, waitWriteback} })},
	{Name: "dirty-tag-early", Defect: "the tag by which writeback finds a folio goes with its dirty flag, before it is under writeback",
		Killers: []string{"two-writers"}, plant: wrap(func(r rules) rules { return dirtyTagEarly{r} })},
	{Name: "write-into-picked", Defect: "writeback locks the folios of a unit one after the other, and a write enters in between",
		Killers: []string{"stable-bounce"}, plant: wrap(func(r rules) rules { return writeIntoPicked{r} })},
	{Name: "map-written", Defect: "new blocks are mapped as written before data is in them", Killers: []string{"ext4-in-place"},
		plant: wrap(func(r rules) rules { return mapWritten{r} })},
	{Name: "bounce-late", Defect: "the private copy for I/O is made when the bio is sent, after the folio was unlocked", Killers: []string{"stable-bounce"},
		plant: wrap(func(r rules) rules { return bounceLate{r} })},
}

// partialSelection cuts the last selection off after its first folio.
type partialSelection struct{ rules }

func (m partialSelection) quota(from, _ int32) (int32, int32) {
	return from, m.kernel().cache.folio(from).end()
}

type skipUnderWriteback struct{ rules }

func (m skipUnderWriteback) selects(fo *folio) bool { return fo.writeback == 0 }

func (m skipUnderWriteback) obstacle(from, to int32) obstacle {
	o := m.rules.obstacle(from, to)
	if o.kind != waitWriteback {
		return o
	}
	// Some folio of it has to be left.
	left := false
	m.kernel().eachFolio(from, to, func(fo *folio) bool {
		left = left || fo.dirty && fo.writeback == 0
		return true
	})
	if left {
		return obstacle{}
	}
	return o
}

type sharedCowBlocks struct{ rules }

// obstacle does not wait for the unit in flight that has the same range.
func (m sharedCowBlocks) obstacle(from, to int32) obstacle {
	k := m.kernel()
	o := m.rules.obstacle(from, to)
	if s, _, ok := k.tracker.next(k.pageBlock(from), k.pageBlock(to)); ok && o.kind == waitWriteback {
		for i := range k.units.used.all {
			if k.units.u[i].span == s {
				return obstacle{}
			}
		}
	}
	return o
}

// fragmentedInPlace looks at the first block of the unit alone.
type fragmentedInPlace struct{ rules }

func (m fragmentedInPlace) inPlace(s span) bool {
	k := m.kernel()
	n := (s.to - s.from) * k.blockSectors
	first := k.forks.data[s.from]
	for b := s.from; b < s.to; b++ {
		if e := k.forks.data[b]; !e.real() || e.unwritten() {
			return false
		}
	}
	return first.real() && n <= k.limits.unitMax && s.to*k.blockSectors <= k.inodeOf(s.from).diskSize
}

type ioendSpansUnits struct{ rules }

func (ioendSpansUnits) joins(*ioend, int32) bool { return true }

type nospaceFallsBack struct{ rules }

func (m nospaceFallsBack) withoutSpace(slot, place int32) (int32, bool) {
	return placePlain, place == placeCow && slot >= 0
}

// errorMarksClean keeps a discarded block of a unit dirty, with nothing that
// says whose it is.
type errorMarksClean struct{ rules }

func (m errorMarksClean) discarded(t *task, fo *folio) {
	k, b := t.k, t.f.wbBlock
	if slot := k.units.find(b, t.ID()); slot >= 0 && b > k.units.u[slot].from {
		fo.dirtyBlocks |= k.blockBits(fo, b, b+1)
	}
}

// neighbourError fails the ioend that is being built, and no more of its unit.
type neighbourError struct{ rules }

func (m neighbourError) discarded(t *task, _ *folio) {
	k, f := t.k, &t.f
	if f.building == 0 {
		return
	}
	if e := &k.ioends.e[f.building-1]; e.unit != 0 && !k.units.u[e.unit-1].overlaps(f.wbBlock, f.wbBlock+1) {
		e.place, e.state = placePlain, ioendDone
		f.building = 0
	}
}

type widenForwardOnly struct{ rules }

func (m widenForwardOnly) widen(from, to int32) (int32, int32) {
	_, to = m.rules.widen(from, to)
	return from, to
}

// fsyncSkips does not wait for an obstacle of one kind.
type fsyncSkips struct {
	rules
	kind uint8
}

func (m fsyncSkips) skips(t *task, o obstacle) bool { return o.kind == m.kind || m.rules.skips(t, o) }

type dirtyTagEarly struct{ rules }

func (dirtyTagEarly) cleaned(fo *folio) { fo.mark = false }

type mapWritten struct{ rules }

func (mapWritten) mapsUnwritten() bool { return false }

type bounceLate struct{ rules }

func (bounceLate) bounced(_, _ int32) {}

func (m bounceLate) payload(e *ioend) []blk.Handle {
	if m.kernel().stableIs(StableBounce) {
		m.rules.bounced(e.file, e.len)
	}
	return m.rules.payload(e)
}

type writeIntoPicked struct{ rules }

func (writeIntoPicked) beingPicked(*task, int32, int32) int32 { return -1 }

func (writeIntoPicked) selects(*folio) bool { return false }

func (writeIntoPicked) reached(t *task, fo *folio) {
	t.block(waitFolio, fo.index)
	fo.lockedBy = int32(t.ID()) + 1
}
