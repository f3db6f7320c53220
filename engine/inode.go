package engine

import (
	"untorn/internal/key"
	"untorn/internal/ondisk"
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

// forEachExtent calls fn for each run of neighbouring blocks of a fork.
func forEachExtent(fork []forkEntry, fn func(ondisk.Extent)) {
	for i := 0; i < len(fork); {
		j := i + 1
		for j < len(fork) && fork[j].follows(fork[j-1]) {
			j++
		}
		if e := fork[i]; e.real() {
			fn(ondisk.Extent{Off: int32(i), Block: e.block(), Len: int32(j - i), Unwritten: e.unwritten()})
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

	wbErrors int32         // writeback errors so far
	seen     [MaxFDs]int32 // of those, how many each descriptor was told of
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

func (t *task) unlockInode() {
	ino := t.ino()
	if ino.lockedBy == int32(t.ID())+1 {
		ino.lockedBy = 0
	}
	ino.sharedBy &^= 1 << t.ID()
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
	size := int32(k.workload.File / sectorBytes)
	k.inodes[0] = inode{size: size, diskSize: size}
}

// pagesOf returns the pages [from, to) that a file may have.
func (k *Kernel) pagesOf(file int32) (from, to int32) {
	from = k.inodes[file].base / pageSectors
	if file+1 < k.numFiles {
		return from, k.inodes[file+1].base / pageSectors
	}
	return from, k.filePages
}
