package engine

import (
	"untorn/crashsim"
	"untorn/workloads"
)

// copiers is a copier that others are taken along with.
type copiers struct {
	k *Kernel
	copier
	counts bool // tries are counted, as copy: retry does
}

// What begin does: nothing, or step 4, which may need memory.
const (
	beginsAtOnce = iota + 1
	beginsWithPages
	beginsWithMemory
)

func (c copiers) begin(t *task) workloads.Errno {
	ask(&c.k.axes.copy, func(v Copy) int {
		switch {
		case v == CopyPlain || v == CopyRetry:
			return beginsAtOnce
		case v == CopyPin && c.k.faults[crashsim.NoMemory]:
			return beginsWithMemory
		}
		return beginsWithPages
	})
	return c.copier.begin(t)
}

func (c copiers) holds(t *task, x crashsim.FaultKind) bool {
	return ask(&c.k.axes.copy, func(v Copy) bool { return copierOf(v).holds(t, x) })
}

func (c copiers) holdsFolios() bool {
	return ask(&c.k.axes.copy, func(v Copy) bool { return copierOf(v).holdsFolios() })
}

// faultIn is the same for all.
func (c copiers) faultIn(t *task) bool { return c.copier.faultIn(t) }

func (c copiers) short(t *task) bool {
	return ask(&c.k.axes.copy, func(v Copy) bool { return copierOf(v).short(t) })
}

// again asks what would be copied next, and whether there were too many tries,
// which only copy: retry counts for itself.
func (c copiers) again(t *task) workloads.Errno {
	f := &t.f
	type next struct{ retry, err int32 }
	ask(&c.k.axes.copy, func(v Copy) next {
		switch {
		case v != CopyRetry:
			return next{retry: f.copied}
		case f.tries == maxTries:
			return next{err: int32(workloads.EFAULT)}
		}
		return next{retry: f.retry}
	})
	if _, counts := c.copier.(retryCopier); !counts && c.counts {
		f.tries++
	}
	return c.copier.again(t)
}

// abandon asks whether there is anything to take back.
func (c copiers) abandon(t *task) {
	ask(&c.k.axes.copy, func(v Copy) bool { return v == CopyRetry && retryCopier{}.spoiled(t, nil) })
	c.copier.abandon(t)
}

func (c copiers) end(t *task) {
	ask(&c.k.axes.copy, func(v Copy) bool { return v == CopyPlain || v == CopyRetry })
	c.copier.end(t)
}
