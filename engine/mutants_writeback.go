package engine

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
	{Name: "ioend-spans-units", Defect: "a cap ends an ioend inside the next unit, and its completion remaps half of it", Killers: []string{"ioend-cap"},
		plant: wrap(func(r rules) rules { return ioendSpansUnits{r} })},
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
