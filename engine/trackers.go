package engine

import (
	"fmt"
	"math/bits"
	"strings"

	"untorn/internal/key"
)

// trackers is a tracker that others are taken along with: all are told the
// same. What the others remember is state, since it decides how they will
// answer. So it is still when one has answered otherwise, or a state would have
// another key when a run comes back to it.
type trackers struct {
	tracker
	k   *Kernel
	of  [NumTracks]tracker
	all []tracker
}

func newTrackers(k *Kernel, first tracker) *trackers {
	x := &trackers{tracker: first, k: k}
	x.of[k.axes.track.value] = first
	for rest := k.axes.track.set(); rest != 0; rest &= rest - 1 {
		v := bits.TrailingZeros8(rest)
		if x.of[v] == nil {
			x.of[v] = trackerOf(k, Track(v))
		}
		x.all = append(x.all, x.of[v])
	}
	return x
}

func (x *trackers) open(s span) {
	for _, t := range x.all {
		t.open(s)
	}
}

func (x *trackers) tag(s span, fo *folio) {
	for _, t := range x.all {
		t.tag(s, fo)
	}
}

func (x *trackers) close(s span) {
	for _, t := range x.all {
		t.close(s)
	}
}

func (x *trackers) next(from, to int32) (s span, open, ok bool) {
	type found struct {
		s        span
		open, ok bool
	}
	a := ask(&x.k.axes.track, func(v Track) (f found) {
		if f.s, f.open, f.ok = x.of[v].next(from, to); !f.ok {
			f = found{} // what else is returned means nothing
		}
		return f
	})
	return a.s, a.open, a.ok
}

func (x *trackers) take(from, to int32) {
	for _, t := range x.all {
		t.take(from, to)
	}
}

func (x *trackers) forget(from, to int32) {
	for _, t := range x.all {
		t.forget(from, to)
	}
}

func (x *trackers) splits(fo *folio) bool {
	return ask(&x.k.axes.track, func(v Track) bool { return x.of[v].splits(fo) })
}

func (x *trackers) split(first, second *folio) {
	for _, t := range x.all {
		t.split(first, second)
	}
}

// evictions are alike where there are none: no two trackers have the same
// memory.
func (x *trackers) evictions(fn func(n int32, text string)) {
	ask(&x.k.axes.track, func(v Track) string {
		var b strings.Builder
		x.of[v].evictions(func(n int32, text string) { fmt.Fprintln(&b, n, text) })
		return b.String()
	})
	x.tracker.evictions(fn)
}

// evict takes memory of the design's own tracker; the others had none to take.
func (x *trackers) evict(n int32) { x.tracker.evict(n) }

func (x *trackers) reset() {
	for _, t := range x.all {
		t.reset()
	}
}

func (x *trackers) hash(h *key.Hasher) {
	for _, t := range x.all {
		t.hash(h)
	}
}
