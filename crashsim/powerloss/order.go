package powerloss

import (
	"fmt"

	"untorn/internal/blk"
)

// Bounds on what is enumerated. Beyond them nothing would end, and nothing is
// skipped in silence: the enumeration panics.
const (
	maxOrders   = 1 << 16 // orders of writes that apply as wholes
	maxTogether = 8       // writes that are unordered on one LBA and apply LBA by LBA
)

// A pair is two commands that apply as wholes in either order.
type pair struct{ a, b int32 }

// ordering is the order of the commands that apply as wholes: a relation over
// all commands that is closed under transitivity, one row of bits a command.
type ordering struct {
	pairs  []pair
	words  int      // of a row
	reach  []uint64 // reach[i*words:] has the commands that apply after command i
	saved  []uint64 // relations to go back to
	orders int
}

func (o *ordering) applies(i, j int32) bool {
	return o.reach[int(i)*o.words+int(j)/64]>>(j%64)&1 != 0
}

// add notes that a applies before b, and what follows from that.
func (o *ordering) add(a, b int32) {
	n := len(o.reach) / max(1, o.words)
	after := o.reach[int(b)*o.words : (int(b)+1)*o.words]
	for i := range int32(n) {
		if i == a || o.applies(i, a) {
			row := o.reach[int(i)*o.words : (int(i)+1)*o.words]
			for k, w := range after {
				row[k] |= w
			}
			row[b/64] |= 1 << (b % 64)
		}
	}
}

// findPairs lists the commands that overlap, apply as wholes and were in flight
// together, and relates those that were not. That ranges overlap decides, not
// that an LBA of both is open: a command that was overwritten where two others
// are open may still stand between them.
func (e *enumeration) findPairs() {
	o := &e.ordering
	o.pairs = o.pairs[:0]
	e.overlapping(func(i, j int32) {
		if !before(e.s.cmds[i], e.s.cmds[j]) {
			o.pairs = append(o.pairs, pair{i, j})
		}
	})
	if len(o.pairs) == 0 {
		return
	}
	n := len(e.s.cmds)
	o.words = (n + 63) / 64
	o.reach = o.reach[:0]
	for range n * o.words {
		o.reach = append(o.reach, 0)
	}
	e.overlapping(func(i, j int32) {
		if before(e.s.cmds[i], e.s.cmds[j]) {
			o.add(i, j)
		}
	})
}

// overlapping calls f for each two commands that overlap and apply as wholes,
// the one submitted first first.
func (e *enumeration) overlapping(f func(i, j int32)) {
	for j, d := range e.s.cmds {
		if !d.overlaps || !d.whole {
			continue
		}
		for i, c := range e.s.cmds[:j] {
			if c.whole && c.rng.Overlaps(d.rng) {
				f(int32(i), int32(j))
			}
		}
	}
}

// orders calls f for every order in which commands may apply as wholes.
func (e *enumeration) orders(f func()) {
	e.findPairs()
	e.ordering.orders = 0
	e.ordering.saved = e.ordering.saved[:0]
	e.order(0, f)
}

// order decides the pairs from the k-th on. What the ones before imply is not
// decided again, so that no choice ends in a circle.
func (e *enumeration) order(k int, f func()) {
	o := &e.ordering
	for ; k < len(o.pairs); k++ {
		if p := o.pairs[k]; !o.applies(p.a, p.b) && !o.applies(p.b, p.a) {
			break
		}
	}
	if k == len(o.pairs) {
		if o.orders++; o.orders > maxOrders {
			panic(fmt.Sprintf("powerloss: more than %d orders of %d overlapping pairs of writes in flight; "+
				"use a smaller queue depth or fewer overlapping writes", maxOrders, len(o.pairs)))
		}
		f()
		return
	}
	p := o.pairs[k]
	for _, q := range [2]pair{p, {p.b, p.a}} {
		from := len(o.saved)
		o.saved = append(o.saved, o.reach...)
		o.add(q.a, q.b)
		e.order(k+1, f)
		copy(o.reach, o.saved[from:])
		o.saved = o.saved[:from]
	}
}

// applies reports whether command i certainly applies before command j on LBA l,
// which both cover.
func (e *enumeration) applies(i, j, l int32) bool {
	c, d := e.s.cmds[i], e.s.cmds[j]
	switch {
	case before(c, d):
		return true
	case len(e.ordering.pairs) == 0 || !c.whole:
		return false
	case d.whole:
		return e.ordering.applies(i, j)
	}
	// A whole may lie below another one that j came after, and that one need
	// not be open here any more. The other way round, what came before a
	// command that was overwritten was overwritten as well.
	for k, x := range e.s.cmds {
		if x.whole && x.spans(l, e.s.rules.LBA) && e.ordering.applies(i, int32(k)) && before(x, d) {
			return true
		}
	}
	return false
}

// checkTogether panics when the orders of the commands on an LBA are too many
// to go through.
func (e *enumeration) checkTogether(l int32, cov []int32) {
	if len(cov) <= maxTogether {
		return
	}
	n := 0
	for _, i := range cov {
		c := e.s.cmds[i]
		for _, j := range cov {
			if d := e.s.cmds[j]; i != j && !(c.whole && d.whole) && !before(c, d) && !before(d, c) {
				n++
				break
			}
		}
	}
	if n > maxTogether || len(cov) > 60 {
		panic(fmt.Sprintf("powerloss: %d writes of LBA %d are open, %d of them in no order; at most 60 and %d can be gone through; "+
			"flush more often or use a smaller queue depth", len(cov), l, n, maxTogether))
	}
}

// A source is one content that an LBA may have, and the number of ways in
// which it gets there: which pieces survive, in which order they apply and
// what the device read of altered memory.
type source struct {
	cmd     int32 // index of the command, -1 for the medium
	alt     int32 // 0 for what the write carried, else an alteration
	garbage bool
	ways    uint64
}

// survives says whether a command's piece on an LBA is there: in how many
// ways not, and in how many ways yes.
func (e *enumeration) survives(i int32) (no, yes, garbage uint64) {
	c := e.s.cmds[i]
	switch {
	case c.phase == hardened:
		return 0, 1, 0
	case e.isVar[i]:
		return 1 - bit(e.alive[i]), bit(e.alive[i]), 0
	case e.s.rules.Garbage && !c.atomic:
		return 1, 1, 1
	}
	return 1, 1, 0
}

// sources appends the contents that LBA l may have, given which commands of
// one piece are alive, to dst. cov lists the open commands that cover it.
func (e *enumeration) sources(dst []source, l int32, cov []int32) []source {
	from := len(dst)
	if len(cov) > 0 {
		dst = append(dst, source{cmd: -1})
		dst = e.stack(dst, from, l, cov, 1<<len(cov)-1, 1)
		if dst[from].ways == 0 {
			dst = append(dst[:from], dst[from+1:]...)
		}
		return dst
	}
	return append(dst, source{cmd: -1, ways: 1})
}

// stack goes through the orders of the commands in the set rest from the one
// applied last downwards. above is the number of ways in which none of those
// already taken shows.
func (e *enumeration) stack(dst []source, from int, l int32, cov []int32, rest uint64, above uint64) []source {
	if rest == 0 {
		dst[from].ways += above
		return dst
	}
	for k, i := range cov {
		if rest>>k&1 == 0 || !e.last(l, cov, rest, k) {
			continue
		}
		below := e.ways(l, cov, rest&^(1<<k))
		no, yes, garbage := e.survives(i)
		alts := e.contents(i, l)
		for a := range int32(alts) * int32(yes) {
			dst = addSource(dst, from, source{cmd: i, alt: a, ways: above * below})
		}
		if garbage > 0 {
			dst = addSource(dst, from, source{cmd: i, garbage: true, ways: above * below * alts})
		}
		if no > 0 {
			dst = e.stack(dst, from, l, cov, rest&^(1<<k), above*no*alts)
		}
	}
	return dst
}

func addSource(dst []source, from int, x source) []source {
	for i := range dst[from:] {
		if y := &dst[from+i]; y.cmd == x.cmd && y.alt == x.alt && y.garbage == x.garbage {
			y.ways += x.ways
			return dst
		}
	}
	return append(dst, x)
}

// last reports whether the k-th command may be the last of the set rest.
func (e *enumeration) last(l int32, cov []int32, rest uint64, k int) bool {
	for m, j := range cov {
		if rest>>m&1 != 0 && m != k && e.applies(cov[k], j, l) {
			return false
		}
	}
	return true
}

// ways returns in how many ways the commands of a set may lie on LBA l: their
// orders, times what survives of each, times what the device read of it.
func (e *enumeration) ways(l int32, cov []int32, rest uint64) uint64 {
	if rest == 0 {
		return 1
	}
	var n uint64
	for k, i := range cov {
		if rest>>k&1 != 0 && e.last(l, cov, rest, k) {
			no, yes, garbage := e.survives(i)
			n += (no + yes + garbage) * e.contents(i, l) * e.ways(l, cov, rest&^(1<<k))
		}
	}
	return n
}

// contents returns how many contents the device may have read for an LBA.
func (e *enumeration) contents(i, l int32) uint64 {
	n := uint64(1)
	for _, a := range e.s.cmds[i].alts {
		if a.lba == l {
			n++
		}
	}
	return n
}

// content returns what a source holds for LBAs [l, l+n); n is 1 for an
// altered LBA.
func (e *enumeration) content(x source, l, n int32) []blk.Handle {
	lba := e.s.rules.LBA
	switch {
	case x.garbage:
		for int32(len(e.garbage)) < n*lba {
			e.garbage = append(e.garbage, blk.Garbage)
		}
		return e.garbage[:n*lba]
	case x.cmd < 0:
		return e.s.base[l*lba : (l+n)*lba]
	case x.alt > 0:
		k := x.alt
		for _, a := range e.s.cmds[x.cmd].alts {
			if a.lba == l {
				if k--; k == 0 {
					return a.content
				}
			}
		}
	}
	c := e.s.cmds[x.cmd]
	return c.payload[l*lba-c.rng.Start : (l+n)*lba-c.rng.Start]
}
