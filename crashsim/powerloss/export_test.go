package powerloss

import (
	"slices"

	"untorn/internal/blk"
	"untorn/internal/count"
)

// Covered returns the number of images that power loss may leave at this
// moment, each way to get one counted by itself: for every order in which
// overlapping commands that apply as wholes may apply, the pieces that
// survive, the contents that the device may have read for altered LBAs, and,
// LBA by LBA, the order of overlapping commands that do not apply as wholes.
func (s *State) Covered() count.Count {
	e := &s.enum
	e.vars()
	e.touch()
	var sum count.Count
	e.orders(func() {
		n := one
		for i := range s.cmds {
			if e.isVar[i] {
				two := count.Of(2)
				n = count.Mul(&n, &two)
			}
		}
		for i, l := range e.lbas {
			cov := e.covOf(i)
			ways := count.Of(e.ways(l, cov, 1<<len(cov)-1))
			n = count.Mul(&n, &ways)
		}
		sum.Add(&n)
	})
	return sum
}

// Brute drives the sink through every image one by one, with weight 1 and
// without any class. The order of commands is that of the crash rule by the
// letter: the log that led to the state is read as a whole, nothing of it is
// forgotten, and every permutation of its writes is tried.
func (s *State) Brute(sink blk.Sink, events []blk.Event) {
	b := &brute{s: s, sink: sink, lba: s.rules.LBA, alive: make([]bool, len(s.cmds))}
	b.read(events)
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
	b.seen = make(map[string]bool)
	var wholes []int
	for i := range b.log {
		if s.rules.whole(b.log[i].rng) {
			wholes = append(wholes, i)
		}
	}
	permute(wholes, 0, b.order)
}

// logged is a write of the log; open is its command, -1 if the state has
// forgotten it.
type logged struct {
	rng       blk.Range
	sub, done int
	open      int
}

type brute struct {
	s     *State
	sink  blk.Sink
	lba   int32
	log   []logged
	at    []int // place in the present order of those that apply as wholes, by write of the log
	seen  map[string]bool
	lbas  []int32
	cov   [][]int
	alive []bool
}

func (b *brute) read(events []blk.Event) {
	ids := make(map[int32]int)
	for now, e := range events {
		switch e.Kind {
		case blk.SubmitWrite:
			open := slices.IndexFunc(b.s.cmds, func(c *command) bool { return c.id == e.Cmd })
			ids[e.Cmd] = len(b.log)
			b.log = append(b.log, logged{e.Range, now + 1, 0, open})
		case blk.Complete:
			if i, ok := ids[e.Cmd]; ok {
				b.log[i].done = now + 1
			}
		}
	}
}

func (b *brute) before(i, j int) bool { return b.log[i].done > 0 && b.log[i].done < b.log[j].sub }

// order goes through the images of one order of the writes that apply as
// wholes, unless it is none or looks like one that there was.
func (b *brute) order(order []int) {
	b.at = make([]int, len(b.log))
	for place, i := range order {
		b.at[i] = place + 1
	}
	var name []byte
	for i := range b.log {
		for j := range b.log[:i] {
			if b.at[i] == 0 || b.at[j] == 0 || !b.log[i].rng.Overlaps(b.log[j].rng) {
				continue
			}
			first := b.at[j] < b.at[i]
			if b.before(j, i) && !first {
				return
			}
			if b.log[i].open >= 0 && b.log[j].open >= 0 {
				name = append(name, byte(bit(first)))
			}
		}
	}
	if b.seen[string(name)] {
		return
	}
	b.seen[string(name)] = true
	b.sink.Set(0, b.s.base)
	b.pieces(0)
}

// stacks returns every order in which the open commands of cov may lie on an
// LBA: those of all writes of the log that cover it, without the forgotten
// ones.
func (b *brute) stacks(l int32) [][]int {
	var all []int
	for i := range b.log {
		if r := b.log[i].rng; r.Overlaps(blk.Range{Start: l * b.lba, Len: b.lba}) {
			all = append(all, i)
		}
	}
	var out [][]int
	permute(all, 0, func(order []int) {
		var open []int
		for x, i := range order {
			for _, j := range order[:x] {
				if b.before(i, j) || b.at[i] > 0 && b.at[j] > 0 && b.at[i] < b.at[j] {
					return
				}
			}
			if c := b.log[i].open; c >= 0 && b.s.cmds[c].covers(l, b.lba) {
				open = append(open, c)
			}
		}
		if !slices.ContainsFunc(out, func(o []int) bool { return slices.Equal(o, open) }) {
			out = append(out, open)
		}
	})
	return out
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
	for _, order := range b.stacks(l) {
		b.overlay(k, l, order, b.s.base[l*b.lba:(l+1)*b.lba])
	}
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
