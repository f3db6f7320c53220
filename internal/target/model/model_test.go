package model

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/crashsim/nvme"
	"untorn/engine"
	"untorn/verifier"
	"untorn/workloads"
)

// small is the scenario of these tests: one unit of two folios, made durable.
func small() *Config {
	c := &Config{
		Design: engine.Design{Filesystem: engine.XFS, Block: 4096, FolioMin: 4096, FolioMax: 4096, Copy: engine.CopyPin,
			Track: engine.TrackCowFork, Writeback: engine.WritebackCow, Submit: engine.SubmitWriteback, Stable: engine.StableWait, Cluster: 4096},
		Device: nvme.Config{LBA: 512, NAWUPF: 512, AWUN: 512, MaxTransfer: 128 << 10, CachedAtomicity: nvme.CommandUnit, FUA: true,
			Tear: nvme.OldOrNew},
		Workload: workloads.Workload{File: 8 << 10, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous, Ops: []workloads.Op{
			{Task: "db", Kind: workloads.Pwrite, Offset: 0, Length: 8 << 10, Atomic: true},
			{Task: "db", Kind: workloads.Fsync},
		}},
		Faults:   crashsim.Faults{PowerLoss: true, Budget: 2},
		Contract: verifier.Untorn,
	}
	c.Faults.Kinds[crashsim.Reclaim] = true
	c.Faults.Kinds[crashsim.ShortCopy] = true
	return c
}

// plain takes the protection away.
func plain(c *Config) *Config {
	d := &c.Design
	d.Copy, d.Track, d.Writeback, d.Stable = engine.CopyPlain, engine.TrackNone, engine.WritebackPlain, engine.StableNone
	return c
}

func bound(faults, preemptions int) crashsim.Budget {
	return crashsim.Budget{Faults: faults, Preemptions: preemptions, Total: faults + preemptions}
}

// explored runs an exploration to its end.
func explored(t testing.TB, c *Config, cfg explore.Config) (*explore.Result, *Shared) {
	require.NoError(t, c.Check())
	s := NewShared(cfg.NoCache)
	if cfg.Workers == 0 {
		cfg.Workers = 1
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = 256 << 20
	}
	res, err := explore.Run(context.Background(), func() explore.Program {
		p, err := NewProgram(c, s)
		require.NoError(t, err)
		return p
	}, cfg)
	require.NoError(t, err)
	return res, s
}

// variants are scenarios that differ in what the state of a run consists of.
func variants() map[string]*Config {
	v := map[string]*Config{"cow-fork": small(), "control": plain(small())}
	c := small()
	c.Design.Copy = engine.CopyPlain
	c.Faults.Kinds[crashsim.PageGone] = true
	v["page gone"] = c
	c = small()
	c.Workload.Layout, c.Workload.FreeSpace = workloads.Fragmented, workloads.Fragmented
	v["fragmented"] = c
	c = small()
	c.Faults.Kinds = [crashsim.NumFaultKinds]bool{}
	c.Faults.Kinds[crashsim.LogForce] = true
	v["log worker"] = c
	c = small()
	c.Workload.File = 4 << 10
	v["append"] = c
	c = small()
	c.Design.Writeback = engine.WritebackCowOrAtomic
	c.Device.NAWUPF, c.Device.AWUN = 8<<10, 8<<10
	v["in place"] = c
	c = small()
	c.Workload.Ops = append(c.Workload.Ops, workloads.Op{Task: "b", Kind: workloads.Pwrite, Offset: 4 << 10, Length: 4 << 10, Atomic: true})
	v["two writers"] = c
	c = small()
	c.Design.Mutant = engine.MutantFsyncNoFlush
	c.Faults.Kinds[crashsim.LogForce] = true
	v["fsync without flush"] = c
	c = plain(small())
	c.Workload.Layout = workloads.Hole
	c.Design.FolioMax = 8 << 10
	v["hole"] = c
	c = small()
	c.Workload.Ops[0].Length, c.Workload.Ops[0].Atomic = 2<<10, false
	c.Workload.Ops[0].Offset = 3 << 10
	c.Design.Copy, c.Design.Stable = engine.CopyPlain, engine.StableNone
	c.Workload.Ops = append(c.Workload.Ops, workloads.Op{Task: "b", Kind: workloads.Fsync})
	v["partial blocks"] = c
	v["mounts cut"] = cutMounts("", 1)
	return v
}

// TestKnownStatesAreNotExploredAgain: pruning changes the work and nothing
// else. A state whose key left something out would change the counts.
func TestKnownStatesAreNotExploredAgain(t *testing.T) {
	for name, c := range variants() {
		t.Run(name, func(t *testing.T) {
			for _, b := range []crashsim.Budget{bound(0, 0), bound(0, 1), bound(1, 0), bound(2, 0), bound(1, 1)} {
				with, ws := explored(t, c, explore.Config{Bound: b, StopAt: -1})
				if n, _ := with.Schedules.Uint64(); n > 180_000 {
					break // too many to execute one by one
				}
				without, wos := explored(t, c, explore.Config{Bound: b, StopAt: -1, NoCache: true, Workers: 2})
				require.Nil(t, with.Stuck)
				require.Equal(t, without.Schedules.String(), with.Schedules.String(), "%v", b)
				require.Equal(t, without.Tally, with.Tally, "%v", b)
				require.Equal(t, without.Findings, with.Findings, "%v", b)
				require.Equal(t, without.Reached, with.Reached, "%v", b)
				n, _ := ws.Distinct()
				m, _ := wos.Distinct()
				require.Equal(t, m, n)
				require.GreaterOrEqual(t, without.Executed, with.Executed)
			}
		})
	}
}

// TestWorkersAgree: promised results do not depend on the number of workers,
// nor on how much of the known states fits.
func TestWorkersAgree(t *testing.T) {
	for name, c := range variants() {
		t.Run(name, func(t *testing.T) {
			one, s1 := explored(t, c, explore.Config{Bound: bound(1, 1), StopAt: -1})
			others := []explore.Config{{Workers: 2}, {Workers: 5}}
			if n, _ := one.Schedules.Uint64(); n < 200_000 {
				others = append(others, explore.Config{Workers: 2, CacheBytes: 1 << 10})
			}
			for _, cfg := range others {
				cfg.Bound, cfg.StopAt = bound(1, 1), -1
				many, s2 := explored(t, c, cfg)
				require.Equal(t, one.Schedules, many.Schedules)
				require.Equal(t, one.Tally, many.Tally)
				require.Equal(t, one.Findings, many.Findings)
				require.Equal(t, one.Reached, many.Reached)
				n1, _ := s1.Distinct()
				n2, _ := s2.Distinct()
				require.Equal(t, n1, n2)
			}
		})
	}
}

// TestReached: a step that takes a fault, another layout or a cut mount to get
// to is in the set when that is allowed and not before.
func TestReached(t *testing.T) {
	broken := plain(small())
	broken.Faults.Kinds[crashsim.IOError] = true
	for _, c := range []struct {
		place         string
		without, with *Config
		less, more    crashsim.Budget
	}{
		{"retry rejected copy", broken, broken, bound(0, 1), bound(1, 0)},
		{"ioend error", broken, broken, bound(0, 1), bound(1, 0)},
		{"convert unwritten", small(), variants()["hole"], bound(1, 0), bound(0, 0)},
		{"recovery: read log", cutMounts("", 0), cutMounts("", 1), bound(1, 1), bound(0, 0)},
		{"recovery: log intents done", cutMounts("", 1), cutMounts("", 1), bound(0, 0), bound(1, 1)},
	} {
		t.Run(c.place, func(t *testing.T) {
			at := slices.IndexFunc(engine.Steps(), func(s crashsim.StepInfo) bool { return s.Name == c.place })
			require.GreaterOrEqual(t, at, 0)
			res, _ := explored(t, c.without, explore.Config{Bound: c.less, StopAt: -1})
			require.False(t, res.Reached.Has(crashsim.Step(at)))
			res, _ = explored(t, c.with, explore.Config{Bound: c.more, StopAt: -1})
			require.True(t, res.Reached.Has(crashsim.Step(at)))
		})
	}
}

// TestVerdicts: the design holds, and each way to take something away from it
// breaks in the way that is known.
func TestVerdicts(t *testing.T) {
	stop := explore.Config{Bound: bound(1, 1), StopAt: int(verifier.Stale)}
	for _, x := range []struct {
		name string
		c    *Config
		want []verifier.Verdict
	}{
		{"cow-fork", small(), nil},
		{"control", plain(small()), []verifier.Verdict{verifier.Torn}},
		{"page gone", variants()["page gone"], []verifier.Verdict{verifier.Torn}},
		{"append", variants()["append"], nil},
		{"in place", variants()["in place"], nil},
		{"two writers", variants()["two writers"], nil},
		{"fsync without flush", func() *Config { c := small(); c.Design.Mutant = engine.MutantFsyncNoFlush; return c }(),
			[]verifier.Verdict{verifier.Exposed, verifier.Lost}},
	} {
		t.Run(x.name, func(t *testing.T) {
			res, _ := explored(t, x.c, stop)
			var got []verifier.Verdict
			for i := range res.Findings {
				f := &res.Findings[i]
				got = append(got, VerdictOf(f.Class))
				r, err := ReplayFinding(x.c, f)
				require.NoError(t, err)
				require.Equal(t, VerdictOf(f.Class), r.Verdict)
				require.Equal(t, f.Steps, r.Steps)
				again, err := ReplayTape(x.c, r.Tape)
				require.NoError(t, err)
				require.Equal(t, r.Image, again.Image)
				require.Equal(t, r.Trace, again.Trace)
				judged, err := verifier.JudgeBytes(r.Image, r.History)
				require.NoError(t, err)
				require.Equal(t, r.Verdict, judged.Verdict)
			}
			require.Equal(t, x.want, got)
			require.Nil(t, res.Stuck)
		})
	}
}

// TestStuckSchedules: a schedule that cannot end is a finding with a trace,
// and its tape, which has no cut, gives it again.
func TestStuckSchedules(t *testing.T) {
	c := small()
	c.Design.Block = 512
	c.Workload.File = 64 << 10
	c.Workload.FreeSpace = workloads.Fragmented
	c.Workload.Ops[0].Length = 64 << 10
	require.ErrorContains(t, c.Check(), "128 blocks", "more extents than the engine can have in flight")
	res, err := explore.Run(context.Background(), func() explore.Program {
		p, err := NewProgram(c, NewShared(false))
		require.NoError(t, err)
		return p
	}, explore.Config{Bound: bound(0, 0), Workers: 1, CacheBytes: 1 << 20, StopAt: -1})
	require.NoError(t, err)
	require.NotNil(t, res.Stuck)
	require.Equal(t, crashsim.Panicked, res.Stuck.Kind)
	r, err := ReplayStuck(c, res)
	require.NoError(t, err)
	require.Equal(t, verifier.Stuck, r.Verdict)
	require.NotEmpty(t, r.Trace)
	again, err := ReplayTape(c, r.Tape)
	require.NoError(t, err)
	require.Equal(t, verifier.Stuck, again.Verdict)
	require.Equal(t, r.Trace, again.Trace)
}

// TestTapesThatDoNotFit: a tape of another scenario is refused.
func TestTapesThatDoNotFit(t *testing.T) {
	c := variants()["page gone"]
	res, _ := explored(t, c, explore.Config{Bound: bound(1, 0), StopAt: int(verifier.Torn)})
	require.NotEmpty(t, res.Findings)
	r, err := ReplayFinding(c, &res.Findings[0])
	require.NoError(t, err)
	for name, change := range map[string]func(*Replay){
		"no such option": func(r *Replay) { r.Tape[0].Option = "user page 9 of db is gone" },
		"never reached":  func(r *Replay) { r.Tape[0].Visit = 99 },
		"no such cut":    func(r *Replay) { r.Tape[len(r.Tape)-1].Option = "after event 1, the first image that is torn" },
		"damaged cut":    func(r *Replay) { r.Tape[len(r.Tape)-1].Option = "after lunch" },
	} {
		t.Run(name, func(t *testing.T) {
			x := *r
			x.Tape = slices.Clone(r.Tape)
			change(&x)
			_, err := ReplayTape(c, x.Tape)
			require.Error(t, err)
		})
	}
	without, err := ReplayTape(c, r.Tape[:len(r.Tape)-1])
	require.NoError(t, err)
	require.Equal(t, verifier.Torn, without.Verdict)
}

// A replay is kept with its row, and the program that made it is not: a large
// product would otherwise hold one for each control.
func TestReplayKeepsNoProgram(t *testing.T) {
	c := small()
	p, err := newPlayer(c)
	require.NoError(t, err)
	p.wanted = func(event int, _ uint32, _ *verifier.Result) verifier.Verdict {
		if event > 3 {
			return verifier.Held
		}
		return verifier.NotChecked
	}
	r, err := p.play(explore.Replay(nil), crashsim.Budget{})
	require.NoError(t, err)
	require.NotEmpty(t, r.Image)
	p.Close()
	program := weak.Make(p.program)
	p = nil
	for range 3 {
		runtime.GC()
	}
	require.True(t, program.Value() == nil, "the program is alive")
	runtime.KeepAlive(r)
}
