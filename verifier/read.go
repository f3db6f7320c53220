package verifier

import (
	"math/bits"

	"untorn/internal/blk"
	"untorn/workloads"
)

// JudgeRead judges what a read on the running system returned for the sectors
// of the file from one on: each must hold an operation that was called, and
// that no other one replaced which had returned before the read was called. A
// read that overlaps an atomic write in time may see half of it. Where data
// was lost to an error since, which need not be reported yet, an older content
// is no fault.
func (v *Verifier) JudgeRead(h *workloads.History, op int, from int32, content []blk.Handle, lostData bool) Verdict {
	worst := Held
	before := h.Preceding(op) & h.Accepted()
	end := v.layout.initial // no called operation leaves a longer file
	for m := h.Called() & v.layout.sizes &^ h.RefusedMask(); m != 0; m &= m - 1 {
		end = max(end, int32(h.Op(bits.TrailingZeros64(m)).Extends()/blk.SectorSize))
	}
	for i, c := range content {
		at := from + int32(i)
		if at >= end {
			return Corrupt
		}
		l := &v.layout.stretches[v.layout.stretchAt(at)]
		called := l.writes & h.Called() &^ h.RefusedMask()
		replaced := uint64(0)
		for m := before & l.writes; m != 0 && !lostData; m &= m - 1 {
			y := bits.TrailingZeros64(m)
			if r, _ := h.Result(y); !h.Op(y).Writes() || at < int32((h.Op(y).Offset+int64(r))/blk.SectorSize) {
				replaced |= h.Preceding(y)
			}
		}
		set, verdict := v.sawSector(h, c, at, l, called)
		if verdict == Held && set&^replaced == 0 {
			verdict = Lost
		}
		worst = min(worst, verdict)
	}
	return worst
}

// sawSector returns the versions that a sector of the cache may be.
func (v *Verifier) sawSector(h *workloads.History, c blk.Handle, at int32, l *stretch, called uint64) (uint64, Verdict) {
	switch {
	case c == blk.Zero:
		set := l.zeroing & called
		if l.zero {
			set |= 1
		}
		if set == 0 {
			return 0, Corrupt
		}
		return set, Held
	case !c.IsData():
		return 0, Corrupt
	}
	switch w := c.Write(); {
	case w == blk.FreeSpace:
		return 0, Exposed
	case w == blk.InitialWrite:
		if l.data && c.Place() == int(at)%blk.MaxPlace {
			return 1, Held
		}
	case w <= workloads.MaxOps && called>>w&1 != 0:
		if c.Place() == int(at)-int(h.Op(w).Offset/blk.SectorSize) {
			return 1 << w, Held
		}
	}
	return 0, Corrupt
}

// stretchAt returns the stretch that holds a file sector, -1 if none does.
func (l *layout) stretchAt(sector int32) int {
	for i := range l.stretches {
		if st := &l.stretches[i]; st.from <= sector && sector < st.to {
			return i
		}
	}
	return -1
}
