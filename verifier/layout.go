package verifier

import (
	"cmp"
	"slices"

	"untorn/internal/blk"
	"untorn/workloads"
)

// A stretch is a run of file sectors between two neighbouring edges of
// operations or ends of file: every sector of it has the same
// history, whatever happens in a run.
type stretch struct {
	from, to int32  // file sectors
	writes   uint64 // operations that give it a version
	zeroing  uint64 // of those, the ones that leave zeros or nothing
	group    int32
	zero     bool // version 0 is zeros, or past the end
	data     bool // version 0 is a stamp
}

// A unit is the range of one atomic write.
type unit struct {
	op          int
	first, last int32 // stretches, last one included
}

// layout is what a workload says about a file before anything happened.
type layout struct {
	stretches []stretch
	units     []unit  // by group
	unitsOf   []int32 // units[unitsOf[g]:unitsOf[g+1]] are those of group g
	sectors   int32   // file sectors that any operation or version 0 covers
	initial   int32   // file sectors of version 0
	writes    uint64
	shorten   uint64 // truncations
	sizes     uint64 // operations that may move the end of file
}

// newLayout cuts the file at every edge and joins what overlapping operations
// connect: a group is the sectors that a chain of overlapping operations
// covers, or a stretch that none covers.
func newLayout(w *workloads.Workload) *layout {
	l := &layout{initial: int32(w.File / blk.SectorSize)}
	l.sectors = l.initial
	edges := []int32{0, l.initial}
	type span struct{ from, to int32 }
	var spans []span
	for i := range w.Ops {
		op := &w.Ops[i]
		l.sectors = max(l.sectors, int32(op.Extends()/blk.SectorSize))
		if op.Extends() > 0 || op.Kind == workloads.Truncate {
			l.sizes |= 1 << (i + 1)
			edges = append(edges, int32(op.Extends()/blk.SectorSize))
		}
		if op.Writes() {
			l.sectors = max(l.sectors, int32(op.End()/blk.SectorSize))
		}
	}
	edges = append(edges, l.sectors)
	for i := range w.Ops {
		if op := &w.Ops[i]; op.Changes() {
			from, to := op.Span()
			s := span{int32(min(from/blk.SectorSize, int64(l.sectors))), int32(min(to/blk.SectorSize, int64(l.sectors)))}
			spans = append(spans, s)
			edges = append(edges, s.from, s.to)
			l.writes |= 1 << (i + 1)
			if op.Kind == workloads.Truncate {
				l.shorten |= 1 << (i + 1)
			}
		}
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var joined []span
	for _, s := range spans {
		if n := len(joined); n > 0 && s.from < joined[n-1].to {
			joined[n-1].to = max(joined[n-1].to, s.to)
		} else {
			joined = append(joined, s)
		}
	}
	group, owner := int32(-1), -2
	for i := range len(edges) - 1 {
		st := stretch{from: edges[i], to: edges[i+1]}
		own := slices.IndexFunc(joined, func(s span) bool { return s.from <= st.from && st.to <= s.to })
		if own < 0 || own != owner {
			group++
		}
		owner = own
		st.group = group
		for k := range w.Ops {
			op := &w.Ops[k]
			if from, to := op.Span(); op.Changes() && from < int64(st.to)*blk.SectorSize && int64(st.from)*blk.SectorSize < to {
				st.writes |= 1 << (k + 1)
				if op.Zeroes() {
					st.zeroing |= 1 << (k + 1)
				}
			}
		}
		inside := st.from < l.initial
		st.zero = !inside || w.Layout == workloads.Hole || w.Layout == workloads.Unwritten
		st.data = inside && !st.zero
		l.stretches = append(l.stretches, st)
	}
	for g := range l.groups() {
		l.unitsOf = append(l.unitsOf, int32(len(l.units)))
		for i := range w.Ops {
			if op := &w.Ops[i]; op.Writes() && op.Atomic {
				u := unit{op: i + 1, first: -1}
				for k, st := range l.stretches {
					if st.writes>>(i+1)&1 != 0 && st.group == int32(g) {
						if u.first < 0 {
							u.first = int32(k)
						}
						u.last = int32(k)
					}
				}
				if u.first >= 0 {
					l.units = append(l.units, u)
				}
			}
		}
	}
	l.unitsOf = append(l.unitsOf, int32(len(l.units)))
	return l
}

// groupAt returns the group of a file sector, -1 if nothing covers it.
func (l *layout) groupAt(sector int32) int32 {
	for i := range l.stretches {
		if st := &l.stretches[i]; st.from <= sector && sector < st.to {
			return st.group
		}
	}
	return -1
}

func (l *layout) groups() int {
	if len(l.stretches) == 0 {
		return 0
	}
	return int(l.stretches[len(l.stretches)-1].group) + 1
}
