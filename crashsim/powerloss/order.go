package powerloss

import "untorn/internal/blk"

// A pair is two commands that apply as wholes in either order.
type pair struct{ a, b int32 }

// findPairs lists the commands that overlap, apply as wholes and were in flight
// together.
func (e *enumeration) findPairs() {
	e.pairs = e.pairs[:0]
	for j, d := range e.s.cmds {
		if !d.overlaps || !d.whole {
			continue
		}
		for i, c := range e.s.cmds[:j] {
			if c.whole && c.rng.Overlaps(d.rng) && !before(c, d) && e.s.share(c, d) {
				e.pairs = append(e.pairs, pair{int32(i), int32(j)})
			}
		}
	}
}

// share reports whether an LBA of both commands is open.
func (s *State) share(c, d *command) bool {
	lba := s.rules.LBA
	for l := max(c.rng.Start, d.rng.Start) / lba; l*lba < min(c.rng.End(), d.rng.End()); l++ {
		if c.covers(l, lba) && d.covers(l, lba) {
			return true
		}
	}
	return false
}

// orders calls f for every order in which commands may apply as wholes: every
// choice for the pairs that has no cycle, in itself or with the commands that
// one of them was ordered after.
func (e *enumeration) orders(f func()) {
	e.findPairs()
	if len(e.pairs) == 0 {
		f()
		return
	}
	for e.orient = 0; e.orient < 1<<len(e.pairs); e.orient++ {
		if e.acyclic() {
			f()
		}
	}
	e.orient = 0
}

// applies reports whether command i certainly applies before command j where
// they share an LBA.
func (e *enumeration) applies(i, j int32) bool {
	if before(e.s.cmds[i], e.s.cmds[j]) {
		return true
	}
	for k, p := range e.pairs {
		switch forward := e.orient>>k&1 == 0; {
		case p.a == i && p.b == j:
			return forward
		case p.a == j && p.b == i:
			return !forward
		}
	}
	return false
}

// acyclic takes away, again and again, a command that no other one applies
// before.
func (e *enumeration) acyclic() bool {
	rest := e.rest[:0]
	for i, c := range e.s.cmds {
		if c.overlaps && c.whole {
			rest = append(rest, int32(i))
		}
	}
	e.rest = rest
next:
	for len(rest) > 0 {
	candidate:
		for k, j := range rest {
			for _, i := range rest {
				if i != j && e.s.share(e.s.cmds[i], e.s.cmds[j]) && e.applies(i, j) {
					continue candidate
				}
			}
			rest = append(rest[:k], rest[k+1:]...)
			continue next
		}
		return false
	}
	return true
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
		if rest>>k&1 == 0 || !e.last(cov, rest, k) {
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
func (e *enumeration) last(cov []int32, rest uint64, k int) bool {
	for m, j := range cov {
		if rest>>m&1 != 0 && m != k && e.applies(cov[k], j) {
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
		if rest>>k&1 != 0 && e.last(cov, rest, k) {
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
