package powerloss_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/count"
)

// TestEachRuleAlone: cells and groups can each be turned off; the space and
// what a verdict can tell apart stay the same, and each rule counts what it saves.
func TestEachRuleAlone(t *testing.T) {
	var leaves [4]uint64
	done := 0
	for seed := uint64(0); done < 300; seed++ {
		w := newWorld(seed)
		w.program()
		if !w.small() {
			continue
		}
		s := w.state
		done++
		s.SavedCells, s.SavedGroups = count.Count{}, count.Count{}
		want, seen := w.judge(t, nil, func(c *classes) { s.Images(c, c.Partition()) })
		leaves[0] += want.Judged
		cells, _ := s.SavedCells.Uint64()
		groups, _ := s.SavedGroups.Uint64()
		for i := 1; i < 4; i++ {
			s.NoCells, s.NoGroups = i&1 != 0, i&2 != 0
			s.SavedCells, s.SavedGroups = count.Count{}, count.Count{}
			got, all := w.judge(t, nil, func(c *classes) { s.Images(c, c.Partition()) })
			leaves[i] += got.Judged
			require.Equal(t, want.Covered, got.Covered, "seed %d", seed)
			require.Equal(t, want.Verdicts, got.Verdicts, "seed %d", seed)
			require.Equal(t, want.Behind, got.Behind, "seed %d", seed)
			require.Equal(t, seen.seen, all.seen, "seed %d", seed)
			switch {
			case s.NoCells && !s.NoGroups:
				// What reads as one image in two ways is no image more.
				require.LessOrEqual(t, got.Judged, want.Judged+cells, "seed %d", seed)
			case s.NoGroups && !s.NoCells:
				// Two segments of a cell that look alike are told apart as well.
				require.GreaterOrEqual(t, got.Judged, want.Judged+groups, "seed %d", seed)
				require.Zero(t, s.SavedGroups, "seed %d", seed)
			}
		}
		s.NoCells, s.NoGroups = false, false
	}
	t.Logf("%d leaves; without cells %d, without groups %d, without both %d", leaves[0], leaves[1], leaves[2], leaves[3])
	require.Greater(t, leaves[1], leaves[0])
	require.Greater(t, leaves[2], leaves[0])
	require.Greater(t, leaves[3], max(leaves[1], leaves[2]))
}
