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

// collapse, insert and clone are in blocks of 4 KiB.
func collapse(from, n int64) workloads.Op { return blocks(workloads.Collapse, from, n) }
func insert(from, n int64) workloads.Op   { return blocks(workloads.Insert, from, n) }

func blocks(kind workloads.Kind, from, n int64) workloads.Op {
	return workloads.Op{Task: "db", Kind: kind, Offset: from * 4 * kib, Length: n * 4 * kib}
}

// clone is from the first file.
func clone(from, to, n int64) workloads.Op {
	op := blocks(workloads.Clone, to, n)
	op.From = from * 4 * kib
	return op
}

// second is the same on the second file, fromSecond from it.
func second(op workloads.Op) workloads.Op {
	op.File = 1
	return op
}

func fromSecond(op workloads.Op) workloads.Op {
	op.FromFile = 1
	return op
}

func direct(op workloads.Op) workloads.Op {
	op.Direct = true
	return op
}

// moves are operations of one task that move content, on two files.
var moves = []struct {
	name          string
	first, second int64
	ops           []workloads.Op
}{
	{"second file", 16 * kib, 10 * kib, []workloads.Op{write(0, 2, true), second(write(0, 2, true)), second(sectors(13, 9, false)), fsyncOp}},
	{"second file that grows", 16 * kib, 0, []workloads.Op{second(write(0, 4, true)), write(4, 4, true), second(sectors(35, 20, false)), second(fsyncOp)}},
	{"collapse of the beginning", 64 * kib, 0, []workloads.Op{write(0, 4, true), write(4, 4, true), collapse(0, 4), write(0, 4, true), fsyncOp}},
	{"collapse in the middle", 62 * kib, 0, []workloads.Op{sectors(3, 100, false), collapse(4, 4), sectors(30, 9, false), fsyncOp}},
	{"collapse of a second file", 16 * kib, 64 * kib, []workloads.Op{second(write(4, 4, true)), second(collapse(0, 4)), write(0, 4, true), second(fsyncOp)}},
	{"insert at the beginning", 32 * kib, 0, []workloads.Op{write(0, 4, true), insert(0, 4), write(8, 4, true), fsyncOp}},
	{"insert in the middle", 30 * kib, 0, []workloads.Op{sectors(3, 40, false), insert(4, 8), sectors(35, 50, false), fsyncOp}},
	{"insert after an append", 16 * kib, 0, []workloads.Op{write(4, 4, true), insert(0, 4), fsyncOp}},
	{"clone within a file", 64 * kib, 0, []workloads.Op{write(0, 4, true), clone(0, 8, 4), write(0, 4, true), sectors(70, 5, false), fsyncOp}},
	{"clone twice", 64 * kib, 0, []workloads.Op{clone(0, 8, 4), clone(8, 12, 2), write(0, 4, true), write(8, 2, true), sectors(100, 3, false), fsyncOp}},
	{"clone into a second file", 32 * kib, 8 * kib, []workloads.Op{write(0, 4, true), second(clone(0, 4, 8)), write(4, 4, true), second(write(4, 4, true)), fsyncOp}},
	{"clone from a second file", 32 * kib, 30 * kib, []workloads.Op{second(sectors(5, 40, false)), fromSecond(clone(0, 4, 4)), sectors(40, 3, false), second(fsyncOp), fsyncOp}},
	{"clone of an end", 32 * kib, 30 * kib, []workloads.Op{fromSecond(workloads.Op{Task: "db", Kind: workloads.Clone, Offset: 28 * kib, Length: 6 * kib, From: 24 * kib}), fsyncOp}},
	{"clone of what is shared already", 32 * kib, 32 * kib, []workloads.Op{second(clone(0, 0, 4)), second(clone(0, 0, 8)), second(write(0, 4, true)), fsyncOp}},
	{"direct over what is shared", 64 * kib, 0, []workloads.Op{clone(0, 8, 4), direct(write(1, 2, false)), direct(write(8, 4, true)), direct(write(2, 4, false)), fsyncOp}},
	{"collapse of what is shared", 64 * kib, 32 * kib, []workloads.Op{second(clone(4, 0, 8)), collapse(0, 4), write(0, 4, true), second(write(4, 1, false)), fsyncOp}},
}

func movesConfigs(i int, fn func(what string, c *Config)) {
	seq := &moves[i]
	for _, layout := range layouts {
		for _, d := range append(contentDesigns(), testDirectDesign()) {
			if d.Filesystem == BlockDevice {
				continue
			}
			w := &workloads.Workload{File: seq.first, Second: seq.second, Layout: layout, FreeSpace: workloads.Contiguous, Ops: seq.ops}
			c := &Config{Design: d, Device: testDevice(), Workload: w, Interner: blk.NewInterner()}
			c.Device.NAWUPF, c.Device.AWUN = 16*kib, 16*kib
			if CheckWorkload(&d, &c.Device, w) == nil {
				fn(fmt.Sprintf("%s, %v: %+v", seq.name, layout, d), c)
			}
		}
	}
}

// testDirectDesign writes in place, with nothing that remembers units.
func testDirectDesign() Design {
	d := testDesign()
	d.Track, d.Writeback = TrackNone, WritebackPlain
	return d
}

// TestMoves: with nobody in the way every operation succeeds, and what is on the
// disk in the end is what they leave.
func TestMoves(t *testing.T) {
	for i := range moves {
		t.Run(moves[i].name, func(t *testing.T) {
			ran := 0
			movesConfigs(i, func(what string, c *Config) {
				k := New(c)
				defer k.Machine().Close()
				got, out := results(k, defaults, crashsim.Budget{})
				require.Equal(t, crashsim.Done, out.Kind, "%s: %s", what, out.Detail)
				checkMoves(t, k, got, what)
				ran++
			})
			require.Positive(t, ran)
		})
	}
}

func checkMoves(t *testing.T, k *Kernel, got map[int32]workloads.Result, what string) {
	t.Helper()
	for i := range k.workload.Ops {
		op := &k.workload.Ops[i]
		switch {
		case op.Writes() && !mayRefuse(&k.design):
			require.EqualValues(t, op.Length, got[int32(i+1)], "%s: operation %d", what, i+1)
		case !op.Writes():
			require.Zero(t, got[int32(i+1)], "%s: operation %d", what, i+1)
		}
	}
	require.Equal(t, expectedFiles(k.workload, got), mountFiles(t, k), what)
	for file, content := range expectedFiles(k.workload, got) {
		for s, want := range content {
			s := k.inodes[file].base + int32(s)
			fo := k.cache.folio(s / pageSectors)
			if fo != nil && fo.uptodateBlocks&k.blockBits(fo, s/k.blockSectors, s/k.blockSectors+1) != 0 {
				require.Equal(t, want, k.cache.content[s], "%s: sector %d of the cache", what, s)
			}
		}
	}
}

// TestMovesRandom: the same whatever the schedule.
func TestMovesRandom(t *testing.T) {
	for i := range moves {
		movesConfigs(i, func(what string, c *Config) {
			c.Faults[crashsim.Reclaim], c.Faults[crashsim.ShortCopy], c.Faults[crashsim.LogForce] = true, true, true
			k := New(c)
			defer k.Machine().Close()
			for seed := range uint64(4) {
				got, out := results(k, randomly(rand.New(rand.NewPCG(seed, 7))), wide)
				require.Equal(t, crashsim.Done, out.Kind, "%s, seed %d: %s", what, seed, out.Detail)
				checkMoves(t, k, got, fmt.Sprintf("%s, seed %d", what, seed))
			}
		})
	}
}

// TestMovesWithFaults: whatever strikes, every schedule ends.
func TestMovesWithFaults(t *testing.T) {
	for i := range moves {
		movesConfigs(i, func(what string, c *Config) {
			for f := range c.Faults {
				c.Faults[f] = true
			}
			for op := range c.Workload.Ops {
				if op%2 == 1 {
					ops := append([]workloads.Op(nil), c.Workload.Ops...)
					ops[op].Task = "other"
					w := *c.Workload
					w.Ops = ops
					c.Workload = &w
				}
			}
			k := New(c)
			defer k.Machine().Close()
			for seed := range uint64(6) {
				out := k.Machine().Run(randomly(rand.New(rand.NewPCG(seed, 8))), wide)
				require.Equal(t, crashsim.Done, out.Kind, "%s, seed %d: %s", what, seed, out.Detail)
			}
		})
	}
}

// TestRefusedMoves: what cannot be moved is answered as the kernel does.
func TestRefusedMoves(t *testing.T) {
	big := testDesign()
	big.Filesystem, big.Track, big.Writeback, big.Cluster = Ext4, TrackSidecar, WritebackAtomic, 16*kib
	sector := func(op workloads.Op, offset, length, from int64) workloads.Op {
		op.Offset, op.Length, op.From = op.Offset+offset*512, op.Length+length*512, op.From+from*512
		return op
	}
	for _, c := range []struct {
		name string
		d    Design
		op   workloads.Op
		want workloads.Errno
	}{
		{"collapse", testDesign(), collapse(1, 1), 0},
		{"collapse to the end", testDesign(), collapse(4, 4), workloads.EINVAL},
		{"collapse at no block", testDesign(), sector(collapse(1, 1), 1, 0, 0), workloads.EINVAL},
		{"collapse of no block", testDesign(), sector(collapse(1, 1), 0, 1, 0), workloads.EINVAL},
		{"collapse of a part of a cluster", big, collapse(0, 1), workloads.EINVAL},
		{"collapse of a cluster", big, collapse(0, 4), 0},
		{"insert", testDesign(), insert(7, 1), 0},
		{"insert at the end", testDesign(), insert(8, 1), workloads.EINVAL},
		{"insert at no block", testDesign(), sector(insert(1, 1), 1, 0, 0), workloads.EINVAL},
		{"insert of a part of a cluster", big, insert(0, 1), workloads.EINVAL},
		{"clone", testDesign(), clone(0, 4, 4), 0},
		{"clone over itself", testDesign(), clone(0, 3, 4), workloads.EINVAL},
		{"clone past the source", testDesign(), clone(6, 0, 3), workloads.EINVAL},
		{"clone from no block", testDesign(), sector(clone(0, 4, 4), 0, 0, 1), workloads.EINVAL},
		{"clone to no block", testDesign(), sector(clone(0, 4, 4), 1, 0, 0), workloads.EINVAL},
		{"clone of no block", testDesign(), sector(clone(0, 4, 1), 0, 1, 0), workloads.EINVAL},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Design = c.d
			cfg.Workload.File, cfg.Workload.Ops = 32*kib, []workloads.Op{c.op}
			got, out := results(newKernel(t, cfg), defaults, crashsim.Budget{})
			require.Equal(t, crashsim.Done, out.Kind, out.Detail)
			require.Equal(t, workloads.Fail(c.want), got[1])
		})
	}
}

// TestMovesThatMakeNoSense: a file system that never moves content is refused
// with the reason.
func TestMovesThatMakeNoSense(t *testing.T) {
	for name, c := range map[string]struct {
		fs Filesystem
		op workloads.Op
	}{"clone on ext4": {Ext4, clone(0, 4, 4)}, "collapse of a device": {BlockDevice, collapse(0, 1)}, "a second device": {BlockDevice, second(fsyncOp)}} {
		cfg := testConfig()
		cfg.Design.Filesystem, cfg.Design.Track, cfg.Design.Writeback = c.fs, TrackNone, WritebackAtomic
		cfg.Workload.Ops = []workloads.Op{c.op}
		var nonsense *NonsenseError
		require.ErrorAs(t, CheckWorkload(&cfg.Design, &cfg.Device, cfg.Workload), &nonsense, name)
	}
}

// TestFsyncOfAnotherFile: what only the other file has in the log is not forced.
func TestFsyncOfAnotherFile(t *testing.T) {
	for _, other := range []bool{false, true} {
		c := testConfig()
		// Nothing writes the second page back, and the size of the first is in the log.
		c.Workload = &workloads.Workload{File: 4 * kib, Second: 4 * kib, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous,
			Ops: []workloads.Op{{Task: "db", Kind: workloads.Truncate, Offset: 8 * kib}, fsyncOp}}
		if other {
			c.Workload.Ops[1] = second(fsyncOp)
		}
		k := newKernel(t, c)
		forced := false
		k.Machine().Run(pick(func(p *crashsim.Point) int {
			if p.Task() == "db" && p.Site() == stepTable[stepLogWrite].Name {
				forced = true
			}
			return 0
		}), crashsim.Budget{})
		require.Equal(t, !other, forced)
	}
}
