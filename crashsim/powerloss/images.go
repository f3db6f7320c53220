package powerloss

import (
	"untorn/internal/blk"
	"untorn/internal/count"
)

// enumeration is the working memory of Images and Covered.
type enumeration struct {
	s    *State
	sink blk.Sink
	part *blk.Partition

	ordering ordering

	isVar []bool // a command that is one piece of several LBAs and may be there or not
	alive []bool // of those, the ones that are there in the present image
	fixed []bool // of those, the ones that the metadata state decides

	bits  []uint64
	lbas  []int32
	covAt []int32
	cov   []int32

	meta, data []segment
	prev       []option
	garbage    []blk.Handle

	groups
}

var one = count.Of(1)

// Images drives the sink through every image that a loss of power may leave
// at this moment. The image that the sink holds first is the medium.
//
// Images that no verdict can tell apart are visited once, and their number is
// the weight: see docs/judging.md and blk.Sink. More orders of overlapping
// commands than can be gone through panic.
func (s *State) Images(sink blk.Sink, part *blk.Partition) {
	e := &s.enum
	e.sink, e.part = sink, part
	e.vars()
	e.touch()
	e.orders(func() {
		sink.Set(0, s.base)
		e.metaSegments()
		e.metaVars(0)
	})
	e.sink, e.part = nil, nil
}

// vars finds the commands that are one piece of several LBAs.
func (e *enumeration) vars() {
	e.isVar, e.alive, e.fixed = e.isVar[:0], e.alive[:0], e.fixed[:0]
	for _, c := range e.s.cmds {
		piece := c.atomic && c.nlive > 1 && c.phase != hardened && !(c.phase == acked && e.s.rules.CachedLBA)
		e.isVar = append(e.isVar, piece)
		e.alive = append(e.alive, false)
		e.fixed = append(e.fixed, false)
	}
}

// metaVars decides, one by one from the i-th command on, which commands of
// one piece that carry metadata are there.
func (e *enumeration) metaVars(i int) {
	for ; i < len(e.isVar); i++ {
		if e.isVar[i] && e.isMeta(e.s.cmds[i].rng) {
			break
		}
	}
	if i == len(e.isVar) {
		for k := range e.meta {
			e.fill(&e.meta[k])
		}
		e.metaStates(0, &one)
		return
	}
	e.fixed[i] = true
	for _, alive := range [2]bool{false, true} {
		e.alive[i] = alive
		e.metaVars(i + 1)
	}
	e.fixed[i], e.alive[i] = false, false
}

// metaStates goes through the options of the metadata segments from the k-th
// on; weight is the number of ways of those chosen already.
func (e *enumeration) metaStates(k int, weight *count.Count) {
	if k == len(e.meta) {
		e.state(weight)
		return
	}
	seg := &e.meta[k]
	for i := range seg.opts {
		e.set(seg, seg.opts[i].set)
		w := times(weight, &seg.opts[i].weight)
		e.metaStates(k+1, &w)
	}
}

// times multiplies, mostly by one.
func times(a, b *count.Count) count.Count {
	if n, ok := b.Uint64(); ok && n == 1 {
		return *a
	}
	return count.Mul(a, b)
}
