package model

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/internal/reduce"
	"untorn/scenarios"
	"untorn/verifier"
	"untorn/workloads"
)

// without explores a scenario with some rules of reduction off, and what is
// distinct counted as a verdict sees it.
func without(t testing.TB, c *Config, b crashsim.Budget, off reduce.Set) (*explore.Result, *Shared, reduce.Saved) {
	x := *c
	x.NoReduce = off
	require.NoError(t, x.Check())
	s := NewShared(false)
	s.classes = true
	cfg := explore.Config{Bound: b, Workers: 1, CacheBytes: 256 << 20, StopAt: -1,
		NoCache: off.Has(reduce.States), NoCommute: off.Has(reduce.Commute)}
	if !off.Has(reduce.Levels) {
		cfg.Restart = s.Restart
	}
	res, err := explore.Run(context.Background(), func() explore.Program {
		p, err := NewProgram(&x, s)
		require.NoError(t, err)
		return p
	}, cfg)
	require.NoError(t, err)
	saved := s.Saved()
	saved[reduce.States].AddWord(res.CacheHits)
	saved[reduce.Commute].AddWord(res.Commuted)
	saved[reduce.Levels].AddWord(res.Skipped)
	return res, s, saved
}

// tiny makes scenarios so small that no rule is needed to get through: a unit
// of two LBAs of 4 KiB, or two of one.
func tiny() map[string]*Config {
	v := map[string]*Config{}
	for name, c := range variants() {
		c.Device.LBA, c.Device.NAWUPF, c.Device.AWUN = 4096, max(4096, c.Device.NAWUPF), max(4096, c.Device.AWUN)
		if c.Check() == nil && name != "partial blocks" {
			v[name] = c
		}
	}
	c := small()
	c.Device.LBA, c.Device.NAWUPF, c.Device.AWUN = 4096, 4096, 4096
	c.Workload.Ops = []workloads.Op{
		{Task: "a", Kind: workloads.Pwrite, Offset: 0, Length: 4 << 10, Atomic: true},
		{Task: "b", Kind: workloads.Pwrite, Offset: 4 << 10, Length: 4 << 10, Atomic: true},
	}
	v["two units"] = c
	v["two plain units"] = plain(func() *Config { x := *c; return &x }())
	return v
}

// cowFork is the scenario of that name at one fault and one preemption, and
// its control.
func cowFork(t testing.TB) (design, control *Config, b crashsim.Budget) {
	sc, err := scenarios.Embedded("cow-fork")
	require.NoError(t, err)
	r := sc.Rows()[0]
	design = &Config{Design: r.Design, Device: r.Device, Workload: r.Workload, Faults: r.Faults, Contract: verifier.Untorn}
	control = &Config{Design: r.Control.Design, Device: r.Device, Workload: r.Control.Workload, Faults: r.Faults, Contract: verifier.Untorn}
	return design, control, bound(1, 1)
}

// TestEachRuleAloneOnCowFork does with a scenario of the suite what
// TestEachRuleAlone does with small ones.
func TestEachRuleAloneOnCowFork(t *testing.T) {
	design, control, b := cowFork(t)
	t.Run("design", func(t *testing.T) { eachRuleAlone(t, design, b) })
	t.Run("control", func(t *testing.T) { eachRuleAlone(t, control, b) })
}

func eachRuleAlone(t *testing.T, c *Config, b crashsim.Budget) {
	want, ws, saved := without(t, c, b, 0)
	t.Logf("%v schedules, %d runs, %d images of units judged, saved %v", want.Schedules, want.Executed, ws.Judged(), saved)
	for r := range reduce.Designs { // which works on rows
		got, s, saved := without(t, c, b, reduce.Of(r))
		require.Equal(t, want.Schedules, got.Schedules, "without %v", r)
		require.Equal(t, want.Tally, got.Tally, "without %v", r)
		require.Equal(t, want.Findings, got.Findings, "without %v", r)
		require.Equal(t, want.Reached, got.Reached, "without %v", r)
		require.Equal(t, ws.set.Sum(), s.set.Sum(), "without %v: the sets of recovered files differ", r)
		require.True(t, r == reduce.Cells || saved[r].IsZero())
		t.Logf("without %v: %d runs, %d images of units judged, saved by the others %v", r, got.Executed, s.Judged(), saved)
	}
}

// TestLevelsAlone: a scenario whose last level finds what those before did
// not is explored anew, and ends as if no level had been left out.
func TestLevelsAlone(t *testing.T) {
	for _, name := range []string{"cow-fork", "control", "page gone", "log worker", "fsync without flush"} {
		t.Run(name, func(t *testing.T) {
			c := variants()[name]
			want, ws, _ := without(t, c, bound(2, 2), reduce.Of(reduce.Levels))
			got, s, _ := without(t, c, bound(2, 2), 0)
			require.Equal(t, want.Schedules, got.Schedules)
			require.Equal(t, want.Tally, got.Tally)
			require.Equal(t, want.Findings, got.Findings)
			require.Equal(t, want.Reached, got.Reached)
			require.Equal(t, ws.set.Sum(), s.set.Sum())
		})
	}
}

// TestEachRuleAlone: each rule of reduction can be turned off, and all of them
// together, and schedules, counts, findings and what a verdict can tell apart
// stay what they are.
func TestEachRuleAlone(t *testing.T) {
	var all reduce.Saved
	for name, c := range tiny() {
		t.Run(name, func(t *testing.T) {
			for _, b := range []crashsim.Budget{bound(0, 0), bound(0, 1), bound(1, 0), bound(1, 1)} {
				want, ws, saved := without(t, c, b, 0)
				all.Add(&saved)
				if n, _ := want.Schedules.Uint64(); n > 4_000 {
					break // too many to execute and judge one by one
				}
				sets := []reduce.Set{1<<reduce.NumRules - 1}
				for r := range reduce.Designs {
					sets = append(sets, reduce.Of(r))
				}
				for _, off := range sets {
					got, s, saved := without(t, c, b, off)
					require.Equal(t, want.Schedules, got.Schedules, "%v without %b", b, off)
					require.Equal(t, want.Tally, got.Tally, "%v without %b", b, off)
					require.Equal(t, want.Findings, got.Findings, "%v without %b", b, off)
					require.Equal(t, want.Reached, got.Reached, "%v without %b", b, off)
					require.Equal(t, ws.set.Sum(), s.set.Sum(), "%v without %b: the sets of recovered files differ", b, off)
					for r := range reduce.NumRules {
						if off.Has(r) && r != reduce.Cells {
							require.True(t, saved[r].IsZero(), "%v is off and saved %v", r, saved[r])
						}
					}
				}
			}
		})
	}
	_, _, saved := without(t, small(), bound(2, 2), 0)
	all.Add(&saved)
	for r := range reduce.Designs {
		require.False(t, all[r].IsZero(), "%v saved nothing", r)
	}
}
