package verifier

import (
	"math/bits"

	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/key"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

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
			v.held[st], v.gone[st] = 0, 0
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
	mixed := false
	var cut [ondisk.Files]bool
	for i := from; i < to; i++ {
		u, w := &v.layout.units[i], &v.watched[i]
		if !w.live {
			continue
		}
		held, gone := v.content(u)
		if held>>u.op&1 == 0 {
			if (held|gone)&^1 == 0 {
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
		if gone != 0 {
			cut[u.file] = true
			worst = min(worst, w.cut(v.layout.cutters))
		}
		t.addBehind(min(w.newer, BehindMax), weight)
		if v.cfg.Contract == OldOrNew && w.stale {
			worst = min(worst, Stale)
		}
	}
	if v.inside[0] == int32(group) && !cut[0] || v.inside[1] == int32(group) && !cut[1] {
		worst = Corrupt // a size inside an atomic write of which nothing is there
	}
	if mixed && visible&(visible-1) != 0 {
		worst = min(worst, v.cycles(from, to))
	}
	return worst
}

func (w *watch) torn() Verdict {
	if w.excuse != 0 {
		return AppTorn
	}
	return Torn
}

// cut is the verdict on a visible unit that the end of file cuts: that is the
// application's work when a truncation or a move of its range does not precede
// it.
func (w *watch) cut(cutters uint64) Verdict {
	if w.excuse&cutters != 0 {
		return AppTorn
	}
	return Cut
}

// content returns the versions that the range of a unit holds, and those that
// the sectors of it that are absent may be, 0 if none is.
func (v *Verifier) content(u *unit) (held, gone uint64) {
	for st := u.first; st <= u.last; st++ {
		held |= v.held[st]
		gone |= v.gone[st]
	}
	return held, gone
}

// nothing judges a piece that is a hole, unwritten or absent.
func (v *Verifier) nothing(p *piece) Verdict {
	if p.disk == absent {
		may := v.mayBeGone(p.stretch, p.file)
		if may == 0 {
			v.gone[p.stretch] |= 1
			return Lost
		}
		v.gone[p.stretch] |= may
		return Held
	}
	set, verdict := v.sector(blk.Zero, p.file, p.stretch)
	if verdict == Held && set&v.may(p.stretch, p.file) == 0 {
		verdict = Lost
	}
	v.held[p.stretch] |= set
	return verdict
}

// versionsOfZero returns the versions that zeros in a stretch may be: version 0
// where that is zeros, and what punched, zeroed or truncated it.
func (v *Verifier) versionsOfZero(st int32) uint64 {
	l := &v.layout.stretches[st]
	set := l.zeroing & v.shape[st].writes
	if l.zero {
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
	if len(l.carries) > 0 {
		return v.movedSector(h, at, st)
	}
	switch {
	case h == blk.Zero:
		set := v.versionsOfZero(st)
		if may := set & v.may(st, at); may != 0 {
			set = may
		} else if set == 0 {
			return 0, Corrupt
		}
		return set, Held
	case !h.IsData() && v.racing(st, at) != 0:
		return 0, AppTorn
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
	case w <= workloads.MaxOps && v.shape[st].writes>>w&1 != 0:
		if h.Place() == int(at-v.layout.starts[w]) {
			return 1 << w, Held
		}
	}
	return 0, Corrupt
}

// racing returns the stores that may have changed a sector while it was copied
// or on its way to the disk: those that nothing made durable yet, and those
// that overlap another operation on the sector in time.
func (v *Verifier) racing(st, at int32) (set uint64) {
	may := v.may(st, at) &^ 1
	for m := may; m != 0; m &= m - 1 {
		x := bits.TrailingZeros64(m)
		// What precedes a durable store is in no sector of it any more.
		together := may &^ (v.after[x] | 1<<x)
		if v.h.Op(x).Kind == workloads.Store && (v.h.Durable()>>x&1 == 0 || together != 0) {
			set |= 1 << x
		}
	}
	return set
}

// cycles looks for units that must come before themselves: each visible unit
// comes before what else its range holds, and operations before those that
// they precede.
func (v *Verifier) cycles(from, to int32) Verdict {
	worst := Held
	for i := from; i < to; i++ {
		u := &v.layout.units[i]
		if held, _ := v.content(u); !v.watched[i].live || held>>u.op&1 == 0 {
			continue
		}
		if v.circle(from, to, u, true) {
			worst = min(worst, AppTorn)
		}
		if v.watched[i].excuse == 0 && v.circle(from, to, u, false) {
			worst = min(worst, Torn)
		}
	}
	return worst
}

// circle reports whether a visible unit must come before itself. What is
// mixed by the application proves nothing about other units: without excused,
// a unit whose mixture has an excuse comes before nothing by that.
func (v *Verifier) circle(from, to int32, u *unit, excused bool) bool {
	clear(v.behind[from:to])
	held, _ := v.content(u)
	reach, done := v.reach(from, to, u, held&^(1<<u.op)), uint64(0)
	for again := true; again; {
		again = false
		for rest := reach &^ done; rest != 0; rest = reach &^ done {
			x := bits.TrailingZeros64(rest)
			done |= 1 << x
			reach |= v.reach(from, to, nil, v.after[x])
		}
		for i := from; i < to; i++ {
			w, other := &v.watched[i], &v.layout.units[i]
			if held, _ := v.content(other); v.behind[i] && held>>other.op&1 != 0 && (excused || w.excuse == 0) {
				more := v.reach(from, to, other, held&^(1<<other.op))
				again = again || more&^reach != 0
				reach |= more
			}
		}
	}
	for i := from; i < to; i++ {
		if &v.layout.units[i] == u {
			return v.behind[i]
		}
	}
	return false
}

// reach notes that a unit comes before operations that its range holds, or,
// where there is none, that something comes before all of some operations. Of a
// write of several units only those that overlap the range are in it.
func (v *Verifier) reach(from, to int32, in *unit, ops uint64) uint64 {
	for i := from; i < to && ops != 0; i++ {
		other := &v.layout.units[i]
		if ops>>other.op&1 != 0 && (in == nil || v.h.Op(other.op).Unit == 0 || other.overlaps(in.span)) {
			v.behind[i] = true
		}
	}
	return ops
}

func (s span) overlaps(o span) bool { return s.from < o.to && o.from < s.to }
