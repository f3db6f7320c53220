package verifier

import (
	"fmt"
	"math/bits"
	"strings"

	"untorn/internal/blk"
	"untorn/workloads"
)

// JudgeImage says what the present image as a whole earns and why, in one
// sentence. The image must have been recovered since its metadata changed.
func (v *Verifier) JudgeImage() (Verdict, string) {
	if v.refuse != "" {
		return Corrupt, v.refuse
	}
	worst, group := Held, -1
	var scratch tally
	for g := range v.layout.groups() {
		if verdict := v.judge(g, &scratch, &one); verdict < worst {
			worst, group = verdict, g
		}
	}
	if group < 0 {
		return Held, "every unit is whole"
	}
	return worst, v.explain(group, worst)
}

// explain says why the present content of a group earns a verdict.
func (v *Verifier) explain(group int, verdict Verdict) string {
	if m := v.h.Misread(); m.Op != 0 && Verdict(m.Verdict) == verdict {
		return fmt.Sprintf("op %d read what it may not see", m.Op)
	}
	switch verdict {
	case Corrupt, Exposed:
		if why := v.explainSector(group, verdict); why != "" {
			return why
		}
		return v.explainSize(group)
	case Lost:
		return v.explainLost(group)
	}
	var scratch tally
	v.judge(group, &scratch, &one)
	for i := v.layout.unitsOf[group]; i < v.layout.unitsOf[group+1]; i++ {
		u, w := &v.layout.units[i], &v.watched[i]
		if !w.live {
			continue
		}
		held, gone := v.content(u)
		visible := held>>u.op&1 != 0
		op := v.h.Op(u.op)
		from := int64(u.from-baseOf(op.File)) * blk.SectorSize
		unit := fmt.Sprintf("unit of op %d [%s,%s)%s", u.op, workloads.FormatSize(from),
			workloads.FormatSize(from+op.Piece()), ofFile(op.File))
		switch verdict {
		case Torn, AppTorn:
			if visible && held&w.precede != 0 && w.torn() == verdict {
				return unit + ": " + v.holds(u) + v.excuses(w)
			}
			if visible && held&w.precede == 0 && v.inCircle(group, i, verdict) {
				return unit + ": " + v.holds(u) + "; no order of the operations gives that" + v.excuses(w) + neighbour(w, verdict)
			}
			fallthrough
		case Cut:
			if visible && gone != 0 && w.cut(v.layout.cutters) == verdict {
				return fmt.Sprintf("%s is visible and the recovered file ends at %s", unit, workloads.FormatSize(v.m.size[u.file])) + v.excuses(w)
			}
		case Short:
			if r, ok := v.h.Result(u.op); ok && op.Short(r) {
				return fmt.Sprintf("%s: the call returned %d of %d bytes", unit, r, op.Length)
			}
		case Stale:
			if visible && w.stale {
				return fmt.Sprintf("%s is %d versions behind the newest", unit, w.newer)
			}
			if !visible && held&^1 == 0 && w.staleInitial {
				return fmt.Sprintf("%s holds version 0 after %d versions", unit, w.versions)
			}
		}
	}
	if why := v.explainSector(group, verdict); why != "" {
		return why + ", and a store may have been under way"
	}
	return fmt.Sprintf("%v in group %d", verdict, group)
}

func (v *Verifier) explainSize(group int) string {
	file := 0
	if v.inside[0] != int32(group) {
		file = 1
	}
	return fmt.Sprintf("a size of %d bytes%s is inside an atomic write of which nothing is visible", v.m.size[file], ofFile(file))
}

// ofFile names the second file, and nothing where there may be one only.
func ofFile(file int) string {
	if file == 1 {
		return " of the second file"
	}
	return ""
}

// sectorName names a sector of a file.
func sectorName(at int32) string {
	if at >= baseOf(1) {
		return fmt.Sprintf("sector %d%s", at-baseOf(1), ofFile(1))
	}
	return fmt.Sprintf("file sector %d", at)
}

// inCircle reports whether the i-th unit earns a verdict because it must come
// before itself.
func (v *Verifier) inCircle(group int, i int32, verdict Verdict) bool {
	from, to := v.layout.unitsOf[group], v.layout.unitsOf[group+1]
	return (verdict == AppTorn || v.watched[i].excuse == 0) &&
		v.circle(from, to, &v.layout.units[i], verdict == AppTorn)
}

func (v *Verifier) excuses(w *watch) string {
	if w.excuse == 0 {
		return ""
	}
	return "; the mixture may be the work of " + ops(w.excuse)
}

// neighbour says why a unit in a circle is not torn although nothing excuses
// it.
func neighbour(w *watch, verdict Verdict) string {
	if verdict != AppTorn || w.excuse != 0 {
		return ""
	}
	return "; a unit beside it may be the work of the application"
}

// ops lists a set of versions.
func ops(set uint64) string {
	var names []string
	for ; set != 0; set &= set - 1 {
		names = append(names, version(bits.TrailingZeros64(set)))
	}
	return strings.Join(names, ", ")
}

func version(n int) string {
	if n == 0 {
		return "version 0"
	}
	return fmt.Sprintf("op %d", n)
}

// holds lists what the sectors of a unit hold, and which of it the unit's
// write replaced.
func (v *Verifier) holds(u *unit) string {
	precede := v.h.Preceding(u.op)
	base := v.layout.stretches[u.first].from
	var runs []string
	last, from, to := -2, int32(0), int32(0)
	flush := func() {
		if last == -2 {
			return
		}
		what := "are absent"
		if last >= 0 {
			what = "hold " + version(last)
			if precede>>last&1 != 0 {
				what += fmt.Sprintf(", which op %d replaced", u.op)
			}
		}
		runs = append(runs, fmt.Sprintf("sectors %d-%d %s", from, to, what))
	}
	v.eachSector(u.first, u.last, func(at, st int32, h blk.Handle, gone bool) {
		now := -1
		if !gone {
			if set, _ := v.sector(h, at, st); set != 0 {
				now = bits.TrailingZeros64(set)
			}
		}
		if now != last {
			flush()
			last, from = now, at-base
		}
		to = at - base
	})
	flush()
	return strings.Join(runs, "; ")
}

// eachSector calls f for each file sector of some stretches, in order.
func (v *Verifier) eachSector(first, last int32, f func(at, st int32, h blk.Handle, gone bool)) {
	for _, p := range v.m.pieces {
		if p.stretch < first || p.stretch > last {
			continue
		}
		for i := range p.n {
			h := blk.Zero
			if p.disk >= 0 {
				h = v.image[p.disk+i]
			}
			f(p.file+i, p.stretch, h, p.disk == absent)
		}
	}
}

func (v *Verifier) explainSector(group int, verdict Verdict) (why string) {
	v.eachGroupSector(group, func(at, st int32, h blk.Handle, gone bool) {
		if _, got := v.sector(h, at, st); why == "" && !gone && got == verdict {
			what := h
			if h.IsMeta() {
				what = blk.Garbage // its number is that of an interner
			}
			why = fmt.Sprintf("%s holds %v", sectorName(at), what)
		}
	})
	return why
}

func (v *Verifier) explainLost(group int) (why string) {
	v.eachGroupSector(group, func(at, st int32, h blk.Handle, gone bool) {
		if why != "" {
			return
		}
		if gone {
			if v.mayBeGone(st, at) == 0 {
				why = v.explainAbsent(st, at)
			}
			return
		}
		if set, got := v.sector(h, at, st); got == Lost || got == Held && set&v.may(st, at) == 0 {
			y := v.layout.stretches[st].writes & v.h.Durable()
			why = fmt.Sprintf("%s holds %s, which a durable operation replaced (durable here: %s)", sectorName(at), ops(set), ops(y))
		}
	})
	return why
}

// explainAbsent says why a sector that is absent is lost.
func (v *Verifier) explainAbsent(st, at int32) string {
	if v.absences(&v.layout.stretches[st]) == 0 {
		return sectorName(at) + " is absent, and no operation makes the file shorter"
	}
	var durable uint64
	for m := v.h.Durable(); m != 0; m &= m - 1 {
		if y := bits.TrailingZeros64(m); v.layout.on[v.layout.stretches[st].file]>>y&1 != 0 && at < v.reaches(y) {
			durable |= 1 << y
		}
	}
	return fmt.Sprintf("%s is absent, and %s was durable", sectorName(at), ops(durable))
}

func (v *Verifier) eachGroupSector(group int, f func(at, st int32, h blk.Handle, gone bool)) {
	for i := range v.layout.stretches {
		if v.layout.stretches[i].group == int32(group) {
			v.eachSector(int32(i), int32(i), f)
		}
	}
}

// Units prints, for each group that an atomic write covers, the versions of
// its file sectors in the present image, as runs.
func (v *Verifier) Units() string {
	var b strings.Builder
	for i := range v.layout.units {
		u := &v.layout.units[i]
		if i > 0 {
			b.WriteString(" | ")
		}
		fmt.Fprintf(&b, "op %d: %s", u.op, v.holds(u))
	}
	return b.String()
}
