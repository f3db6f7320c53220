package engine

import (
	"untorn/internal/key"
	"untorn/workloads"
)

// span is a run of file blocks.
type span struct{ from, to int32 }

func (s span) overlaps(from, to int32) bool { return s.from < to && from < s.to }

// A unit is a range that writeback took over from its tracker: it goes out as
// a whole, and its ioends complete together.
type unit struct {
	span
	picked int32 // 1 + task that selected it for writeback, steps 21 to 28
	place  int32 // where writeback sends it: placeCow, placeInPlace
	ioends int32 // not finished yet: the barrier before the remap
	failed int32 // an ioend of it failed
}

const (
	placeCow     = 1
	placeInPlace = 2 // as one atomic bio
	placePlain   = 3 // in place, with no promise
)

// maxUnits is enough for every operation of a workload.
const maxUnits = workloads.MaxOps + 2

// unitTable holds the units under writeback.
type unitTable struct {
	used slotSet
	u    [maxUnits]unit
}

func (u *unitTable) hash(h *key.Hasher) {
	h.Word(uint64(u.used))
	for i := range u.used.all {
		x := &u.u[i]
		h.Word(uint64(i) | uint64(x.from)<<8 | uint64(x.to)<<32)
		h.Word(uint64(x.picked) | uint64(x.place)<<8 | uint64(x.ioends)<<32 | uint64(x.failed)<<56)
	}
}

// find returns the slot of the unit that a task picked and that holds a
// block, -1 if none does.
func (u *unitTable) find(block int32, task int) int32 {
	for i := range u.used.all {
		if x := &u.u[i]; x.picked == int32(task)+1 && x.overlaps(block, block+1) {
			return int32(i)
		}
	}
	return -1
}

// pickedIn returns the slot of a unit in the range that writeback is
// selecting, or -1.
func (u *unitTable) pickedIn(from, to int32) int32 {
	for i := range u.used.all {
		if x := &u.u[i]; x.picked != 0 && x.overlaps(from, to) {
			return int32(i)
		}
	}
	return -1
}

// pick begins the writeback of a unit by a task and returns its slot.
func (u *unitTable) pick(s span, task int) int32 {
	slot := u.used.take()
	u.u[slot] = unit{span: s, picked: int32(task) + 1}
	return slot
}

// release frees the slot of a unit if nothing refers to it any more.
func (u *unitTable) release(slot int32) {
	if x := &u.u[slot]; x.picked == 0 && x.ioends == 0 {
		*x = unit{}
		u.used.drop(slot)
	}
}
