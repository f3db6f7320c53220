package explore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLeap: leaving levels out changes the work and nothing else, whether the
// last level finds something or not.
func TestLeap(t *testing.T) {
	restarts := 0
	for _, c := range []toyConfig{{tasks: 2}, {tasks: 2, unordered: true, commutes: true}, {tasks: 1}, {tasks: 2, stuck: "deadlock"}, {tasks: 1, deep: 3}, {tasks: 2, deep: 3}} {
		for _, b := range [][2]int{{1, 1}, {2, 2}, {1, 3}, {0, 4}, {3, 1}, {4, 0}} {
			for _, stop := range []int{-1, 0, Classes} {
				cfg := Config{Bound: bound(b[0], b[1]), StopAt: stop}
				want := explore(t, c, cfg)
				require.Zero(t, want.Skipped)
				for _, workers := range []int{1, 3} {
					again := 0
					cfg.Workers, cfg.Restart = workers, func() { again++ }
					got := explore(t, c, cfg)
					require.Equal(t, promised(want), promised(got), "%+v, %v, stop at %d", c, b, stop)
					require.LessOrEqual(t, again, 1)
					if again > 0 {
						require.Zero(t, got.Skipped)
					}
					restarts += again
				}
			}
		}
	}
	require.NotZero(t, restarts)
	cfg := Config{Bound: bound(2, 2), StopAt: -1, Restart: func() {}}
	got := explore(t, toyConfig{tasks: 1}, cfg)
	require.EqualValues(t, 1, got.Skipped)
}
