package powerloss

import (
	"untorn/internal/blk"
	"untorn/internal/count"
)

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

// groups is the part of the enumeration that varies data.
type groups struct {
	parent  []int32 // union-find over groups
	table   []table
	keys    []int64
	shared  []int32 // segments that several groups of the component read
	sharing bool    // the groups of the component share something
	others  count.Count
}

// state goes through the images of one metadata state; weight is the number
// of ways to get it.
func (e *enumeration) state(weight *count.Count) {
	cells, n := e.sink.Recover()
	e.dataSegments(cells)
	e.others = *weight
	e.parent = e.parent[:0]
	for g := range n {
		e.parent = append(e.parent, int32(g))
	}
	e.connect(cells)
	// Whatever is looked at first, the rest is something power loss may leave.
	for i := range e.data {
		seg := &e.data[i]
		e.fill(seg)
		e.set(seg, seg.opts[0].set)
		if seg.group == nowhere {
			ways := count.Of(e.ways(seg.lba, seg.cov, 1<<len(seg.cov)-1))
			for range seg.n {
				e.others = count.Mul(&e.others, &ways)
			}
		}
	}
	for g := range n {
		if e.root(int32(g)) == int32(g) {
			e.component(int32(g), n, cells)
			e.sink.Component()
		}
	}
	e.sink.State(&e.others)
}

func (e *enumeration) root(g int32) int32 {
	for e.parent[g] != g {
		g = e.parent[g]
	}
	return g
}

// connect joins the groups that share an LBA or a command of one piece. A
// piece that no group reads varies by itself.
func (e *enumeration) connect(cells []blk.Cell) {
	for i := range e.data {
		e.joinReaders(-1, &e.data[i], cells)
	}
	for i := range e.isVar {
		if !e.isVar[i] || e.fixed[i] {
			continue
		}
		first := int32(-1)
		for k := range e.data {
			if seg := &e.data[k]; seg.coveredBy(int32(i)) {
				first = e.joinReaders(first, seg, cells)
			}
		}
		if first < 0 {
			two := count.Of(2)
			e.others = count.Mul(&e.others, &two)
		}
	}
}

// joinReaders joins group first, if it is one, and those that read a segment.
// It returns one of them, -1 if there is none.
func (e *enumeration) joinReaders(first int32, seg *segment, cells []blk.Cell) int32 {
	switch seg.group {
	case nowhere:
		return first
	case several:
		r := e.sectors(seg)
		for j := range cells {
			if cells[j].Overlaps(r) {
				first = e.unite(first, int32(cells[j].Group))
			}
		}
		return first
	}
	return e.unite(first, seg.group)
}

func (e *enumeration) sectors(seg *segment) blk.Range {
	return blk.Range{Start: seg.lba * e.s.rules.LBA, Len: seg.n * e.s.rules.LBA}
}

func (e *enumeration) unite(a, b int32) int32 {
	if a < 0 {
		return b
	}
	ra, rb := e.root(a), e.root(b)
	e.parent[max(ra, rb)] = min(ra, rb)
	return min(ra, rb)
}

func (seg *segment) coveredBy(i int32) bool {
	for _, c := range seg.cov {
		if c == i {
			return true
		}
	}
	return false
}

// scope returns the group whose segments alone command i reaches, several if
// there are more, nowhere if there is none.
func (e *enumeration) scope(i int32) int32 {
	scope := int32(nowhere)
	for k := range e.data {
		seg := &e.data[k]
		switch {
		case seg.group == nowhere || !seg.coveredBy(i):
		case scope == nowhere:
			scope = seg.group
		case scope != seg.group:
			return several
		}
	}
	return scope
}

// component goes through what the groups joined to root share, and for each
// choice through the images of each group.
func (e *enumeration) component(root int32, n int, cells []blk.Cell) {
	e.shared = e.shared[:0]
	for k := range e.data {
		if seg := &e.data[k]; seg.group == several && e.root(e.joinReaders(-1, seg, cells)) == root {
			e.shared = append(e.shared, int32(k))
		}
	}
	e.sharing = len(e.shared) > 0
	e.sharedVars(root, 0, int32(n))
}

// sharedVars decides, from the i-th command on, which commands of one piece
// that several groups of the component read are there.
func (e *enumeration) sharedVars(root int32, i int, n int32) {
	for ; i < len(e.isVar); i++ {
		if e.isVar[i] && !e.fixed[i] && e.scope(int32(i)) == several && e.inComponent(int32(i), root) {
			break
		}
	}
	if i == len(e.isVar) {
		for _, k := range e.shared {
			e.fill(&e.data[k])
		}
		e.sharedSegments(root, 0, n, &one)
		return
	}
	e.sharing = true
	for _, alive := range [2]bool{false, true} {
		e.alive[i] = alive
		e.sharedVars(root, i+1, n)
	}
	e.alive[i] = false
}

func (e *enumeration) inComponent(i, root int32) bool {
	for k := range e.data {
		if seg := &e.data[k]; seg.coveredBy(i) {
			switch {
			case seg.group >= 0:
				return e.root(seg.group) == root
			case seg.group == several:
				for _, s := range e.shared {
					if s == int32(k) {
						return true
					}
				}
				return false
			}
		}
	}
	return false
}

// sharedSegments goes through the options of the LBAs that several groups
// read, from the k-th on, and then through each group on its own.
func (e *enumeration) sharedSegments(root int32, k int, n int32, weight *count.Count) {
	if k < len(e.shared) {
		seg := &e.data[e.shared[k]]
		for i := range seg.opts {
			e.set(seg, seg.opts[i].set)
			w := times(weight, &seg.opts[i].weight)
			e.sharedSegments(root, k+1, n, &w)
		}
		return
	}
	if e.sharing {
		e.settleGroups(root)
	}
	for g := range n {
		if e.root(g) == root {
			e.groupVars(g, 0)
		}
	}
	e.sink.Choice(weight)
}

// settleGroups brings every segment of the component in line with the shared
// choice, so that the image is one that power loss may leave throughout.
func (e *enumeration) settleGroups(root int32) {
	for k := range e.data {
		if seg := &e.data[k]; seg.isVar && seg.group >= 0 && e.root(seg.group) == root {
			e.fill(seg)
			e.set(seg, seg.opts[0].set)
		}
	}
}

// groupVars decides, from the i-th command on, which commands of one piece
// that only this group reads are there.
func (e *enumeration) groupVars(g int32, i int) {
	for ; i < len(e.isVar); i++ {
		if e.isVar[i] && !e.fixed[i] && e.scope(int32(i)) == g {
			break
		}
	}
	if i == len(e.isVar) {
		e.tabulate(g)
		e.walk(g, 0, &one)
		return
	}
	for _, alive := range [2]bool{false, true} {
		e.alive[i] = alive
		e.groupVars(g, i+1)
	}
	e.alive[i] = false
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
		if seg.cell < 0 || seg.cell != cell || len(e.keys)+len(seg.srcs) > 64 {
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
	uniform := seg.cell >= 0
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
func (e *enumeration) walk(g int32, k int, weight *count.Count) {
	if k == len(e.table) {
		e.sink.Leaf(int(g), weight)
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
		w := times(weight, &combos[c].weight)
		e.walk(g, k+1, &w)
	}
	t.back = !t.back
}
