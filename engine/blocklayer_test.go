package engine

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/internal/blk"
	"untorn/workloads"
)

// dataWrites returns the writes to the data area, in the order of submission,
// their starts counted from its begin.
func dataWrites(k *Kernel) (all []blk.Range) {
	data := k.super.Data
	for _, e := range k.dev.Log.Events {
		if e.Kind == blk.SubmitWrite && data.Contains(e.Range.Start) {
			all = append(all, blk.Range{Start: e.Range.Start - data.Start, Len: e.Range.Len})
		}
	}
	return all
}

func countWrites(k *Kernel) int { return len(dataWrites(k)) }

// in4k turns runs of 4 KiB blocks into sectors.
func in4k(runs ...[2]int32) (all []blk.Range) {
	for _, r := range runs {
		all = append(all, blk.Range{Start: r[0] * 8, Len: r[1] * 8})
	}
	return all
}

// write is an operation of one task on 4 KiB blocks.
func write(block, blocks int64, atomic bool) workloads.Op {
	return workloads.Op{Task: "db", Kind: workloads.Pwrite, Offset: block * 4096, Length: blocks * 4096, Atomic: atomic}
}

// TestBlockLayer: the commands that the device receives when a contiguous file
// of 16 blocks is written in place, all of it in one plug.
func TestBlockLayer(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		ops    []workloads.Op
		want   []blk.Range
	}{
		{"one plain write",
			nil, []workloads.Op{write(0, 4, false)}, in4k([2]int32{0, 4})},
		{"plain neighbours are one ioend",
			nil, []workloads.Op{write(0, 2, false), write(2, 3, false)}, in4k([2]int32{0, 5})},
		{"with a gap they are not",
			nil, []workloads.Op{write(0, 2, false), write(3, 3, false)}, in4k([2]int32{0, 2}, [2]int32{3, 3})},
		{"plain is cut at the maximum transfer",
			func(c *Config) { c.Device.MaxTransfer = 16 * kib },
			[]workloads.Op{write(0, 11, false)}, in4k([2]int32{0, 4}, [2]int32{4, 4}, [2]int32{8, 3})},
		{"which need not be a power of two",
			func(c *Config) { c.Device.MaxTransfer = 20 * kib },
			[]workloads.Op{write(0, 11, false)}, in4k([2]int32{0, 5}, [2]int32{5, 5}, [2]int32{10, 1})},
		{"plain ignores the boundary",
			func(c *Config) { c.Device.Boundary = 16 * kib },
			[]workloads.Op{write(0, 11, false)}, in4k([2]int32{0, 11})},
		{"atomic as large as the limit stays whole",
			nil, []workloads.Op{write(4, 4, true)}, in4k([2]int32{4, 4})},
		{"atomic neighbours merge",
			nil, []workloads.Op{write(0, 2, true), write(2, 2, true)}, in4k([2]int32{0, 4})},
		{"up to hw_max",
			nil, []workloads.Op{write(0, 2, true), write(2, 2, true), write(4, 2, true)}, in4k([2]int32{0, 4}, [2]int32{4, 2})},
		{"and past unit_max, which the driver refuses",
			func(c *Config) { c.Device.NAWUPF = 24 * kib },
			[]workloads.Op{write(0, 2, true), write(2, 2, true), write(4, 2, true), write(6, 2, true)},
			in4k([2]int32{6, 2})},
		{"and up to the maximum transfer",
			func(c *Config) { c.Device.LBA, c.Device.NAWUPF, c.Device.MaxTransfer = 4*kib, 64*kib, 16*kib },
			[]workloads.Op{write(0, 2, true), write(2, 2, true), write(4, 2, true)}, in4k([2]int32{0, 4}, [2]int32{4, 2})},
		{"never across the boundary",
			func(c *Config) { c.Device.Boundary = 16 * kib },
			[]workloads.Op{write(2, 2, true), write(4, 2, true), write(8, 4, true)},
			in4k([2]int32{2, 2}, [2]int32{4, 2}, [2]int32{8, 4})},
		{"as they would without one",
			nil, []workloads.Op{write(2, 2, true), write(4, 2, true), write(8, 4, true)}, in4k([2]int32{2, 4}, [2]int32{8, 4})},
		{"atomic and plain do not mix",
			nil, []workloads.Op{write(0, 2, true), write(2, 2, false)}, in4k([2]int32{0, 2}, [2]int32{2, 2})},
		{"in either order",
			nil, []workloads.Op{write(0, 2, false), write(2, 2, true), write(4, 2, false)},
			in4k([2]int32{0, 2}, [2]int32{2, 2}, [2]int32{4, 2})},
		{"a plain write into a unit goes out with it",
			nil, []workloads.Op{write(0, 4, true), write(1, 1, false)}, in4k([2]int32{0, 4})},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Design.Writeback = WritebackAtomic
			cfg.Device.NAWUPF, cfg.Device.AWUN = 16*kib, 16*kib
			cfg.Workload.Ops = append(c.ops, workloads.Op{Task: "db", Kind: workloads.Fsync})
			if c.change != nil {
				c.change(cfg)
			}
			k := newKernel(t, cfg)
			require.Zero(t, (k.super.Data.Start+k.limits.partition)%8, "blocks are aligned")
			got, out := results(k, defaults, crashsim.Budget{})
			require.Equal(t, crashsim.Done, out.Kind, out.Detail)
			for i := range c.ops {
				require.EqualValues(t, c.ops[i].Length, got[int32(i+1)])
			}
			require.Equal(t, c.want, dataWrites(k))
		})
	}
}

// randomly answers as a run of the exploration might: the default five times
// out of six, at forced choices any.
func randomly(rng *rand.Rand) pick {
	return func(p *crashsim.Point) int {
		if n := p.Len(); n > 1 && (p.Free() || rng.IntN(6) == 0) {
			return rng.IntN(n)
		}
		return 0
	}
}

var wide = crashsim.Budget{Faults: 8, Preemptions: 30, Total: 38}

// splitUnits returns how many commands carry a part of one of the atomic
// writes and not all of it, or cross the boundary with one.
func splitUnits(k *Kernel) (bad int) {
	for i := range k.dev.Log.Events {
		e := &k.dev.Log.Events[i]
		if e.Kind != blk.SubmitWrite || !k.super.Data.Contains(e.Range.Start) {
			continue
		}
		carries := map[int]int{}
		for _, h := range e.Payload {
			if op := h.Write(); h.IsData() && op > 0 && k.workload.Ops[op-1].Atomic {
				carries[op]++
			}
		}
		for op, n := range carries {
			if n != int(k.workload.Ops[op-1].Length/512) || k.limits.crossesBoundary(e.Range.Start, e.Range.Len) {
				bad++
			}
		}
	}
	return bad
}

// TestAtomicIsNeverSplit: whenever writeback strikes, a unit goes out in one
// command that the device writes as a whole; without tracking it does not.
func TestAtomicIsNeverSplit(t *testing.T) {
	for _, track := range []Track{TrackCowFork, TrackNone} {
		for _, folio := range []int64{4 * kib, 16 * kib} {
			bad, carried := 0, 0
			cfg := testConfig()
			cfg.Design.Writeback, cfg.Design.Track, cfg.Design.FolioMax = WritebackAtomic, track, folio
			cfg.Device.NAWUPF, cfg.Device.AWUN, cfg.Device.Boundary = 16*kib, 16*kib, 16*kib
			cfg.Faults[crashsim.Reclaim] = true
			cfg.Workload.Ops = []workloads.Op{write(0, 2, true), write(2, 2, true), write(4, 4, true), write(8, 1, false),
				write(9, 1, true), {Task: "db", Kind: workloads.Fsync}}
			cfg.Workload.Ops[3].Task = "other"
			k := newKernel(t, cfg)
			for seed := range uint64(100) {
				out := k.Machine().Run(randomly(rand.New(rand.NewPCG(seed, 2))), wide)
				require.Equal(t, crashsim.Done, out.Kind, out.Detail)
				bad += splitUnits(k)
				carried += countWrites(k)
			}
			require.NotZero(t, carried)
			require.Equal(t, track == TrackNone, bad > 0, "%v, folios of %d: %d commands", track, folio, bad)
		}
	}
}

// commands names what reached the device until the last operation returned:
// d for data, l for the log, f for a flush, with an ! for FUA.
func commands(k *Kernel) (s string) {
	for i := range k.dev.Log.Events {
		e := &k.dev.Log.Events[i]
		switch {
		case e.Kind == blk.Return && int(e.Op) == len(k.workload.Ops):
			return s
		case e.Kind == blk.SubmitFlush:
			s += "f"
		case e.Kind == blk.SubmitWrite && k.super.Data.Contains(e.Range.Start):
			s += "d"
		case e.Kind == blk.SubmitWrite && k.super.Log.Contains(e.Range.Start):
			s += "l"
		}
		if e.FUA {
			s += "!"
		}
	}
	return s
}

// TestFsyncCommands: data precedes the remap that points to it, and what fsync
// promises is on the medium when it returns.
func TestFsyncCommands(t *testing.T) {
	inPlace := func(c *Config) { c.Design.Writeback, c.Device.NAWUPF = WritebackAtomic, 16*kib }
	for _, c := range []struct {
		name   string
		change func(*Config)
		ops    []workloads.Op
		want   string
	}{
		{"CoW", nil, []workloads.Op{write(0, 4, true), fsyncOp}, "dfl!"},
		{"CoW, no FUA", func(c *Config) { c.Device.FUA = false }, []workloads.Op{write(0, 4, true), fsyncOp}, "dflf"},
		{"CoW, protected cache", func(c *Config) { c.Device.Protected = true }, []workloads.Op{write(0, 4, true), fsyncOp}, "dl"},
		{"CoW, mutant", func(c *Config) { c.Design.Mutant = MutantFsyncNoFlush }, []workloads.Op{write(0, 4, true), fsyncOp}, "dl"},
		{"in place, the log has nothing", inPlace, []workloads.Op{write(0, 4, true), fsyncOp}, "df"},
		{"in place, protected cache", func(c *Config) { inPlace(c); c.Device.Protected = true }, []workloads.Op{write(0, 4, true), fsyncOp}, "d"},
		{"in place, mutant", func(c *Config) { inPlace(c); c.Design.Mutant = MutantFsyncNoFlush }, []workloads.Op{write(0, 4, true), fsyncOp}, "d"},
		{"nothing to sync", nil, []workloads.Op{fsyncOp}, "f"},
		{"twice", nil, []workloads.Op{write(0, 4, true), fsyncOp, fsyncOp}, "dfl!f"},
		{"no sync, no command", nil, []workloads.Op{write(0, 4, true)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Workload.Ops = c.ops
			if c.change != nil {
				c.change(cfg)
			}
			k := newKernel(t, cfg)
			_, out := results(k, defaults, crashsim.Budget{})
			require.Equal(t, crashsim.Done, out.Kind, out.Detail)
			require.Equal(t, c.want, commands(k))
		})
	}
}
