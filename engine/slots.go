package engine

import "math/bits"

// slotSet says which of 64 slots of a table are in use.
type slotSet uint64

// all yields the slots in use, lowest first.
func (s slotSet) all(yield func(int) bool) {
	for m := uint64(s); m != 0; m &= m - 1 {
		if !yield(bits.TrailingZeros64(m)) {
			return
		}
	}
}

// take finds a free slot and marks it as used. A full table is a defect of
// the engine, which bounds what is in flight.
func (s *slotSet) take() int32 {
	i := bits.TrailingZeros64(^uint64(*s))
	if i == 64 {
		panic("engine: no free slot")
	}
	*s |= 1 << i
	return int32(i)
}

func (s *slotSet) drop(i int32) { *s &^= 1 << uint(i) }
