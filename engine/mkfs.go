package engine

import (
	"untorn/crashsim/nvme"
	"untorn/internal/blk"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// maxForces is how often the log may be forced besides by fsync.
const maxForces = 24

// mkfs lays out the disk and writes the file's version 0, durable before the
// first step. Blocks that are not the file's hold stamps of their own, so that
// content a reader must never see is told apart from zeros.
func (k *Kernel) mkfs(dev *nvme.Config) {
	w := k.workload
	bs := k.blockSectors
	size, unit := w.File, k.design.Block
	var written int64 // bytes of the blocks that the writes touch
	for i := range w.Ops {
		op := &w.Ops[i]
		if op.Kind == workloads.Truncate {
			size = max(size, op.Offset)
			written += max(0, w.File-op.Offset) // blocks that are freed
		}
		if !op.Ranged() {
			continue
		}
		size = max(size, op.End())
		written += (op.End()+k.design.Block-1)/k.design.Block*k.design.Block - op.Offset/k.design.Block*k.design.Block
		if op.Atomic {
			unit = max(unit, op.Length)
		}
	}
	blocksOf := func(bytes int64) int32 { return int32((bytes + k.design.Block - 1) / k.design.Block) }
	unitBlocks := blocksOf(unit)
	old, max := blocksOf(w.File), blocksOf(size)
	k.fileSectors = max * bs
	k.filePages = (k.fileSectors + pageSectors - 1) / pageSectors

	first, stride := int32(0), int32(1)
	switch w.Layout {
	case workloads.Unaligned:
		first = 1
	case workloads.Fragmented:
		stride = 2
	}
	// Room for each write to go to new blocks while none of the old ones is
	// free again, twice that where only every other block is free.
	spare := blocksOf(written) + 2*unitBlocks
	if w.FreeSpace == workloads.Fragmented {
		spare *= 2
	}
	total := first + max*stride + spare
	total = (total + unitBlocks - 1) / unitBlocks * unitBlocks
	lba := int32(dev.LBA / blk.SectorSize)
	// Each force rounds up to an LBA; each block written is staged, intended,
	// mapped, unstaged and done, and may be an extent of its own.
	logLen := int32(len(w.Ops)+maxForces)*lba + 2*ondisk.CheckpointSectors(int(6*blocksOf(written)), lba)
	k.super = ondisk.Geometry(lba, bs, total, logLen, unitBlocks*bs, 2*max+4)

	k.initial = make([]blk.Handle, k.super.TotalLen)
	for s := k.super.Data.Start; s < k.super.Data.End(); s++ {
		k.initial[s] = blk.Data(blk.FreeSpace, int(s)%blk.MaxPlace)
	}
	k.mkfsFork = make([]forkEntry, max)
	k.alloc.initial = make([]blockState, total)
	if w.FreeSpace == workloads.Fragmented {
		for b := int32(0); b < total; b += 2 {
			k.alloc.initial[b] = blockOther
		}
	}
	var ino ondisk.Inode
	ino.Size[0] = w.File
	if w.Layout != workloads.Hole {
		for fb := range old {
			b := first + fb*stride
			k.mkfsFork[fb] = mapped(b, w.Layout == workloads.Unwritten)
			k.alloc.initial[b] = blockUsed
			if w.Layout == workloads.Unwritten {
				continue
			}
			for i := range bs {
				h := blk.Zero
				if fs := fb*bs + i; int64(fs)*blk.SectorSize < w.File {
					h = blk.Data(blk.InitialWrite, int(fs))
				}
				k.initial[k.super.Sector(b)+i] = h
			}
		}
	}
	forEachExtent(k.mkfsFork, func(e ondisk.Extent) { ino.Extents = append(ino.Extents, e) })
	sb := k.super.Encode()
	k.initial[0] = k.interner.Intern(sb[:])
	k.putHome(&ino, 0, func(s blk.Sector, h blk.Handle) { k.initial[s] = h })
	k.numFiles = 1
	k.alloc.init()
	k.cache.init(k)
}

// putHome encodes the inode and hands out the sectors of one of its two copies.
func (k *Kernel) putHome(ino *ondisk.Inode, copy int, put func(blk.Sector, blk.Handle)) {
	at := k.super.Inode[copy]
	sectors, err := ino.Encode(at.Len)
	if err != nil {
		panic(err)
	}
	for i := range sectors {
		put(at.Start+int32(i), k.interner.Intern(sectors[i][:]))
	}
}
