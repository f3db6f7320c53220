package engine

import "fmt"

// trackMutants are defects of how atomic ranges are remembered, steps 14 to 19.
var trackMutants = []Mutant{
	{Name: "tag-after-unlock", Defect: "the range is tagged after the folio was unlocked", Killers: []string{"page-flag"},
		plant: wrap(func(r rules) rules { return tagAfterUnlock{r} })},
	{Name: "flag-lost-on-split", Defect: "the page flag vanishes when a folio is split", Killers: []string{"page-flag"},
		plant: func(k *Kernel) {
			if x, ok := k.tracker.(pageFlagTracker); ok {
				k.tracker = flagLostOnSplit{x}
			}
		}},
	{Name: "bits-clear-wrong-end", Defect: "clearing the end bits starts at the last block", Killers: []string{"state-bits"},
		plant: func(k *Kernel) {
			if x, ok := k.tracker.(stateBitsTracker); ok {
				k.tracker = bitsClearWrongEnd{x}
			}
		}},
	{Name: "bits-survive-overwrite", Defect: "a smaller atomic write in the middle leaves the old start and end marks", Killers: []string{"state-bits"},
		plant: func(k *Kernel) {
			if x, ok := k.tracker.(stateBitsTracker); ok {
				k.tracker = bitsSurviveOverwrite{x}
			}
		}},
	{Name: "bits-freed-when-clean", Defect: "private state is freed when some of the folio is clean, and a unit in it is not",
		Killers: []string{"state-bits-half"},
		plant: func(k *Kernel) {
			if x, ok := k.tracker.(stateBitsTracker); ok {
				k.tracker = bitsFreedWhenClean{x}
			}
		}},
	{Name: "cow-gc-drops", Defect: "collection of the COW fork frees a range that is the only record of a dirty unit", Killers: []string{"cow-gc"},
		plant: func(k *Kernel) {
			if x, ok := k.tracker.(*cowForkTracker); ok {
				k.tracker = cowGCDrops{x}
			}
		}},
	{Name: "no-open-mark", Defect: "the range is known from the first tag on, and nothing says that its write has not ended", Killers: []string{"two-writers"},
		plant: func(k *Kernel) { k.tracker = noOpenMark{k.tracker} }},
}

type tagAfterUnlock struct{ rules }

func (tagAfterUnlock) tag(*task) {}

func (tagAfterUnlock) nextFolio(t *task) { t.tagUnit() }

type flagLostOnSplit struct{ pageFlagTracker }

func (flagLostOnSplit) splits(*folio) bool { return true }

func (flagLostOnSplit) split(first, second *folio) { first.atomic, second.atomic = false, false }

// bitsClearWrongEnd leaves the ends of smaller units inside a new one.
type bitsClearWrongEnd struct{ stateBitsTracker }

func (m bitsClearWrongEnd) tag(s span, fo *folio) {
	ends := fo.endBits
	m.stateBitsTracker.tag(s, fo)
	fo.endBits |= ends
}

// bitsSurviveOverwrite marks the ends of a smaller unit inside an old one.
type bitsSurviveOverwrite struct{ stateBitsTracker }

func (m bitsSurviveOverwrite) tag(s span, fo *folio) {
	m.stateBitsTracker.tag(s, fo)
	from, to := m.k.folioBlocks(fo)
	if from <= s.from && s.to <= to {
		fo.startBits |= m.k.blockBits(fo, s.from, s.from+1)
		fo.endBits |= m.k.blockBits(fo, s.to-1, s.to)
	}
}

// cowGCDrops drops ranges with dirty data.
type cowGCDrops struct{ *cowForkTracker }

func (m cowGCDrops) evictions(fn func(int32, string)) { m.dropsTagged("COW blocks", fn) }

func (m cowGCDrops) evict(n int32) { m.dropTagged(n) }

// dropsTagged lists the ranges that have dirty data and that no write holds open.
func (x *spanTable) dropsTagged(what string, fn func(int32, string)) {
	for i := range x.used.all {
		if e := &x.s[i]; e.tagged != 0 && e.opened == 0 {
			fn(int32(i), fmt.Sprintf("%s of [%d,%d) are dropped", what, e.from, e.to))
		}
	}
}

func (x *spanTable) dropTagged(n int32) {
	x.s[n].tagged = 0
	x.release(n)
}

// bitsFreedWhenClean frees the state of a folio of which only a part is clean.
type bitsFreedWhenClean struct{ stateBitsTracker }

func (m bitsFreedWhenClean) evictions(fn func(int32, string)) {
	k := m.k
	for i := range k.cache.folios {
		fo := &k.cache.folios[i]
		from, to := k.folioBlocks(fo)
		if fo.pages > 0 && fo.lockedBy == 0 && fo.writeback == 0 && fo.dirtyBlocks != k.blockBits(fo, from, to) {
			fn(fo.index, fmt.Sprintf("folio state at %s is freed", k.pageText(fo.index)))
		}
	}
}

func (m bitsFreedWhenClean) evict(page int32) {
	fo := &m.k.cache.folios[page]
	fo.startBits, fo.endBits = 0, 0
}

// noOpenMark remembers what is tagged, and no more.
type noOpenMark struct{ tracker }

func (noOpenMark) open(span)  {}
func (noOpenMark) close(span) {}

func (m noOpenMark) tag(s span, fo *folio) {
	m.tracker.open(s)
	m.tracker.tag(s, fo)
	m.tracker.close(s)
}
