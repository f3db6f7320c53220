package explore

import (
	"math/bits"

	"untorn/internal/count"
)

// stuck is the class of a schedule that did not end, beyond those of the
// Program.
const stuck = Classes

// sums is what a part of the space adds up to. Only the counts that used
// names differ from zero, so that adding sums costs what they hold.
type sums struct {
	schedules count.Count
	used      uint64 // bit i: counts[i] is not zero
	counts    [Slots]count.Count
	first     [Classes + 1]uint32 // steps from the start of the run, or Never
	deepest   uint32              // most steps that a schedule took
	open      bool                // depends on how the part was reached
}

func (s *sums) reset() {
	s.schedules = count.Count{}
	for u := s.used; u != 0; u &= u - 1 {
		s.counts[bits.TrailingZeros64(u)] = count.Count{}
	}
	s.used = 0
	for c := range s.first {
		s.first[c] = Never
	}
	s.deepest, s.open = 0, false
}

// leaf makes s the sums of one schedule that ended.
func (s *sums) leaf(steps int) {
	s.reset()
	s.schedules = count.Of(1)
	s.deepest = uint32(steps)
}

// take moves a tally into s and leaves t empty.
func (s *sums) take(t *Tally) {
	s.reset()
	for i := range t.Counts {
		if !t.Counts[i].IsZero() {
			s.counts[i] = t.Counts[i]
			s.used |= 1 << i
			t.Counts[i] = count.Count{}
		}
	}
	copy(s.first[:], t.First[:])
	for c := range t.First {
		t.First[c] = Never
	}
}

// add adds what another part holds.
func (s *sums) add(o *sums) {
	s.schedules.Add(&o.schedules)
	for u := o.used; u != 0; u &= u - 1 {
		i := bits.TrailingZeros64(u)
		s.counts[i].Add(&o.counts[i])
	}
	s.used |= o.used
	s.merge(o)
}

// addBranch adds a branch: edge was counted on the way to it, once for each
// of its schedules.
func (s *sums) addBranch(edge, branch *sums) {
	s.add(branch)
	for u := edge.used; u != 0; u &= u - 1 {
		i := bits.TrailingZeros64(u)
		s.counts[i].MulAdd(&edge.counts[i], &branch.schedules)
	}
	s.used |= edge.used
	s.merge(edge)
}

// merge takes over what is no sum.
func (s *sums) merge(o *sums) {
	for c := range s.first {
		s.first[c] = min(s.first[c], o.first[c])
	}
	s.deepest = max(s.deepest, o.deepest)
	s.open = s.open || o.open
}

// tally returns s as the Program knows it.
func (s *sums) tally() (t Tally) {
	t.Counts = s.counts
	copy(t.First[:], s.first[:])
	return t
}

func emptyTally() (t Tally) {
	for c := range t.First {
		t.First[c] = Never
	}
	return t
}
