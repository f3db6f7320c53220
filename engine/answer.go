package engine

import "untorn/workloads"

// Call is a preadv2 or pwritev2 as step 1 looks at it. Offset and Length are
// bytes.
type Call struct {
	Offset, Length       int64
	Read, Atomic, Direct bool
	Iovecs               int // 0 counts as 1
	Registered           bool
}

// Answer returns what step 1 answers a call on the first file with, 0 when it
// goes on, for a kernel that permits no atomic write through the page cache: 7.3
// as it is.
func (k *Kernel) Answer(c Call) workloads.Errno {
	return k.validate(ioCall{offset: c.Offset, length: c.Length, read: c.Read, atomic: c.Atomic, direct: c.Direct,
		iovecs: c.Iovecs, registered: c.Registered})
}

// UnitLimits returns the limits of atomic writes to the first file, in bytes,
// as statx reports them.
func (k *Kernel) UnitLimits() (unitMin, unitMax, unitMaxOpt int64) {
	u := k.fs.limits(k.axes.writeback.value)
	return u.min, u.max, u.opt
}

// ShutDown makes the file system one that has shut down.
func (k *Kernel) ShutDown() { k.down = 1 }
