package workloads

import "untorn/internal/key"

// Mark is one thing the caller saw: it issued an operation, or the operation
// returned.
type Mark struct {
	Op     int
	Return bool // false: the call
	Result Result
}

// History is what the caller saw of a run: which operations were called and
// returned, in which order, with which results, and what follows from that.
//
// Sets of operations are bit masks: bit n is operation n, bit 0 is version 0,
// the content before the run. All sets are kept as marks arrive, without
// allocation; reading one costs nothing.
type History struct {
	// Contract and Cut travel with the text form so that it can be judged on
	// its own: the name of the contract, and how many events of the block log
	// came before the loss of power. No method looks at them.
	Contract string
	Cut      int

	w      *Workload
	writes uint64    // operations that give sectors a version, or move the end of file
	syncs  uint64    // operations that make a file, or a range of it, durable
	on     [2]uint64 // operations on each file

	marks     []Mark
	called    uint64
	returned  uint64
	accepted  uint64 // returned success, in full or in part
	failed    uint64
	refused   uint64
	durable   uint64
	misread   Misread
	tainted   uint64 // called before an error was reported, and not durable by then
	preceding [MaxOps + 1]uint64
	results   [MaxOps + 1]Result
	sum       [2]uint64 // order-independent fingerprint of preceding and results
}

// NewHistory returns an empty history of a workload, which must have at most
// MaxOps operations and is not changed while the history is in use.
func NewHistory(w *Workload) *History {
	h := &History{w: w, marks: make([]Mark, 0, 2*len(w.Ops))}
	for i := range w.Ops {
		op := &w.Ops[i]
		h.on[op.File] |= 1 << (i + 1)
		switch {
		case op.Changes() || op.Extends() > 0:
			h.writes |= 1 << (i + 1)
		case op.Syncs() || op.Kind == Msync:
			h.syncs |= 1 << (i + 1)
		}
	}
	return h
}

// Reset empties the history and keeps its memory.
func (h *History) Reset() {
	h.marks = h.marks[:0]
	h.called, h.returned, h.accepted, h.failed, h.refused = 0, 0, 0, 0, 0
	h.durable, h.tainted = 0, 0
	h.misread = Misread{}
	h.sum = [2]uint64{}
}

// Call notes that operation op was issued. An operation is issued once.
func (h *History) Call(op int) {
	h.marks = append(h.marks, Mark{Op: op})
	h.called |= 1 << op
	h.preceding[op] = h.returned | 1
	h.fold(op, h.preceding[op]&(h.writes|1), 1)
}

// Return notes that operation op, which was issued before, returned.
func (h *History) Return(op int, r Result) {
	h.marks = append(h.marks, Mark{Op: op, Return: true, Result: r})
	bit := uint64(1) << op
	h.returned |= bit
	h.results[op] = r
	o := &h.w.Ops[op-1]
	if h.syncs&bit != 0 {
		// What a sync that has returned was ordered after decides nothing any more.
		h.fold(op, h.preceding[op]&(h.writes|1), ^uint64(0))
	} else {
		h.fold(op+MaxOps+1, uint64(int64(r)), 1)
	}
	switch err := r.Err(); {
	case err == 0:
		h.accepted |= bit
	case err == EINVAL || err == EOPNOTSUPP:
		h.refused |= bit
	default:
		h.failed |= bit
	}
	switch {
	case h.syncs&bit != 0 && r >= 0:
		h.durable |= h.preceding[op] & h.writes & h.accepted &^ h.tainted & h.within(o)
	case o.Writes() && o.Dsync && int64(r) == o.Length:
		h.durable |= bit
	case writeError(r.Err()):
		// What was under way by now may have been lost by it, and no later
		// sync tells.
		h.tainted |= h.called & h.writes & h.sharing(o) &^ h.durable
	}
}

// within returns the operations all of which a sync covers.
func (h *History) within(sync *Op) uint64 {
	if sync.Kind != Msync {
		return h.on[sync.File]
	}
	var set uint64
	for i := range h.w.Ops {
		if from, to := h.w.Ops[i].Span(); sync.Start() <= from && to <= sync.End() {
			set |= 1 << (i + 1)
		}
	}
	return set
}

// sharing returns the operations on a file that an operation is on: a clone is
// on two, since it writes back what its source has in the cache.
func (h *History) sharing(op *Op) uint64 {
	if op.Kind == Clone {
		return h.on[op.File] | h.on[op.FromFile]
	}
	return h.on[op.File]
}

// writeError reports whether an errno says that data did not reach the
// medium. Any call may report it for writes of others. A signal, a bad buffer
// or a refusal says nothing about what was accepted before.
func writeError(e Errno) bool { return e == EIO || e == ENOSPC }

// fold adds the pair (what, v) to the fingerprint n times; ^0 takes it out.
func (h *History) fold(what int, v, n uint64) {
	h.sum[0] += n * key.Mix(uint64(what), v)
	h.sum[1] += n * key.Mix(v, uint64(what)+0x100)
}

// Workload returns the workload.
func (h *History) Workload() *Workload { return h.w }

// Op returns operation n, counted from 1.
func (h *History) Op(n int) *Op { return &h.w.Ops[n-1] }

// Marks returns what the caller saw, in order. The slice belongs to the
// history.
func (h *History) Marks() []Mark { return h.marks }

// Called returns the operations that were issued.
func (h *History) Called() uint64 { return h.called }

// Preceding returns the versions that precede operation op: those of the
// operations that had returned when op was called, and version 0. Nothing
// precedes version 0 or an operation that was not called.
func (h *History) Preceding(op int) uint64 {
	if h.called>>op&1 == 0 {
		return 0
	}
	return h.preceding[op]
}

// Accepted returns the operations that returned success, in full or in part.
func (h *History) Accepted() uint64 { return h.accepted }

// Durable returns the operations that changed content or size and are durable:
// an fsync, fdatasync or, of what lies in its range, msync of its file that was
// called after the operation returned has returned success, and no operation on
// the file reported EIO or ENOSPC between the call of the one and the return of the other; or
// the operation was a DSYNC write and returned its full length. Only what was
// accepted becomes durable; of a short write, the part that was written.
func (h *History) Durable() uint64 { return h.durable }

// Result returns what operation op returned; ok is false while it has not.
func (h *History) Result(op int) (r Result, ok bool) {
	if h.returned>>op&1 == 0 {
		return 0, false
	}
	return h.results[op], true
}

// Failed returns the operations that returned an error other than a refusal:
// what they wrote is wholly visible or absent if they were atomic.
func (h *History) Failed() uint64 { return h.failed }

// RefusedMask returns the operations that returned EINVAL or EOPNOTSUPP:
// nothing of them may ever be visible.
func (h *History) RefusedMask() uint64 { return h.refused }

// Hash folds all of the history that can decide a later verdict. The order of
// marks shows only where it decides what precedes what.
func (h *History) Hash(k *key.Hasher) {
	k.Word(h.called)
	k.Word(h.returned)
	k.Word(h.durable)
	k.Word(h.tainted)
	k.Word(uint64(h.misread.Op)<<8 | uint64(h.misread.Verdict))
	k.Word(h.sum[0])
	k.Word(h.sum[1])
}

// Misread is a read that returned what it may not: its operation, and the
// verdict on that by its number, which only the judge can read. The zero value
// means that there was none.
type Misread struct {
	Op      int
	Verdict uint8
}

// SetMisread notes the first read that returned what it may not.
func (h *History) SetMisread(m Misread) {
	if h.misread.Op == 0 {
		h.misread = m
	}
}

// Misread returns the first read that returned what it may not.
func (h *History) Misread() Misread { return h.misread }

// Copy makes h equal to o, which has the same workload. It allocates only
// while h has room for fewer marks than o holds.
func (h *History) Copy(o *History) {
	marks := append(h.marks[:0], o.marks...)
	*h = *o
	h.marks = marks
}

// Clone returns a copy.
func (h *History) Clone() *History {
	c := &History{}
	c.Copy(h)
	return c
}
