package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/internal/blk"
	"untorn/workloads"
)

// elsewhere are the steps that no schedule of a workload reaches.
var elsewhere = map[crashsim.Step]string{
	stepRecoverRead:  "a mount",
	stepRecoverLog:   "a mount that finds intents",
	stepRecoverHome:  "a mount",
	stepRecoverFlush: "a mount",
}

// coverageConfigs are a few configurations that together reach every step.
func coverageConfigs() (all []*Config) {
	mixed := &workloads.Workload{File: 14 * kib, FreeSpace: workloads.Contiguous, Ops: []workloads.Op{
		write(0, 2, true), fsyncOp, sectors(35, 9, false), write(8, 4, true), fsyncOp, fsyncOp,
	}}
	mixed.Ops[2].Task = "other"
	for _, layout := range layouts {
		for _, d := range builtDesigns() {
			w := *mixed
			w.Layout = layout
			c := &Config{Design: d, Device: testDevice(), Workload: &w, Interner: blk.NewInterner()}
			c.Device.NAWUPF, c.Device.AWUN = 16*kib, 16*kib
			c.Device.FUA = layout != workloads.Hole
			c.Faults[crashsim.Reclaim], c.Faults[crashsim.ShortCopy], c.Faults[crashsim.LogForce] = true, true, true
			c.Faults[crashsim.NoSpace], c.Faults[crashsim.IOError] = true, true
			all = append(all, c)
		}
	}
	return append(all, mergeConfig(), directConfig(workloads.Contiguous), directConfig(workloads.Hole), directConfig(workloads.Unwritten), operationsConfig(), movesConfig(XFS), movesConfig(Ext4), sharedConfig())
}

// directConfig is direct writes of every kind, two of them at a time, beside a
// buffered one.
func directConfig(layout workloads.Layout) *Config {
	c := testConfig()
	c.Design.Writeback = WritebackCowOrAtomic
	d := func(task string, from, n int64, atomic bool) workloads.Op {
		op := write(from, n, atomic)
		op.Task, op.Direct = task, true
		return op
	}
	c.Workload = &workloads.Workload{File: 16 * kib, Layout: layout, FreeSpace: workloads.Contiguous, Ops: []workloads.Op{
		d("a", 0, 4, true), d("b", 0, 2, true), d("a", 2, 1, false), write(1, 1, false), d("b", 1, 1, true), d("b", 4, 4, true), fsyncOp}}
	c.Device.NAWUPF, c.Device.AWUN = 16*kib, 16*kib
	c.Workload.Ops[4].Dsync, c.Workload.Ops[5].Append = true, true
	c.Faults[crashsim.Reclaim] = true
	return c
}

// operationsConfig is one of each operation beside an atomic write.
func operationsConfig() *Config {
	c := testConfig()
	op := func(kind workloads.Kind, from, n int64) workloads.Op {
		return workloads.Op{Task: "b", Kind: kind, Offset: from * 512, Length: n * 512}
	}
	c.Workload = &workloads.Workload{File: 32 * kib, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous, Ops: []workloads.Op{
		write(0, 4, true), op(workloads.Store, 3, 9), op(workloads.Pread, 0, 32), op(workloads.SyncFileRange, 0, 8), op(workloads.Punch, 4, 24),
		op(workloads.Truncate, 20, 0), op(workloads.Fallocate, 16, 40), op(workloads.ZeroRange, 8, 16), op(workloads.Msync, 0, 16), fsyncOp}}
	c.Faults[crashsim.Reclaim] = true
	return c
}

// movesConfig is operations that move content, and a second file.
func movesConfig(fs Filesystem) *Config {
	c := testConfig()
	c.Design.Filesystem = fs
	if fs == Ext4 {
		c.Design.Track, c.Design.Writeback = TrackSidecar, WritebackAtomic
	}
	c.Workload = &workloads.Workload{File: 32 * kib, Second: 6 * kib, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous,
		Ops: []workloads.Op{write(0, 1, true), collapse(2, 1), sectors(8, 8, false), second(write(1, 1, false)), second(insert(0, 2)),
			second(fsyncOp), write(8, 1, false), blocks(workloads.Punch, 8, 1), fsyncOp}}
	c.Faults[crashsim.Reclaim] = true
	return c
}

// sharedConfig is clones, and writes of what they share.
func sharedConfig() *Config {
	c := testConfig()
	c.Design.Track, c.Design.Writeback = TrackNone, WritebackPlain
	direct := write(1, 2, false)
	direct.Direct = true
	read := workloads.Op{Task: "db", Kind: workloads.Pread, Length: 16 * kib, Direct: true}
	hole := workloads.Op{Task: "db", Kind: workloads.Punch, Offset: 28 * kib, Length: 4 * kib}
	c.Workload = &workloads.Workload{File: 32 * kib, Second: 6 * kib, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous,
		Ops: []workloads.Op{second(clone(0, 4, 4)), direct, hole, second(write(5, 1, false)), second(clone(7, 9, 1)), read, fsyncOp}}
	c.Faults[crashsim.Reclaim] = true
	return c
}

// mergeConfig is three units in place that merge past the largest unit, so
// that the driver refuses the command.
func mergeConfig() *Config {
	c := testConfig()
	c.Design.Writeback = WritebackAtomic
	c.Device.NAWUPF, c.Device.AWUN = 24*kib, 24*kib
	c.Workload = &workloads.Workload{File: 24 * kib, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous,
		Ops: []workloads.Op{write(0, 2, true), write(2, 2, true), write(4, 2, true), fsyncOp, fsyncOp, fsyncOp}}
	c.Workload.Ops[5].FD = 1
	return c
}

// TestErrorsAreReported: an fsync tells of a failed writeback, each
// descriptor once.
func TestErrorsAreReported(t *testing.T) {
	got, out := results(newKernel(t, mergeConfig()), defaults, crashsim.Budget{})
	require.Equal(t, crashsim.Done, out.Kind, out.Detail)
	eio := workloads.Fail(workloads.EIO)
	require.Equal(t, map[int32]workloads.Result{1: 8 * kib, 2: 8 * kib, 3: 8 * kib, 4: eio, 5: 0, 6: eio}, got)
}

// TestStepTable: the list of one buffered atomic write is there as a whole, and
// every label has a name of its own, since tapes are keyed by it.
func TestStepTable(t *testing.T) {
	names, numbers := map[string]bool{}, map[string]bool{}
	for s := range stepTable {
		require.Regexp(t, `^[A-Z]?[0-9]+$`, stepTable[s].Num, "label %d", s)
		require.False(t, names[stepTable[s].Name], stepTable[s].Name)
		names[stepTable[s].Name], numbers[stepTable[s].Num] = true, true
	}
	for n := 1; n <= 38; n++ {
		require.True(t, numbers[fmt.Sprint(n)], "step %d", n)
	}
}

// TestEveryStepIsReached: no label of the step table is dead.
func TestEveryStepIsReached(t *testing.T) {
	var reached crashsim.StepSet
	for _, c := range coverageConfigs() {
		k := New(c)
		for seed := range uint64(10) {
			answer := randomly(rand.New(rand.NewPCG(seed, 5)))
			out := k.Machine().Run(answer, wide)
			require.Equal(t, crashsim.Done, out.Kind, out.Detail)
		}
		reached.Union(k.Machine().Reached())
		k.Machine().Close()
	}
	for s := range stepTable {
		why, no := elsewhere[crashsim.Step(s)]
		require.Equal(t, !no, reached.Has(crashsim.Step(s)), "step %s, %s: %s", stepTable[s].Num, stepTable[s].Name, why)
	}
}

// TestMountSteps: a mount that finds something in the log takes all of its
// steps, one that finds nothing only the first.
func TestMountSteps(t *testing.T) {
	for _, dirty := range []bool{true, false} {
		k := newKernel(t, testConfig())
		if dirty {
			k.Machine().Run(defaults, crashsim.Budget{})
		}
		image := make([]blk.Handle, k.super.TotalLen)
		for s := range image {
			image[s] = k.dev.Content(blk.Sector(s))
		}
		r := NewRecovery(*k.dev.Config(), "", image, k.interner)
		var steps []string
		r.Machine().Run(pick(func(p *crashsim.Point) int {
			steps = append(steps, p.Site())
			return 0
		}), crashsim.Budget{})
		r.Machine().Close()
		require.NoError(t, r.Err)
		want := []string{stepTable[stepRecoverRead].Name}
		if dirty {
			want = append(want, stepTable[stepRecoverHome].Name, stepTable[stepRecoverFlush].Name)
		}
		require.Equal(t, want, steps)
	}
}

// TestNoAllocations: once its tables have grown, a kernel runs schedules
// without memory of their own, whatever they do.
func TestNoAllocations(t *testing.T) {
	for i, c := range coverageConfigs() {
		if i%5 != 0 {
			continue
		}
		k := New(c)
		source := rand.NewPCG(0, 0)
		answer := randomly(rand.New(source))
		run := func() {
			for seed := range uint64(6) {
				source.Seed(seed, 6)
				k.Machine().Run(answer, wide)
			}
		}
		run()
		require.Zero(t, testing.AllocsPerRun(2, run), "%v, %+v", c.Workload.Layout, c.Design)
		k.Machine().Close()
	}
}

// TestSizeTransaction: the size is logged with the conversion of unwritten
// blocks and with the remap of a unit, else in a transaction of its own.
func TestSizeTransaction(t *testing.T) {
	for _, c := range []struct {
		name string
		wb   Writeback
		op   workloads.Op
		want []crashsim.Step
	}{
		{"overwrite within the size", WritebackPlain, write(0, 1, false), nil},
		{"mapped block, past the size", WritebackPlain, sectors(12, 4, false), []crashsim.Step{stepSize}},
		{"new blocks in place", WritebackPlain, write(2, 1, false), []crashsim.Step{stepConvert}},
		{"plain CoW", WritebackCow, write(2, 1, false), []crashsim.Step{stepRemapIoend, stepSize}},
		{"plain CoW within the size", WritebackCow, write(0, 1, false), []crashsim.Step{stepRemapIoend}},
		{"unit", WritebackCow, write(2, 2, true), []crashsim.Step{stepRemap, stepRemapExtent}},
		{"unit straddling EOF", WritebackCow, write(0, 4, true), []crashsim.Step{stepRemap, stepRemapExtent}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Workload.File = 6 * kib
			cfg.Workload.Ops = []workloads.Op{c.op, fsyncOp}
			if cfg.Design.Writeback = c.wb; c.wb == WritebackPlain {
				cfg.Design.Track = TrackNone
			}
			k := newKernel(t, cfg)
			var want, got []string
			for _, s := range c.want {
				want = append(want, stepTable[s].Name)
			}
			k.Machine().Run(pick(func(p *crashsim.Point) int {
				for s := stepRemap; s <= stepSize; s++ {
					if p.Site() == stepTable[s].Name {
						got = append(got, p.Site())
					}
				}
				return 0
			}), crashsim.Budget{})
			require.Equal(t, want, got)
			require.Equal(t, max(12, int(c.op.End()/512)), len(mount(t, k)))
		})
	}
}
