package run

import (
	"fmt"

	"untorn/internal/target/file"
	"untorn/verifier"
	"untorn/workloads"
)

// atomicWrites counts the atomic writes of a workload by what became of them.
type atomicWrites struct {
	all      int
	returned int // with success or with an error
	refused  int // of those, the ones with EINVAL or EOPNOTSUPP
	accepted int
	example  string // what the first one got that was refused, or else failed
}

// countAtomic counts what the caller saw. files is what a reader finds now, nil
// where all calls have returned: an atomic write that had not returned when power
// was lost, and of which a sector is there, was accepted.
func countAtomic(h *workloads.History, files []verifier.File) (a atomicWrites) {
	visible := visibleWrites(files)
	for i := range h.Workload().Ops {
		o, op := &h.Workload().Ops[i], i+1
		if !o.Atomic || o.Unflagged {
			continue
		}
		a.all++
		r, returned := h.Result(op)
		if returned {
			a.returned++
		}
		refused := h.RefusedMask()>>op&1 != 0
		if refused {
			a.refused++
		}
		if h.Accepted()>>op&1 != 0 || !returned && visible>>op&1 != 0 {
			a.accepted++
		} else if a.example == "" && returned || refused && a.refused == 1 {
			a.example = fmt.Sprintf("operation %d, %v, got %v", op, o, r.Err())
		}
	}
	return a
}

// visibleWrites returns the operations of which a sector is in a file, as a set.
func visibleWrites(files []verifier.File) (set uint64) {
	for i := range files {
		for _, h := range files[i].Sectors {
			if h.IsData() && h.Write() <= workloads.MaxOps {
				set |= 1 << h.Write()
			}
		}
	}
	return set
}

// none reports whether no atomic write was accepted. A workload without one has
// nothing to be refused.
func (a *atomicWrites) none() bool { return a.all > 0 && a.accepted == 0 }

// partly says in a line how many were refused while others were accepted, "" when
// that is not so.
func (a *atomicWrites) partly() string {
	if a.refused == 0 || a.accepted == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d atomic writes were refused, and nothing is said of them: %s\n", a.refused, a.all, a.example)
}

// refusedBy is the reason of a row that is refused by the kernel with these
// limits.
func refusedBy(l *file.Limits) string { return "no atomic write was accepted; " + l.String() }

// afterLoss returns the verdict on files that a loss of power left, and why. That
// none of it is bad proves nothing where no atomic write was accepted.
func (a *atomicWrites) afterLoss(rep *verifier.Report) (verifier.Verdict, string) {
	switch {
	case rep.Verdict.Bad() || !a.none():
		return rep.Verdict, rep.Reason
	case a.returned > 0:
		return verifier.Refused, "no atomic write was accepted: " + a.example
	}
	return verifier.Inconclusive, "no atomic write had returned, and nothing of one is there"
}
