package engine

import "untorn/workloads"

// Call is a preadv2 or pwritev2 as steps 1 and 3 look at it. Offset, Length and
// Limit are bytes.
type Call struct {
	Offset, Length       int64
	Read, Atomic, Direct bool
	Append, Dsync        bool // RWF_APPEND, RWF_DSYNC
	Iovecs               int  // 0 counts as 1
	Registered           bool
	Limit                int64 // RLIMIT_FSIZE of the caller, 0 for none
}

// Answer returns how many bytes of a call on the first file go on after steps 1 and
// 3, or the error that they answer, for a kernel that permits no atomic write through
// the page cache: 7.3, but for what docs/engine.md says. It does not look where a
// read reaches the end of file.
func (k *Kernel) Answer(c Call) workloads.Result {
	if err := k.validate(ioCall{offset: c.Offset, length: c.Length, read: c.Read, atomic: c.Atomic, direct: c.Direct,
		iovecs: c.Iovecs, registered: c.Registered}); err != 0 {
		return workloads.Fail(err)
	}
	switch {
	case c.Read:
		return workloads.Result(c.Length)
	case k.design.Filesystem == BlockDevice:
		return workloads.Result(min(c.Offset+c.Length, blockDevice{k}.size()) - c.Offset)
	}
	op := workloads.Op{Length: c.Length, Atomic: c.Atomic, Limit: c.Limit}
	start := int32(c.Offset / sectorBytes)
	if c.Append {
		start = k.inodes[0].size
		if err := k.rules.validateAppend(&op, start); err != 0 {
			return workloads.Fail(err)
		}
	}
	end, err := k.rules.limited(&op, start, start+int32(c.Length/sectorBytes))
	if err != 0 {
		return workloads.Fail(err)
	}
	return workloads.Result((end - start) * sectorBytes)
}

// UnitLimits returns the limits of atomic writes to the first file, in bytes,
// as statx reports them.
func (k *Kernel) UnitLimits() (unitMin, unitMax, unitMaxOpt int64) {
	u := k.fs.limits(k.axes.writeback.value)
	return u.min, u.max, u.opt
}

// ShutDown makes the file system one that has shut down.
func (k *Kernel) ShutDown() { k.down = 1 }
