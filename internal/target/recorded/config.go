// Package recorded is the target that takes power away from the running kernel:
// a file system is made and mounted on a disk that keeps a log, operations run
// on a file in it, and each image that a loss of power may leave by that log is
// mounted by the same kernel, read and judged.
package recorded

import (
	"untorn/internal/blk"
	"untorn/internal/disk"
	"untorn/internal/loopfs"
	"untorn/verifier"
	"untorn/workloads"
)

// Config is one arm of one row. Sizes are bytes.
type Config struct {
	Workload *workloads.Workload
	Contract verifier.Contract

	Filesystem     string // xfs, ext4, or block for none
	Block          int64  // of the file system
	Cluster        int64  // of ext4: above Block it is bigalloc
	MaxAtomicWrite int64  // the mount option of XFS, 0 for none

	Device Device
	Faults disk.Faults
	// Remounts is how often power may be lost again while an image is mounted.
	Remounts int
	// ForceLog has the log forced all the time, as the log worker may.
	ForceLog bool
	Server   []string // the command that serves the disk, see disk.Serve
}

// Device is what the crash rule depends on. The kernel sees the logical block
// only: the device below is one that promises nothing more.
type Device struct {
	LBA             int64 // logical block
	NAWUPF          int64 // the longest write that is atomic against loss of power
	Boundary        int64 // a write that crosses a multiple of it is not; 0 for none
	BoundaryOffset  int64 // where on the namespace the first boundary lies
	PartitionOffset int64 // where on the namespace the disk begins
	Protected       bool  // the cache survives
	CachedLBA       bool  // an acknowledged write survives LBA by LBA
	Garbage         bool  // an LBA of a write that is not atomic may hold garbage
	FlushLies       bool  // a flush hardens nothing
}

// whole reports whether a write of n sectors from start on is atomic against loss
// of power.
func (d *Device) whole(start, n int64) bool {
	const s = blk.SectorSize
	if n*s <= d.LBA {
		return true
	}
	if n*s > d.NAWUPF {
		return false
	}
	if d.Boundary == 0 {
		return true
	}
	first := start*s + d.PartitionOffset - d.BoundaryOffset
	return floorDiv(first, d.Boundary) == floorDiv(first+n*s-1, d.Boundary)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// diskSize returns the size of the disk. XFS refuses less than 300 MiB; what is
// not written takes no memory.
func (c *Config) diskSize() int64 {
	switch c.Filesystem {
	case "xfs":
		return 320 << 20
	case "ext4":
		return 64 << 20
	}
	const unit = 1 << 20
	return (c.Workload.File + unit - 1) / unit * unit
}

// Missing returns a *loopfs.MissingError when this machine cannot record a disk with
// that file system.
func Missing(filesystem string) error {
	if err := disk.Missing(); err != nil {
		return err
	}
	if filesystem == "block" {
		filesystem = ""
	}
	return loopfs.Missing(loopfs.Options{Filesystem: filesystem})
}
