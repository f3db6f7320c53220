package verifier

import "untorn/workloads"

// oracleSectors is how far each file of these tests reaches; places count the
// sectors of both, one file after the other.
const (
	oracleSectors = 24
	oraclePlaces  = 2 * oracleSectors
)

// What a sector may hold that is no stamp.
const (
	zeroed  = -1
	garbage = -2
	freed   = -3
)

// sector is what a sector holds: an operation, and the place where that put it.
type sector struct{ what, home int }

// oracle judges one image by the words of the contract alone: every relation
// is a matrix or a time, and nothing is a set in a word.
type oracle struct {
	w         *workloads.Workload
	h         *workloads.History
	call, ret []int // when, 0 for never
	result    []workloads.Result
	size      [2]int               // of the recovered files, in sectors
	holds     [oraclePlaces]sector // of the sectors before the size
	paths     [oraclePlaces][]path // by where they end

	hard []bool              // by operation: durable
	read [oraclePlaces][]int // versions that a sector is read as
	may  [oraclePlaces][]int // versions that it may be as well
}

// fileOf and sectorOf say where a place is.
func fileOf(s int) int   { return s / oracleSectors }
func sectorOf(s int) int { return s % oracleSectors }

// byteOf returns the offset of a place in its file.
func byteOf(s int) int64 { return int64(sectorOf(s)) * 512 }

// placeOf returns the place of a byte of a file, -1 for one that is too far.
func placeOf(file int, at int64) int {
	if at < 0 || at >= oracleSectors*512 {
		return -1
	}
	return file*oracleSectors + int(at/512)
}

func (o *oracle) absent(s int) bool { return sectorOf(s) >= o.size[fileOf(s)] }

func (o *oracle) op(x int) *workloads.Op { return &o.w.Ops[x-1] }
func (o *oracle) n() int                 { return len(o.w.Ops) }
func (o *oracle) kind(x int) string      { return o.op(x).Kind.String() }

// stamps reports whether x puts content of its own into sectors.
func (o *oracle) stamps(x int) bool { return o.kind(x) == "pwrite" || o.kind(x) == "store" }

// blanks reports whether x leaves zeros, or nothing.
func (o *oracle) blanks(x int) bool {
	return o.kind(x) == "punch" || o.kind(x) == "zero" || o.kind(x) == "truncate"
}

// shifts reports whether x moves the rest of a file.
func (o *oracle) shifts(x int) bool { return o.kind(x) == "collapse" || o.kind(x) == "insert" }

// moves reports whether x carries content to another place.
func (o *oracle) moves(x int) bool { return o.shifts(x) || o.kind(x) == "clone" }

// covers reports whether x gives a sector a new version.
func (o *oracle) covers(x, s int) bool {
	op, at := o.op(x), byteOf(s)
	switch {
	case op.File != fileOf(s):
		return false
	case o.kind(x) == "truncate" || o.shifts(x):
		return at >= op.Offset
	}
	return (o.stamps(x) || o.blanks(x) || o.moves(x)) && at >= op.Offset && at < op.Offset+op.Length
}

// meets reports whether x gives some sector of the range of y a new version.
func (o *oracle) meets(x, y int) bool {
	for s := range oraclePlaces {
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
	if a.File != b.File {
		return false
	}
	switch o.kind(x) {
	case "fsync", "fdatasync":
		return true
	case "msync":
		return !o.shifts(y) && o.kind(y) != "truncate" && a.Offset <= b.Offset && b.Offset+b.Length <= a.Offset+a.Length
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
			bad = bad && (o.op(e).File == o.op(x).File || o.kind(e) == "clone" && o.op(e).FromFile == o.op(x).File)
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
func (o *oracle) did(x, s int) bool {
	return o.covers(x, s) && (!o.stamps(x) || byteOf(s)+512 <= o.op(x).Offset+int64(o.result[x]))
}

// keeps reports whether x, which returned success, left a file that has a
// sector.
func (o *oracle) keeps(x, s int) bool {
	op, after := o.op(x), byteOf(s)+512
	if op.File != fileOf(s) {
		return false
	}
	switch o.kind(x) {
	case "pwrite", "store":
		return o.result[x] > 0 && after <= op.Offset+int64(o.result[x])
	case "zero", "fallocate", "clone":
		return after <= op.Offset+op.Length
	case "truncate":
		return after <= op.Offset
	case "collapse":
		return after <= o.w.Size(op.File)-op.Length
	case "insert":
		return after <= o.w.Size(op.File)+op.Length
	}
	return false
}

// past reports whether version 0 has no such sector.
func (o *oracle) past(s int) bool { return byteOf(s) >= o.w.Size(fileOf(s)) }

func (o *oracle) initialZero(s int) bool { return o.past(s) || o.w.Layout != workloads.Contiguous }

// empties reports whether x may leave a file without a sector.
func (o *oracle) empties(x, s int) bool {
	return o.live(x) && o.covers(x, s) &&
		(o.kind(x) == "truncate" || o.kind(x) == "collapse" && byteOf(s) >= o.w.Size(fileOf(s))-o.op(x).Length)
}

// gone returns the versions that a sector which is absent may be.
func (o *oracle) gone(s int) (all, good []int) {
	if o.past(s) {
		all = append(all, 0)
	}
	for x := 1; x <= o.n(); x++ {
		if o.empties(x, s) {
			all = append(all, x)
		}
	}
next:
	for _, x := range all {
		for y := 1; y <= o.n(); y++ {
			if o.hard[y] && o.precedes(x, y) && o.keeps(y, s) {
				continue next
			}
		}
		good = append(good, x)
	}
	return all, good
}

// crash says what is certain after the loss of power, or by the time an
// operation was called.
func (o *oracle) crash(y, by int) bool { return o.hard[y] && (by == 0 || o.precedes(y, by)) }

// racing reports whether a store may have been under way on a sector while it
// was copied or written, where the sector is or before it was moved there.
func (o *oracle) racing(s int) bool {
	for _, p := range o.paths[s] {
		by := 0
		if len(p.moves) > 0 {
			by = p.moves[0]
		}
		if !o.carried(p, o.crash) {
			continue
		}
		var may []int
		for x := 1; x <= o.n(); x++ {
			if o.live(x) && o.covers(x, p.at[0]) && o.fits(x, p) && !o.replaced(x, p.at[0], by, o.crash) {
				may = append(may, x)
			}
		}
		for _, x := range may {
			for _, y := range may {
				if o.kind(x) == "store" && (!o.crash(x, by) || y != x && !o.precedes(x, y) && !o.precedes(y, x)) {
					return true
				}
			}
		}
	}
	for m := 1; m <= o.n(); m++ {
		to, ok := o.goes(m, s)
		if !ok || !o.shifts(m) || !o.live(m) || o.hard[m] || o.replaced(m, s, 0, o.crash) {
			continue
		}
		for x := 1; x <= o.n(); x++ {
			if o.kind(x) == "store" && o.live(x) && o.covers(x, to) && !o.precedes(x, m) {
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
	o.findPaths()
	worst := Held
	for s := range o.holds {
		all, good := o.gone(s)
		o.may[s] = good
		if !o.absent(s) {
			all, good, o.may[s] = o.candidates(s, o.crash, true)
		}
		switch o.read[s] = good; {
		case len(good) > 0:
		case len(all) > 0 || o.absent(s) && !o.past(s):
			o.read[s] = all
			worst = min(worst, Lost)
		case o.absent(s): // nothing ever reached it
		case o.holds[s].what == freed:
			worst = min(worst, Exposed)
		case o.holds[s].what == garbage && o.racing(s):
			worst = min(worst, AppTorn)
		default:
			worst = min(worst, Corrupt)
		}
	}
	return worst
}
