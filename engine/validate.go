package engine

import "untorn/workloads"

// ioCall is what a preadv2 or pwritev2 asks for.
type ioCall struct {
	offset, length int64 // bytes; ki_pos, which O_APPEND moves only after step 1
	read           bool
	atomic         bool  // RWF_ATOMIC
	unit           int64 // length of each unit, 0 for one that is as long as the call
	direct         bool  // O_DIRECT
	iovecs         int   // 0 counts as 1
	registered     bool  // a buffer registered with io_uring
	// lifted: atomic writes through the page cache are permitted, which is what
	// all designs add to 7.3.
	lifted bool
}

// validateWrite is step 1 for an operation. The caller of an append passes 0
// for the offset.
func (k *Kernel) validateWrite(op *workloads.Op) workloads.Errno {
	c := ioCall{offset: op.Offset, length: op.Length, atomic: op.Atomic, unit: op.Unit, direct: op.Direct, lifted: true}
	if op.Append {
		c.offset = 0
	}
	return k.validate(c)
}

// validateRead is the same for a read.
func (k *Kernel) validateRead(op *workloads.Op) workloads.Errno {
	return k.validate(ioCall{offset: op.Offset, length: op.Length, read: true, atomic: op.Atomic, direct: op.Direct, lifted: true})
}

// validate checks a call in the order of the kernel: the capability
// (kiocb_set_rw_flags), the file system's own check of the size, the generic
// ones (generic_atomic_write_valid), and what the file system checks after
// those.
func (k *Kernel) validate(c ioCall) workloads.Errno {
	if !c.atomic {
		return k.fs.validatePlain(c)
	}
	if c.read || ask(&k.axes.writeback, func(w Writeback) bool { return k.fs.limits(w).max == 0 }) {
		return workloads.EOPNOTSUPP
	}
	one := c // what holds of a unit has to hold of each
	if c.unit != 0 {
		one.length = c.unit
	}
	if err := k.fs.validateSize(one); err != 0 {
		return err
	}
	switch {
	case c.iovecs > 1 || c.registered:
		return workloads.EINVAL
	case one.length <= 0 || one.length&(one.length-1) != 0:
		return workloads.EINVAL
	case c.offset%one.length != 0 || c.length%one.length != 0:
		return workloads.EINVAL
	case !c.direct && !c.lifted:
		return workloads.EOPNOTSUPP
	}
	return k.fs.validateEnd(c)
}
