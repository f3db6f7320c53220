package engine

import (
	"untorn/crashsim"
	"untorn/workloads"
)

// mlockCopier is copy: mlock. The buffer is locked into memory (mlock_fixup,
// populate), so that reclaim takes no page of it. Pages may still move, and be
// unmapped, so that a copy without page faults can be short.
type mlockCopier struct{ plainCopier }

func (mlockCopier) begin(t *task) workloads.Errno {
	t.Step(stepPin)
	if !t.pinUserPages() {
		return workloads.EFAULT
	}
	return 0
}

func (mlockCopier) holds(t *task, x crashsim.FaultKind) bool {
	return t.f.pinned != 0 && (x == crashsim.Reclaim || x == crashsim.ShortCopy)
}

func (mlockCopier) holdsFolios() bool { return true }

func (mlockCopier) end(t *task) { t.unpinUserPages() }
