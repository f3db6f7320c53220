package engine

import (
	"untorn/crashsim"
	"untorn/internal/key"
)

// tracker is the axis track: it remembers the ranges of atomic writes from
// the write until writeback picks their folios. A new one is one file with
// these methods and a line in newTracker.
type tracker interface {
	// open notes, before the first folio is touched (step 5), that a unit is
	// being written. Writeback leaves alone what is open.
	open(s span)
	// tag notes that the blocks of a unit that lie in a folio, which is still
	// locked, are dirty (step 14).
	tag(s span, fo *folio)
	// close ends what open began, when the write has ended (step 17).
	close(s span)
	// next returns the first range that is remembered, open or tagged, and
	// overlaps the blocks [from, to).
	next(from, to int32) (s span, open, ok bool)
	// take ends the memory of all ranges in [from, to), whose folios writeback
	// has picked (step 21): from now on they are units under writeback.
	take(from, to int32)
	// forget drops the ranges that overlap [from, to), which are no longer what
	// an atomic write left: truncated, punched, moved, or stored to (step 19).
	forget(from, to int32)
	// splits reports whether a folio may be split in two, and split is told
	// that it was.
	splits(fo *folio) bool
	split(first, second *folio)
	// evictions calls fn with a number and a text for each piece of memory that
	// the kernel may take away now, and evict takes one (fault tracker_eviction).
	evictions(fn func(n int32, text string))
	evict(n int32)
	reset()
	hash(h *key.Hasher)
}

func newTracker(k *Kernel) tracker {
	first := trackerOf(k, k.axes.track.value)
	if k.axes.track.others != 0 {
		return newTrackers(k, first)
	}
	return first
}

func trackerOf(k *Kernel, t Track) tracker {
	switch t {
	case TrackPageFlag:
		return pageFlagTracker{k}
	case TrackStateBits:
		return stateBitsTracker{k}
	case TrackCowFork:
		return &cowForkTracker{}
	case TrackExtentStatus:
		return &extentStatusTracker{shrinks: k.faults[crashsim.TrackerEviction]}
	case TrackSidecar:
		return &sidecarTracker{}
	}
	return noTracker{}
}

// noTracker is track: none.
type noTracker struct{}

func (noTracker) open(span)                               {}
func (noTracker) tag(span, *folio)                        {}
func (noTracker) close(span)                              {}
func (noTracker) next(_, _ int32) (s span, open, ok bool) { return span{}, false, false }
func (noTracker) take(_, _ int32)                         {}
func (noTracker) forget(_, _ int32)                       {}
func (noTracker) splits(*folio) bool                      { return true }
func (noTracker) split(_, _ *folio)                       {}
func (noTracker) evictions(func(int32, string))           {}
func (noTracker) evict(int32)                             {}
func (noTracker) reset()                                  {}
func (noTracker) hash(*key.Hasher)                        {}

// spanTable is the memory of trackers that keep ranges: each with the writes
// that hold it open, and whether it has dirty data. Units are powers of two at
// multiples of their size, so that two of them are apart or one lies within
// the other; then the larger one is what has to be written as a whole.
type spanTable struct {
	used slotSet
	s    [maxUnits]trackedSpan
}

type trackedSpan struct {
	span
	opened int32 // writes inside their steps 5 to 17
	tagged int32 // has dirty data
}

func (x *spanTable) reset() { *x = spanTable{} }

func (x *spanTable) hash(h *key.Hasher) {
	h.Word(uint64(x.used))
	for i := range x.used.all {
		e := &x.s[i]
		h.Word(uint64(i) | uint64(e.from)<<8 | uint64(e.to)<<24 | uint64(e.opened)<<40 | uint64(e.tagged)<<48)
	}
}

// find returns the slot of the smallest range that holds all of s, -1 if none does.
func (x *spanTable) find(s span) int32 {
	best := int32(-1)
	for i := range x.used.all {
		e := &x.s[i]
		if e.from <= s.from && s.to <= e.to && (best < 0 || e.to-e.from < x.s[best].to-x.s[best].from) {
			best = int32(i)
		}
	}
	return best
}

func (x *spanTable) open(s span) {
	slot := x.find(s)
	if slot < 0 {
		slot = x.absorb(s)
	}
	x.s[slot].opened++
}

// absorb makes a range in place of the ranges within it.
func (x *spanTable) absorb(s span) int32 {
	var tagged int32
	for i := range x.used.all {
		if e := &x.s[i]; e.from >= s.from && e.to <= s.to {
			tagged |= e.tagged
			e.tagged = 0
			x.release(int32(i))
		}
	}
	slot := x.used.take()
	x.s[slot] = trackedSpan{span: s, tagged: tagged}
	return slot
}

func (x *spanTable) tag(s span, _ *folio) {
	if slot := x.find(s); slot >= 0 {
		x.s[slot].tagged = 1
	}
}

func (x *spanTable) close(s span) {
	if slot := x.find(s); slot >= 0 {
		x.s[slot].opened--
		x.release(slot)
	}
}

func (x *spanTable) next(from, to int32) (s span, open, ok bool) {
	for i := range x.used.all {
		if e := &x.s[i]; e.overlaps(from, to) && (!ok || e.from < s.from || e.from == s.from && e.to > s.to) {
			s, ok = e.span, true
		}
	}
	for i := range x.used.all {
		if e := &x.s[i]; ok && e.opened > 0 && e.overlaps(s.from, s.to) {
			open = true
		}
	}
	return s, open, ok
}

func (x *spanTable) take(from, to int32) {
	for i := range x.used.all {
		if e := &x.s[i]; e.overlaps(from, to) {
			e.tagged = 0
			x.release(int32(i))
		}
	}
}

func (x *spanTable) forget(from, to int32) { x.take(from, to) }

// Ranges are apart from folios and from their memory.
func (x *spanTable) splits(*folio) bool            { return true }
func (x *spanTable) split(_, _ *folio)             {}
func (x *spanTable) evictions(func(int32, string)) {}
func (x *spanTable) evict(int32)                   {}

func (x *spanTable) release(slot int32) {
	if e := &x.s[slot]; e.opened == 0 && e.tagged == 0 {
		*e = trackedSpan{}
		x.used.drop(slot)
	}
}
