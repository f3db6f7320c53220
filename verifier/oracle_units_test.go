package verifier

import "slices"

// visible reports whether x is an atomic write of which a sector holds
// something.
func (o *oracle) visible(x int) bool {
	if x == 0 || !o.op(x).Atomic || !o.live(x) {
		return false
	}
	return slices.Contains(o.others(x), x)
}

// others returns what the sectors of x that the file has may be.
func (o *oracle) others(x int) (out []int) {
	for s := range oraclePlaces {
		if o.covers(x, s) && !o.absent(s) {
			out = append(out, o.read[s]...)
		}
	}
	return out
}

func (o *oracle) isCut(x int) bool {
	for s := range oraclePlaces {
		if o.covers(x, s) && o.absent(s) {
			return true
		}
	}
	return false
}

// excused reports whether the application made, or may have made, a mixture
// in the range of x.
func (o *oracle) excused(x int) bool {
	for y := 1; y <= o.n(); y++ {
		if y == x || !o.live(y) || !o.meets(y, x) {
			continue
		}
		b := o.op(y)
		if !b.Atomic && !o.precedes(y, x) || b.Direct && !o.precedes(y, x) && !o.precedes(x, y) {
			return true
		}
	}
	return false
}

// truncated reports whether a truncation or a move of the range of x does not
// precede it.
func (o *oracle) truncated(x int) bool {
	for y := 1; y <= o.n(); y++ {
		if (o.kind(y) == "truncate" || o.moves(y)) && o.live(y) && o.meets(y, x) && !o.precedes(y, x) {
			return true
		}
	}
	return false
}

// circles returns who must come before whom, with or without the mixtures of
// excused units.
func (o *oracle) circles(excused bool) [][]bool {
	n := o.n() + 1
	edge := make([][]bool, n)
	for x := range edge {
		edge[x] = make([]bool, n)
		for y := range edge[x] {
			edge[x][y] = x != y && (y == 0 || o.live(y)) && o.precedes(x, y)
		}
		if o.visible(x) && (excused || !o.excused(x)) {
			for _, y := range o.others(x) {
				edge[x][y] = edge[x][y] || y != x
			}
		}
	}
	for k := range edge {
		for i := range edge {
			for j := range edge {
				edge[i][j] = edge[i][j] || edge[i][k] && edge[k][j]
			}
		}
	}
	return edge
}

// sizeIsLeft reports whether version 0 or an operation leaves a file as long
// as it is. What is shorter though nothing made it so is lost, not wrong.
func (o *oracle) sizeIsLeft(file int) bool {
	size, initial, shorter, inside := int64(o.size[file])*512, o.w.Size(file), false, false
	for x := 1; x <= o.n(); x++ {
		op := o.op(x)
		if !o.live(x) || op.File != file {
			continue
		}
		switch end := op.Offset + op.Length; o.kind(x) {
		case "truncate":
			if shorter = true; size == op.Offset {
				return true
			}
		case "collapse":
			if shorter = true; size == initial-op.Length {
				return true
			}
		case "insert":
			if size == initial+op.Length {
				return true
			}
		case "pwrite", "zero", "fallocate", "clone":
			if size == end || op.Offset < size && size < end && !op.Atomic {
				return true
			} else if op.Offset < size && size < end {
				inside = true
			}
		}
	}
	if size == initial || size < initial && !shorter {
		return true
	}
	for x := 1; x <= o.n(); x++ {
		if inside && o.visible(x) && o.op(x).File == file && o.isCut(x) {
			return true
		}
	}
	return false
}

func (o *oracle) verdict() Verdict { return o.judgeUnits(o.look()) }

// judgeUnits judges the units by what their sectors were read as; worst is the
// worst verdict on a sector.
func (o *oracle) judgeUnits(worst Verdict) Verdict {
	if !o.sizeIsLeft(0) || !o.sizeIsLeft(1) {
		return Corrupt
	}
	all, some := o.circles(true), o.circles(false)
	for x := 1; x <= o.n(); x++ {
		if r := o.result[x]; o.op(x).Atomic && o.ret[x] > 0 && r >= 0 && int64(r) < o.op(x).Length {
			worst = min(worst, Short)
		}
		if !o.visible(x) {
			continue
		}
		older := false
		for _, y := range o.others(x) {
			older = older || o.precedes(y, x)
		}
		switch {
		case !o.excused(x) && (older || some[x][x]):
			worst = min(worst, Torn)
		case older || all[x][x]:
			worst = min(worst, AppTorn)
		}
		switch {
		case o.isCut(x) && !o.truncated(x):
			worst = min(worst, Cut)
		case o.isCut(x):
			worst = min(worst, AppTorn)
		}
	}
	return worst
}

// stale reports whether some unit is older than the version before the
// newest, by pairs of later writes of its range.
func (o *oracle) stale() bool {
	for x := 1; x <= o.n(); x++ {
		if !o.op(x).Atomic || !o.live(x) {
			continue
		}
		base, whole := 0, true
		for y := 1; y <= o.n(); y++ {
			if o.moves(y) && o.live(y) && o.meets(y, x) {
				whole = false // who knows what it put there
			}
		}
		if o.visible(x) {
			base = x
		} else {
			for s := range oraclePlaces {
				for _, y := range o.read[s] {
					whole = whole && (!o.covers(x, s) || y == 0)
				}
			}
		}
		same := func(y int) bool {
			a, b := o.op(x), o.op(y)
			failed := o.ret[y] > 0 && o.result[y] < 0
			return o.stamps(y) && a.File == b.File && a.Offset == b.Offset && a.Length == b.Length && o.call[y] > 0 && !failed
		}
		for a := range o.w.Ops {
			for b := range o.w.Ops {
				if whole && same(a+1) && same(b+1) && o.precedes(base, a+1) && o.precedes(a+1, b+1) {
					return true
				}
			}
		}
	}
	return false
}

// misread judges what operation x, a read that was called, saw of the sectors
// that are before the size.
func (o *oracle) misread(x int, lostData bool) Verdict {
	worst := Held
	sure := func(y, by int) bool {
		if by == 0 {
			by = x
		}
		return !lostData && o.ret[y] > 0 && o.result[y] >= 0 && o.precedes(y, by)
	}
	o.findPaths()
	for s := range oraclePlaces {
		if fileOf(s) != o.op(x).File || o.absent(s) || byteOf(s) < o.op(x).Offset || byteOf(s) >= o.op(x).Offset+o.op(x).Length {
			continue
		}
		reached := !o.past(s)
		for y := 1; y <= o.n(); y++ {
			e := o.op(y)
			if e.File != fileOf(s) || !o.live(y) {
				continue
			}
			switch o.kind(y) {
			case "truncate":
				reached = reached || byteOf(s) < e.Offset
			case "pwrite", "zero", "fallocate", "clone":
				reached = reached || byteOf(s) < e.Offset+e.Length
			case "insert":
				reached = reached || byteOf(s) < o.w.Size(e.File)+e.Length
			}
		}
		all, good, _ := o.candidates(s, sure, false)
		switch {
		case !reached:
			worst = min(worst, Corrupt)
		case o.holds[s].what == freed:
			worst = min(worst, Exposed)
		case len(all) == 0:
			worst = min(worst, Corrupt)
		case len(good) == 0:
			worst = min(worst, Lost)
		}
	}
	return worst
}
