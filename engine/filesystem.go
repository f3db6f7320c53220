package engine

import "untorn/workloads"

// filesystem is the axis filesystem: what the write path asks of the file
// system that it runs on. A new one is one file with these methods and a line
// in newFilesystem.
type filesystem interface {
	// limits returns what statx reports of the file, where writeback is w.
	limits(w Writeback) unitLimits
	// validatePlain, validateSize and validateEnd are its parts of step 1: for a
	// write without the flag, and before and after the generic checks of one
	// with it.
	validatePlain(c ioCall) workloads.Errno
	validateSize(c ioCall) workloads.Errno
	validateEnd(c ioCall) workloads.Errno
	// prepare makes sure, before a unit is opened (step 5), that writeback will
	// be able to write it as the design wants; EINVAL refuses the write.
	prepare(t *task, s span) workloads.Errno
	// inPlace reports whether one atomic bio can write the blocks of a unit
	// where they are (26).
	inPlace(s span) bool
	// sizeFirst: the size moves when blocks are mapped, before their data (25).
	sizeFirst() bool
	// byBuffer: plain data goes out block by block (27).
	byBuffer() bool
	// flushesGrowth: data past the size on the disk, and the zeroed tail of a
	// block, are written back before a larger size is logged.
	flushesGrowth() bool
	// allocationUnit is what ranges that are shifted have to be multiples of, in
	// bytes.
	allocationUnit() int64
	// collapse and insert shift the rest of a file, whose inode is locked.
	collapse(t *task, op *workloads.Op) workloads.Errno
	insert(t *task, op *workloads.Op) workloads.Errno
	// flushesPunch: what a hole is punched into is written back first.
	flushesPunch() bool
}

// unitLimits are the sizes in bytes of an atomic write that statx reports
// (generic_fill_statx_atomic_writes). All are 0 for a file without the
// capability.
type unitLimits struct {
	min, max int64
	// opt is unit_max_opt, up to where a write may go in place: 0 where all of
	// them do, and also where none does.
	opt int64
}

func newFilesystem(k *Kernel) filesystem {
	switch k.design.Filesystem {
	case Ext4:
		return ext4{k}
	case BlockDevice:
		return blockDevice{k}
	}
	return xfs{k}
}

// sizeWithin refuses what is outside of a file's limits.
func (k *Kernel) sizeWithin(c ioCall) workloads.Errno {
	return ask(&k.axes.writeback, func(w Writeback) workloads.Errno {
		if u := k.fs.limits(w); c.length < u.min || c.length > u.max {
			return workloads.EINVAL
		}
		return 0
	})
}
