package explore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommute: completions that commute are walked in one order, with and
// without known states, by any number of workers, and nothing that is promised
// changes: counts, and the cheapest schedule to each finding.
func TestCommute(t *testing.T) {
	for _, tasks := range []int{2, 3} {
		c := toyConfig{tasks: tasks, unordered: true, commutes: true}
		for _, b := range []Config{{Bound: bound(0, 0)}, {Bound: bound(1, 1)}, {Bound: bound(0, 2)}, {Bound: bound(2, 2)}} {
			if tasks == 3 && b.Bound.Total > 0 {
				continue
			}
			b.StopAt, b.NoCommute = -1, true
			want := explore(t, c, b)
			require.Zero(t, want.Commuted)
			b.NoCommute = false
			for _, workers := range []int{1, 2, 5} {
				b.Workers = workers
				got := explore(t, c, b)
				require.Equal(t, promised(want), promised(got), "%d tasks, %v, %d workers", tasks, b.Bound, workers)
				if workers == 1 {
					require.Positive(t, got.Commuted)
					require.LessOrEqual(t, got.Executed+got.Commuted, want.Executed)
				}
			}
			b.NoCache, b.Workers = true, 1
			got := explore(t, c, b)
			got.States = want.States
			require.Equal(t, promised(want), promised(got), "%d tasks, %v, no cache", tasks, b.Bound)
			require.Positive(t, got.Commuted)
		}
	}
}

// TestWrongCommuteIsNoticed: where the order matters, a program that says it
// does not has other counts.
func TestWrongCommuteIsNoticed(t *testing.T) {
	cfg := Config{Bound: bound(1, 1), StopAt: -1}
	lied := explore(t, toyConfig{tasks: 2, commutes: true}, cfg)
	cfg.NoCommute = true
	want := explore(t, toyConfig{tasks: 2, commutes: true}, cfg)
	require.Positive(t, lied.Commuted)
	require.NotEqual(t, want.Tally, lied.Tally)
}
