package powerloss_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim/powerloss"
	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/ondisk"
	"untorn/verifier"
	"untorn/workloads"
)

// world is a small disk with a file of 8 or 16 sectors and one log that a
// random program wrote.
type world struct {
	rnd     *rand.Rand
	super   ondisk.Super
	in      *blk.Interner
	w       *workloads.Workload
	h       *workloads.History
	rules   powerloss.Rules
	initial []blk.Handle
	log     blk.Log
	cow     int32 // disk block of the copy, where the log remaps to
	lsn     uint64
	logEnd  blk.Sector
}

func newWorld(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 1))
	lba := int32(1 + r.IntN(2))
	block := 2 * lba
	w := &world{rnd: r, in: blk.NewInterner()}
	w.super = ondisk.Geometry(lba, block, 16, 8, block, 8)
	pick := func(ns ...int32) int32 { return ns[r.IntN(len(ns))] }
	w.rules = powerloss.Rules{LBA: lba, NAWUPF: lba * pick(1, 2, 4, 8), NAWUN: lba * pick(0, 1, 4, 8),
		CachedLBA: r.IntN(4) == 0, Garbage: r.IntN(6) == 0, Boundary: int64(lba * pick(0, 0, 4, 8)),
		BoundaryOffset: int64(lba * pick(0, 1)), PartitionOffset: int64(lba * pick(0, 3))}
	size := 8 * block / 2
	w.w = &workloads.Workload{File: int64(size) * 512, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous}
	for range 1 + r.IntN(3) {
		from := r.Int32N(size - 1)
		n := 1 + r.Int32N(size-from)
		w.w.Ops = append(w.w.Ops, workloads.Op{Task: "db", Kind: workloads.Pwrite, Offset: int64(from) * 512,
			Length: int64(n) * 512, Atomic: r.IntN(4) > 0})
	}
	w.format(size)
	w.h = workloads.NewHistory(w.w)
	for i := range w.w.Ops {
		w.h.Call(i + 1)
		if r.IntN(3) > 0 {
			w.h.Return(i+1, workloads.Result(w.w.Ops[i].Length))
		}
	}
	return w
}

func (w *world) meta(at blk.Sector, sectors [][512]byte) {
	for i := range sectors {
		w.initial[int(at)+i] = w.in.Intern(sectors[i][:])
	}
}

func (w *world) format(size int32) {
	w.initial = make([]blk.Handle, w.super.TotalLen)
	for i := w.super.Data.Start; i < w.super.TotalLen; i++ {
		w.initial[i] = blk.Data(blk.FreeSpace, int(i))
	}
	sb := w.super.Encode()
	w.meta(0, [][512]byte{sb})
	blocks := size / w.super.Block
	w.cow = blocks
	w.lsn, w.logEnd = 1, w.super.Log.Start
	ino := ondisk.Inode{Size: int64(size) * 512, LSN: 1, Extents: []ondisk.Extent{{Off: 0, Block: 0, Len: blocks}}}
	b, err := ino.Encode(w.super.Inode[0].Len)
	if err != nil {
		panic(err)
	}
	w.meta(w.super.Inode[0].Start, b)
	for i := range size {
		w.initial[w.super.Sector(0)+i] = blk.Data(0, int(i))
	}
}

// data is what op leaves in the sectors of r, which lie off sectors after the
// file's; where op does not reach, version 0 stays.
func (w *world) data(op int, r blk.Range, off int32) []blk.Handle {
	o := &w.w.Ops[op-1]
	var out []blk.Handle
	for s := r.Start; s < r.End(); s++ {
		at := s - off - w.super.Sector(0)
		h := blk.Data(0, int(at))
		if b := int64(at) * 512; b >= o.Offset && b < o.End() {
			h = blk.Data(op, int((b-o.Offset)/512))
		}
		out = append(out, h)
	}
	return out
}

// write submits a write of data, in place or to the copy, or of a checkpoint
// that remaps some of the file to the copy or cuts it short.
func (w *world) write(cmd int32) {
	r, lba := w.rnd, w.super.LBA
	e := blk.Event{Kind: blk.SubmitWrite, Cmd: cmd, FUA: r.IntN(4) == 0}
	n := (1 + r.Int32N(4) + lba - 1) / lba * lba
	if r.IntN(3) == 0 && w.logEnd+n <= w.super.Log.End() {
		items := []ondisk.Item{{Kind: ondisk.Size, Bytes: w.w.File - 512*int64(r.IntN(3))}}
		if r.IntN(2) == 0 {
			off := r.Int32N(w.cow)
			items = append(items, ondisk.Item{Kind: ondisk.Map,
				Ext: ondisk.Extent{Off: off, Block: w.cow + off, Len: 1 + r.Int32N(w.cow-off)}})
		}
		// Now and then a new record overwrites an old one.
		e.Range = blk.Range{Start: w.logEnd, Len: n}
		w.logEnd += n * int32(r.IntN(2))
		w.lsn++
		for i := range n {
			var b [512]byte
			ondisk.EncodeLogSector(&b, w.lsn, i, n, items)
			e.Payload = append(e.Payload, w.in.Intern(b[:]))
		}
	} else {
		size := int32(w.w.File/512) / lba
		from := r.Int32N(size)
		e.Range = blk.Range{Start: w.super.Sector(0) + from*lba, Len: (1 + r.Int32N(min(8, size-from))) * lba}
		off := int32(0)
		if r.IntN(3) == 0 {
			off = w.cow * w.super.Block
			e.Range.Start += off
		}
		e.Payload = w.data(1+r.IntN(len(w.w.Ops)), e.Range, off)
	}
	w.log.Append(e)
}

// program writes a log of up to four writes in any interleaving with their
// completions, flushes, failures and alterations.
func (w *world) program() {
	r := w.rnd
	var flying []int32
	cmds := int32(0)
	for range 3 + r.IntN(9) {
		switch k := r.IntN(8); {
		case k < 3 && cmds < 5:
			w.write(cmds)
			flying = append(flying, cmds)
			cmds++
		case k == 3 && cmds < 5:
			w.log.Append(blk.Event{Kind: blk.SubmitFlush, Cmd: cmds})
			flying = append(flying, cmds)
			cmds++
		case k == 4 && r.IntN(2) == 0:
			for i := range w.log.Events {
				e := w.log.Events[i]
				if e.Kind == blk.SubmitWrite && slices.Contains(flying, e.Cmd) && e.Range.Start >= w.super.Data.Start {
					a := e.Range
					a.Len = 1 + r.Int32N(min(2, a.Len))
					off := int32(0)
					if a.Start >= w.super.Sector(w.cow) {
						off = w.cow * w.super.Block
					}
					w.log.Append(blk.Event{Kind: blk.Alter, Cmd: e.Cmd, Range: a, Payload: w.data(1+r.IntN(len(w.w.Ops)), a, off)})
					break
				}
			}
		case k > 4 && len(flying) > 0:
			i := r.IntN(len(flying))
			e := blk.Event{Kind: blk.Complete, Cmd: flying[i]}
			if r.IntN(6) == 0 {
				e.Result = -5
			}
			w.log.Append(e)
			flying = slices.Delete(flying, i, i+1)
		}
	}
}

// classes is a sink that passes everything on and notes, for each leaf, the
// verdict-relevant class: which writes each cell of the group holds.
type classes struct {
	*verifier.Verifier
	cells []blk.Cell
	seen  map[string]bool
	drop  func(weight *count.Count) bool
}

func (c *classes) Recover() ([]blk.Cell, int) {
	cells, n := c.Verifier.Recover()
	c.cells = slices.Clone(cells)
	return cells, n
}

func (c *classes) Leaf(group int, weight *count.Count) {
	if c.drop != nil && c.drop(weight) {
		return
	}
	var b strings.Builder
	fmt.Fprint(&b, group)
	for _, cell := range c.cells {
		if cell.Group != group {
			continue
		}
		var set []string
		for _, h := range c.Image()[cell.Start:cell.End()] {
			name := h.String()
			if h.IsData() {
				name = fmt.Sprint(h.Write())
			}
			set = append(set, name)
		}
		slices.Sort(set)
		fmt.Fprint(&b, " ", cell.Range, slices.Compact(set))
	}
	c.seen[b.String()] = true
	c.Verifier.Leaf(group, weight)
}

func (w *world) judge(t *testing.T, drop func(*count.Count) bool, images func(*classes)) (verifier.Result, map[string]bool) {
	v, err := verifier.New(verifier.Config{Workload: w.w, Contract: verifier.Untorn, Super: w.super, Interner: w.in})
	require.NoError(t, err)
	v.Begin(w.h)
	c := &classes{Verifier: v, seen: make(map[string]bool), drop: drop}
	images(c)
	return v.Result(), c.seen
}

// replay applies the log, and reports whether it is small enough.
func (w *world) replay() (*powerloss.State, bool) {
	s := powerloss.New(w.rules, w.initial)
	for i := range w.log.Events {
		s.Apply(&w.log.Events[i])
	}
	n := s.Covered()
	small, ok := n.Uint64()
	return s, ok && small > 1 && small <= 3000
}

// The promise of docs/judging.md: what is judged once for many finds every
// class of content that brute force finds, and counts the same images.
func TestReducedEqualsBruteForce(t *testing.T) {
	want := 1500
	if testing.Short() {
		want = 200
	}
	var images, leaves uint64
	verdicts := make(map[verifier.Verdict]int)
	done, caught := 0, 0
	for seed := uint64(0); done < want; seed++ {
		w := newWorld(seed)
		w.program()
		s, ok := w.replay()
		if !ok {
			continue
		}
		done++
		covered := s.Covered()
		brute, all := w.judge(t, nil, func(c *classes) { s.Brute(c) })
		reduced, some := w.judge(t, nil, func(c *classes) { s.Images(c, c.Partition()) })
		require.Equal(t, covered.String(), brute.Covered.String(), "seed %d", seed)
		require.Equal(t, covered.String(), reduced.Covered.String(), "seed %d", seed)
		require.Equal(t, brute.Verdicts, reduced.Verdicts, "seed %d", seed)
		require.Equal(t, brute.Behind, reduced.Behind, "seed %d", seed)
		require.Equal(t, all, some, "seed %d", seed)
		n, _ := covered.Uint64()
		images += n
		leaves += reduced.Judged
		for v := range brute.Verdicts {
			if !brute.Verdicts[v].IsZero() {
				verdicts[verifier.Verdict(v)]++
			}
		}
		// A reduction that loses the leaves that stand for several images is noticed.
		lossy, _ := w.judge(t, func(n *count.Count) bool { x, _ := n.Uint64(); return x > 1 },
			func(c *classes) { s.Images(c, c.Partition()) })
		if lossy.Verdicts != brute.Verdicts {
			caught++
		}
	}
	t.Logf("%d logs, %d images, %d leaves; verdicts %v; a lossy reduction shows in %d", done, images, leaves, verdicts, caught)
	for _, v := range []verifier.Verdict{verifier.Corrupt, verifier.Exposed, verifier.Torn, verifier.Cut, verifier.AppTorn, verifier.Held} {
		require.NotZero(t, verdicts[v], "no log earned %v", v)
	}
	require.NotZero(t, caught)
}
