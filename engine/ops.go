package engine

import (
	"fmt"

	"untorn/workloads"
)

// do runs one operation as its system call.
func (t *task) do(op *workloads.Op) workloads.Result {
	switch op.Kind {
	case workloads.Pwrite:
		return t.write(op)
	case workloads.Pread:
		return t.read(op)
	case workloads.Fsync, workloads.Fdatasync:
		return t.fsync()
	case workloads.Msync:
		return t.msync(op)
	case workloads.SyncFileRange:
		return t.syncFileRange(op)
	case workloads.Store:
		return t.store(op)
	case workloads.Truncate:
		return t.truncate()
	case workloads.Punch:
		return t.punchHole(op)
	case workloads.ZeroRange:
		return t.zeroFileRange(op)
	case workloads.Fallocate:
		return t.fallocate(op)
	case workloads.Collapse:
		return t.collapse(op)
	case workloads.Insert:
		return t.insert(op)
	case workloads.Clone:
		return t.clone(op)
	}
	panic(fmt.Sprintf("engine: operation %v", op.Kind))
}

// opPages returns the pages that an operation covers.
func (t *task) opPages(op *workloads.Op) (from, to int32) {
	return t.f.start / pageSectors, (t.f.start + int32(op.Length/sectorBytes) + pageSectors - 1) / pageSectors
}
