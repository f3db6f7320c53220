package engine

import (
	"untorn/internal/blk"
	"untorn/workloads"
)

// blockDevice is filesystem: block: the file is a block device. Every block is
// mapped, the size is fixed, nothing is logged, and writers share the lock.
type blockDevice struct{ *Kernel }

// limits are those of the queue (bdev_statx).
func (k blockDevice) limits(Writeback) unitLimits {
	q := k.Kernel.limits
	return unitLimits{min: int64(q.unitMin) * blk.SectorSize, max: int64(q.unitMax) * blk.SectorSize}
}

func (k blockDevice) size() int64 { return int64(k.inodes[0].size) * blk.SectorSize }

// validatePlain is that of blkdev_write_iter.
func (k blockDevice) validatePlain(c ioCall) workloads.Errno {
	if !c.read && c.offset >= k.size() {
		return workloads.ENOSPC
	}
	return 0
}

func (k blockDevice) validateSize(c ioCall) workloads.Errno { return k.validatePlain(c) }

// validateEnd refuses a unit that the end of the device cuts. One that is
// larger than the limits is found out when its bio is submitted.
func (k blockDevice) validateEnd(c ioCall) workloads.Errno {
	if c.offset+c.length > k.size() {
		return workloads.EINVAL
	}
	return 0
}

func (blockDevice) prepare(*task, span) workloads.Errno { return 0 }

func (k blockDevice) inPlace(s span) bool { return true }

func (blockDevice) sizeFirst() bool { return false }

// byBuffer: __block_write_full_folio submits each buffer by itself.
func (blockDevice) byBuffer() bool { return true }

func (blockDevice) flushesPunch() bool { return true }

func (blockDevice) flushesGrowth() bool { return false }

func (k blockDevice) allocationUnit() int64 { return k.design.Block }

// A block device shifts nothing (blkdev_fallocate).
func (blockDevice) collapse(*task, *workloads.Op) workloads.Errno { return workloads.EOPNOTSUPP }
func (blockDevice) insert(*task, *workloads.Op) workloads.Errno   { return workloads.EOPNOTSUPP }
