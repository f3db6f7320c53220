package verifier

import (
	"math/bits"
	"slices"

	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/key"
	"untorn/workloads"
)

// shape is what the sectors of a stretch may hold at a cut.
type shape struct {
	may     uint64 // versions that some sector may hold: not replaced by a durable one
	writes  uint64 // operations that were called and cover the stretch
	partial uint64 // durable operations that wrote a first part of it only
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
		sh.writes = st.writes & h.Called()
		sh.may = st.writes&called | 1
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
	}
	v.splitAtEnds()
	clear(v.shorts)
	for i := range l.units {
		v.watchUnit(&l.units[i], &v.watched[i], called)
		w := &v.watched[i]
		w.first = w.live
		for k := range l.units[:i] {
			if w.live && v.watched[k].live && v.sameRange(l.units[k].op, l.units[i].op) {
				w.first = false
			}
		}
	}
}

// wrote returns the first file sector after those that a write that returned
// filled.
func (v *Verifier) wrote(op int) int32 {
	if v.h.Op(op).Zeroes() {
		return v.layout.sectors
	}
	r, _ := v.h.Result(op)
	return int32((v.h.Op(op).Offset + int64(r)) / blk.SectorSize)
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
		slices.Sort(v.ends)
		v.ends = slices.Compact(v.ends)
	}
	if !slices.Equal(v.ends, v.endsBefore) {
		v.meta = v.meta[:0] // what is mounted was split elsewhere
	}
}

// may returns the versions that a file sector of a stretch may hold.
func (v *Verifier) may(st, at int32) uint64 {
	sh := &v.shape[st]
	may := sh.may
	for m := sh.partial; m != 0; m &= m - 1 {
		if y := bits.TrailingZeros64(m); at < v.wrote(y) {
			may &^= v.h.Preceding(y)
		}
	}
	return may
}

func (v *Verifier) sameRange(x, y int) bool {
	a, b := v.h.Op(x), v.h.Op(y)
	return a.Writes() && b.Writes() && a.Offset == b.Offset && a.Length == b.Length
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
	for m := called; m != 0; m &= m - 1 {
		x := bits.TrailingZeros64(m)
		o := h.Op(x)
		if from, to := o.Span(); from >= op.End() || op.Offset >= to {
			continue
		}
		before := w.precede>>x&1 != 0
		apart := before || v.after[u.op]>>x&1 != 0
		// A direct write takes no exclusive lock: it may mix with what overlaps
		// it in time.
		if x != u.op && (!o.Atomic && !before || o.Direct && !apart) {
			w.excuse |= 1 << x
		}
		if v.sameRange(x, u.op) && h.Failed()>>x&1 == 0 {
			same |= 1 << x
			w.versions++
			if v.after[u.op]>>x&1 != 0 {
				w.newer++
			}
		}
	}
	for m := same; m != 0; m &= m - 1 {
		if x := bits.TrailingZeros64(m); v.after[x]&same != 0 {
			w.staleInitial = true
			w.stale = w.stale || v.after[u.op]>>x&1 != 0
		}
	}
	if r, ok := h.Result(u.op); ok && r >= 0 && int64(r) < op.Length {
		v.shorts[v.layout.stretches[u.first].group] = true
	}
}

// judge looks at the present content of one group.
func (v *Verifier) judge(group int, t *tally, weight *count.Count) Verdict {
	worst := Held
	if v.shorts[group] {
		worst = Short
	}
	if m := v.h.Misread(); m.Op != 0 {
		worst = min(worst, Verdict(m.Verdict))
	}
	v.runs = key.Hasher{}
	pieces := v.m.pieces[v.m.piecesOf[group]:v.m.piecesOf[group+1]]
	for i := range pieces {
		p := &pieces[i]
		st := p.stretch
		if i == 0 || pieces[i-1].stretch != st {
			v.held[st], v.gone[st] = 0, false
		}
		if p.disk < 0 {
			worst = min(worst, v.nothing(p))
			continue
		}
		held, verdict := v.scan(p)
		v.held[st] |= held
		worst = min(worst, verdict)
	}
	from, to := v.layout.unitsOf[group], v.layout.unitsOf[group+1]
	var visible uint64
	mixed, cut := false, false
	for i := from; i < to; i++ {
		u, w := &v.layout.units[i], &v.watched[i]
		if !w.live {
			continue
		}
		held, gone := v.content(u)
		if held>>u.op&1 == 0 {
			if held&^1 == 0 {
				if v.cfg.Contract == OldOrNew && w.staleInitial {
					worst = min(worst, Stale)
				}
				if w.first && w.versions > 0 {
					t.addBehind(min(w.versions, BehindMax), weight)
				}
			}
			continue
		}
		visible |= 1 << u.op
		others := held &^ (1 << u.op)
		mixed = mixed || others != 0
		if others&w.precede != 0 {
			worst = min(worst, w.torn())
		}
		if gone {
			cut = true
			if v.h.Called()&v.layout.shorten&^v.h.RefusedMask()&^w.precede == 0 {
				worst = min(worst, Cut)
			} else {
				// It may be the truncation that the absent sectors hold.
				worst = min(worst, AppTorn)
			}
		}
		t.addBehind(min(w.newer, BehindMax), weight)
		if v.cfg.Contract == OldOrNew && w.stale {
			worst = min(worst, Stale)
		}
	}
	if v.inside == int32(group) && !cut {
		worst = Corrupt // a size inside an atomic write of which nothing is there
	}
	if mixed && visible&(visible-1) != 0 {
		worst = min(worst, v.cycles(from, to, visible))
	}
	return worst
}

func (w *watch) torn() Verdict {
	if w.excuse != 0 {
		return AppTorn
	}
	return Torn
}

// content returns the versions that the range of a unit holds, and whether
// sectors of it are absent.
func (v *Verifier) content(u *unit) (held uint64, gone bool) {
	for st := u.first; st <= u.last; st++ {
		held |= v.held[st]
		gone = gone || v.gone[st]
	}
	return held, gone
}

// nothing judges a piece that is a hole, unwritten or absent.
func (v *Verifier) nothing(p *piece) Verdict {
	may := v.may(p.stretch, p.file)
	if p.disk == absent {
		v.gone[p.stretch] = true
		if v.versionsOfNothing(p.stretch)&may == 0 {
			return Lost
		}
		return Held
	}
	set := v.versionsOfZero(p.stretch)
	switch {
	case set == 0:
		return Corrupt
	case set&may == 0:
		v.held[p.stretch] |= set
		return Lost
	}
	v.held[p.stretch] |= set & may
	return Held
}

// versionsOfZero returns the versions that zeros in a stretch may be: version 0
// where that is zeros, and what punched, zeroed or truncated it.
func (v *Verifier) versionsOfZero(st int32) uint64 {
	l := &v.layout.stretches[st]
	set := l.zeroing & v.shape[st].writes &^ v.h.RefusedMask()
	if l.zero {
		set |= 1
	}
	return set
}

// versionsOfNothing returns the versions that an absent sector may be: version
// 0 where the file did not reach, and what truncated it.
func (v *Verifier) versionsOfNothing(st int32) uint64 {
	l := &v.layout.stretches[st]
	set := v.layout.shorten & v.shape[st].writes &^ v.h.RefusedMask()
	if l.to > v.layout.initial {
		set |= 1
	}
	return set
}

// scan returns the versions that the sectors of a piece hold, and the worst
// verdict on one of them by itself.
func (v *Verifier) scan(p *piece) (held uint64, worst Verdict) {
	worst = Held
	img := v.image[p.disk : p.disk+p.n]
	for i := 0; i < len(img); {
		version, verdict := v.sector(img[i], p.file+int32(i), p.stretch)
		if verdict == Held && version&v.may(p.stretch, p.file+int32(i)) == 0 {
			verdict = Lost
		}
		worst = min(worst, verdict)
		held |= version
		n := 1
		if verdict == Held || verdict == Lost {
			// Within a stretch all of a run is right when its first sector is.
			n = run(img[i:])
		}
		if x := img[i]; x.IsMeta() {
			v.runs.Key(v.in.Content(x))
		} else {
			v.runs.Word(uint64(n)<<32 | uint64(x))
		}
		i += n
	}
	return held, worst
}

// sector returns the version that one sector holds, as a set; a sector that
// holds none has a verdict of its own.
func (v *Verifier) sector(h blk.Handle, at, st int32) (version uint64, verdict Verdict) {
	l := &v.layout.stretches[st]
	switch {
	case h == blk.Zero:
		set := v.versionsOfZero(st)
		if may := set & v.may(st, at); may != 0 {
			set = may
		} else if set == 0 {
			return 0, Corrupt
		}
		return set, Held
	case !h.IsData():
		return 0, Corrupt
	}
	switch w := h.Write(); {
	case w == blk.FreeSpace:
		return 0, Exposed
	case w == blk.InitialWrite:
		if l.data && h.Place() == int(at)%blk.MaxPlace {
			return 1, Held
		}
	case w <= workloads.MaxOps && v.shape[st].writes>>w&1 != 0 && v.h.RefusedMask()>>w&1 == 0:
		if h.Place() == int(at)-int(v.h.Op(w).Offset/blk.SectorSize) {
			return 1 << w, Held
		}
	}
	return 0, Corrupt
}

// cycles looks for units that must come before themselves: each visible unit
// comes before what else its range holds, and operations before those that
// they precede.
func (v *Verifier) cycles(from, to int32, visible uint64) Verdict {
	worst := Held
	for i := from; i < to; i++ {
		u := &v.layout.units[i]
		if visible>>u.op&1 == 0 {
			continue
		}
		if v.circle(from, to, u, visible, true) {
			worst = min(worst, AppTorn)
		}
		if v.watched[i].excuse == 0 && v.circle(from, to, u, visible, false) {
			worst = min(worst, Torn)
		}
	}
	return worst
}

// circle reports whether a visible unit must come before itself. What is
// mixed by the application proves nothing about other units: without excused,
// a unit whose mixture has an excuse comes before nothing by that.
func (v *Verifier) circle(from, to int32, u *unit, visible uint64, excused bool) bool {
	held, _ := v.content(u)
	reach, done := held&^(1<<u.op), uint64(0)
	for rest := reach; rest != 0; rest = reach &^ done {
		x := bits.TrailingZeros64(rest)
		done |= 1 << x
		reach |= v.after[x]
		if visible>>x&1 != 0 {
			if i := v.unitOf(from, to, x); excused || v.watched[i].excuse == 0 {
				held, _ := v.content(&v.layout.units[i])
				reach |= held &^ (1 << x)
			}
		}
	}
	return reach>>u.op&1 != 0
}

func (v *Verifier) unitOf(from, to int32, op int) int32 {
	for i := from; i < to; i++ {
		if v.layout.units[i].op == op {
			return i
		}
	}
	panic("verifier: a visible unit of another group")
}
