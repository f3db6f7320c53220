package scenarios

import "fmt"

// Bounds are limits of one run that an exploration may be given in place of
// those of a scenario's text.
type Bounds struct {
	Faults, Preemptions int // at least so many are allowed
	Together            int // at most so many of both; 0 leaves it to the scenario
}

// MaxBound is the most faults, and the most preemptions, of one run.
const MaxBound = 16

// Bound changes the bounds of all rows. A block of faults whose budget is 0 has
// no use for a larger one, and keeps it.
func (s *Scenario) Bound(b Bounds) {
	count := func(n int64) []value { return []value{{text: fmt.Sprint(n), n: n, written: true}} }
	for i := range s.faults {
		if v := s.faults[i].vals; v.of(fBudget)[0].n > 0 && v.of(fBudget)[0].n < int64(b.Faults) {
			v[fBudget] = count(int64(b.Faults))
		}
	}
	if s.explore.of(fPreemptions)[0].n < int64(b.Preemptions) {
		s.explore[fPreemptions] = count(int64(b.Preemptions))
	}
	if b.Together > 0 {
		s.explore[fTogether] = count(int64(b.Together))
	}
}
