package verifier

import "untorn/workloads"

// oracleSectors is how far a file of these tests reaches.
const oracleSectors = 24

// What a sector may hold that is no stamp.
const (
	zeroed  = -1
	garbage = -2
	freed   = -3
)

// oracle judges one image by the words of the contract alone: every relation
// is a matrix or a time, and nothing is a set in a word.
type oracle struct {
	w         *workloads.Workload
	h         *workloads.History
	call, ret []int // when, 0 for never
	result    []workloads.Result
	size      int                // of the recovered file, in sectors
	holds     [oracleSectors]int // of the sectors before the size

	hard []bool               // by operation: durable
	read [oracleSectors][]int // versions that a sector may be
}

func (o *oracle) op(x int) *workloads.Op { return &o.w.Ops[x-1] }
func (o *oracle) n() int                 { return len(o.w.Ops) }
func (o *oracle) kind(x int) string      { return o.op(x).Kind.String() }

// stamps reports whether x puts content of its own into sectors.
func (o *oracle) stamps(x int) bool { return o.kind(x) == "pwrite" || o.kind(x) == "store" }

// blanks reports whether x leaves zeros, or nothing.
func (o *oracle) blanks(x int) bool {
	return o.kind(x) == "punch" || o.kind(x) == "zero" || o.kind(x) == "truncate"
}

// covers reports whether x gives a sector a new version.
func (o *oracle) covers(x, sector int) bool {
	op, at := o.op(x), int64(sector)*512
	if o.kind(x) == "truncate" {
		return at >= op.Offset
	}
	return (o.stamps(x) || o.blanks(x)) && at >= op.Offset && at < op.Offset+op.Length
}

// meets reports whether x gives some sector of the range of y a new version.
func (o *oracle) meets(x, y int) bool {
	for s := range oracleSectors {
		if o.covers(x, s) && o.covers(y, s) {
			return true
		}
	}
	return false
}

func (o *oracle) precedes(x, y int) bool {
	return y > 0 && o.call[y] > 0 && (x == 0 || o.ret[x] > 0 && o.ret[x] < o.call[y])
}

func (o *oracle) returned(x int, r workloads.Result) bool { return o.ret[x] > 0 && o.result[x] == r }
func (o *oracle) refused(x int) bool                      { return o.returned(x, workloads.Fail(workloads.EINVAL)) }

// live reports whether x was called and something of it may be there.
func (o *oracle) live(x int) bool { return o.call[x] > 0 && !o.refused(x) }

// syncs reports whether x makes durable what y did, once it has returned.
func (o *oracle) syncs(x, y int) bool {
	a, b := o.op(x), o.op(y)
	switch o.kind(x) {
	case "fsync", "fdatasync":
		return true
	case "msync":
		return o.kind(y) != "truncate" && a.Offset <= b.Offset && b.Offset+b.Length <= a.Offset+a.Length
	}
	return false
}

// durable reports whether what x did is durable.
func (o *oracle) durable(x int) bool {
	if o.ret[x] == 0 || o.result[x] < 0 {
		return false
	}
	if op := o.op(x); op.Dsync && int64(o.result[x]) == op.Length {
		return true
	}
	for f := 1; f <= o.n(); f++ {
		if !o.syncs(f, x) || o.ret[f] == 0 || o.result[f] < 0 || !o.precedes(x, f) {
			continue
		}
		reported := false
		for e := 1; e <= o.n(); e++ {
			bad := o.returned(e, workloads.Fail(workloads.EIO)) || o.returned(e, workloads.Fail(workloads.ENOSPC))
			reported = reported || bad && o.ret[e] > o.call[x] && o.ret[e] < o.ret[f]
		}
		if !reported {
			return true
		}
	}
	return false
}

// did reports whether x, which returned success, did what it was called for at
// a sector.
func (o *oracle) did(x, sector int) bool {
	return o.covers(x, sector) && (!o.stamps(x) || int64(sector+1)*512 <= o.op(x).Offset+int64(o.result[x]))
}

// keeps reports whether x, which returned success, left a file that has a
// sector.
func (o *oracle) keeps(x, sector int) bool {
	op, after := o.op(x), int64(sector+1)*512
	switch o.kind(x) {
	case "pwrite", "store":
		return o.result[x] > 0 && after <= op.Offset+int64(o.result[x])
	case "zero", "fallocate":
		return after <= op.Offset+op.Length
	case "truncate":
		return after <= op.Offset
	}
	return false
}

func (o *oracle) initialZero(sector int) bool {
	return int64(sector)*512 >= o.w.File || o.w.Layout != workloads.Contiguous
}

// candidates returns the versions that a sector is by what it looks like.
func (o *oracle) candidates(s int) (out []int) {
	absent := s >= o.size
	switch x := o.holds[s]; {
	case !absent && x == garbage || !absent && x == freed:
		return nil
	case !absent && x > 0 && !o.live(x), !absent && x == 0 && o.initialZero(s):
		return nil
	case !absent && x >= 0:
		return []int{x}
	}
	if absent && int64(s)*512 >= o.w.File || !absent && o.initialZero(s) {
		out = append(out, 0)
	}
	for x := 1; x <= o.n(); x++ {
		if o.blanks(x) && (!absent || o.kind(x) == "truncate") && o.live(x) && o.covers(x, s) {
			out = append(out, x)
		}
	}
	return out
}

// replaced reports whether x, which a sector is, is what a durable operation
// replaced.
func (o *oracle) replaced(x, s int) bool {
	for y := 1; y <= o.n(); y++ {
		if !o.hard[y] || !o.precedes(x, y) {
			continue
		}
		if s < o.size && o.did(y, s) || s >= o.size && o.keeps(y, s) {
			return true
		}
	}
	return false
}

// racing reports whether a store may have been under way on a sector while it
// was copied or written.
func (o *oracle) racing(s int) bool {
	for x := 1; x <= o.n(); x++ {
		if o.kind(x) != "store" || !o.live(x) || !o.covers(x, s) || o.replaced(x, s) {
			continue
		}
		if !o.hard[x] {
			return true
		}
		for y := 1; y <= o.n(); y++ {
			if y != x && o.live(y) && o.covers(y, s) && !o.replaced(y, s) && !o.precedes(x, y) && !o.precedes(y, x) {
				return true
			}
		}
	}
	return false
}

// look reads every sector and returns the worst verdict on one by itself.
// Of the versions that a sector may be, those that were replaced count only
// when there is no other.
func (o *oracle) look() Verdict {
	o.hard = make([]bool, o.n()+1)
	for x := 1; x <= o.n(); x++ {
		o.hard[x] = o.durable(x)
	}
	worst := Held
	for s := range o.holds {
		all := o.candidates(s)
		o.read[s] = nil
		for _, x := range all {
			if !o.replaced(x, s) {
				o.read[s] = append(o.read[s], x)
			}
		}
		switch {
		case len(o.read[s]) > 0:
		case len(all) > 0 || s >= o.size && int64(s)*512 < o.w.File:
			o.read[s] = all
			worst = min(worst, Lost)
		case s >= o.size: // nothing ever reached it
		case o.holds[s] == freed:
			worst = min(worst, Exposed)
		case o.holds[s] == garbage && o.racing(s):
			worst = min(worst, AppTorn)
		default:
			worst = min(worst, Corrupt)
		}
	}
	return worst
}
