package engine

import (
	"untorn/crashsim/nvme"
	"untorn/internal/blk"
)

// queueLimits are the atomic write limits of the block device, in sectors,
// as nvme_update_atomic_write_disk_info and blk_atomic_writes_update_limits
// derive them. All are 0 when the device has no support.
type queueLimits struct {
	maxTransfer int32 // largest command
	hwMax       int32
	unitMin     int32
	unitMax     int32
	boundary    int32
	partition   int32 // start of the partition, for boundaries
}

func newQueueLimits(c *nvme.Config) queueLimits {
	q := queueLimits{
		maxTransfer: int32(c.MaxTransfer / blk.SectorSize),
		partition:   int32(c.PartitionOffset / blk.SectorSize),
	}
	lba := int32(c.LBA / blk.SectorSize)
	// A boundary offset other than 0 means no support at all.
	if c.BoundaryOffset != 0 {
		return q
	}
	q.hwMax = int32(c.NAWUPF / blk.SectorSize)
	q.boundary = int32(c.Boundary / blk.SectorSize)
	q.unitMin = lba
	q.unitMax = floorPow2(min(q.hwMax, q.maxTransfer, guaranteedBio(lba, q.maxTransfer)))
	// Limits that contradict each other, and a partition that is not aligned,
	// are no support.
	tooLong := q.boundary != 0 && q.hwMax > q.boundary
	if align := max(q.unitMin, q.boundary); tooLong || q.partition%align != 0 {
		q.hwMax, q.unitMin, q.unitMax, q.boundary = 0, 0, 0, 0
	}
	return q
}

// guaranteedBio is the length in sectors that fits a bio however its pages
// lie in memory (blk_queue_max_guaranteed_bio): the first and the last segment
// may be as short as an LBA. The driver allows a segment per page of the
// largest transfer and one more.
func guaranteedBio(lba, maxTransfer int32) int32 {
	const maxVecs = 256
	segments := min(maxVecs, maxTransfer/pageSectors+1)
	return min(segments, 2)*lba + max(0, segments-2)*pageSectors
}

func floorPow2(v int32) int32 {
	p := int32(1)
	for p*2 <= v {
		p *= 2
	}
	return p
}

// crossesBoundary reports whether a run of sectors of the partition crosses a
// power-fail boundary.
func (q *queueLimits) crossesBoundary(start blk.Sector, n int32) bool {
	if q.boundary == 0 {
		return false
	}
	start += q.partition
	return start/q.boundary != (start+n-1)/q.boundary
}
