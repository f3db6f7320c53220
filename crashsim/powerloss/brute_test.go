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
	"untorn/internal/key"
	"untorn/internal/ondisk"
	"untorn/verifier"
	"untorn/workloads"
)

// world is a small disk with a file of 8 or 16 sectors and one log that a
// random program wrote. In one of three there are a second file of half the
// size and operations that move content.
type world struct {
	rnd     *rand.Rand
	super   ondisk.Super
	in      *blk.Interner
	w       *workloads.Workload
	h       *workloads.History
	rules   powerloss.Rules
	initial []blk.Handle
	log     blk.Log
	state   *powerloss.State // after the log
	cow     int32            // disk block of the copy, where the log remaps to
	moves   bool
	shares  bool // a record of the log shares blocks
	lsn     uint64
	logEnd  blk.Sector
	records []blk.Event // checkpoints that were written
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
		BoundaryOffset: int64(lba * pick(0, 1)), PartitionOffset: int64(lba * pick(0, 3)),
		Protected: r.IntN(8) == 0, FlushLies: r.IntN(8) == 0}
	size := 8 * block / 2
	layouts := []workloads.Layout{workloads.Contiguous, workloads.Contiguous, workloads.Hole, workloads.Unwritten}
	w.w = &workloads.Workload{File: int64(size) * 512, Layout: layouts[r.IntN(len(layouts))], FreeSpace: workloads.Contiguous}
	if w.moves = seed%3 == 0; w.moves {
		w.w.Second = w.w.File / 2
		w.super.Second = workloads.SecondFile / 512 / block
	}
	for range 1 + r.IntN(3) {
		w.addOp(w.anyOp(size))
	}
	if w.moves {
		for range 1 + r.IntN(2) {
			w.addOp(w.moveOp(size / block))
		}
	}
	if len(w.w.Ops) == 0 {
		w.addOp(workloads.Op{Task: "db", Kind: workloads.Pwrite, Length: 512})
	}
	if r.IntN(3) > 0 {
		w.w.Ops = append(w.w.Ops, workloads.Op{Task: "sync", Kind: workloads.Fsync})
		if w.w.Files() == 2 && r.IntN(3) == 0 {
			w.w.Ops[len(w.w.Ops)-1].File = 1
		}
	}
	if w.w.Files() == 1 {
		w.w.Second, w.super.Second = 0, 0
	}
	w.format(size)
	w.see()
	w.state = powerloss.New(w.rules, w.initial)
	return w
}

// anyOp makes an operation that moves nothing.
func (w *world) anyOp(size int32) workloads.Op {
	r := w.rnd
	from := r.Int32N(size - 1)
	n := 1 + r.Int32N(size-from)
	op := workloads.Op{Task: "db", Kind: workloads.Pwrite, Offset: int64(from) * 512, Length: int64(n) * 512}
	if r.IntN(3) == 0 {
		others := []workloads.Kind{workloads.Store, workloads.Punch, workloads.ZeroRange, workloads.Fallocate, workloads.Truncate}
		op.Kind = others[r.IntN(len(others))]
	}
	if op.Kind == workloads.Truncate {
		op.Length = 0
	}
	op.Atomic = op.Kind == workloads.Pwrite && r.IntN(4) > 0
	if op.Atomic && n%2 == 0 && from%(n/2) == 0 && r.IntN(2) == 0 {
		op.Unit = op.Length / 2
	}
	if w.moves && r.IntN(3) == 0 {
		op.File = 1
	}
	return op
}

// moveOp makes an operation that moves blocks.
func (w *world) moveOp(blocks int32) workloads.Op {
	r, bs := w.rnd, int64(w.super.Block)*512
	from := r.Int32N(blocks)
	n := 1 + r.Int32N(min(2, blocks-from))
	op := workloads.Op{Task: "db", Kind: workloads.Clone, Offset: int64(from) * bs, Length: int64(n) * bs, From: int64(r.Int32N(blocks)) * bs}
	switch r.IntN(5) {
	case 0:
		op.Kind, op.From = workloads.Collapse, 0
	case 1:
		op.Kind, op.From = workloads.Insert, 0
	case 2:
		op.File = 1
	case 3:
		op.FromFile = 1
	}
	return op
}

// addOp adds an operation unless the workload cannot have it.
func (w *world) addOp(op workloads.Op) {
	w.w.Ops = append(w.w.Ops, op)
	if w.w.Check() != nil {
		w.w.Ops = w.w.Ops[:len(w.w.Ops)-1]
	}
}

// see makes up what the caller saw: operations overlap in time, and some fail
// or are short.
func (w *world) see() {
	r := w.rnd
	w.h = workloads.NewHistory(w.w)
	var flying []int
	for i := range w.w.Ops {
		w.h.Call(i + 1)
		flying = append(flying, i+1)
		for len(flying) > 0 && r.IntN(3) > 0 {
			k := r.IntN(len(flying))
			n := flying[k]
			flying = slices.Delete(flying, k, k+1)
			op := &w.w.Ops[n-1]
			result := workloads.Result(op.Length)
			switch r.IntN(12) {
			case 0:
				result = workloads.Fail(workloads.EIO)
			case 1:
				if !op.Atomic {
					result /= 2
				}
			}
			w.h.Return(n, result)
		}
	}
}

func (w *world) append(e blk.Event) {
	w.state.Apply(w.log.Append(e))
}

// written returns the number of a random operation that changes the file.
func (w *world) written() int {
	n := len(w.w.Ops)
	if w.w.Ops[n-1].Syncs() {
		n--
	}
	return 1 + w.rnd.IntN(n)
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
	ino := ondisk.Inode{Size: [ondisk.Files]int64{w.w.File, w.w.Second}, LSN: 1}
	if w.w.Layout != workloads.Hole {
		ino.Extents = []ondisk.Extent{{Off: 0, Block: 0, Len: blocks, Unwritten: w.w.Layout == workloads.Unwritten}}
		if w.w.Second > 0 {
			ino.Extents = append(ino.Extents, ondisk.Extent{Off: w.super.Second, Block: 2 * blocks, Len: blocks / 2, Unwritten: w.w.Layout == workloads.Unwritten})
		}
	}
	b, err := ino.Encode(w.super.Inode[0].Len)
	if err != nil {
		panic(err)
	}
	w.meta(w.super.Inode[0].Start, b)
	for i := range size {
		w.initial[w.super.Sector(0)+i] = w.zero(i)
	}
	if w.moves && w.rnd.IntN(2) == 0 {
		w.moveFirst()
	}
	for s := w.super.Sector(2 * blocks); s < w.super.Sector(2*blocks)+int32(w.w.Second/512); s++ {
		w.initial[s] = w.zero(w.fileSector(s))
	}
}

// moveFirst formats the disk with what moves of the workload leave.
func (w *world) moveFirst() {
	var items []ondisk.Item
	for i := range w.w.Ops {
		if op := &w.w.Ops[i]; op.Moves() {
			items = append(items, w.moved(op)...)
		}
	}
	w.lsn++
	n := ondisk.CheckpointSectors(len(items), w.super.LBA)
	for i := range n {
		var b [512]byte
		ondisk.EncodeLogSector(&b, w.lsn, i, n, items)
		w.meta(w.logEnd+i, [][512]byte{b})
	}
	w.logEnd += n
}

// fileSector returns the file sector that a sector of the disk is one of: the
// first file, its copy and the second file lie one after the other.
func (w *world) fileSector(s blk.Sector) int32 {
	switch at := s - w.super.Sector(0); {
	case s >= w.super.Sector(2*w.cow):
		return workloads.SecondFile/512 + s - w.super.Sector(2*w.cow)
	case s >= w.super.Sector(w.cow):
		return s - w.super.Sector(w.cow)
	default:
		return at
	}
}

// zero is version 0 of a file sector.
func (w *world) zero(at int32) blk.Handle {
	if w.w.Layout == workloads.Contiguous {
		return blk.Data(0, int(at)%blk.MaxPlace)
	}
	return blk.Zero
}

// data is what op leaves in the sectors of r, which it found shift sectors
// further on in the file than they began; where op does not reach, version 0
// stays.
func (w *world) data(op int, r blk.Range, shift int32) []blk.Handle {
	o := &w.w.Ops[op-1]
	var out []blk.Handle
	for s := r.Start; s < r.End(); s++ {
		at := w.fileSector(s)
		h, b := w.zero(at), int64(at+shift)*512
		switch from, to := o.Span(); {
		case b < from || b >= to:
		case o.Writes():
			h = blk.Data(op, int((b-o.Start())/512))
		case o.Zeroes():
			h = blk.Zero
		}
		out = append(out, h)
	}
	return out
}

// shift is by how much a block may have been moved when it was written.
func (w *world) shift() int32 {
	if w.rnd.IntN(2) == 0 {
		return 0
	}
	op := &w.w.Ops[w.rnd.IntN(len(w.w.Ops))]
	if op.Kind == workloads.Clone {
		from, _ := op.Carries(op.Start())
		return int32((op.Start() - from) / 512)
	}
	return int32(op.Shifts() / 512)
}

// moved returns items of a record that a move leaves, some or all of them.
func (w *world) moved(op *workloads.Op) (items []ondisk.Item) {
	r, bs := w.rnd, int64(w.super.Block)*512
	base := func(file int) int32 { return int32(file) * w.super.Second }
	disk := func(file int) int32 { return int32(file) * 2 * w.cow }
	off, n := int32(op.Offset/bs), int32(op.Length/bs)
	end := int32(w.w.Size(op.File) / bs)
	put := func(to, block, n int32) {
		item := ondisk.Item{Kind: ondisk.Map, Ext: ondisk.Extent{Off: base(op.File) + to, Block: block, Len: n}}
		if w.w.Layout == workloads.Hole {
			item.Kind = ondisk.Unmap
		}
		item.Ext.Unwritten = item.Kind == ondisk.Map && w.w.Layout == workloads.Unwritten && r.IntN(2) == 0
		if n > 0 && r.IntN(4) > 0 {
			items = append(items, item)
		}
	}
	hole := func(from, n int32) {
		if n > 0 && r.IntN(4) > 0 {
			items = append(items, ondisk.Item{Kind: ondisk.Unmap, Ext: ondisk.Extent{Off: base(op.File) + from, Len: n}})
		}
	}
	switch op.Kind {
	case workloads.Clone:
		put(off, disk(op.FromFile)+int32(op.From/bs), n)
		w.shares = true
	case workloads.Collapse:
		hole(end-n, n)
		put(off, disk(op.File)+off+n, end-off-n)
	case workloads.Insert:
		put(off+n, disk(op.File)+off, end-off)
		hole(off, n)
	}
	if size := w.w.Size(op.File) + op.Shifts(); op.Shifts() != 0 && r.IntN(3) > 0 {
		items = append(items, ondisk.Item{Kind: ondisk.Size, ID: uint32(op.File), Bytes: size})
	}
	return items
}

// write submits a write of data, in place or to the copy, or of a checkpoint
// that remaps some of the file to the copy or cuts it short.
func (w *world) write(cmd int32) {
	r, lba := w.rnd, w.super.LBA
	e := blk.Event{Kind: blk.SubmitWrite, Cmd: cmd, FUA: r.IntN(4) == 0}
	n := (1 + r.Int32N(4) + lba - 1) / lba * lba
	if len(w.records) > 0 && r.IntN(4) == 0 {
		// The same record again, where parts of it may be already.
		again := &w.records[r.IntN(len(w.records))]
		e.Range, e.Payload = again.Range, again.Payload
	} else if r.IntN(3) == 0 && w.logEnd+n <= w.super.Log.End() {
		items := []ondisk.Item{{Kind: ondisk.Size, Bytes: w.w.File - 512*int64(r.IntN(3))}}
		if r.IntN(2) == 0 {
			off := r.Int32N(w.cow)
			x := ondisk.Extent{Off: off, Block: off, Len: 1 + r.Int32N(w.cow-off)}
			if w.w.Layout == workloads.Contiguous || r.IntN(2) == 0 {
				x.Block += w.cow
			}
			items = append(items, ondisk.Item{Kind: ondisk.Map, Ext: x})
		}
		if w.moves {
			if op := &w.w.Ops[r.IntN(len(w.w.Ops))]; op.Moves() {
				items = w.moved(op)
			}
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
		w.records = append(w.records, e)
	} else {
		size := int32(w.w.File/512) / lba
		from := r.Int32N(size)
		e.Range = blk.Range{Start: w.super.Sector(0) + from*lba, Len: (1 + r.Int32N(min(8, size-from))) * lba}
		if half := size / 2; w.w.Second > 0 && r.IntN(3) == 0 {
			e.Range = blk.Range{Start: w.super.Sector(2*w.cow) + from/2*lba, Len: (1 + r.Int32N(half-from/2)) * lba}
		} else if r.IntN(3) == 0 {
			e.Range.Start += w.cow * w.super.Block
		}
		e.Payload = w.data(w.written(), e.Range, w.shift())
	}
	w.append(e)
}

// program writes a log of up to four writes in any interleaving with their
// completions, flushes, failures, alterations and reads.
func (w *world) program() {
	r := w.rnd
	var flying []int32
	cmds := int32(0)
	for range 3 + r.IntN(9) {
		switch k := r.IntN(9); {
		case k == 8:
			// A read of memory that was altered decides what is there.
			at := w.super.Sector(0) + r.Int32N(int32(w.w.File/512))
			pin := blk.Event{Kind: blk.Pin, Range: blk.Range{Start: at, Len: 1}, Payload: []blk.Handle{w.state.Contents(at)}}
			w.append(pin)
		case k < 3 && cmds < 5:
			w.write(cmds)
			flying = append(flying, cmds)
			cmds++
		case k == 3 && cmds < 5:
			w.append(blk.Event{Kind: blk.SubmitFlush, Cmd: cmds})
			flying = append(flying, cmds)
			cmds++
		case k == 4 && r.IntN(2) == 0:
			for i := range w.log.Events {
				e := w.log.Events[i]
				if e.Kind == blk.SubmitWrite && slices.Contains(flying, e.Cmd) && e.Range.Start >= w.super.Data.Start {
					a := e.Range
					a.Len = 1 + r.Int32N(min(2, a.Len))
					w.append(blk.Event{Kind: blk.Alter, Cmd: e.Cmd, Range: a, Payload: w.data(w.written(), a, w.shift())})
					break
				}
			}
		case k > 4 && len(flying) > 0:
			i := r.IntN(len(flying))
			e := blk.Event{Kind: blk.Complete, Cmd: flying[i]}
			if r.IntN(6) == 0 {
				e.Result = -5
			}
			w.append(e)
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
	whole map[key.Key]bool // what could be seen of the images at the leaves
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
	c.note()
	var b strings.Builder
	fmt.Fprint(&b, group)
	for _, cell := range c.cells {
		if cell.Group != group {
			continue
		}
		var set []string
		for i, h := range c.Image()[cell.Start:cell.End()] {
			name := h.String()
			if h.IsData() {
				name = fmt.Sprint(h.Write(), "@", h.Place()-i) // which write, and how far from its place
			}
			set = append(set, name)
		}
		slices.Sort(set)
		fmt.Fprint(&b, " ", cell.Range, slices.Compact(set))
	}
	c.seen[b.String()] = true
	c.Verifier.Leaf(group, weight)
}

// note notes the image, without what neither recovery nor a reader sees.
func (c *classes) note() {
	var image key.Hasher
	for _, h := range c.Image()[:c.Partition().Meta[0].End()] {
		image.Word(uint64(h))
	}
	for _, cell := range c.cells {
		for _, h := range c.Image()[cell.Start:cell.End()] {
			image.Word(uint64(h))
		}
	}
	c.whole[image.Sum()] = true
}

func (w *world) judge(t *testing.T, drop func(*count.Count) bool, images func(*classes)) (verifier.Result, *classes) {
	v, err := verifier.New(verifier.Config{Workload: w.w, Contract: verifier.Untorn, Super: w.super, Interner: w.in})
	require.NoError(t, err)
	v.Begin(w.h)
	c := &classes{Verifier: v, seen: make(map[string]bool), whole: make(map[key.Key]bool), drop: drop}
	images(c)
	return v.Result(), c
}

// small reports whether brute force ends soon.
func (w *world) small() bool {
	n := w.state.Covered()
	small, ok := n.Uint64()
	return ok && small > 1 && small <= 2000
}

// The promise of docs/judging.md: what is judged once for many finds every
// class of content that brute force finds, and counts the same images.
func TestReducedEqualsBruteForce(t *testing.T) {
	want := 4000
	if testing.Short() {
		want = 900
	}
	var images, leaves uint64
	verdicts, moved := make(map[verifier.Verdict]int), make(map[verifier.Verdict]int)
	shared := 0
	done, caught := 0, 0
	for seed := uint64(0); done < want; seed++ {
		w := newWorld(seed)
		w.program()
		if !w.small() {
			continue
		}
		s := w.state
		done++
		covered := s.Covered()
		brute, all := w.judge(t, nil, func(c *classes) { s.Brute(c, w.log.Events) })
		reduced, some := w.judge(t, nil, func(c *classes) { s.Images(c, c.Partition()) })
		require.Equal(t, covered.String(), brute.Covered.String(), "seed %d", seed)
		require.Equal(t, covered.String(), reduced.Covered.String(), "seed %d", seed)
		require.Equal(t, brute.Verdicts, reduced.Verdicts, "seed %d", seed)
		require.Equal(t, brute.Behind, reduced.Behind, "seed %d", seed)
		require.Equal(t, all.seen, some.seen, "seed %d", seed)
		for image := range some.whole {
			require.True(t, all.whole[image], "seed %d: what is to be seen at a leaf is no image", seed)
		}
		n, _ := covered.Uint64()
		images += n
		leaves += reduced.Judged
		for v := range brute.Verdicts {
			if !brute.Verdicts[v].IsZero() {
				verdicts[verifier.Verdict(v)]++
				if w.moves {
					moved[verifier.Verdict(v)]++
				}
			}
		}
		if w.shares && !brute.Verdicts[verifier.Held].IsZero() {
			shared++
		}
		// A reduction that loses the leaves that stand for several images is noticed.
		lossy, _ := w.judge(t, func(n *count.Count) bool { x, _ := n.Uint64(); return x > 1 },
			func(c *classes) { s.Images(c, c.Partition()) })
		if lossy.Verdicts != brute.Verdicts {
			caught++
		}
	}
	t.Logf("%d logs, %d images, %d leaves; verdicts %v, with moves %v, blocks shared in %d; a lossy reduction shows in %d",
		done, images, leaves, verdicts, moved, shared, caught)
	for _, v := range []verifier.Verdict{verifier.Corrupt, verifier.Exposed, verifier.Torn, verifier.Cut, verifier.Lost, verifier.AppTorn, verifier.Held} {
		require.NotZero(t, verdicts[v], "no log earned %v", v)
		require.NotZero(t, moved[v], "no log with moves earned %v", v)
	}
	require.NotZero(t, shared)
	require.NotZero(t, caught)
}
