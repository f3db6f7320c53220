package engine

import (
	"untorn/crashsim"
	"untorn/workloads"
)

// pinCopier is copy: pin. The user pages are pinned into a bvec, all or fail,
// before the cache is touched (pin_user_pages), and copied from there: no copy
// can be short.
type pinCopier struct{ plainCopier }

func (pinCopier) begin(t *task) workloads.Errno {
	t.Step(stepPin)
	if t.noMemory() {
		return workloads.ENOMEM
	}
	if !t.pinUserPages() {
		return workloads.EFAULT
	}
	return 0
}

func (pinCopier) holds(t *task, _ crashsim.FaultKind) bool { return t.f.pinned != 0 }

func (pinCopier) holdsFolios() bool { return true }

func (pinCopier) end(t *task) { t.unpinUserPages() }
