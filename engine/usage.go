package engine

import "untorn/workloads"

// Counters are what a run has used up so far. They decide nothing, so that no
// key of a state holds them.
type Counters struct {
	Allocated int64 // blocks that the allocator gave out
	// CopiedTwice counts the bytes of second copies: to a private buffer of the
	// caller (copy: bounce), and for I/O to read (stable: bounce).
	CopiedTwice int64
}

// Usage is what the kernel holds at one moment of a run.
type Usage struct {
	Counters
	// Private are bytes of private copies: buffers of callers (copy: bounce), and
	// what I/O reads instead of the page cache (stable: bounce).
	Private int64
	// Ranges are the different ranges of atomic writes that the tracker
	// remembers in part or as a whole, and TrackBits what that takes.
	Ranges, TrackBits int64
	Extents           int64 // of all files, in the data fork
	Taken             int64 // blocks that are not free: used, staged, busy
}

// Usage looks at the kernel and changes nothing.
func (k *Kernel) Usage() Usage {
	u := Usage{Counters: k.counters, Extents: extents(k.forks.data), TrackBits: k.trackBits()}
	for i := range k.ioends.used.all {
		if e := &k.ioends.e[i]; k.axes.stable.value == StableBounce && e.owner == 0 {
			u.Private += int64(e.len) * sectorBytes
		}
	}
	for _, t := range k.tasks {
		if k.axes.copy.value == CopyBounce && t.f.pinned != 0 {
			u.Private += t.op().Length
		}
	}
	for i := range k.workload.Ops {
		if op := &k.workload.Ops[i]; op.Atomic && !k.sameRangeBefore(i) {
			u.Ranges += k.tracked(op)
		}
	}
	for _, s := range k.alloc.state {
		if s != blockFree && s != blockOther {
			u.Taken++
		}
	}
	return u
}

// extents counts the runs of neighbouring blocks of a fork.
func extents(fork []forkEntry) (n int64) {
	for i, e := range fork {
		if e.real() && (i == 0 || !e.follows(fork[i-1])) {
			n++
		}
	}
	return n
}

// tracked counts the units of an operation of which the tracker remembers
// something.
func (k *Kernel) tracked(op *workloads.Op) (n int64) {
	from, to := k.opBlocks(op)
	unit := max(1, int32(op.Piece()/k.design.Block))
	for ; from < to; from += unit {
		if _, _, ok := k.tracker.next(from, min(from+unit, to)); ok {
			n++
		}
	}
	return n
}

func (k *Kernel) opBlocks(op *workloads.Op) (from, to int32) {
	first := k.inodes[op.File].base + int32(op.Offset/sectorBytes)
	return first / k.blockSectors, (first + int32(op.Length/sectorBytes) + k.blockSectors - 1) / k.blockSectors
}

// sameRangeBefore reports whether an atomic write before operation i has its
// range.
func (k *Kernel) sameRangeBefore(i int) bool {
	op := &k.workload.Ops[i]
	for j := range i {
		if o := &k.workload.Ops[j]; o.Atomic && o.File == op.File && o.Offset == op.Offset && o.Length == op.Length && o.Unit == op.Unit {
			return true
		}
	}
	return false
}

// Sizes in bits of what a tracker needs in a kernel of 64 bits, over what 7.3
// has anyway. What is there once for an inode or a folio, whether it is in use
// or not, and the rounding up to whole words, is left out.
const (
	pageFlagBits      = 1      // page-flag, of each folio with the flag: one bit of folio->flags
	stateBitsPerBlock = 2      // state-bits, of each block of each folio with a part of a unit: its start bit and its end bit
	cowForkBits       = 16 * 8 // cow-fork, of each range: a struct xfs_iext_rec
	extentStatusBits  = 40 * 8 // extent-status, of each range: a struct extent_status (rb_node 24, block, length and place 16)
	sidecarBits       = 56 * 8 // sidecar, of each range: a struct interval_tree_node (48) and a word for open and dirty
)

// trackBits returns what the memory of the tracker takes now, in bits. An
// extent of ext4's cache that has lost its mark takes part in nothing, and
// counts no more.
func (k *Kernel) trackBits() (bits int64) {
	switch k.axes.track.value {
	case TrackPageFlag:
		k.eachFolio(0, k.filePages, func(fo *folio) bool {
			if fo.atomic {
				bits += pageFlagBits
			}
			return true
		})
	case TrackStateBits:
		k.eachFolio(0, k.filePages, func(fo *folio) bool {
			from, to := k.folioBlocks(fo)
			if _, _, ok := k.tracker.next(from, to); ok {
				bits += stateBitsPerBlock * int64(to-from)
			}
			return true
		})
	case TrackCowFork:
		bits = cowForkBits * k.trackedRanges()
	case TrackExtentStatus:
		bits = extentStatusBits * k.trackedRanges()
	case TrackSidecar:
		bits = sidecarBits * k.trackedRanges()
	}
	return bits
}

// trackedRanges counts the ranges that the tracker keeps apart.
func (k *Kernel) trackedRanges() (n int64) {
	end := int32(len(k.forks.data))
	for s, _, ok := k.tracker.next(0, end); ok; s, _, ok = k.tracker.next(s.to, end) {
		n++
	}
	return n
}

// WaitClass says what a caller waits for. The zero value means that it does
// not wait.
type WaitClass uint8

// What a caller waits for. A writer is inside an operation that puts data into
// the file; other operations but syncs are not looked at.
const (
	NoWait WaitClass = iota
	// WaitStable: a writer, for I/O on a folio that it wants to change to end.
	WaitStable
	// WaitLock: a writer, for the lock of the inode, of a folio or of the extent
	// maps, or for a unit that is open or being selected for writeback.
	WaitLock
	// WaitWrite: a writer, for I/O of its own: direct, write-through-wait, DSYNC.
	WaitWrite
	// WaitSync: fsync, fdatasync, msync or sync_file_range, for anything.
	WaitSync
	NumWaitClasses
)

// Caller is what a task of the workload is doing.
type Caller struct {
	Op     int // number of the operation, 0 for none
	Waits  WaitClass
	Pinned int64 // bytes of user pages that it holds: pinned, or locked (copy: mlock)
}

// Callers appends what each task of the workload is doing to buf.
func (k *Kernel) Callers(buf []Caller) []Caller {
	for _, t := range k.tasks {
		if int(t.f.next) < len(t.ops) {
			buf = append(buf, Caller{int(t.ops[t.f.next]), t.waitClass(), t.pinnedBytes()})
		}
	}
	return buf
}

func (t *task) waitClass() WaitClass {
	w, op := t.Waits(), t.op()
	switch {
	case w.Kind == 0 || t.k.Ready(w): // one that can go on does not wait
		return NoWait
	case op.Syncs() || op.Kind == workloads.Msync || op.Kind == workloads.SyncFileRange:
		return WaitSync
	case !op.Writes():
		return NoWait
	}
	switch w.Kind {
	case waitWriteback:
		// A write-through write waits for the one before it after step 14.
		if at := t.At(); at == stepStablePages || at == stepTag || at == stepMkwrite {
			return WaitStable
		}
		return WaitWrite
	case waitDirect, waitIO:
		return WaitWrite
	}
	return WaitLock
}

// pinnedBytes counts user pages: those of the buffer of a write, and those
// that direct I/O under way reads.
func (t *task) pinnedBytes() (n int64) {
	k := t.k
	if t.f.pinned != 0 && k.axes.copy.value != CopyBounce {
		n = (t.op().Length + PageSize - 1) / PageSize * PageSize
	}
	for i := range k.ioends.used.all {
		if e := &k.ioends.e[i]; e.owner == int32(t.ID())+1 && e.state != ioendDone {
			n += int64(e.len) * sectorBytes
		}
	}
	return n
}
