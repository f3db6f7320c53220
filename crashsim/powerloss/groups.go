package powerloss

import (
	"untorn/internal/blk"
	"untorn/internal/count"
)

// groups is the part of the enumeration that varies data.
type groups struct {
	parent  []int32 // union-find over groups
	table   []table
	keys    []int64
	shared  []int32 // segments that several groups of the component read
	sharing bool    // the groups of the component share something
	others  count.Count
	weights []count.Count // while tables are walked

	leaves   uint64      // of the present state, and of it as wholes:
	whole    count.Count // images of the components before
	images   count.Count // and of the present one
	metaWays count.Count // ways to get the present metadata state
	alike    count.Count // ways to get the present metadata state and shared choice
}

// state goes through the images of one metadata state; weight is the number
// of ways to get it.
func (e *enumeration) state(weight *count.Count) {
	e.metaWays = *weight
	for e.oneState(weight) {
	}
}

// oneState goes through them once and reports whether the sink asks for that
// again.
func (e *enumeration) oneState(weight *count.Count) (again bool) {
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
	e.leaves, e.whole = 0, one
	for g := range n {
		if e.root(int32(g)) == int32(g) {
			e.images = count.Count{}
			e.component(int32(g), n, cells)
			e.sink.Component()
			e.whole = times(&e.whole, &e.images)
		}
	}
	e.saved(n)
	return e.sink.State(&e.others)
}

// standsFor counts the images that a leaf of this weight stands for.
func (e *enumeration) standsFor(weight *count.Count) {
	w := times(weight, &e.alike)
	if n, ok := w.Uint64(); (!ok || n > 1) && !w.Saturated() {
		w.Sub(&one)
		e.s.SavedCells.Add(&w)
	}
}

// saved counts the leaves of n groups that whole images would have had more.
func (e *enumeration) saved(n int) {
	groups, leaves := count.Of(uint64(n)), count.Of(e.leaves)
	together := count.Mul(&e.whole, &groups)
	if !together.Saturated() && together.Cmp(&leaves) > 0 {
		together.Sub(&leaves)
		e.s.SavedGroups.Add(&together)
	}
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
	if e.s.NoGroups {
		for g := range e.parent {
			e.unite(0, int32(g))
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
	e.alike = times(&e.metaWays, weight)
	choice := one
	for g := range n {
		if e.root(g) == root {
			before := e.leaves
			e.groupVars(g, 0)
			mine := count.Of(e.leaves - before)
			choice = times(&choice, &mine)
		}
	}
	e.images.Add(&choice)
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
		e.weights = append(e.weights[:0], one)
		for range e.table {
			e.weights = append(e.weights, one)
		}
		e.walk(g, 0)
		return
	}
	for _, alive := range [2]bool{false, true} {
		e.alive[i] = alive
		e.groupVars(g, i+1)
	}
	e.alive[i] = false
}
