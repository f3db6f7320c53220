package model

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/crashsim"
)

// TestTogether: what faults and preemptions may come to together joins two bounds.
// Two faults and two preemptions, three of both together, are the schedules within
// one and two and those within two and one, each counted once.
func TestTogether(t *testing.T) {
	for name, c := range tiny() {
		t.Run(name, func(t *testing.T) {
			joined, js, _ := without(t, c, crashsim.Budget{Faults: 2, Preemptions: 2, Total: 3}, 0)
			a, as, _ := without(t, c, bound(1, 2), 0)
			b, bs, _ := without(t, c, bound(2, 1), 0)
			both, _, _ := without(t, c, bound(1, 1), 0)

			want := a.Schedules
			want.Add(&b.Schedules)
			want.Sub(&both.Schedules)
			assert.Equal(t, want, joined.Schedules)
			for i := range joined.Tally.Counts {
				want := a.Tally.Counts[i]
				want.Add(&b.Tally.Counts[i])
				want.Sub(&both.Tally.Counts[i])
				require.Equal(t, want, joined.Tally.Counts[i], "count %d", i)
			}
			for class := range joined.Tally.First {
				require.Equal(t, min(a.Tally.First[class], b.Tally.First[class]), joined.Tally.First[class], "class %d", class)
			}
			reached := a.Reached
			reached.Union(b.Reached)
			assert.Equal(t, reached, joined.Reached)
			n, _ := js.Distinct()
			na, _ := as.Distinct()
			nb, _ := bs.Distinct()
			assert.GreaterOrEqual(t, n, max(na, nb))
			assert.LessOrEqual(t, n, na+nb)
		})
	}
}
