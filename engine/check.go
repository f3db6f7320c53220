package engine

import (
	"fmt"

	"untorn/crashsim/nvme"
	"untorn/workloads"
)

// MaxFile is the largest size in bytes that a file may reach.
const MaxFile = 1 << 20

// maxTasks keeps the numbers of tasks below the bits of a word.
const maxTasks = 24

// CheckWorkload refuses a workload that the engine cannot run on a design:
// with a *NonsenseError for operations that the file system has never heard of,
// with another error for what is out of range.
func CheckWorkload(d *Design, dev *nvme.Config, w *workloads.Workload) error {
	if d.Block < dev.LBA {
		return fmt.Errorf("design.block: %d bytes is smaller than device.lba, %d", d.Block, dev.LBA)
	}
	if d.FolioMin < PageSize || d.FolioMin < d.Block {
		return fmt.Errorf("design.folio.min: %d bytes; allowed: at least a page (%d) and a block (%d)", d.FolioMin, PageSize, d.Block)
	}
	if d.FolioMax/d.Block > 64 {
		return fmt.Errorf("design.folio.max: %d blocks; allowed: at most 64", d.FolioMax/d.Block)
	}
	if dev.MaxTransfer < d.Block {
		return fmt.Errorf("device.max_transfer: %d bytes is smaller than design.block, %d", dev.MaxTransfer, d.Block)
	}
	if d.Filesystem == BlockDevice && w.Layout != workloads.Contiguous && w.Layout != workloads.Unaligned {
		return &NonsenseError{fmt.Sprintf("workload.layout: %v with filesystem: block: a block device has no extents", w.Layout)}
	}
	if dev.PartitionOffset%dev.LBA != 0 {
		return fmt.Errorf("device.partition_offset: %d is no multiple of device.lba, %d", dev.PartitionOffset, dev.LBA)
	}
	if n := len(w.Tasks()); n > maxTasks {
		return fmt.Errorf("workload.ops: %d tasks; allowed: at most %d", n, maxTasks)
	}
	for i := range w.Ops {
		op := &w.Ops[i]
		at := fmt.Sprintf("workload.ops[%d]", i)
		switch {
		case op.Writes() && op.Direct && (op.Offset%d.Block != 0 && !op.Append || op.Length%d.Block != 0):
			return fmt.Errorf("%s: a direct write of [%d,%d); allowed: multiples of design.block, %d", at, op.Offset, op.End(), d.Block)
		case op.Direct && op.Limit%d.Block != 0:
			return fmt.Errorf("%s.limit: %d bytes of a direct write; allowed: multiples of design.block, %d", at, op.Limit, d.Block)
		case op.FD < 0 || op.FD >= MaxFDs:
			return fmt.Errorf("%s.fd: %d; allowed: 0 to %d", at, op.FD, MaxFDs-1)
		case d.Filesystem == BlockDevice && (op.Zeroes() || op.Moves() || op.Kind == workloads.Fallocate):
			return &NonsenseError{fmt.Sprintf("%s.op: %v with filesystem: block: a block device has a fixed size and no extents", at, op.Kind)}
		case d.Filesystem == BlockDevice && op.Append:
			return &NonsenseError{at + ".append: true with filesystem: block: a block device writes where it is told to"}
		case d.Filesystem == Ext4 && op.Kind == workloads.Clone:
			return &NonsenseError{at + ".op: clone with filesystem: ext4: ext4 shares no blocks and answers EOPNOTSUPP"}
		case op.Kind == workloads.Pread && op.Direct && (op.Offset%dev.LBA != 0 || op.Length%dev.LBA != 0):
			return fmt.Errorf("%s: a direct read of [%d,%d); allowed: multiples of device.lba, %d", at, op.Offset, op.Offset+op.Length, dev.LBA)
		case op.Kind == workloads.Store && op.Offset+op.Length > w.Size(op.File):
			return fmt.Errorf("%s: a store ends at %d; allowed: within the file, %d", at, op.Offset+op.Length, w.Size(op.File))
		case op.Writes() && op.Length > MaxWrite:
			return fmt.Errorf("%s.length: %d bytes; allowed: at most %d", at, op.Length, MaxWrite)
		case op.Offset+op.Length > MaxFile:
			return fmt.Errorf("%s: ends at %d; allowed: at most %d", at, op.Offset+op.Length, MaxFile)
		case w.Size(op.File)+op.Shifts() > MaxFile:
			return fmt.Errorf("%s: the file ends at %d; allowed: at most %d", at, w.Size(op.File)+op.Shifts(), MaxFile)
		}
	}
	if w.Layout == workloads.Fragmented || w.FreeSpace == workloads.Fragmented {
		end := [maxFiles]int64{w.Size(0), w.Size(1)}
		for i := range w.Ops {
			op := &w.Ops[i]
			end[op.File] = max(end[op.File], op.Offset+op.Length, w.Size(op.File)+op.Shifts())
		}
		if n := (end[0]+d.Block-1)/d.Block + (end[1]+d.Block-1)/d.Block; n > maxIoends {
			return fmt.Errorf("workload.file: reaches %d blocks of design.block; allowed: at most %d where file or free space is fragmented", n, maxIoends)
		}
	}
	if n := max(w.File, w.Second); n > MaxFile {
		return fmt.Errorf("workload.file: %d bytes; allowed: at most %d", n, MaxFile)
	}
	if d.Filesystem == BlockDevice && w.Files() == 2 {
		return &NonsenseError{"workload.ops: a second file with filesystem: block: a block device is one file"}
	}
	return nil
}
