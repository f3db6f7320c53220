package crashsim

// maxLabels is how many labels a StepSet has room for.
const maxLabels = 128

// StepSet is a set of step labels.
type StepSet [maxLabels / 64]uint64

// Add puts a label into the set.
func (s *StepSet) Add(l Step) { s[l/64] |= 1 << (l % 64) }

// Has reports whether a label is in the set.
func (s *StepSet) Has(l Step) bool { return s[l/64]&(1<<(l%64)) != 0 }

// Union adds all labels of another set.
func (s *StepSet) Union(o StepSet) {
	for i := range s {
		s[i] |= o[i]
	}
}
