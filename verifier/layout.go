package verifier

import (
	"cmp"
	"fmt"
	"slices"

	"untorn/internal/blk"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// Places are sectors of the space that holds both files one after the other,
// see workloads.SecondFile.

// A stretch is a run of file sectors between two neighbouring edges of
// operations or ends of file: every sector of it has the same
// history, whatever happens in a run.
type stretch struct {
	from, to int32  // file sectors
	writes   uint64 // operations that give it a version
	zeroing  uint64 // of those, the ones that leave zeros or nothing
	absent   uint64 // of those, the ones that may leave nothing
	carries  []carry
	group    int32
	file     int32
	zero     bool // version 0 is zeros, or past the end
	data     bool // version 0 is a stamp
}

// A unit is the range of one atomic write, or one of several in it.
type unit struct {
	op          int
	span              // its sectors
	first, last int32 // stretches, last one included
	file        int32
}

// unitsIn lists the units of an atomic write, as file sectors.
func unitsIn(op *workloads.Op) (units []span) {
	n := int32(op.Piece() / blk.SectorSize)
	for at := int32(op.Start() / blk.SectorSize); int64(at)*blk.SectorSize < op.End(); at += n {
		units = append(units, span{at, at + n})
	}
	return units
}

// layout is what a workload says about its files before anything happened.
type layout struct {
	stretches []stretch           // by group
	units     []unit              // by group
	unitsOf   []int32             // units[unitsOf[g]:unitsOf[g+1]] are those of group g
	end       [ondisk.Files]int32 // after the sectors that any operation or version 0 covers
	initial   [ondisk.Files]int32 // after the sectors of version 0
	starts    []int32             // by operation: the first sector of its range
	writes    uint64
	shorten   uint64 // truncations, and what else makes a file shorter
	cutters   uint64 // operations that may cut a unit: truncations, and what moves content
	clones    uint64
	sizes     uint64               // operations that may move the end of file
	on        [ondisk.Files]uint64 // operations on each file
}

// A span is a run of file sectors.
type span struct{ from, to int32 }

// maxStretches bounds what moves of content cut the files into.
const maxStretches = 1 << 16

// newLayout cuts the files at every edge and joins what overlapping operations
// connect: a group is the sectors that a chain of overlapping operations
// covers, or a stretch that none covers. A move connects its source as well,
// in whole blocks of so many sectors, since those may be shared.
func newLayout(w *workloads.Workload, block int32) (*layout, error) {
	l := &layout{}
	if n := moves(w); n > workloads.MaxMoves {
		return nil, fmt.Errorf("%d operations move content; the judge takes up to %d", n, workloads.MaxMoves)
	}
	edges := l.ends(w)
	var spans []span
	var links [][2]int32 // first sectors of what a clone connects
	for i := range w.Ops {
		op := &w.Ops[i]
		if !op.Changes() {
			continue
		}
		l.writes |= 1 << (i + 1)
		if op.Kind == workloads.Truncate || op.Kind == workloads.Collapse {
			l.shorten |= 1 << (i + 1)
		}
		if op.Kind == workloads.Truncate || op.Moves() {
			l.cutters |= 1 << (i + 1)
		}
		from, to := op.Span()
		s := l.clip(op.File, from, to)
		edges = append(edges, s.from, s.to)
		if op.Moves() {
			s = l.blocks(op.File, s, block)
		}
		if op.Kind == workloads.Clone {
			l.clones |= 1 << (i + 1)
			at, _ := op.Carries(op.Start())
			src := l.clip(op.FromFile, at, at+op.Length)
			edges = append(edges, src.from, src.to)
			src = l.blocks(op.FromFile, src, block)
			spans = append(spans, src)
			links = append(links, [2]int32{s.from, src.from})
		}
		if op.Writes() && op.Atomic {
			spans = append(spans, unitsIn(op)...)
		} else {
			spans = append(spans, s)
		}
	}
	for _, s := range spans {
		edges = append(edges, s.from, s.to)
	}
	edges, err := l.closure(w, edges)
	if err != nil {
		return nil, err
	}
	l.cut(w, edges, join(spans, links))
	l.connect(w)
	l.findUnits(w)
	return l, nil
}

// ends works out how far the files reach, and returns the edges that sizes make.
func (l *layout) ends(w *workloads.Workload) (edges []int32) {
	l.starts = make([]int32, 1, len(w.Ops)+1)
	for f := range w.Files() {
		l.initial[f] = baseOf(f) + int32(w.Size(f)/blk.SectorSize)
		l.end[f] = l.initial[f]
		edges = append(edges, baseOf(f), l.initial[f])
	}
	for i := range w.Ops {
		op := &w.Ops[i]
		l.starts = append(l.starts, int32(op.Start()/blk.SectorSize))
		l.on[op.File] |= 1 << (i + 1)
		end := &l.end[op.File]
		if op.Extends() > 0 || op.Kind == workloads.Truncate || op.Shifts() != 0 {
			l.sizes |= 1 << (i + 1)
			edges = append(edges, l.leaves(op))
			*end = max(*end, l.leaves(op))
		}
		if op.Writes() {
			*end = max(*end, int32(op.End()/blk.SectorSize))
		}
	}
	return append(edges, l.end[:]...)
}

// baseOf returns the first sector of a file.
func baseOf(file int) int32 { return int32(file) * (workloads.SecondFile / blk.SectorSize) }

// leaves returns the first file sector after the size that an operation leaves.
// What shifts a file is the only operation that moves its end.
func (l *layout) leaves(op *workloads.Op) int32 {
	if s := op.Shifts(); s != 0 {
		return l.initial[op.File] + int32(s/blk.SectorSize)
	}
	return baseOf(op.File) + int32(op.Extends()/blk.SectorSize)
}

// clip returns the sectors of a range of bytes that a file may have.
func (l *layout) clip(file int, from, to int64) span {
	end := int64(l.end[file])
	return span{int32(min(from/blk.SectorSize, end)), int32(min(to/blk.SectorSize, end))}
}

// blocks widens a span to whole blocks, as far as the file may reach.
func (l *layout) blocks(file int, s span, block int32) span {
	return span{s.from / block * block, min((s.to+block-1)/block*block, l.end[file])}
}

// joined is spans that are connected.
type joined struct {
	spans []span  // sorted, apart from each other
	root  []int32 // by span: the first one that it is connected with
}

// join merges spans that overlap and connects those that links name.
func join(spans []span, links [][2]int32) joined {
	var j joined
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for _, s := range spans {
		if n := len(j.spans); n > 0 && s.from < j.spans[n-1].to {
			j.spans[n-1].to = max(j.spans[n-1].to, s.to)
		} else {
			j.spans = append(j.spans, s)
		}
	}
	for i := range j.spans {
		j.root = append(j.root, int32(i))
	}
	for _, link := range links {
		a, b := j.of(span{link[0], link[0]}), j.of(span{link[1], link[1]})
		if a < 0 || b < 0 || j.root[a] == j.root[b] {
			continue
		}
		lo, hi := min(j.root[a], j.root[b]), max(j.root[a], j.root[b])
		for i := range j.root {
			if j.root[i] == hi {
				j.root[i] = lo
			}
		}
	}
	return j
}

// of returns the merged span that holds a span, -1 if none does.
func (j *joined) of(s span) int {
	return slices.IndexFunc(j.spans, func(x span) bool { return x.from <= s.from && s.to <= x.to && s.from < x.to })
}

// cut makes the stretches between neighbouring edges, in the order of their
// groups.
func (l *layout) cut(w *workloads.Workload, edges []int32, j joined) {
	groupOf := make([]int32, len(j.spans)) // plus one, by root
	groups := int32(0)
	for i := range len(edges) - 1 {
		st := stretch{from: edges[i], to: edges[i+1]}
		if st.from >= baseOf(1) {
			st.file = 1
		}
		if st.to > l.end[st.file] {
			continue // between the files
		}
		if own := j.of(span{st.from, st.to}); own < 0 {
			st.group = groups
			groups++
		} else if g := &groupOf[j.root[own]]; *g == 0 {
			st.group = groups
			groups++
			*g = groups
		} else {
			st.group = *g - 1
		}
		for k := range w.Ops {
			op := &w.Ops[k]
			if from, to := op.Span(); op.Changes() && from < int64(st.to)*blk.SectorSize && int64(st.from)*blk.SectorSize < to {
				st.writes |= 1 << (k + 1)
				if op.Zeroes() {
					st.zeroing |= 1 << (k + 1)
				}
				if op.Kind == workloads.Truncate || op.Kind == workloads.Collapse && st.from >= l.leaves(op) {
					st.absent |= 1 << (k + 1)
				}
			}
		}
		inside := st.from < l.initial[st.file]
		st.zero = !inside || w.Layout == workloads.Hole || w.Layout == workloads.Unwritten
		st.data = inside && !st.zero
		l.stretches = append(l.stretches, st)
	}
	slices.SortStableFunc(l.stretches, func(a, b stretch) int { return cmp.Compare(a.group, b.group) })
}

// findUnits lists the units of each group.
func (l *layout) findUnits(w *workloads.Workload) {
	for g := range l.groups() {
		l.unitsOf = append(l.unitsOf, int32(len(l.units)))
		for i := range w.Ops {
			op := &w.Ops[i]
			if !op.Writes() || !op.Atomic {
				continue
			}
			for _, s := range unitsIn(op) {
				u := unit{op: i + 1, span: s, first: -1, file: int32(op.File)}
				for k, st := range l.stretches {
					if s.from <= st.from && st.to <= s.to && st.group == int32(g) {
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
}

// stretchAt returns the stretch that holds a file sector, -1 if none does.
func (l *layout) stretchAt(sector int32) int32 {
	for i := range l.stretches {
		if st := &l.stretches[i]; st.from <= sector && sector < st.to {
			return int32(i)
		}
	}
	return -1
}

// groupAt returns the group of a file sector, -1 if nothing covers it.
func (l *layout) groupAt(sector int32) int32 {
	if i := l.stretchAt(sector); i >= 0 {
		return l.stretches[i].group
	}
	return -1
}

func (l *layout) groups() int {
	if len(l.stretches) == 0 {
		return 0
	}
	return int(l.stretches[len(l.stretches)-1].group) + 1
}

// moves returns how many operations move content.
func moves(w *workloads.Workload) (n int) {
	for i := range w.Ops {
		if w.Ops[i].Moves() {
			n++
		}
	}
	return n
}

// closure adds to the edges of the files those that moves of content carry
// along, both ways, and sorts them: what happened to a stretch where it came
// from, or where it went, happened to all of it.
func (l *layout) closure(w *workloads.Workload, edges []int32) ([]int32, error) {
	slices.Sort(edges)
	edges = slices.Compact(edges)
	if moves(w) > 0 {
		known := make(map[int32]bool, len(edges))
		for _, e := range edges {
			known[e] = true
		}
		for i := 0; i < len(edges); i++ {
			for k := range w.Ops {
				op := &w.Ops[k]
				if !op.Moves() {
					continue
				}
				for _, e := range [2]int32{l.carriedTo(op, edges[i]), l.carriedFrom(op, edges[i])} {
					if e >= 0 && !known[e] {
						known[e] = true
						edges = append(edges, e)
					}
				}
			}
			if len(edges) > maxStretches {
				return nil, fmt.Errorf("what the operations move cuts the files into more than %d pieces, which is what the judge takes; "+
					"use smaller files or move longer ranges", maxStretches)
			}
		}
		slices.Sort(edges)
	}
	return edges, nil
}
