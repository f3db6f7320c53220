package powerloss

import (
	"slices"

	"untorn/internal/blk"
)

// Brute drives the sink through every image one by one, with weight 1 and
// without any class, by the letter of the crash rule.
func (s *State) Brute(sink blk.Sink) {
	b := &brute{s: s, sink: sink, lba: s.rules.LBA, alive: make([]bool, len(s.cmds))}
	for l := range int32(len(s.base)) / b.lba {
		var cov []int
		for i, c := range s.cmds {
			if c.covers(l, b.lba) {
				cov = append(cov, i)
			}
		}
		if len(cov) > 0 {
			b.lbas, b.cov = append(b.lbas, l), append(b.cov, cov)
		}
	}
	for j := range s.cmds {
		for i := range j {
			if s.cmds[i].whole && s.cmds[j].whole && s.share(s.cmds[i], s.cmds[j]) && !before(s.cmds[i], s.cmds[j]) {
				b.pairs = append(b.pairs, [2]int{i, j})
			}
		}
	}
	for bits := range 1 << len(b.pairs) {
		b.less = make(map[[2]int]bool)
		for j := range s.cmds {
			for i := range j {
				if s.share(s.cmds[i], s.cmds[j]) && before(s.cmds[i], s.cmds[j]) {
					b.less[[2]int{i, j}] = true
				}
			}
		}
		for k, p := range b.pairs {
			if bits>>k&1 == 0 {
				b.less[p] = true
			} else {
				b.less[[2]int{p[1], p[0]}] = true
			}
		}
		if !b.cyclic() {
			sink.Set(0, s.base)
			b.pieces(0)
		}
	}
}

type brute struct {
	s     *State
	sink  blk.Sink
	lba   int32
	lbas  []int32
	cov   [][]int
	pairs [][2]int
	less  map[[2]int]bool
	alive []bool
}

// cyclic looks for a command that applies before itself, among those that
// apply as wholes.
func (b *brute) cyclic() bool {
	n := len(b.s.cmds)
	reach := make([][]bool, n)
	for i := range reach {
		reach[i] = make([]bool, n)
		for j := range reach[i] {
			reach[i][j] = b.less[[2]int{i, j}] && b.s.cmds[i].whole && b.s.cmds[j].whole
		}
	}
	for k := range n {
		for i := range n {
			for j := range n {
				reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
			}
		}
	}
	for i := range n {
		if reach[i][i] {
			return true
		}
	}
	return false
}

func (b *brute) piece(i int) bool {
	c := b.s.cmds[i]
	return c.atomic && c.nlive > 1 && !(c.phase == acked && b.s.rules.CachedLBA)
}

func (b *brute) pieces(i int) {
	if i == len(b.s.cmds) {
		b.lbaFrom(0)
		return
	}
	if !b.piece(i) || b.s.cmds[i].phase == hardened {
		b.pieces(i + 1)
		return
	}
	for _, alive := range []bool{false, true} {
		b.alive[i] = alive
		b.pieces(i + 1)
	}
}

// lbaFrom decides the LBAs from the k-th on: for each order of the commands
// that cover it, each of what survives and each of what was read.
func (b *brute) lbaFrom(k int) {
	if k == len(b.lbas) {
		_, groups := b.sink.Recover()
		for g := range groups {
			b.sink.Leaf(g, &one)
			b.sink.Choice(&one)
			b.sink.Component()
		}
		b.sink.State(&one)
		return
	}
	l := b.lbas[k]
	permute(slices.Clone(b.cov[k]), 0, func(order []int) {
		for x, i := range order {
			for _, j := range order[x+1:] {
				if b.less[[2]int{j, i}] {
					return
				}
			}
		}
		b.overlay(k, l, order, b.s.base[l*b.lba:(l+1)*b.lba])
	})
}

// overlay applies the commands of order, first to last, on top of content.
func (b *brute) overlay(k int, l int32, order []int, content []blk.Handle) {
	if len(order) == 0 {
		b.sink.Set(l*b.lba, content)
		b.lbaFrom(k + 1)
		return
	}
	i, c := order[0], b.s.cmds[order[0]]
	contents := [][]blk.Handle{c.at(l, b.lba)}
	for _, a := range c.alts {
		if a.lba == l {
			contents = append(contents, a.content)
		}
	}
	garbage := make([]blk.Handle, b.lba)
	for x := range garbage {
		garbage[x] = blk.Garbage
	}
	for _, read := range contents {
		switch {
		case c.phase == hardened:
			b.overlay(k, l, order[1:], read)
		case b.piece(i):
			if b.alive[i] {
				b.overlay(k, l, order[1:], read)
			} else {
				b.overlay(k, l, order[1:], content)
			}
		default:
			b.overlay(k, l, order[1:], content)
			b.overlay(k, l, order[1:], read)
			if b.s.rules.Garbage && !c.atomic {
				b.overlay(k, l, order[1:], garbage)
			}
		}
	}
}

func permute(a []int, from int, f func([]int)) {
	if from == len(a) {
		f(slices.Clone(a))
		return
	}
	for i := from; i < len(a); i++ {
		a[from], a[i] = a[i], a[from]
		permute(a, from+1, f)
		a[from], a[i] = a[i], a[from]
	}
}
