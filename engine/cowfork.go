package engine

import (
	"untorn/internal/key"
	"untorn/workloads"
)

// A unit is the range of an accepted atomic write as the in-core COW fork
// records it, from the reservation of its space (step 5) until its remap.
type unit struct {
	from, to int32 // file blocks
	open     int32 // writes inside their steps 5 to 17
	tagged   int32 // has dirty data
	picked   int32 // selected for writeback, steps 21 to 28
	place    int32 // where writeback sends it: placeCow, placeInPlace
	ioends   int32 // not finished yet: the barrier before the remap
	failed   int32 // an ioend of it failed
}

const (
	placeCow     = 1
	placeInPlace = 2
)

// maxUnits is enough for every operation of a workload.
const maxUnits = workloads.MaxOps + 2

// unitTable holds the units of the file.
type unitTable struct {
	used slotSet
	u    [maxUnits]unit
}

func (u *unitTable) hash(h *key.Hasher) {
	h.Word(uint64(u.used))
	for i := range u.used.all {
		x := &u.u[i]
		h.Word(uint64(i) | uint64(x.from)<<8 | uint64(x.to)<<32)
		h.Word(uint64(x.open) | uint64(x.tagged)<<8 | uint64(x.picked)<<16 | uint64(x.place)<<24 |
			uint64(x.ioends)<<32 | uint64(x.failed)<<56)
	}
}

// live reports whether the unit still guards data of the cache. One that is
// not only waits for its remap.
func (x *unit) live() bool { return x.open > 0 || x.tagged != 0 }

// find returns the slot of the live unit that holds a block, -1 if none does.
func (u *unitTable) find(block int32) int32 {
	for i := range u.used.all {
		if x := &u.u[i]; x.live() && x.from <= block && block < x.to {
			return int32(i)
		}
	}
	return -1
}

// picked returns the slot of a unit in the range that writeback is selecting, or -1.
func (u *unitTable) picked(from, to int32) int32 {
	for i := range u.used.all {
		if x := &u.u[i]; x.picked != 0 && x.from < to && from < x.to {
			return int32(i)
		}
	}
	return -1
}

// tracks reports whether the design remembers the range of an operation.
func (k *Kernel) tracks(op *workloads.Op) bool {
	return op.Atomic && k.design.Track == TrackCowFork
}

// openUnit records the unit and holds it open. Units are powers of two at
// multiples of their size, so that two of them are apart or one lies within
// the other; then the larger one is what has to be written as a whole.
func (t *task) openUnit(from, to int32) {
	u := &t.k.units
	if t.f.opened != 0 {
		return
	}
	slot := u.find(from)
	if slot < 0 || u.u[slot].to < to {
		slot = u.absorb(from, to)
	}
	u.u[slot].open++
	t.f.opened = slot + 1
}

// absorb makes a unit in place of the live units within it.
func (u *unitTable) absorb(from, to int32) int32 {
	var tagged int32
	for i := range u.used.all {
		x := &u.u[i]
		if x.live() && x.from >= from && x.to <= to {
			tagged |= x.tagged
			x.tagged = 0
			u.release(int32(i))
		}
	}
	slot := u.used.take()
	u.u[slot] = unit{from: from, to: to, tagged: tagged}
	return slot
}

// release frees the slot of a unit if nothing refers to it any more.
func (u *unitTable) release(slot int32) {
	x := &u.u[slot]
	if x.open == 0 && x.tagged == 0 && x.picked == 0 && x.ioends == 0 {
		*x = unit{}
		u.used.drop(slot)
	}
}

// tagUnit is step 14: the range has dirty data that must go out as a whole.
func (t *task) tagUnit() {
	if t.f.opened != 0 {
		t.k.units.u[t.f.opened-1].tagged = 1
	}
}

// closeUnit ends the hold of a write on its unit.
func (t *task) closeUnit() {
	if t.f.opened == 0 {
		return
	}
	slot := t.f.opened - 1
	t.f.opened = 0
	t.k.units.u[slot].open--
	t.k.units.release(slot)
}

// inPlace reports whether the blocks can be overwritten by one atomic bio:
// within the durable size, one written extent, aligned to its length, within the limits of the device
// (xfs_bmap_hw_atomic_write_possible).
func (k *Kernel) inPlace(from, to int32) bool {
	n := (to - from) * k.blockSectors
	if to*k.blockSectors > k.inode.diskSize {
		// The size would become durable in a transaction after the data.
		return false
	}
	if n > k.limits.unitMax || n < k.limits.unitMin || n&(n-1) != 0 {
		return false
	}
	for b := from; b < to; b++ {
		e := k.inode.data[b]
		if !e.real() || e.unwritten() || b > from && !e.follows(k.inode.data[b-1]) {
			return false
		}
	}
	start := k.super.Sector(k.inode.data[from].block())
	return start%n == 0 && !k.limits.crossesBoundary(start, n)
}

// usesCow reports whether writeback of a write to these blocks may need new
// blocks, so that they have to be reserved.
func (k *Kernel) usesCow() bool {
	return k.design.Writeback == WritebackCow || k.design.Writeback == WritebackCowOrAtomic
}

// reserve makes sure that writeback will find blocks: delayed allocations in
// the COW fork, or in the data fork for holes (xfs_bmapi_reserve_delalloc).
// It reports false when the disk is too full.
func (k *Kernel) reserve(from, to int32) bool {
	fork := k.inode.data
	if k.usesCow() {
		fork = k.inode.cow
	}
	var need, promised int32
	for b := range fork {
		if fork[b] == delalloc {
			promised++
		}
	}
	for b := from; b < to; b++ {
		if fork[b] == hole {
			need++
		}
	}
	if promised+need > k.alloc.available() {
		return false
	}
	for b := from; b < to; b++ {
		if fork[b] == hole {
			fork[b] = delalloc
		}
	}
	return true
}

// unreserve gives up what was reserved in the COW fork for a range that goes
// in place.
func (k *Kernel) unreserve(from, to int32) {
	for b := from; b < to; b++ {
		if k.inode.cow[b] == delalloc {
			k.inode.cow[b] = hole
		}
	}
}

// unreserveClean drops what a failed write reserved for blocks that it did not
// dirty (iomap_write_delalloc_release).
func (k *Kernel) unreserveClean(op *workloads.Op) {
	for b := int32(op.Offset / k.design.Block); int64(b)*k.design.Block < op.End(); b++ {
		fo := k.cache.folio(b * k.blockSectors / pageSectors)
		if fo != nil && fo.dirtyBlocks&k.blockBits(fo, b, b+1) != 0 {
			continue
		}
		for _, fork := range [][]forkEntry{k.inode.data, k.inode.cow} {
			if fork[b] == delalloc {
				fork[b] = hole
			}
		}
	}
}
