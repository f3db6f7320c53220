package engine

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/internal/blk"
	"untorn/workloads"
)

// file is a model of a file: what a reader sees, sector by sector.
type file []blk.Handle

func (f *file) grow(n int) {
	for len(*f) < n {
		*f = append(*f, blk.Zero)
	}
}

// do changes the file as an operation that returned r does.
func (f *file) do(n int, op *workloads.Op, r workloads.Result) {
	from, to := int(op.Offset/512), int(op.End()/512)
	switch {
	case r < 0 && op.Kind != workloads.Store:
	case op.Writes() && r > 0:
		f.grow(from + int(r)/512)
		for s := range int(r) / 512 {
			(*f)[from+s] = blk.Data(n, s)
		}
	case op.Writes():
	case op.Kind == workloads.Truncate:
		f.grow(from)
		*f = (*f)[:from]
	case op.Kind == workloads.Punch, op.Kind == workloads.ZeroRange:
		for s := from; s < min(to, len(*f)); s++ {
			(*f)[s] = blk.Zero
		}
		if op.Kind == workloads.ZeroRange {
			f.grow(to)
		}
	case op.Kind == workloads.Fallocate:
		f.grow(to)
	}
}

// TestOperationsContent: random operations of one task, under random faults
// that fail nothing, leave what the model says: reads see it, and a mount
// after fsync finds it.
func TestOperationsContent(t *testing.T) {
	kinds := []workloads.Kind{workloads.Pwrite, workloads.Store, workloads.Truncate, workloads.Punch, workloads.ZeroRange,
		workloads.Fallocate, workloads.Pread, workloads.Msync, workloads.SyncFileRange, workloads.Fsync}
	whole := 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 9))
		w := &workloads.Workload{File: 32 * kib, Layout: layouts[rng.IntN(len(layouts))], FreeSpace: workloads.Contiguous}
		for range 10 {
			op := workloads.Op{Task: "db", Kind: kinds[rng.IntN(len(kinds))]}
			switch {
			case op.Kind == workloads.Truncate:
				op.Offset = int64(rng.IntN(80)) * 512
			case op.Kind == workloads.Pwrite && rng.IntN(2) == 0:
				op.Atomic, op.Length = true, 4*kib<<rng.IntN(3)
				op.Offset = int64(rng.IntN(3)) * op.Length
			case op.Ranged():
				op.Offset = int64(rng.IntN(40)) * 512
				op.Length = int64(1+rng.IntN(24)) * 512
			}
			w.Ops = append(w.Ops, op)
		}
		w.Ops = append(w.Ops, fsyncOp)
		designs := builtDesigns()
		c := &Config{Design: designs[rng.IntN(len(designs))], Device: testDevice(), Workload: w, Interner: blk.NewInterner()}
		c.Design.FolioMax = max(c.Design.FolioMin, 8*kib)
		c.Device.NAWUPF, c.Device.AWUN = 16*kib, 16*kib
		if c.Design.Check() != nil || CheckWorkload(&c.Design, &c.Device, w) != nil {
			continue
		}
		c.Faults[crashsim.Reclaim], c.Faults[crashsim.LogForce], c.Faults[crashsim.ShortCopy] = true, true, true
		k := newKernel(t, c)
		model, partial := file{}, false
		if w.Layout != workloads.Hole && w.Layout != workloads.Unwritten {
			for s := range int32(w.File / 512) {
				model = append(model, blk.Data(blk.InitialWrite, int(s)))
			}
		}
		model.grow(int(w.File / 512))
		k.Device().OnEvent = func(e *blk.Event) {
			switch e.Kind {
			case blk.Return:
				// A store past the end fails on the way, and leaves what it did.
				partial = partial || w.Ops[e.Op-1].Kind == workloads.Store && e.Result < 0
				model.do(int(e.Op), &w.Ops[e.Op-1], workloads.Result(e.Result))
			case blk.Saw:
				if partial {
					break
				}
				require.Equal(t, []blk.Handle(model[e.Range.Start:e.Range.End()]), e.Payload, "seed %d: operation %d, %+v", seed, e.Op, c.Design)
			}
		}
		out := k.Machine().Run(randomly(rand.New(rand.NewPCG(seed, 10))), wide)
		require.Equal(t, crashsim.Done, out.Kind, "seed %d: %+v: %s", seed, c.Design, out.Detail)
		if partial {
			continue
		}
		whole++
		require.Equal(t, []blk.Handle(model), mount(t, k), "seed %d: %+v %v %v", seed, c.Design, w.Layout, w.Ops)
	}
	require.Greater(t, whole, 100)
}
