package engine

import (
	"untorn/crashsim"
	"untorn/workloads"
)

// copier is the axis copy: how user data gets into the page cache. A new one
// is one file with these methods and a line in newCopier.
type copier interface {
	// begin readies the user buffer before the cache is touched (step 4). It
	// may announce steps.
	begin(t *task) workloads.Errno
	// holds reports whether the user pages are safe from a kind of fault now.
	holds(t *task, x crashsim.FaultKind) bool
	// holdsFolios reports whether an atomic write gets all folios of its unit
	// before the first copy, so that no lack of memory ends it in the middle.
	holdsFolios() bool
	// faultIn readies the user pages of the next chunk (step 7) and reports
	// whether the copy can go on.
	faultIn(t *task) bool
	// short decides about a copy that moved fewer sectors than asked for into
	// a folio that could keep them (step 13): keep it, or copy again.
	short(t *task) (keep bool)
	// again decides about a copy that was not kept (step 16): an errno ends
	// the write.
	again(t *task) workloads.Errno
	// abandon takes back what can be taken back of a write that failed.
	abandon(t *task)
	// end lets go of the buffer (step 18).
	end(t *task)
}

func newCopier(k *Kernel) copier {
	if k.axes.copy.others != 0 {
		return copiers{k, copierOf(k.axes.copy.value), k.axes.copy.set()>>CopyRetry&1 != 0}
	}
	return copierOf(k.axes.copy.value)
}

func copierOf(c Copy) copier {
	switch c {
	case CopyRetry:
		return retryCopier{}
	case CopyPin:
		return pinCopier{}
	case CopyMlock:
		return mlockCopier{}
	case CopyBounce:
		return bounceCopier{}
	}
	return plainCopier{}
}

// plainCopier copies as 7.3 does: it faults pages in, copies with page faults
// disabled, and keeps a short copy into a folio that is uptodate.
type plainCopier struct{}

func (plainCopier) begin(*task) workloads.Errno          { return 0 }
func (plainCopier) holds(*task, crashsim.FaultKind) bool { return false }
func (plainCopier) holdsFolios() bool                    { return false }
func (plainCopier) faultIn(t *task) bool                 { return t.faultIn() }
func (plainCopier) short(*task) bool                     { return true }
func (plainCopier) abandon(*task)                        {}
func (plainCopier) end(*task)                            {}

// again copies just the bytes that were copied, so that the folio can become
// uptodate piece by piece.
func (plainCopier) again(t *task) workloads.Errno {
	t.f.retry = t.f.copied
	return 0
}
