package verifier

import (
	"math/bits"

	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/key"
	"untorn/workloads"
)

// shape is what the sectors of a stretch may hold at a cut.
type shape struct {
	may    uint64 // versions that some sector may hold: not replaced by a durable one
	writes uint64 // operations that were called and cover the stretch
}

// watch is what a unit is judged by at a cut.
type watch struct {
	live     bool   // the write was called and not refused
	precede  uint64 // versions that precede it
	excuse   uint64 // operations that make a mixture the application's
	newer    int    // writes of the same range that it precedes
	versions int    // writes of the same range
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
			if r, _ := h.Result(y); int64(st.to)*blk.SectorSize <= h.Op(y).Offset+int64(r) {
				sh.may &^= h.Preceding(y)
			}
		}
	}
	v.maxSize = h.Workload().File
	for m := called; m != 0; m &= m - 1 {
		v.maxSize = max(v.maxSize, h.Op(bits.TrailingZeros64(m)).End())
	}
	clear(v.shorts)
	for i := range l.units {
		v.watchUnit(&l.units[i], &v.watched[i], called)
	}
}

func (v *Verifier) watchUnit(u *unit, w *watch, called uint64) {
	h := v.h
	*w = watch{}
	if called>>u.op&1 == 0 {
		return
	}
	op := h.Op(u.op)
	w.live, w.precede = true, h.Preceding(u.op)
	for m := called; m != 0; m &= m - 1 {
		x := bits.TrailingZeros64(m)
		o := h.Op(x)
		if o.Offset >= op.End() || op.Offset >= o.End() {
			continue
		}
		before := w.precede>>x&1 != 0
		apart := before || v.after[u.op]>>x&1 != 0
		// A direct write takes no exclusive lock: with whatever overlaps it in
		// time it may mix, whichever of the two is asked about.
		if x != u.op && (!o.Atomic && !before || (o.Direct || op.Direct) && !apart) {
			w.excuse |= 1 << x
		}
		if o.Offset == op.Offset && o.Length == op.Length && h.Failed()>>x&1 == 0 {
			w.versions++
			if v.after[u.op]>>x&1 != 0 {
				w.newer++
			}
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
		if held&^v.shape[st].may != 0 {
			worst = min(worst, Lost)
		}
	}
	from, to := v.layout.unitsOf[group], v.layout.unitsOf[group+1]
	var visible uint64
	mixed := false
	for i := from; i < to; i++ {
		u, w := &v.layout.units[i], &v.watched[i]
		if !w.live {
			continue
		}
		held, gone := v.content(u)
		if held>>u.op&1 == 0 {
			if v.cfg.Contract == OldOrNew && held&^1 == 0 && w.versions >= 2 {
				worst = min(worst, Stale)
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
			worst = min(worst, Cut)
		}
		t.addBehind(min(w.newer, BehindMax), weight)
		if v.cfg.Contract == OldOrNew && w.newer >= 2 {
			worst = min(worst, Stale)
		}
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
	st := &v.layout.stretches[p.stretch]
	verdict := Held
	if p.disk == absent {
		v.gone[p.stretch] = true
		if st.to <= v.layout.initial {
			verdict = Lost // nothing here makes a file shorter
		}
	} else {
		if !st.zero {
			return Corrupt
		}
		v.held[p.stretch] |= 1
	}
	if v.shape[p.stretch].may&1 == 0 {
		verdict = Lost // it counts as version 0
	}
	return verdict
}

// scan returns the versions that the sectors of a piece hold, and the worst
// verdict on one of them by itself.
func (v *Verifier) scan(p *piece) (held uint64, worst Verdict) {
	worst = Held
	img := v.image[p.disk : p.disk+p.n]
	for i := 0; i < len(img); {
		version, verdict := v.sector(img[i], p.file+int32(i), p.stretch)
		worst = min(worst, verdict)
		held |= version
		n := 1
		if verdict == Held {
			// Within a stretch all of a run is right when its first sector is.
			n = run(img[i:])
		}
		v.runs.Word(v.in.Content(img[i]) ^ uint64(n)<<48)
		i += n
	}
	return held, worst
}

// sector returns the version that one sector holds, as a set; a sector that
// holds none has a verdict of its own.
func (v *Verifier) sector(h blk.Handle, at, st int32) (version uint64, verdict Verdict) {
	l := &v.layout.stretches[st]
	switch {
	case h == blk.Zero && l.zero:
		return 1, Held
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
		held, _ := v.content(u)
		reach, done := held&^(1<<u.op), uint64(0)
		for rest := reach; rest != 0; rest = reach &^ done {
			x := bits.TrailingZeros64(rest)
			done |= 1 << x
			reach |= v.after[x]
			if visible>>x&1 != 0 {
				held, _ := v.content(&v.layout.units[v.unitOf(from, to, x)])
				reach |= held &^ (1 << x)
			}
		}
		if reach>>u.op&1 != 0 {
			worst = min(worst, v.watched[i].torn())
		}
	}
	return worst
}

func (v *Verifier) unitOf(from, to int32, op int) int32 {
	for i := from; i < to; i++ {
		if v.layout.units[i].op == op {
			return i
		}
	}
	panic("verifier: a visible unit of another group")
}
