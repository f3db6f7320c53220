package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/internal/blk"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// reuse watches the block log for writes to blocks that a file block is still
// mapped to as far as the medium knows. It decodes the log that reaches the
// device and shares nothing with the allocator.
type reuse struct {
	k       *Kernel
	durable map[int32]int32         // disk block to file block, by the checkpoints on the medium
	at      map[int32]int32         // file block to disk block
	pending map[int32][]ondisk.Item // by command
	early   []string
	writes  int
	maps    int
}

func newReuse(k *Kernel) *reuse {
	r := &reuse{k: k, durable: map[int32]int32{}, at: map[int32]int32{}, pending: map[int32][]ondisk.Item{}}
	for file, e := range k.mkfsFork {
		if e.real() {
			r.put(int32(file), e.block())
		}
	}
	return r
}

func (r *reuse) put(file, disk int32) {
	if old, ok := r.at[file]; ok {
		delete(r.durable, old)
	}
	r.at[file], r.durable[disk] = disk, file
}

func (r *reuse) event(e *blk.Event) {
	super := &r.k.super
	switch {
	case e.Kind == blk.SubmitWrite && super.Data.Contains(e.Range.Start):
		r.writes++
		for s := e.Range.Start; s < e.Range.End(); s += super.Block {
			block := (s - super.Data.Start) / super.Block
			if file, ok := r.durable[block]; ok {
				r.early = append(r.early, fmt.Sprintf("%v: block %d is file block %d's", e, block, file))
			}
		}
	case e.Kind == blk.SubmitWrite && super.Log.Contains(e.Range.Start):
		var items []ondisk.Item
		for _, h := range e.Payload {
			s, ok, err := ondisk.DecodeLogSector(r.k.interner.Bytes(h))
			if !ok || err != nil || int(s.Count) != len(e.Payload) {
				panic("a checkpoint is one command here")
			}
			items = append(items, s.Items...)
		}
		r.pending[e.Cmd] = items
	case e.Kind == blk.Complete:
		for _, it := range r.pending[e.Cmd] {
			for i := range it.Ext.Len {
				if it.Kind == ondisk.Map {
					r.put(it.Ext.Off+i, it.Ext.Block+i)
					r.maps++
				}
			}
		}
		delete(r.pending, e.Cmd)
	}
}

// tight is a workload that rewrites the same blocks over and over.
func tight() *workloads.Workload {
	w := &workloads.Workload{File: 16 * kib, Layout: workloads.Fragmented, FreeSpace: workloads.Contiguous}
	for range 5 {
		for _, task := range []string{"a", "b"} {
			op := write(0, 4, true)
			op.Task = task
			if task == "b" {
				op = write(1, 1, false)
				op.Task = task
			}
			w.Ops = append(w.Ops, op, workloads.Op{Task: task, Kind: workloads.Fsync})
		}
	}
	return w
}

// reuses runs many schedules in which everything goes to new blocks and returns
// the early ones, and whether there were any at all.
func reuses(t *testing.T, sabotage func(*Kernel)) (early []string, reused bool) {
	c := testConfig()
	c.Workload = tight()
	c.Faults[crashsim.Reclaim], c.Faults[crashsim.LogForce] = true, true
	k := newKernel(t, c)
	for seed := range uint64(150) {
		watch := newReuse(k)
		used := map[blk.Sector]bool{}
		k.Device().OnEvent = func(e *blk.Event) {
			watch.event(e)
			if e.Kind == blk.SubmitWrite && k.super.Data.Contains(e.Range.Start) {
				reused = reused || used[e.Range.Start]
				used[e.Range.Start] = true
			}
		}
		answer := randomly(rand.New(rand.NewPCG(seed, 4)))
		out := k.Machine().Run(pick(func(p *crashsim.Point) int {
			sabotage(k)
			return answer(p)
		}), wide)
		require.Equal(t, crashsim.Done, out.Kind, out.Detail)
		require.NotZero(t, watch.writes)
		require.NotZero(t, watch.maps)
		early = append(early, watch.early...)
	}
	return early, reused
}

// TestBusyExtents: a block that a transaction freed is written again only
// after that transaction is durable (xfs_extent_busy).
func TestBusyExtents(t *testing.T) {
	early, reused := reuses(t, func(*Kernel) {})
	require.Empty(t, early)
	require.True(t, reused, "freed blocks are used again at all")
}

// Blocks that are free as soon as they are freed, or as soon as the
// transaction is in the log's buffer, are seen to be reused too early.
func TestBusyExtentsNearMiss(t *testing.T) {
	for _, state := range []blockState{blockBusy, blockBusyIO} {
		early, _ := reuses(t, func(k *Kernel) {
			for b, s := range k.alloc.state {
				if s == state {
					k.alloc.state[b] = blockFree
				}
			}
		})
		require.NotEmpty(t, early, "%v", state)
	}
}
