package engine

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/internal/blk"
	"untorn/workloads"
)

// TestDirectAgainstStores: a direct atomic write while another task stores into
// the same page or into another one. All schedules end, although writeback and
// the direct write share the blocks of the COW fork, and fsync reports an error
// in some of them if and only if the stores can dirty what was written.
func TestDirectAgainstStores(t *testing.T) {
	for _, c := range []struct {
		name   string
		store  int64
		errors bool
	}{{"same page", 0, true}, {"another page", 8 * kib, false}} {
		t.Run(c.name, func(t *testing.T) {
			w := &workloads.Workload{File: 16 * kib, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous, Ops: []workloads.Op{
				{Task: "first", Kind: workloads.Pwrite, Length: 8 * kib, Atomic: true, Direct: true},
				{Task: "second", Kind: workloads.Store, Offset: c.store, Length: 8 * kib},
				{Task: "first", Kind: workloads.Fsync},
			}}
			d := Design{Filesystem: XFS, Block: 4 * kib, FolioMin: 4 * kib, FolioMax: 4 * kib, Copy: CopyPin, Track: TrackCowFork,
				Writeback: WritebackCow, Submit: SubmitWriteback, Stable: StableWait, Cluster: 4 * kib}
			cfg := &Config{Design: d, Device: testDevice(), Workload: w, Interner: blk.NewInterner()}
			cfg.Faults[crashsim.Reclaim] = true
			k := newKernel(t, cfg)
			clean, failed := 0, 0
			k.Device().OnEvent = func(e *blk.Event) {
				switch r := workloads.Result(e.Result); {
				case e.Kind != blk.Return || e.Op != 3:
				case r == workloads.Fail(workloads.EIO):
					failed++
				default:
					require.Zero(t, r)
					clean++
				}
			}
			for seed := range uint64(1000) {
				out := k.Machine().Run(randomly(rand.New(rand.NewPCG(seed, 4))), wide)
				require.Equal(t, crashsim.Done, out.Kind, "seed %d: %s", seed, out.Detail)
			}
			require.Positive(t, clean)
			require.Equal(t, c.errors, failed > 0, "%d failed, %d did not", failed, clean)
		})
	}
}
