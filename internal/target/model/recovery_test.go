package model

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/powerloss"
	"untorn/engine"
	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/key"
	"untorn/verifier"
	"untorn/workloads"
)

// collector keeps the different images that it is driven through.
type collector struct {
	*verifier.Verifier
	seen   map[key.Key]bool
	images [][]blk.Handle
	in     *blk.Interner
}

func (c *collector) Leaf(group int, weight *count.Count) {
	var h key.Hasher
	for _, x := range c.Image() {
		h.Key(c.in.Content(x))
	}
	if k := h.Sum(); !c.seen[k] {
		c.seen[k] = true
		c.images = append(c.images, append([]blk.Handle(nil), c.Image()...))
	}
	c.Verifier.Leaf(group, weight)
}

// collect returns the different images of the present cut that were not seen
// before. Every LBA of the metadata is varied on its own.
func collect(judge *verifier.Verifier, p *program, loss *powerloss.State, seen map[key.Key]bool) *collector {
	col := &collector{Verifier: judge, seen: seen, in: p.interner}
	col.Begin(p.history)
	loss.Images(col, &blk.Partition{Meta: col.Partition().Meta})
	return col
}

// busy are scenarios with many transactions: several units, rewritten, with
// the log forced at any time.
func busy() map[string]*Config {
	v := map[string]*Config{}
	for _, layout := range []workloads.Layout{workloads.Contiguous, workloads.Fragmented, workloads.Hole} {
		for _, track := range []engine.Track{engine.TrackNone, engine.TrackCowFork} {
			c := small()
			c.Design.Track = track
			c.Faults.Kinds[crashsim.LogForce] = true
			w := &c.Workload
			w.File, w.Layout, w.FreeSpace = 24<<10, layout, workloads.Fragmented
			w.Ops = []workloads.Op{
				{Task: "a", Kind: workloads.Pwrite, Offset: 0, Length: 16 << 10, Atomic: true},
				{Task: "a", Kind: workloads.Pwrite, Offset: 16 << 10, Length: 16 << 10, Atomic: true},
				{Task: "a", Kind: workloads.Fsync},
				{Task: "a", Kind: workloads.Pwrite, Offset: 0, Length: 8 << 10, Atomic: true},
				{Task: "b", Kind: workloads.Pwrite, Offset: 8 << 10, Length: 16 << 10},
				{Task: "b", Kind: workloads.Fsync},
				{Task: "b", Kind: workloads.Pwrite, Offset: 32 << 10, Length: 16 << 10, Atomic: true},
			}
			v[fmt.Sprintf("%v %v", layout, track)] = c
		}
	}
	return v
}

// TestRecoveryAgrees: the engine's mount and the judge's read-only recovery,
// which share only the encoding, find the same file in every image, also when
// the mount itself loses power at any point.
func TestRecoveryAgrees(t *testing.T) {
	mounts, cuts := 0, 0
	for name, c := range busy() {
		t.Run(name, func(t *testing.T) {
			p, err := newProgram(c, NewShared(true))
			require.NoError(t, err)
			defer p.Close()
			seen := map[key.Key]bool{}
			p.onCut = func(*verifier.Result, uint32) {
				col := collect(p.judge, p, p.loss, seen)
				for _, image := range col.images {
					mounts++
					cuts += mountAgrees(t, c, p, image)
				}
			}
			p.Judge(true)
			rng := rand.New(rand.NewPCG(7, 7))
			for range 60 {
				require.Equal(t, crashsim.Done, p.Run(randomly{rng}, bound(8, 8)).Kind)
			}
		})
	}
	t.Log(mounts, "images mounted, the mount cut", cuts, "times")
	require.Greater(t, mounts, 200)
	require.Greater(t, cuts, 1000)
}

// mountAgrees mounts an image and compares what the judge says of it before,
// after, and at every cut of the mount. It returns the number of those cuts.
func mountAgrees(t *testing.T, c *Config, p *program, image []blk.Handle) (cuts int) {
	judge, err := verifier.New(verifier.Config{Workload: &c.Workload, Contract: c.Contract, Super: *p.kernel.Super(), Interner: p.interner})
	require.NoError(t, err)
	before, err := judge.JudgeOne(image, p.history)
	require.NoError(t, err)

	r := engine.NewRecovery(c.Device, "", image, p.interner)
	defer r.Machine().Close()
	loss := powerloss.New(c.rules(), image)
	r.Device().OnEvent = func(e *blk.Event) {
		loss.Apply(e)
		col := collect(judge, p, loss, map[key.Key]bool{})
		for _, again := range col.images {
			cuts++
			got, err := judge.JudgeOne(again, p.history)
			require.NoError(t, err)
			require.Equal(t, before, got, "power lost while mounting")
		}
	}
	out := r.Machine().Run(randomly{rand.New(rand.NewPCG(1, 1))}, crashsim.Budget{})
	require.Equal(t, crashsim.Done, out.Kind, out.Detail)
	require.NoError(t, r.Err)
	require.Equal(t, before.Size, r.Inode.Size[0])

	after := make([]blk.Handle, len(image))
	for s := range after {
		after[s] = r.Device().Content(blk.Sector(s))
	}
	got, err := judge.JudgeOne(after, p.history)
	require.NoError(t, err)
	require.Equal(t, before, got)
	for _, e := range r.Inode.Extents {
		require.LessOrEqual(t, e.Block+e.Len, r.Super.Blocks())
	}
	return cuts
}

// TestHandlesAndBytesAgree: judging interned sectors and judging the bytes
// that a medium would hold give the same verdict.
func TestHandlesAndBytesAgree(t *testing.T) {
	for name, c := range busy() {
		t.Run(name, func(t *testing.T) {
			p, err := newProgram(c, NewShared(true))
			require.NoError(t, err)
			defer p.Close()
			seen := map[key.Key]bool{}
			n := 0
			p.onCut = func(*verifier.Result, uint32) {
				col := collect(p.judge, p, p.loss, seen)
				h := p.history.Clone()
				h.Contract = c.Contract.String()
				parsed, err := workloads.ParseHistory(h.String())
				require.NoError(t, err)
				for _, image := range col.images {
					n++
					want, err := p.judge.JudgeOne(image, p.history)
					require.NoError(t, err)
					got, err := verifier.JudgeBytes(verifier.Bytes(image, p.interner), parsed)
					require.NoError(t, err)
					require.Equal(t, want, got)
				}
			}
			p.Judge(true)
			rng := rand.New(rand.NewPCG(3, 3))
			for range 60 {
				p.Run(randomly{rng}, bound(8, 8))
			}
			require.Greater(t, n, 20)
		})
	}
}
