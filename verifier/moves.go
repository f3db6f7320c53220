package verifier

import (
	"math/bits"

	"untorn/internal/blk"
	"untorn/workloads"
)

// none is the stretch of a sector that no file has.
const none = -1

// A carry is what an operation that moves content does to a stretch.
type carry struct {
	op   int
	hole bool  // it makes a hole of it
	past bool  // it leaves the end of file before it
	src  int32 // the stretch whose content it puts there, or none
	from int32 // the first sector of that content
	// The stretch, or none, and the first sector that it puts the content to
	// which was here, for an operation that takes it away from here.
	dst, to int32
}

// carriedFrom returns where an operation takes the content from that it puts at
// a sector, -1 for nowhere.
func (l *layout) carriedFrom(op *workloads.Op, at int32) int32 {
	b := int64(at) * blk.SectorSize
	if from, to := op.Span(); b < from || b >= to || at > l.end[op.File] {
		return -1
	}
	b, ok := op.Carries(b)
	if !ok || op.Shifts() != 0 && b >= int64(l.initial[op.File])*blk.SectorSize {
		return -1
	}
	return int32(b / blk.SectorSize)
}

// carriedTo returns where an operation puts the content of a sector, -1 for
// nowhere.
func (l *layout) carriedTo(op *workloads.Op, at int32) int32 {
	b, start := int64(at)*blk.SectorSize, op.Start()
	if op.Kind == workloads.Clone {
		from, _ := op.Carries(start)
		if b < from || b >= from+op.Length {
			return -1
		}
		return int32((start + b - from) / blk.SectorSize)
	}
	to := b + op.Shifts()
	if b < start || to < start || at >= l.initial[op.File] {
		return -1
	}
	return int32(to / blk.SectorSize)
}

// connect notes for each stretch what moves content there and from there.
func (l *layout) connect(w *workloads.Workload) {
	for i := range l.stretches {
		st := &l.stretches[i]
		for m := st.writes; m != 0; m &= m - 1 {
			x := bits.TrailingZeros64(m)
			op := &w.Ops[x-1]
			if !op.Moves() {
				continue
			}
			_, ok := op.Carries(int64(st.from) * blk.SectorSize)
			c := carry{op: x, hole: !ok, src: none, dst: none}
			c.past = op.Kind == workloads.Collapse && st.from >= l.leaves(op)
			if c.from = l.carriedFrom(op, st.from); c.from >= 0 {
				c.src = l.stretchAt(c.from)
			}
			if op.Shifts() != 0 {
				if c.to = l.carriedTo(op, st.from); c.to >= 0 {
					c.dst = l.stretchAt(c.to)
				}
			}
			st.carries = append(st.carries, c)
		}
	}
}

// moment is what happened by the time at which a sector is looked at.
type moment struct {
	h *workloads.History
	// done has the operations whose work is there for certain: after a loss of
	// power those that are durable, on the running system those that returned
	// success.
	done uint64
	// crash: a move that is not done may not be there, and what was written on
	// top of it is.
	crash bool
}

// called returns the operations that may have left something.
func (p *moment) called() uint64 { return p.h.Called() &^ p.h.RefusedMask() }

// versions returns what content c of a sector may be as a set of versions: own
// are those that put it there themselves, moved those that carried it there
// from elsewhere. good has those of both that nothing done replaced, neither
// here nor, before a move carried it on, there. done has what was done by the
// time the sector is looked at, and chain the moves that carried the content on
// since: none of them precedes what they carry.
func (v *Verifier) versions(p *moment, c blk.Handle, at, st int32, chain, done uint64) (own, moved, good uint64) {
	l := &v.layout.stretches[st]
	own = p.since(p.own(c, at, l), chain)
	good = own
	called := p.called()
	for i := range l.carries {
		m := &l.carries[i]
		bit := uint64(1) << m.op
		if called&bit == 0 || chain&bit != 0 || p.h.Preceding(m.op)&chain != 0 {
			continue
		}
		if c == blk.Zero {
			// A shift goes extent by extent and leaves holes where it was. What it
			// left past the end of file is a gap when the file grows again.
			moved |= bit
			if m.hole || done&bit == 0 || m.past && v.grown(p, at) {
				good |= bit
			}
		}
		if m.src != none {
			a, b, g := v.versions(p, c, m.from+at-l.from, m.src, chain|bit, p.done&p.h.Preceding(m.op))
			if a|b != 0 {
				moved |= bit
			}
			if g != 0 {
				good |= bit
			}
		}
		if p.crash && chain == 0 && m.dst != none && v.writtenOver(p, c, m, m.to+at-l.from) {
			moved |= bit
			if done&bit == 0 {
				good |= bit
			}
		}
	}
	return own, moved, good &^ v.replacedBy(p, l, at, done)
}

// grown reports whether an operation may have made a file reach past a sector.
func (v *Verifier) grown(p *moment, at int32) bool {
	for m := v.layout.sizes & p.called(); m != 0; m &= m - 1 {
		if op := p.h.Op(bits.TrailingZeros64(m)); v.layout.leaves(op) > at && (op.File == 1) == (at >= baseOf(1)) {
			return true
		}
	}
	return false
}

// writtenOver reports whether content may have been written, in place, to a
// sector after a shift had put its block there. When the log never tells of the
// shift, the block is found where it was before.
func (v *Verifier) writtenOver(p *moment, c blk.Handle, m *carry, at int32) bool {
	return c.IsData() && p.own(c, at, &v.layout.stretches[m.dst])&^p.h.Preceding(m.op) != 0
}

// own returns the operations that put content into a sector of a stretch
// themselves, and version 0 if it is that.
func (p *moment) own(c blk.Handle, at int32, l *stretch) uint64 {
	called := l.writes & p.called()
	if c == blk.Zero {
		set := l.zeroing & called
		if l.zero {
			set |= 1
		}
		return set
	}
	if !c.IsData() {
		return 0
	}
	switch w := c.Write(); {
	case w == blk.InitialWrite:
		if l.data && c.Place() == int(at)%blk.MaxPlace {
			return 1
		}
	case w <= workloads.MaxOps && called>>w&1 != 0:
		if op := p.h.Op(w); op.Writes() && c.Place() == int(at)-int(op.Start()/blk.SectorSize) {
			return 1 << w
		}
	}
	return 0
}

// since takes out of a set what one of the moves of a chain precedes.
func (p *moment) since(set, chain uint64) uint64 {
	if chain != 0 {
		for m := set; m != 0; m &= m - 1 {
			if x := bits.TrailingZeros64(m); p.h.Preceding(x)&chain != 0 {
				set &^= 1 << x
			}
		}
	}
	return set
}

// replacedBy returns the versions of a sector that operations which are done
// replaced.
func (v *Verifier) replacedBy(p *moment, l *stretch, at int32, done uint64) (set uint64) {
	for m := l.writes & done; m != 0; m &= m - 1 {
		y := bits.TrailingZeros64(m)
		// Of a short write only what it wrote replaced anything.
		if r, _ := p.h.Result(y); !p.h.Op(y).Writes() || at < int32((p.h.Op(y).Start()+int64(r))/blk.SectorSize) {
			set |= p.h.Preceding(y)
		}
	}
	return set
}

// movedSector is sector where a move gives the stretch a version. Content that
// a write put there itself is that write's although a move may have carried it
// away and back: where a move did, it is an operation that excuses what is
// said of units here.
func (v *Verifier) movedSector(c blk.Handle, at, st int32) (uint64, Verdict) {
	switch {
	case c.IsData() && c.Write() == blk.FreeSpace:
		return 0, Exposed
	case !c.IsData() && c != blk.Zero:
		if v.garbled(&v.crash, at, st, 0, v.crash.done) {
			return 0, AppTorn
		}
		return 0, Corrupt
	}
	own, moved, good := v.versions(&v.crash, c, at, st, 0, v.crash.done)
	all := own | moved
	if c != blk.Zero && (own&good != 0 || good == 0 && own != 0) {
		all, good = own, own&good
	}
	switch {
	case good != 0:
		return good, Held
	case all != 0:
		return all, Lost
	}
	return 0, Corrupt
}

// garbled reports whether a store may have changed a sector while it was
// copied or on its way to the disk, here or before moves carried it here. The
// rule is that of racing.
func (v *Verifier) garbled(p *moment, at, st int32, chain, done uint64) bool {
	l := &v.layout.stretches[st]
	may := p.since(l.writes&p.called()&^chain, chain) &^ v.replacedBy(p, l, at, done)
	for m := may; m != 0; m &= m - 1 {
		x := bits.TrailingZeros64(m)
		if p.h.Op(x).Kind != workloads.Store {
			continue
		}
		if done>>x&1 == 0 {
			return true
		}
		for n := may &^ (1 << x); n != 0; n &= n - 1 {
			if y := bits.TrailingZeros64(n); (p.h.Preceding(y)>>x|p.h.Preceding(x)>>y)&1 == 0 {
				return true
			}
		}
	}
	for i := range l.carries {
		m := &l.carries[i]
		if may>>m.op&1 != 0 && m.src != none &&
			v.garbled(p, m.from+at-l.from, m.src, chain|1<<m.op, p.done&p.h.Preceding(m.op)) {
			return true
		}
		if may>>m.op&1 != 0 && m.dst != none && chain == 0 && done>>m.op&1 == 0 && v.storedOver(p, m) {
			return true
		}
	}
	return false
}

// storedOver reports whether a store may have changed what a shift put
// elsewhere.
func (v *Verifier) storedOver(p *moment, c *carry) bool {
	for m := v.layout.stretches[c.dst].writes & p.called() &^ p.h.Preceding(c.op); m != 0; m &= m - 1 {
		if p.h.Op(bits.TrailingZeros64(m)).Kind == workloads.Store {
			return true
		}
	}
	return false
}
