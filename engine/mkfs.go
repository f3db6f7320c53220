package engine

import (
	"untorn/crashsim/nvme"
	"untorn/internal/blk"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// maxForces is how often the log may be forced besides by fsync.
const maxForces = 24

// room is what a workload needs of a disk, in blocks.
type room struct {
	old, max [maxFiles]int32 // of each file, before the run and at most
	unit     int32           // of the largest atomic unit, at least 1
	written  int32           // that operations write or free
	moved    int32           // that operations map anew, besides
}

func (k *Kernel) roomFor(w *workloads.Workload) room {
	r := room{unit: 1}
	blocks := func(bytes int64) int32 { return int32((bytes + k.design.Block - 1) / k.design.Block) }
	var size [maxFiles]int64
	for i := range size {
		size[i] = w.Size(i)
		r.old[i] = blocks(size[i])
	}
	for i := range w.Ops {
		op := &w.Ops[i]
		end := op.Offset + op.Length
		size[op.File] = max(size[op.File], end)
		if op.Kind == workloads.Truncate {
			r.written += blocks(max(0, w.Size(op.File)-op.Offset)) // that are freed
		}
		if op.Shifts() != 0 {
			r.moved += r.old[op.File]
		}
		if !op.Ranged() {
			continue
		}
		r.written += blocks(end) - int32(op.Offset/k.design.Block)
		if op.Atomic {
			r.unit = max(r.unit, blocks(op.Piece()))
		}
	}
	for i := range w.Ops {
		size[w.Ops[i].File] += max(0, w.Ops[i].Shifts())
	}
	for i := range size {
		r.max[i] = blocks(size[i])
	}
	return r
}

// mkfs lays out the disk and writes version 0 of the files, durable before the
// first step. Blocks that are no file's hold stamps of their own, so that
// content a reader must never see is told apart from zeros.
func (k *Kernel) mkfs(dev *nvme.Config) {
	w := k.workload
	bs := k.blockSectors
	need := k.roomFor(w)
	k.numFiles = int32(w.Files())
	k.placeFiles(&need)

	first, stride := int32(0), int32(1)
	switch w.Layout {
	case workloads.Unaligned:
		first = 1
	case workloads.Fragmented:
		stride = 2
	}
	// Room for each write to go to new blocks while none of the old ones is
	// free again, twice that where only every other block is free.
	spare := need.written + 2*need.unit
	if w.FreeSpace == workloads.Fragmented {
		spare *= 2
	}
	var start [maxFiles]int32 // of each file on the disk, if its blocks were neighbours
	blocks := need.max[0]
	if k.numFiles == 2 {
		start[1] = (blocks + need.unit - 1) / need.unit * need.unit
		blocks = start[1] + need.max[1]
	}
	total := first + blocks*stride + spare
	total = (total + need.unit - 1) / need.unit * need.unit
	lba := int32(dev.LBA / blk.SectorSize)
	// Each force rounds up to an LBA; each block written is staged, intended,
	// mapped, unstaged and done, and may be an extent of its own. One that moves
	// is unmapped and mapped.
	logLen := int32(len(w.Ops)+maxForces)*lba + 2*ondisk.CheckpointSectors(int(6*need.written+2*need.moved), lba)
	k.super = ondisk.Geometry(lba, bs, total, logLen, need.unit*bs, 2*(need.max[0]+need.max[1])+4)
	if k.numFiles == 2 {
		k.super.Second = int32(workloads.SecondFile / k.design.Block)
	}

	k.initial = make([]blk.Handle, k.super.TotalLen)
	for s := k.super.Data.Start; s < k.super.Data.End(); s++ {
		k.initial[s] = blk.Data(blk.FreeSpace, int(s)%blk.MaxPlace)
	}
	k.mkfsFork = make([]forkEntry, k.fileEnd(k.numFiles-1)/bs)
	k.alloc.initial = make([]blockState, total)
	if w.FreeSpace == workloads.Fragmented {
		for b := int32(0); b < total; b += 2 {
			k.alloc.initial[b] = blockOther
		}
	}
	var ino ondisk.Inode
	for file := range k.numFiles {
		ino.Size[file] = w.Size(int(file))
		if w.Layout != workloads.Hole {
			k.writeFile(file, need.old[file], first+start[file]*stride, stride)
		}
		from := k.inodes[file].base / bs
		forEachExtent(k.mkfsFork[from:k.fileEnd(file)/bs], k.onDisk(from), func(e ondisk.Extent) { ino.Extents = append(ino.Extents, e) })
	}
	sb := k.super.Encode()
	k.initial[0] = k.interner.Intern(sb[:])
	k.putHome(&ino, 0, func(s blk.Sector, h blk.Handle) { k.initial[s] = h })
	k.alloc.init()
	k.cache.init(k)
}

// placeFiles decides where each file begins in the space of sectors, pages and
// blocks of all files. A folio that reaches past the end of one file is none
// of the next.
func (k *Kernel) placeFiles(need *room) {
	folio := int32(k.design.FolioMax / sectorBytes)
	end := need.max[0] * k.blockSectors
	if k.numFiles == 2 {
		k.inodes[1].base = (end+folio-1)/folio*folio + folio
		end = k.inodes[1].base + need.max[1]*k.blockSectors
	}
	k.sectors = end
	k.filePages = (end + pageSectors - 1) / pageSectors
}

// writeFile maps the blocks of a file to every stride-th block of the disk and
// fills them.
func (k *Kernel) writeFile(file, blocks, first, stride int32) {
	w, bs := k.workload, k.blockSectors
	base := k.inodes[file].base
	end := base + int32(w.Size(int(file))/sectorBytes)
	for fb := range blocks {
		b := first + fb*stride
		k.mkfsFork[base/bs+fb] = mapped(b, w.Layout == workloads.Unwritten)
		k.alloc.initial[b] = blockUsed
		if w.Layout == workloads.Unwritten {
			continue
		}
		for i := range bs {
			h := blk.Zero
			if s := base + fb*bs + i; s < end {
				h = blk.Data(blk.InitialWrite, int(k.inWorkload(s))%blk.MaxPlace)
			}
			k.initial[k.super.Sector(b)+i] = h
		}
	}
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
