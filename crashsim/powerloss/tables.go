package powerloss

import "untorn/internal/count"

// A combination is one set of contents that a table of segments may show: an
// option of its last segment on top of a combination of those before it.
type combination struct {
	classes uint64
	prev    int32 // index among the combinations of the segments before
	opt     int32 // option of the last segment
	weight  count.Count
}

// A table is the segments of one cell, or one segment across edges, with all
// that a verdict can tell apart of them. Stage i holds the combinations of
// the first i+1 segments.
type table struct {
	segs    []int32
	stages  [][]combination
	current int32 // combination that the image holds
	back    bool  // go through them backwards, from the current one
}

// tabulate works out, for each cell of a group, the sets of contents that it
// may show.
func (e *enumeration) tabulate(g int32) {
	e.table = e.table[:0]
	cell := int32(-1)
	for k := range e.data {
		seg := &e.data[k]
		if seg.group != g {
			continue
		}
		if seg.isVar {
			e.fill(seg)
		}
		// A set of classes has 64 bits; a cell with more of them is varied in parts.
		if e.s.NoCells || seg.cell < 0 || seg.cell != cell || len(e.keys)+len(seg.srcs) > 64 {
			e.newTable()
			e.keys = e.keys[:0]
			cell = seg.cell
		}
		e.extend(&e.table[len(e.table)-1], int32(k))
	}
	for i := range e.table {
		t := &e.table[i]
		t.current = -1
		t.back = false
		e.show(t, 0)
	}
}

func (e *enumeration) newTable() {
	if len(e.table) < cap(e.table) {
		e.table = e.table[:len(e.table)+1]
	} else {
		e.table = append(e.table, table{})
	}
	t := &e.table[len(e.table)-1]
	t.segs, t.stages = t.segs[:0], t.stages[:0]
}

// extend adds a segment to a table: every combination so far with every
// option, of those that look alike one.
func (e *enumeration) extend(t *table, k int32) {
	seg := &e.data[k]
	seg.classes = seg.classes[:0]
	for i := range seg.srcs {
		seg.classes = append(seg.classes, 1<<e.class(seg, i))
	}
	t.segs = append(t.segs, k)
	if len(t.stages) < cap(t.stages) {
		t.stages = t.stages[:len(t.stages)+1]
	} else {
		t.stages = append(t.stages, nil)
	}
	n := len(t.stages) - 1
	out := t.stages[n][:0]
	if n == 0 {
		for o := range seg.opts {
			out = addCombination(out, combination{seg.classSet(o), -1, int32(o), seg.opts[o].weight})
		}
	} else {
		for p := range t.stages[n-1] {
			c := &t.stages[n-1][p]
			for o := range seg.opts {
				w := times(&seg.opts[o].weight, &c.weight)
				out = addCombination(out, combination{c.classes | seg.classSet(o), int32(p), int32(o), w})
			}
		}
	}
	t.stages[n] = out
}

// class returns the number, in its cell, of what a source looks like. What
// is not uniform inside an LBA looks like nothing else.
func (e *enumeration) class(seg *segment, i int) int {
	content := e.content(seg.srcs[i], seg.lba, 1)
	uniform := seg.cell >= 0 && !e.s.NoCells
	for j := range len(content) - 1 {
		uniform = uniform && continues(content[j], content[j+1])
	}
	k := int64(unlike)
	if uniform {
		k = classKey(content[0], seg.lba*e.s.rules.LBA)
		for j := range e.keys {
			if e.keys[j] == k {
				return j
			}
		}
	}
	e.keys = append(e.keys, k)
	return len(e.keys) - 1
}

func (seg *segment) classSet(o int) uint64 {
	var set uint64
	for i, c := range seg.classes {
		if seg.opts[o].set>>i&1 != 0 {
			set |= c
		}
	}
	return set
}

func addCombination(out []combination, c combination) []combination {
	for i := range out {
		if out[i].classes == c.classes {
			out[i].weight.Add(&c.weight)
			return out
		}
	}
	return append(out, c)
}

// show makes the image hold a combination of a table.
func (e *enumeration) show(t *table, c int32) {
	if t.current == c {
		return
	}
	t.current = c
	for i := len(t.segs) - 1; i >= 0; i-- {
		x := &t.stages[i][c]
		seg := &e.data[t.segs[i]]
		e.set(seg, seg.opts[x.opt].set)
		c = x.prev
	}
}

// walk goes through the combinations of the tables from the k-th on, back and
// forth so that neighbours differ in one table, and has each image judged.
// weights[k] is the number of ways to get the tables before the k-th.
func (e *enumeration) walk(g int32, k int) {
	if k == len(e.table) {
		e.leaves++
		e.standsFor(&e.weights[k])
		e.sink.Leaf(int(g), &e.weights[k])
		return
	}
	t := &e.table[k]
	combos := t.stages[len(t.stages)-1]
	for i := range combos {
		c := i
		if t.back {
			c = len(combos) - 1 - i
		}
		e.show(t, int32(c))
		e.weights[k+1] = times(&combos[c].weight, &e.weights[k])
		e.walk(g, k+1)
	}
	t.back = !t.back
}
