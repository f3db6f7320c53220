package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/internal/blk"
	"untorn/workloads"
)

// mount recovers what the device of a kernel holds and returns the first file,
// sector by sector.
func mount(t *testing.T, k *Kernel) []blk.Handle {
	t.Helper()
	return mountFiles(t, k)[0]
}

// mountFiles is the same for both files.
func mountFiles(t *testing.T, k *Kernel) (files [2][]blk.Handle) {
	t.Helper()
	image := make([]blk.Handle, k.super.TotalLen)
	for s := range image {
		image[s] = k.dev.Content(blk.Sector(s))
	}
	r := NewRecovery(*k.dev.Config(), "", image, k.interner)
	defer r.Machine().Close()
	out := r.Machine().Run(defaults, crashsim.Budget{})
	require.Equal(t, crashsim.Done, out.Kind, out.Detail)
	require.NoError(t, r.Err)
	for i := range files {
		files[i] = make([]blk.Handle, (r.Inode.Size[i]+511)/512)
	}
	for _, e := range r.Inode.Extents {
		file := r.Super.FileOf(e.Off)
		first := (e.Off - int32(file)*r.Super.Second) * k.blockSectors
		for i := range e.Len * k.blockSectors {
			if s := first + i; int(s) < len(files[file]) && !e.Unwritten {
				files[file][s] = r.dev.Content(r.Super.Sector(e.Block) + i)
			}
		}
	}
	return files
}

// expected is the first file after operations that came one after the other.
func expected(w *workloads.Workload, got map[int32]workloads.Result) []blk.Handle {
	return expectedFiles(w, got)[0]
}

// expectedFiles is the same for both files.
func expectedFiles(w *workloads.Workload, got map[int32]workloads.Result) (files [2][]blk.Handle) {
	for i := range files {
		files[i] = make([]blk.Handle, w.Size(i)/512)
		if w.Layout != workloads.Hole && w.Layout != workloads.Unwritten {
			for s := range files[i] {
				files[i][s] = blk.Data(blk.InitialWrite, (i*workloads.SecondFile/512+s)%blk.MaxPlace)
			}
		}
	}
	for i := range w.Ops {
		op := &w.Ops[i]
		file := &files[op.File]
		from, n := int(op.Offset/512), int(op.Length/512)
		moved := func(content []blk.Handle) {
			for len(*file) < from+len(content) {
				*file = append(*file, blk.Zero)
			}
			copy((*file)[from:], content)
		}
		switch {
		case got[int32(i+1)] < 0:
		case op.Writes():
			data := make([]blk.Handle, got[int32(i+1)]/512)
			for s := range data {
				data[s] = blk.Data(i+1, s)
			}
			moved(data)
		case op.Kind == workloads.Collapse:
			*file = slices.Delete(*file, from, from+n)
		case op.Kind == workloads.Insert:
			*file = slices.Insert(*file, from, make([]blk.Handle, n)...)
		case op.Kind == workloads.Clone:
			source := files[op.FromFile]
			moved(slices.Clone(source[op.From/512 : min(int(op.From/512)+n, len(source))]))
		}
	}
	return files
}

var layouts = []workloads.Layout{workloads.Contiguous, workloads.Unaligned, workloads.Fragmented, workloads.Hole, workloads.Unwritten}

// sectors is a write in sectors.
func sectors(start, n int64, atomic bool) workloads.Op {
	return workloads.Op{Task: "db", Kind: workloads.Pwrite, Offset: start * 512, Length: n * 512, Atomic: atomic}
}

var fsyncOp = workloads.Op{Task: "db", Kind: workloads.Fsync}

// sequences are operations of one task, and how long the file was before.
var sequences = []struct {
	name string
	file int64
	ops  []workloads.Op
}{
	{"units", 64 * kib, []workloads.Op{write(0, 4, true), write(4, 4, true), fsyncOp}},
	{"rewritten before writeback", 64 * kib, []workloads.Op{write(0, 4, true), write(0, 4, true), write(0, 4, true), fsyncOp}},
	{"rewritten after it", 64 * kib, []workloads.Op{write(0, 4, true), fsyncOp, write(0, 4, true), fsyncOp, write(0, 4, true), fsyncOp}},
	{"without fsync", 64 * kib, []workloads.Op{write(0, 4, true), write(8, 1, false), write(9, 1, true)}},
	{"several units to a folio", 64 * kib, []workloads.Op{write(0, 1, true), write(1, 1, true), write(2, 2, true), write(4, 1, true), fsyncOp}},
	{"a unit in a unit", 64 * kib, []workloads.Op{write(0, 4, true), write(2, 2, true), write(3, 1, true), fsyncOp}},
	{"a unit over units", 64 * kib, []workloads.Op{write(0, 1, true), write(2, 2, true), write(0, 8, true), fsyncOp}},
	{"plain over a unit", 64 * kib, []workloads.Op{write(0, 4, true), sectors(5, 20, false), fsyncOp}},
	{"a unit over plain", 64 * kib, []workloads.Op{sectors(5, 40, false), write(0, 4, true), fsyncOp}},
	{"one sector", 64 * kib, []workloads.Op{sectors(11, 1, false), fsyncOp}},
	{"sectors on both sides of a block", 64 * kib, []workloads.Op{sectors(7, 2, false), sectors(30, 19, false), fsyncOp}},
	{"past EOF", 16 * kib, []workloads.Op{write(4, 4, true), fsyncOp}},
	{"far past EOF", 16 * kib, []workloads.Op{write(12, 4, true), fsyncOp}},
	{"straddling EOF", 8 * kib, []workloads.Op{write(0, 4, true), fsyncOp}},
	{"straddling EOF within a block", 6 * kib, []workloads.Op{write(0, 4, true), fsyncOp}},
	{"appended by sectors", 6*kib + 512, []workloads.Op{sectors(13, 1, false), sectors(14, 9, false), fsyncOp, sectors(23, 3, false)}},
	{"beyond a gap in EOF's block", 5 * kib, []workloads.Op{sectors(14, 1, false), fsyncOp}},
	{"an empty file", 0, []workloads.Op{write(0, 2, true), sectors(20, 3, false), fsyncOp}},
	{"many pages", 256 * kib, []workloads.Op{write(0, 64, true), sectors(3, 500, false), fsyncOp}},
}

// TestContent: with nobody in the way every call returns its length, and what
// is on the disk in the end is what was written.
func TestContent(t *testing.T) {
	for _, seq := range sequences {
		t.Run(seq.name, func(t *testing.T) {
			for _, layout := range layouts {
				for _, free := range []workloads.Layout{workloads.Contiguous, workloads.Fragmented} {
					for _, d := range contentDesigns() {
						w := &workloads.Workload{File: seq.file, Layout: layout, FreeSpace: free, Ops: seq.ops}
						c := &Config{Design: d, Device: testDevice(), Workload: w, Interner: blk.NewInterner()}
						c.Device.NAWUPF, c.Device.AWUN = 16*kib, 16*kib
						checkContent(t, c)
					}
				}
			}
		})
	}
}

// contentDesigns are the built designs that accept a unit wherever it lies,
// with folios up to 4, 8 and 16 KiB and as small as them.
// mayRefuse reports whether a design refuses writes that cannot go in place,
// or that reach past a size that is fixed.
func mayRefuse(d *Design) bool { return d.Filesystem != XFS }

func contentDesigns() (all []Design) {
	for _, d := range builtDesigns() {
		if d.Writeback == WritebackAtomic || d.Stable != StableWait || d.Copy != CopyPin {
			continue
		}
		for _, folio := range [][2]int64{{4 * kib, 8 * kib}, {16 * kib, 16 * kib}} {
			if d.FolioMax == 4*kib {
				big := d
				big.FolioMin, big.FolioMax = folio[0], folio[1]
				all = append(all, big)
			}
		}
		all = append(all, d)
	}
	return all
}

func checkContent(t *testing.T, c *Config) {
	t.Helper()
	if CheckWorkload(&c.Design, &c.Device, c.Workload) != nil {
		return
	}
	k := New(c)
	defer k.Machine().Close()
	what := fmt.Sprintf("%v, free space %v, %+v", c.Workload.Layout, c.Workload.FreeSpace, c.Design)
	got, out := results(k, defaults, crashsim.Budget{})
	require.Equal(t, crashsim.Done, out.Kind, "%s: %s", what, out.Detail)
	for i := range c.Workload.Ops {
		op := &c.Workload.Ops[i]
		if !mayRefuse(&c.Design) {
			require.EqualValues(t, op.Length, got[int32(i+1)], "%s: operation %d", what, i+1)
		}
		if got[int32(i+1)] < workloads.Result(op.Length) {
			continue
		}
		k.View(op, func(cache blk.Handle, cached bool, disk blk.Handle, onDisk bool) {
			require.True(t, onDisk, what)
			require.True(t, !cached || cache == disk, "%s: the cache differs from the disk", what)
		})
	}
	require.Equal(t, expectedFiles(c.Workload, got), mountFiles(t, k), what)
}

// The content check can fail: a lost write and a wrong one are seen.
func TestContentNearMiss(t *testing.T) {
	k := newKernel(t, testConfig())
	got, _ := results(k, defaults, crashsim.Budget{})
	want := expected(k.workload, got)
	require.Equal(t, want, mount(t, k))
	got[2] -= 512
	require.NotEqual(t, expected(k.workload, got), mount(t, k))
	for i := range k.dev.Log.Events {
		if e := &k.dev.Log.Events[i]; e.Kind == blk.SubmitWrite && k.super.Log.Contains(e.Range.Start) {
			// Without this checkpoint the log ends before it.
			k.dev.Write(e.Range.Start, make([]blk.Handle, e.Range.Len), false, syncTag(0))
			k.dev.Complete(k.dev.Inflight() - 1)
			break
		}
	}
	require.NotEqual(t, want, mount(t, k))
}

// TestContentRandom: whatever the schedule, one task's writes that all
// succeeded are what the disk holds in the end.
func TestContentRandom(t *testing.T) {
	for _, seq := range sequences {
		for i, d := range contentDesigns() {
			w := &workloads.Workload{File: seq.file, Layout: layouts[i%len(layouts)], FreeSpace: workloads.Fragmented, Ops: seq.ops}
			c := &Config{Design: d, Device: testDevice(), Workload: w, Interner: blk.NewInterner()}
			if CheckWorkload(&c.Design, &c.Device, w) != nil {
				w.FreeSpace, w.Layout = workloads.Contiguous, workloads.Contiguous
			}
			c.Design.Copy = CopyPlain
			c.Faults[crashsim.Reclaim], c.Faults[crashsim.ShortCopy], c.Faults[crashsim.LogForce] = true, true, true
			k := New(c)
			for seed := range uint64(4) {
				got, out := results(k, randomly(rand.New(rand.NewPCG(seed, 3))), wide)
				what := fmt.Sprintf("%s, %v, seed %d: %+v", seq.name, w.Layout, seed, d)
				require.Equal(t, crashsim.Done, out.Kind, "%s: %s", what, out.Detail)
				for i := range w.Ops {
					if mayRefuse(&c.Design) {
						continue
					}
					require.EqualValues(t, w.Ops[i].Length, got[int32(i+1)], what)
				}
				require.Equal(t, expectedFiles(w, got), mountFiles(t, k), what)
			}
			k.Machine().Close()
		}
	}
}
