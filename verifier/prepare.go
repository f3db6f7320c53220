package verifier

import (
	"math/bits"
	"slices"

	"untorn/internal/blk"
)

// shape is what the sectors of a stretch may hold at a cut.
type shape struct {
	may     uint64 // versions that some sector may hold: not replaced by a durable one
	writes  uint64 // operations that were called, and not refused, and cover the stretch
	partial uint64 // durable operations that wrote a first part of it only
	gone    uint64 // versions that an absent sector may be
}

// watch is what a unit is judged by at a cut.
type watch struct {
	live     bool   // the write was called and not refused
	first    bool   // of the live units of this range
	precede  uint64 // versions that precede it
	excuse   uint64 // operations that make a mixture the application's
	newer    int    // writes of the same range that it precedes
	versions int    // writes of the same range

	// A write of the same range came after the write, or after version 0,
	// and another one after that.
	stale, staleInitial bool
}

// prepare works out what the history says about each stretch and unit.
func (v *Verifier) prepare() {
	h, l := v.h, v.layout
	called := h.Called() & l.writes &^ h.RefusedMask()
	v.crash = moment{h: h, done: h.Durable(), crash: true}
	clear(v.after)
	for m := called; m != 0; m &= m - 1 {
		y := bits.TrailingZeros64(m)
		for p := h.Preceding(y); p != 0; p &= p - 1 {
			if x := bits.TrailingZeros64(p); x < len(v.after) {
				v.after[x] |= 1 << y
			}
		}
	}
	for i := range l.stretches {
		st, sh := &l.stretches[i], &v.shape[i]
		sh.writes = st.writes & called
		sh.may, sh.partial = st.writes&called|1, 0
		sh.gone = v.absences(st)
		for m := st.writes & h.Durable(); m != 0; m &= m - 1 {
			y := bits.TrailingZeros64(m)
			// Of a short write only what it wrote replaced anything.
			switch end := v.wrote(y); {
			case st.to <= end:
				sh.may &^= h.Preceding(y)
			case st.from < end:
				sh.partial |= 1 << y
			}
		}
		for m := h.Durable(); m != 0 && sh.gone != 0; m &= m - 1 {
			if y := bits.TrailingZeros64(m); l.on[st.file]>>y&1 != 0 && st.to <= v.reaches(y) {
				sh.gone &^= h.Preceding(y)
			}
		}
	}
	v.splitAtEnds()
	clear(v.shorts)
	for i := range l.units {
		v.watchUnit(&l.units[i], &v.watched[i], called)
		w := &v.watched[i]
		w.first = w.live
		for k := range l.units[:i] {
			if w.live && v.watched[k].live && l.units[k].span == l.units[i].span {
				w.first = false
			}
		}
	}
}

// wrote returns the first file sector after those that a write that returned
// filled.
func (v *Verifier) wrote(op int) int32 {
	o := v.h.Op(op)
	if !o.Writes() {
		return v.layout.end[o.File]
	}
	r, _ := v.h.Result(op)
	return int32((o.Start() + int64(r)) / blk.SectorSize)
}

// reaches returns the first file sector after those that an operation that
// returned success left in the file: a punch moves no end, and a truncation
// leaves what is before it.
func (v *Verifier) reaches(op int) int32 {
	o := v.h.Op(op)
	if r, _ := v.h.Result(op); o.Writes() && r > 0 {
		return v.wrote(op)
	} else if o.Writes() {
		return 0
	}
	return v.layout.leaves(o)
}

// absences returns the versions that make the sectors of a stretch absent: the
// operations that were called and make the file shorter, and version 0 past its
// end.
func (v *Verifier) absences(st *stretch) uint64 {
	set := st.absent & v.h.Called() &^ v.h.RefusedMask()
	if st.to > v.layout.initial[st.file] {
		set |= 1
	}
	return set
}

// splitAtEnds notes where durable writes that were short ended inside a
// stretch: the sectors before and after that are judged differently.
func (v *Verifier) splitAtEnds() {
	v.ends, v.endsBefore = v.endsBefore[:0], v.ends
	for i := range v.shape {
		for m := v.shape[i].partial; m != 0; m &= m - 1 {
			v.ends = append(v.ends, v.wrote(bits.TrailingZeros64(m)))
		}
	}
	if len(v.ends) > 0 {
		v.carryEnds()
		slices.Sort(v.ends)
		v.ends = slices.Compact(v.ends)
	}
	if !slices.Equal(v.ends, v.endsBefore) {
		v.meta = v.meta[:0] // what is mounted was split elsewhere
	}
}

// carryEnds adds where moves of content carry the ends.
func (v *Verifier) carryEnds() {
	for i := 0; v.moves != 0 && i < len(v.ends); i++ {
		for m := v.moves; m != 0; m &= m - 1 {
			op := v.h.Op(bits.TrailingZeros64(m))
			if e := v.layout.carriedTo(op, v.ends[i]); e >= 0 && !slices.Contains(v.ends, e) {
				v.ends = append(v.ends, e)
			}
		}
	}
}

// may returns the versions that a file sector of a stretch may hold.
func (v *Verifier) may(st, at int32) uint64 {
	if v.shape[st].partial == 0 {
		return v.shape[st].may
	}
	return v.shape[st].may &^ v.replaced(st, at)
}

// mayBeGone returns the versions that a file sector of a stretch may be when it
// is absent.
func (v *Verifier) mayBeGone(st, at int32) uint64 { return v.shape[st].gone &^ v.replaced(st, at) }

// replaced returns what durable operations that wrote a first part of a
// stretch only replaced in one of its sectors.
func (v *Verifier) replaced(st, at int32) (set uint64) {
	for m := v.shape[st].partial; m != 0; m &= m - 1 {
		if y := bits.TrailingZeros64(m); at < v.wrote(y) {
			set |= v.h.Preceding(y)
		}
	}
	return set
}

// rewrites reports whether an operation writes exactly the range of a unit, as
// a whole or as one of its own units, and did not fail to.
func (v *Verifier) rewrites(x int, u *unit) bool {
	o := v.h.Op(x)
	if !o.Writes() || v.h.Failed()>>x&1 != 0 {
		return false
	}
	if o.Unit == 0 || !o.Atomic {
		return o.Start() == int64(u.from)*blk.SectorSize && o.End() == int64(u.to)*blk.SectorSize
	}
	r, returned := v.h.Result(x)
	return slices.Contains(unitsIn(o), u.span) && (!returned || int64(u.to)*blk.SectorSize <= o.Start()+int64(r))
}

func (v *Verifier) watchUnit(u *unit, w *watch, called uint64) {
	h := v.h
	*w = watch{}
	if called>>u.op&1 == 0 {
		return
	}
	op := h.Op(u.op)
	w.live, w.precede = true, h.Preceding(u.op)
	var same uint64
	moved := false
	for m := called; m != 0; m &= m - 1 {
		x := bits.TrailingZeros64(m)
		o := h.Op(x)
		if from, to := o.Span(); from >= int64(u.to)*blk.SectorSize || int64(u.from)*blk.SectorSize >= to {
			continue
		}
		moved = moved || o.Moves()
		before := w.precede>>x&1 != 0
		apart := before || v.after[u.op]>>x&1 != 0
		// A direct write takes no exclusive lock: it may mix with what overlaps
		// it in time.
		if x != u.op && (!o.Atomic && !before || o.Direct && !apart) {
			w.excuse |= 1 << x
		}
		if v.rewrites(x, u) {
			same |= 1 << x
			w.versions++
			if v.after[u.op]>>x&1 != 0 {
				w.newer++
			}
		}
	}
	if moved {
		same = 0 // what a move put there is no old version of the unit
	}
	for m := same; m != 0; m &= m - 1 {
		if x := bits.TrailingZeros64(m); v.after[x]&same != 0 {
			w.staleInitial = true
			w.stale = w.stale || v.after[u.op]>>x&1 != 0
		}
	}
	if r, ok := h.Result(u.op); ok && op.Short(r) {
		v.shorts[v.layout.stretches[u.first].group] = true
	}
}
