package verifier

// visible reports whether x is an atomic write of which a sector holds
// something.
func (o *oracle) visible(x int) bool {
	if x == 0 || !o.op(x).Atomic || !o.live(x) {
		return false
	}
	for s := range o.size {
		if o.holds[s] == x {
			return true
		}
	}
	return false
}

// others returns what the sectors of x that the file has may be.
func (o *oracle) others(x int) (out []int) {
	for s := range o.size {
		if o.covers(x, s) {
			out = append(out, o.read[s]...)
		}
	}
	return out
}

func (o *oracle) isCut(x int) bool {
	for s := o.size; s < oracleSectors; s++ {
		if o.covers(x, s) {
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

// truncated reports whether a truncation of the range of x does not precede it.
func (o *oracle) truncated(x int) bool {
	for y := 1; y <= o.n(); y++ {
		if o.kind(y) == "truncate" && o.live(y) && o.meets(y, x) && !o.precedes(y, x) {
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

// sizeIsLeft reports whether version 0 or an operation leaves the file as long
// as it is. What is shorter though nothing made it so is lost, not wrong.
func (o *oracle) sizeIsLeft() bool {
	size, shorter, inside := int64(o.size)*512, false, false
	for x := 1; x <= o.n(); x++ {
		op := o.op(x)
		if !o.live(x) {
			continue
		}
		switch o.kind(x) {
		case "truncate":
			if shorter = true; size == op.Offset {
				return true
			}
		case "pwrite", "zero", "fallocate":
			if end := op.Offset + op.Length; size == end || op.Offset < size && size < end && !op.Atomic {
				return true
			} else if op.Offset < size && size < end {
				inside = true
			}
		}
	}
	if size == o.w.File || size < o.w.File && !shorter {
		return true
	}
	for x := 1; x <= o.n(); x++ {
		if inside && o.visible(x) && o.isCut(x) {
			return true
		}
	}
	return false
}

func (o *oracle) verdict() Verdict { return o.judgeUnits(o.look()) }

// judgeUnits judges the units by what their sectors were read as; worst is the
// worst verdict on a sector.
func (o *oracle) judgeUnits(worst Verdict) Verdict {
	if !o.sizeIsLeft() {
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
		if o.visible(x) {
			base = x
		} else {
			for s := range oracleSectors {
				for _, y := range o.read[s] {
					whole = whole && (!o.covers(x, s) || y == 0)
				}
			}
		}
		same := func(y int) bool {
			a, b := o.op(x), o.op(y)
			failed := o.ret[y] > 0 && o.result[y] < 0
			return o.stamps(y) && a.Offset == b.Offset && a.Length == b.Length && o.call[y] > 0 && !failed
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
	for s := range o.size {
		if !(int64(s)*512 >= o.op(x).Offset && int64(s)*512 < o.op(x).End()) {
			continue
		}
		reached := int64(s)*512 < o.w.File
		for y := 1; y <= o.n(); y++ {
			e := o.op(y)
			reached = reached || o.live(y) && (o.kind(y) == "truncate" && int64(s)*512 < e.Offset ||
				(o.kind(y) == "pwrite" || o.kind(y) == "zero" || o.kind(y) == "fallocate") && int64(s)*512 < e.Offset+e.Length)
		}
		all, good := o.candidates(s), lostData
		for _, c := range all {
			old := false
			for y := 1; y <= o.n(); y++ {
				done := o.ret[y] > 0 && o.result[y] >= 0 && o.precedes(y, x)
				old = old || done && o.did(y, s) && o.precedes(c, y)
			}
			good = good || !old
		}
		switch {
		case !reached:
			worst = min(worst, Corrupt)
		case o.holds[s] == freed:
			worst = min(worst, Exposed)
		case len(all) == 0:
			worst = min(worst, Corrupt)
		case !good:
			worst = min(worst, Lost)
		}
	}
	return worst
}
