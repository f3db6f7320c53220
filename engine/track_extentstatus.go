package engine

import (
	"fmt"

	"untorn/internal/key"
)

// extentStatusTracker is track: extent-status: ext4's cache of extents holds
// the range, with a mark while it is open or dirty. The shrinker drops extents
// without a mark, and no others (es_reclaim_extents).
type extentStatusTracker struct {
	spanTable
	shrinks bool      // the shrinker may run; else what is cached decides nothing
	cached  spanTable // ranges that lost their mark and are still cached
}

func (x *extentStatusTracker) take(from, to int32) {
	if !x.shrinks {
		x.spanTable.take(from, to)
		return
	}
	for s, _, ok := x.next(from, to); ok; s, _, ok = x.next(s.to, to) {
		if x.cached.find(s) < 0 {
			x.cached.open(s)
		}
	}
	x.spanTable.take(from, to)
}

func (x *extentStatusTracker) forget(from, to int32) {
	x.spanTable.forget(from, to)
	for i := range x.cached.used.all {
		if x.cached.s[i].overlaps(from, to) {
			x.evict(int32(i))
		}
	}
}

func (x *extentStatusTracker) evictions(fn func(int32, string)) {
	for i := range x.cached.used.all {
		e := &x.cached.s[i]
		fn(int32(i), fmt.Sprintf("the shrinker drops extent [%d,%d)", e.from, e.to))
	}
}

func (x *extentStatusTracker) evict(n int32) {
	x.cached.s[n] = trackedSpan{}
	x.cached.used.drop(n)
}

func (x *extentStatusTracker) reset() {
	x.spanTable.reset()
	x.cached.reset()
}

func (x *extentStatusTracker) hash(h *key.Hasher) {
	x.spanTable.hash(h)
	x.cached.hash(h)
}
