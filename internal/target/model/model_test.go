package model

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/crashsim/nvme"
	"untorn/engine"
	"untorn/verifier"
	"untorn/workloads"
)

func testConfig() *Config {
	c := &Config{
		Design: engine.Design{Filesystem: engine.XFS, Block: 4096, FolioMin: 4096, FolioMax: 4096, Copy: engine.CopyPin,
			Track: engine.TrackCowFork, Writeback: engine.WritebackCow, Submit: engine.SubmitWriteback, Stable: engine.StableWait, Cluster: 4096},
		Device: nvme.Config{LBA: 512, NAWUPF: 512, AWUN: 512, MaxTransfer: 128 << 10, CachedAtomicity: nvme.CommandUnit, FUA: true,
			Tear: nvme.OldOrNew},
		Workload: workloads.Workload{File: 16 << 10, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous, Ops: []workloads.Op{
			{Task: "db", Kind: workloads.Pwrite, Offset: 0, Length: 8 << 10, Atomic: true},
			{Task: "db", Kind: workloads.Pwrite, Offset: 8 << 10, Length: 8 << 10, Atomic: true},
			{Task: "db", Kind: workloads.Fsync},
		}},
		Faults:   crashsim.Faults{PowerLoss: true, Budget: 2},
		Contract: verifier.Untorn,
	}
	c.Faults.Kinds[crashsim.Reclaim] = true
	c.Faults.Kinds[crashsim.ShortCopy] = true
	return c
}

func TestProbe(t *testing.T) {
	for f := 0; f <= 2; f++ {
		for pre := 0; pre <= 2; pre++ {
			if f+pre > 3 {
				continue
			}
			c := testConfig()
			s := NewShared()
			start := time.Now()
			res, err := explore.Run(context.Background(), func() explore.Program {
				p, err := NewProgram(c, s)
				require.NoError(t, err)
				return p
			}, explore.Config{Bound: crashsim.Budget{Faults: f, Preemptions: pre, Total: f + pre}, Workers: 1, CacheBytes: 1 << 30, StopAt: -1})
			require.NoError(t, err)
			n, _ := s.Distinct()
			t.Log(f, pre, "schedules", res.Schedules, "executed", res.Executed, "steps", res.Steps, "hits", res.CacheHits, "full", res.CacheFull,
				"covered", CountsOf(&res.Tally).Covered.Short(), "judged", s.Judged(), "distinct", n, "stuck", res.Stuck, "findings", res.Findings, time.Since(start))
			for v, n := range CountsOf(&res.Tally).Verdicts {
				if !n.IsZero() {
					t.Log("   ", verifier.Verdict(v), n.Short())
				}
			}
			for _, f := range res.Findings {
				r, err := ReplayFinding(c, &f, crashsim.Budget{Faults: 2, Preemptions: 2, Total: 4})
				require.NoError(t, err)
				t.Log(r.Verdict, r.Reason, r.Tape)
			}
		}
	}
}
