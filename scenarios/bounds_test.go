package scenarios

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestBound: bounds are raised and never lowered, what both come to together is
// set, and a block of faults that may not strike stays one.
func TestBound(t *testing.T) {
	s := decode(t, minimal+`
faults:
  - {name: power, budget: 0}
  - {name: one, budget: 1}
  - {name: four, budget: 4}
explore: {preemptions: 1}
`)
	s.Bound(Bounds{Faults: 3, Preemptions: 2, Together: 4})
	var budgets []int
	for _, r := range s.Rows() {
		budgets = append(budgets, r.Faults.Budget)
		assert.Equal(t, 2, r.Explore.Preemptions)
		assert.Equal(t, 4, r.Explore.Together)
	}
	assert.Equal(t, []int{0, 3, 4}, budgets)
	s.Bound(Bounds{Preemptions: 1})
	assert.Equal(t, 2, s.Rows()[0].Explore.Preemptions)
	assert.Equal(t, 4, s.Rows()[0].Explore.Together)
}
