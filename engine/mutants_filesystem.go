package engine

// filesystemMutants are defects of what differs between file systems.
var filesystemMutants = []Mutant{
	{Name: "ordered-half", Defect: "an ordered-mode commit writes part of a unit (ext4)", Killers: []string{"ext4-ordered"},
		plant: wrap(func(r rules) rules { return orderedHalf{r} })},
	{Name: "reject-then-plain", Defect: "a bio refused by the limits is sent again as plain bios", Killers: []string{"block-too-large"},
		plant: wrap(func(r rules) rules { return rejectThenPlain{r} })},
	{Name: "es-shrinker-drops", Defect: "the extent status shrinker drops an atomic mark", Killers: []string{"ext4-shrinker"},
		plant: func(k *Kernel) {
			if x, ok := k.tracker.(*extentStatusTracker); ok {
				k.tracker = esShrinkerDrops{x}
			}
		}},
}

// orderedHalf writes the pages that a commit has to write without asking
// whose they are.
type orderedHalf struct{ rules }

func (m orderedHalf) orderedRange(from, to int32) (int32, int32) {
	k := m.kernel()
	k.tracker.forget(k.pageBlock(from), k.pageBlock(to))
	return m.rules.orderedRange(from, to)
}

type rejectThenPlain struct{ rules }

func (rejectThenPlain) refused(*ioend, int32) bool { return false }

// esShrinkerDrops drops extents that are marked, too.
type esShrinkerDrops struct{ *extentStatusTracker }

func (m esShrinkerDrops) evictions(fn func(int32, string)) { m.spanTable.dropsTagged("marks", fn) }

func (m esShrinkerDrops) evict(n int32) { m.spanTable.dropTagged(n) }
