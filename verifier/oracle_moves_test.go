package verifier

import "slices"

// A path is how content gets from one place to another: by moves, one after the
// other. at has the places, where it begins first.
type path struct{ moves, at []int }

// goes returns where x, a move, puts the content of a place.
func (o *oracle) goes(x, s int) (to int, ok bool) {
	op, at := o.op(x), byteOf(s)
	switch {
	case o.kind(x) == "clone":
		if fileOf(s) == op.FromFile && at >= op.From && at < op.From+op.Length {
			to = placeOf(op.File, op.Offset+at-op.From)
			return to, to >= 0
		}
	case fileOf(s) != op.File || o.past(s):
	case o.kind(x) == "collapse" && at >= op.Offset+op.Length:
		return placeOf(op.File, at-op.Length), true
	case o.kind(x) == "insert" && at >= op.Offset:
		to = placeOf(op.File, at+op.Length)
		return to, to >= 0
	}
	return 0, false
}

// findPaths lists the paths that the moves which were called make. None is on a
// path twice, or after one that was called when it had returned.
func (o *oracle) findPaths() {
	o.paths = [oraclePlaces][]path{}
	var walk func(p path)
	walk = func(p path) {
		end := p.at[len(p.at)-1]
		o.paths[end] = append(o.paths[end], p)
		for x := 1; x <= o.n(); x++ {
			if !o.moves(x) || !o.live(x) || slices.Contains(p.moves, x) ||
				slices.ContainsFunc(p.moves, func(m int) bool { return o.precedes(x, m) }) {
				continue
			}
			if to, ok := o.goes(x, end); ok {
				walk(path{append(slices.Clone(p.moves), x), append(slices.Clone(p.at), to)})
			}
		}
	}
	for s := range oraclePlaces {
		walk(path{at: []int{s}})
	}
}

// fits reports whether x may have put something where a path begins before its
// moves carried it on.
func (o *oracle) fits(x int, p path) bool {
	return !slices.ContainsFunc(p.moves, func(m int) bool { return m == x || o.precedes(m, x) })
}

// replaced reports whether x, which a sector is, was replaced by the time an
// operation was called, 0 for now; sure says what is certain by then.
func (o *oracle) replaced(x, s, by int, sure func(y, by int) bool) bool {
	for y := 1; y <= o.n(); y++ {
		if o.precedes(x, y) && sure(y, by) && o.did(y, s) {
			return true
		}
	}
	return false
}

// carried reports whether nothing replaced what the moves of a path carried to
// where they carried it.
func (o *oracle) carried(p path, sure func(y, by int) bool) bool {
	for i, m := range p.moves {
		by := 0
		if i+1 < len(p.moves) {
			by = p.moves[i+1]
		}
		if o.replaced(m, p.at[i+1], by, sure) {
			return false
		}
	}
	return true
}

// makesHole reports whether x may have left zeros at a place by itself; whole,
// if it did all that it was called for.
func (o *oracle) makesHole(x, s int) (makes, whole bool) {
	op := o.op(x)
	switch {
	case !o.live(x) || !o.covers(x, s):
		return false, false
	case o.blanks(x):
		return true, true
	case o.kind(x) == "insert" && byteOf(s) < op.Offset+op.Length:
		return true, true
	case o.kind(x) == "collapse" && o.empties(x, s) && o.grows(s):
		return true, true
	}
	return o.moves(x), false
}

// grows reports whether some operation may have made a file that has a sector.
func (o *oracle) grows(s int) bool {
	for x := 1; x <= o.n(); x++ {
		op, end := o.op(x), int64(0)
		switch o.kind(x) {
		case "pwrite", "zero", "fallocate", "clone":
			end = op.Offset + op.Length
		case "truncate":
			end = op.Offset
		case "insert":
			end = o.w.Size(op.File) + op.Length
		}
		if o.live(x) && op.File == fileOf(s) && end > byteOf(s) {
			return true
		}
	}
	return false
}

// candidates returns the versions that a sector is by what it holds, and those
// of them that nothing replaced. What a write put there itself is that write;
// may has what moves may have carried there as well.
func (o *oracle) candidates(s int, sure func(y, by int) bool, crashed bool) (all, good, may []int) {
	var own, ownGood []int
	add := func(version int, isOwn, isGood bool) {
		if isOwn {
			own = append(own, version)
		}
		all = append(all, version)
		if isGood {
			good = append(good, version)
			if isOwn {
				ownGood = append(ownGood, version)
			}
		}
	}
	c := o.holds[s]
	for _, p := range o.paths[s] {
		version, by := 0, 0
		if len(p.moves) > 0 {
			version, by = p.moves[len(p.moves)-1], p.moves[0]
		}
		carried := o.carried(p, sure)
		begins := func(x int, whole bool) {
			if !o.fits(x, p) {
				return
			}
			fresh := !o.replaced(x, p.at[0], by, sure) && (whole || !sure(x, by))
			if len(p.moves) == 0 {
				add(x, true, fresh)
			} else {
				add(version, false, fresh && carried)
			}
		}
		switch {
		case c.what == zeroed:
			if o.initialZero(p.at[0]) {
				begins(0, true)
			}
			for x := 1; x <= o.n(); x++ {
				if makes, whole := o.makesHole(x, p.at[0]); makes {
					begins(x, whole)
				}
			}
		case c.what < 0 || c.home != p.at[0]:
		case c.what == 0 && !o.initialZero(c.home):
			begins(0, true)
		case c.what > 0 && o.live(c.what) && o.covers(c.what, c.home):
			begins(c.what, true)
		}
	}
	// What was written where a shift had put the block is there without the shift.
	for m := 1; m <= o.n() && crashed && c.what > 0; m++ {
		to, ok := o.goes(m, s)
		if ok && to == c.home && o.shifts(m) && o.live(m) && o.live(c.what) && o.covers(c.what, to) && !o.precedes(c.what, m) {
			add(m, false, !sure(m, 0) && !o.replaced(m, s, 0, sure))
		}
	}
	switch {
	case c.what == zeroed:
	case len(ownGood) > 0 || len(good) == 0 && len(own) > 0:
		return own, ownGood, good
	}
	return all, good, good
}
