package verifier

import (
	"math/bits"

	"untorn/internal/blk"
	"untorn/workloads"
)

// JudgeRead judges what a read on the running system returned for the sectors
// from one on, which counts in the space of both files: each must hold an
// operation that was called, and
// that no other one replaced which had returned before the read was called. A
// read that overlaps an atomic write in time may see half of it. Where data
// was lost to an error since, which need not be reported yet, an older content
// is no fault.
func (v *Verifier) JudgeRead(h *workloads.History, op int, from int32, content []blk.Handle, lostData bool) Verdict {
	worst := Held
	p := moment{h: h, done: h.Accepted()}
	if lostData {
		p.done = 0
	}
	file := h.Op(op).File
	end := v.layout.initial[file] // no called operation leaves a longer file
	for m := p.called() & v.layout.sizes & v.layout.on[file]; m != 0; m &= m - 1 {
		end = max(end, v.layout.leaves(h.Op(bits.TrailingZeros64(m))))
	}
	for i, c := range content {
		at := from + int32(i)
		if at >= end {
			return Corrupt
		}
		worst = min(worst, v.judgeReadSector(&p, c, at, p.done&h.Preceding(op)))
	}
	return worst
}

// judgeReadSector judges one sector that a read returned which was called when
// some operations were done.
func (v *Verifier) judgeReadSector(p *moment, c blk.Handle, at int32, done uint64) Verdict {
	own, moved, good := v.versions(p, c, at, v.layout.stretchAt(at), 0, done)
	switch {
	case good != 0:
		return Held
	case own|moved != 0:
		return Lost
	case c.IsData() && c.Write() == blk.FreeSpace:
		return Exposed
	}
	return Corrupt
}
