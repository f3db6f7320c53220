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

// MaxFDs is the number of descriptors of the file.
const MaxFDs = 8

// inode is the in-core inode: sizes in sectors, and one entry per file block
// in each fork.
type inode struct {
	size     int32 // in-core size, what readers see
	diskSize int32 // size that transactions have logged
	lockedBy int32 // 1 + task that holds the inode lock, for writers
	// mapLockedBy is 1 + the task that holds the lock of the extent maps over
	// several steps: a transaction chain does.
	mapLockedBy int32

	data, cow []forkEntry

	wbErrors int32         // writeback errors so far
	seen     [MaxFDs]int32 // of those, how many each descriptor was told of
}

func (ino *inode) reset(k *Kernel) {
	if ino.data == nil {
		ino.data = make([]forkEntry, len(k.mkfsFork))
		ino.cow = make([]forkEntry, len(k.mkfsFork))
	}
	data, cow := ino.data, ino.cow
	size := int32(k.workload.File / sectorBytes)
	*ino = inode{size: size, diskSize: size, data: data, cow: cow}
	copy(data, k.mkfsFork)
	clear(cow)
}

func (ino *inode) hash(h *key.Hasher) {
	h.Word(uint64(ino.size) | uint64(ino.diskSize)<<32)
	h.Word(uint64(ino.lockedBy) | uint64(ino.mapLockedBy)<<16 | uint64(ino.wbErrors)<<32)
	for _, n := range ino.seen {
		h.Word(uint64(n))
	}
	for i := range ino.data {
		h.Word(uint64(uint32(ino.data[i])) | uint64(uint32(ino.cow[i]))<<32)
	}
}

// lockInode takes the inode lock (xfs_ilock, XFS_IOLOCK_EXCL).
func (t *task) lockInode() {
	t.block(waitInodeLock, 0)
	t.k.inode.lockedBy = int32(t.ID()) + 1
}

func (t *task) unlockInode() { t.k.inode.lockedBy = 0 }

// lockMap takes the lock of the extent maps (XFS_ILOCK_EXCL). Code that needs
// it within one step only waits for it to be free.
func (t *task) lockMap() {
	t.block(waitInodeMap, 0)
	t.k.inode.mapLockedBy = int32(t.ID()) + 1
}

func (t *task) unlockMap() { t.k.inode.mapLockedBy = 0 }

// forksChanged makes every mapping that a writer holds stale, as the sequence
// numbers of the forks do.
func (k *Kernel) forksChanged() {
	for _, t := range k.tasks {
		if t.f.mapEnd != 0 {
			t.f.mapStale = 1
		}
	}
}
