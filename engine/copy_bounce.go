package engine

import "untorn/workloads"

// bounceCopier is copy: bounce. The data is copied to a private buffer first,
// where page faults are allowed, and from there to the cache: that copy cannot
// be short.
type bounceCopier struct{ pinCopier }

func (bounceCopier) begin(t *task) workloads.Errno {
	t.Step(stepPin)
	if !t.pinUserPages() {
		return workloads.EFAULT
	}
	t.k.counters.CopiedTwice += int64(t.f.end-t.f.start) * sectorBytes
	return 0
}
