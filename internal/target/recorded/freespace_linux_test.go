package recorded

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/workloads"
)

// No two free blocks are neighbours, as the file system says itself, and what is
// written to new blocks is written block by block.
func TestFragmentedFreeSpace(t *testing.T) {
	for _, c := range []struct {
		filesystem    string
		block, unit   int64
		free, command workloads.Layout
	}{
		{"xfs", 4096, 4096, workloads.Fragmented, workloads.Fragmented},
		{"xfs", 4096, 4096, workloads.Contiguous, workloads.Contiguous},
		{"ext4", 4096, 4096, workloads.Fragmented, workloads.Contiguous},
		{"ext4", 4096, 16 << 10, workloads.Fragmented, workloads.Contiguous},
		{"ext4", 1024, 1024, workloads.Fragmented, workloads.Contiguous},
	} {
		op := "db: pwrite offset=0 length=64KiB direct"
		if c.filesystem == "xfs" {
			op += " atomic"
		}
		cfg := config(t, c.filesystem, op, "db: fsync")
		cfg.Block, cfg.Cluster, cfg.Workload.FreeSpace = c.block, c.unit, c.free
		r, err := Record(context.Background(), cfg)
		require.NoError(t, err, "%v", c)
		if c.free == workloads.Contiguous {
			require.Nil(t, r.Free)
		} else {
			require.Equal(t, c.unit, r.Free.Longest, "%v", c)
			require.Equal(t, r.Free.Total, int64(r.Free.Runs)*c.unit, "%v", c)
			require.Greater(t, r.Free.Runs, 500, "%v", c)
		}
		commands := 0
		for i := range r.Entries {
			if WriteOf(&r.Entries[i]) == 1 {
				commands++
			}
		}
		// What the file itself gives back later may lie together.
		if c.command == workloads.Fragmented {
			require.Greater(t, commands, 12, "%v", c)
		} else {
			require.Equal(t, 1, commands, "%v", c)
		}
	}
}
