package engine

import (
	"untorn/internal/key"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// forkEntry says where one file block lies: 0 for a hole, 1 for a delayed
// allocation, else the disk block plus 2, with a bit for unwritten.
type forkEntry int32

const (
	hole     forkEntry = 0
	delalloc forkEntry = 1

	unwrittenBit forkEntry = 1 << 30
)

func mapped(block int32, unwritten bool) forkEntry {
	e := forkEntry(block + 2)
	if unwritten {
		e |= unwrittenBit
	}
	return e
}

func (e forkEntry) real() bool      { return e > delalloc }
func (e forkEntry) unwritten() bool { return e&unwrittenBit != 0 }
func (e forkEntry) block() int32    { return int32(e&^unwrittenBit) - 2 }

// follows reports whether e continues the extent that prev is in.
func (e forkEntry) follows(prev forkEntry) bool {
	return prev.real() && e.real() && e == prev+1
}

// forEachExtent calls fn for each run of neighbouring blocks of a fork, whose
// first entry is of file block first.
func forEachExtent(fork []forkEntry, first int32, fn func(ondisk.Extent)) {
	for i := 0; i < len(fork); {
		j := i + 1
		for j < len(fork) && fork[j].follows(fork[j-1]) {
			j++
		}
		if e := fork[i]; e.real() {
			fn(ondisk.Extent{Off: first + int32(i), Block: e.block(), Len: int32(j - i), Unwritten: e.unwritten()})
		}
		i = j
	}
}

// MaxFDs is the number of descriptors of a file.
const MaxFDs = 8

// maxFiles is the number of files of a workload.
const maxFiles = 2

// inode is the in-core inode of one file. The files share one space of
// sectors, pages and blocks, one after the other, so that the page cache and
// the forks need no number of the file. Sizes are sectors of that space: where
// the file ends.
type inode struct {
	base     int32 // first sector of the file
	size     int32 // in-core size, what readers see
	diskSize int32 // size that transactions have logged
	lockedBy int32 // 1 + task that holds the inode lock alone
	sharedBy int32 // bits of the tasks that share it
	// mapLockedBy is 1 + the task that holds the lock of the extent maps over
	// several steps: a transaction chain does.
	mapLockedBy int32
	// faultsStopped is 1 + the task that keeps page faults out
	// (mapping->invalidate_lock, XFS_MMAPLOCK_EXCL).
	faultsStopped int32

	unchecked int32         // 1 when an error came that filemap_check_errors has not seen
	wbErrors  int32         // writeback errors so far
	seen      [MaxFDs]int32 // of those, how many each descriptor was told of

	// orderedFrom and orderedTo are the pages that a commit has to write first.
	orderedFrom, orderedTo int32
}

// forks are the extent maps of all files: one entry per file block.
type forks struct{ data, cow []forkEntry }

func (x *forks) reset(k *Kernel) {
	if x.data == nil {
		x.data = make([]forkEntry, len(k.mkfsFork))
		x.cow = make([]forkEntry, len(k.mkfsFork))
	}
	copy(x.data, k.mkfsFork)
	clear(x.cow)
}

func (x *forks) hash(h *key.Hasher) {
	for i := range x.data {
		h.Word(uint64(uint32(x.data[i])) | uint64(uint32(x.cow[i]))<<32)
	}
}

func (ino *inode) hash(h *key.Hasher) {
	h.Word(uint64(ino.size) | uint64(ino.diskSize)<<32)
	h.Word(uint64(ino.lockedBy) | uint64(ino.sharedBy)<<8 | uint64(ino.mapLockedBy)<<48 | uint64(ino.wbErrors)<<56)
	for _, n := range ino.seen {
		h.Word(uint64(n))
	}
	h.Word(uint64(ino.faultsStopped) | uint64(ino.unchecked)<<60 | uint64(ino.orderedFrom)<<8 | uint64(ino.orderedTo)<<32)
}

// file returns the number of the file that a sector belongs to.
func (k *Kernel) file(sector int32) int32 {
	for i := k.numFiles - 1; i > 0; i-- {
		if sector >= k.inodes[i].base {
			return i
		}
	}
	return 0
}

// inodeAt returns the inode of the file that a sector belongs to.
func (k *Kernel) inodeAt(sector int32) *inode { return &k.inodes[k.file(sector)] }

// inodeOf returns the inode of the file that a block belongs to.
func (k *Kernel) inodeOf(block int32) *inode { return k.inodeAt(block * k.blockSectors) }

// endBlock returns the first block after the end of the file that a block
// belongs to.
func (k *Kernel) endBlock(block int32) int32 {
	return (k.inodeOf(block).size + k.blockSectors - 1) / k.blockSectors
}

// ino returns the inode that the task's operation is on.
func (t *task) ino() *inode { return &t.k.inodes[t.f.file] }

// lockInode takes the inode lock (xfs_ilock, XFS_IOLOCK_EXCL).
func (t *task) lockInode() {
	t.block(waitInodeLock, t.f.file)
	t.ino().lockedBy = int32(t.ID()) + 1
}

// lockForChange takes the inode lock and keeps page faults out (xfs_ilock,
// XFS_IOLOCK_EXCL and XFS_MMAPLOCK_EXCL).
func (t *task) lockForChange() {
	t.lockInode()
	t.stopFaults(t.f.file)
}

func (t *task) stopFaults(file int32) {
	if t.k.rules.stopsFaults() {
		t.k.inodes[file].faultsStopped = int32(t.ID()) + 1
	}
}

// unlockInode lets go of all locks that the task has of inodes.
func (t *task) unlockInode() {
	me := int32(t.ID()) + 1
	for i := range t.k.inodes[:t.k.numFiles] {
		ino := &t.k.inodes[i]
		if ino.lockedBy == me {
			ino.lockedBy = 0
		}
		if ino.faultsStopped == me {
			ino.faultsStopped = 0
		}
		ino.sharedBy &^= 1 << t.ID()
	}
}

// waitMap waits until no transaction chain holds the lock of the extent maps
// of the file that a block belongs to. Code that needs the lock within one
// step takes it no further.
func (t *task) waitMap(block int32) { t.block(waitInodeMap, t.k.file(block*t.k.blockSectors)) }

// lockMap takes the lock of the extent maps (XFS_ILOCK_EXCL).
func (t *task) lockMap(block int32) {
	t.waitMap(block)
	t.k.inodeOf(block).mapLockedBy = int32(t.ID()) + 1
}

func (t *task) unlockMap(block int32) { t.k.inodeOf(block).mapLockedBy = 0 }

// forksChanged makes every mapping that a writer holds stale, as the sequence
// numbers of the forks do.
func (k *Kernel) forksChanged() {
	for _, t := range k.tasks {
		if t.f.mapEnd != 0 {
			t.f.mapStale = 1
		}
	}
}

func (k *Kernel) resetInodes() {
	for i := range k.inodes[:k.numFiles] {
		base := k.inodes[i].base
		size := base + int32(k.workload.Size(i)/sectorBytes)
		k.inodes[i] = inode{base: base, size: size, diskSize: size}
	}
}

// onDisk returns the number by which the disk knows a file block. There the
// second file begins at Super.Second, here where its entries of the forks do.
func (k *Kernel) onDisk(block int32) int32 {
	if file := k.file(block * k.blockSectors); file > 0 {
		return block - k.inodes[file].base/k.blockSectors + k.super.Second
	}
	return block
}

// inWorkload returns the sector of the space of both files in which the
// workload counts.
func (k *Kernel) inWorkload(sector int32) int32 {
	if file := k.file(sector); file > 0 {
		return sector - k.inodes[file].base + int32(workloads.SecondFile/sectorBytes)
	}
	return sector
}

// pagesOf returns the pages [from, to) that a file may have.
func (k *Kernel) pagesOf(file int32) (from, to int32) {
	from = k.inodes[file].base / pageSectors
	if file+1 < k.numFiles {
		return from, k.inodes[file+1].base / pageSectors
	}
	return from, k.filePages
}
