package verifier

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// chanceOp makes a random operation. moves: it may move content.
func chanceOp(r *rand.Rand, moves bool) string {
	task := 'a' + r.IntN(3)
	from := r.IntN(oracleSectors)
	length := 1 + r.IntN(min(oracleSectors-from, 12))
	ranged := func(kind string) string {
		return fmt.Sprintf("%c: %s offset=%d length=%d", task, kind, from*512, length*512)
	}
	if moves && r.IntN(3) == 0 {
		if r.IntN(2) == 0 {
			from, length = from/8*8, 8 // a block, which may be shared
		}
		switch r.IntN(4) {
		case 0:
			return ranged("collapse")
		case 1:
			length = min(length, 8)
			return ranged("insert")
		}
		source := r.IntN(oracleSectors)
		if from%8 == 0 && length == 8 {
			source = source / 8 * 8
		}
		op := ranged("clone") + fmt.Sprintf(" from=%d", source*512)
		if r.IntN(3) == 0 {
			op += " from_file=1"
		}
		return op
	}
	switch k := r.IntN(20); k {
	case 0, 1:
		return fmt.Sprintf("%c: fsync", task)
	case 2:
		return fmt.Sprintf("%c: fdatasync", task)
	case 3, 4:
		return fmt.Sprintf("%c: truncate offset=%d", task, r.IntN(oracleSectors+1)*512)
	case 5, 6, 7:
		return ranged([]string{"punch", "zero", "fallocate"}[k-5])
	case 8, 9:
		return ranged("store")
	case 10:
		return ranged([]string{"pread", "sync_file_range"}[r.IntN(2)])
	case 11, 12:
		if r.IntN(2) == 0 {
			from, length = 0, oracleSectors
		}
		return ranged("msync")
	}
	length = 1 << r.IntN(4)
	op := fmt.Sprintf("%c: pwrite offset=%d length=%d", task, r.IntN(oracleSectors/length)*length*512, length*512)
	if r.IntN(4) > 0 {
		op += " atomic"
		if r.IntN(8) == 0 {
			op += " unflagged"
		}
	}
	for _, flag := range []string{" direct", " dsync"} {
		if r.IntN(5) == 0 {
			op += flag
		}
	}
	return op
}

// chanceOps makes up to n operations that one workload may have together.
func chanceOps(t *testing.T, r *rand.Rand, w *workloads.Workload, n int, moves, two bool) (lines []string) {
	for range n {
		line := chanceOp(r, moves)
		if len(lines) > 0 && r.IntN(3) == 0 {
			line = lines[r.IntN(len(lines))] // the same range again
		} else if two && r.IntN(3) == 0 {
			line += " file=1"
		}
		op, err := workloads.ParseOp(line)
		if err != nil && (moves || two) {
			continue // a clone onto itself
		}
		require.NoError(t, err)
		w.Ops = append(w.Ops, op)
		if w.Check() != nil || w.Files() == 2 && !two || op.Kind == workloads.Insert && w.Size(op.File)+op.Length > oracleSectors*512 {
			w.Ops = w.Ops[:len(w.Ops)-1]
			continue
		}
		lines = append(lines, line)
	}
	return lines
}

// chance makes a workload, what its caller saw, and an image of it.
func chance(t *testing.T, r *rand.Rand) (*disk, *oracle) {
	layouts := []workloads.Layout{workloads.Contiguous, workloads.Contiguous, workloads.Hole, workloads.Unwritten}
	size := func() int64 { return int64(r.IntN(oracleSectors/4+1)) * 4 * 512 }
	w := &workloads.Workload{File: size(), Layout: layouts[r.IntN(len(layouts))], FreeSpace: workloads.Contiguous}
	moves, two := r.IntN(2) == 0, r.IntN(3) == 0
	if two {
		w.Second = size()
	}
	lines := chanceOps(t, r, w, 1+r.IntN(6), moves, two)
	d := mkfs2(t, w.File, w.Second, w.Layout, lines...)
	n := len(lines)
	o := &oracle{w: d.w, h: d.h, call: make([]int, n+1), ret: make([]int, n+1), result: make([]workloads.Result, n+1)}
	o.see(r)
	o.remember(r)
	o.spoil(r)
	o.store(d, r)
	return d, o
}

// see makes up what the caller saw.
func (o *oracle) see(r *rand.Rand) {
	busy := map[string]int{}
	next, n := 1, o.n()
	for now := 1; now < 6*n; now++ {
		if next <= n && r.IntN(2) == 0 && busy[o.op(next).Task] == 0 {
			o.call[next] = now
			o.h.Call(next)
			busy[o.op(next).Task] = next
			next++
			continue
		}
		x := busy[string(rune('a'+r.IntN(3)))]
		if x == 0 || r.IntN(3) == 0 {
			continue
		}
		res := success(o.op(x))
		switch r.IntN(14) {
		case 0:
			res = workloads.Fail(workloads.EIO)
		case 1:
			res = workloads.Fail(workloads.ENOSPC)
		case 2:
			res = workloads.Fail(workloads.EFAULT)
		case 3:
			if !o.op(x).Syncs() {
				res = workloads.Fail(workloads.EINVAL)
			}
		case 4:
			if !o.op(x).Atomic || r.IntN(4) == 0 {
				res /= 2
			}
		case 5:
			if !o.op(x).Atomic && r.IntN(4) == 0 {
				res = 0
			}
		}
		o.ret[x], o.result[x] = now, res
		o.h.Return(x, res)
		busy[o.op(x).Task] = 0
	}
}

// remember applies the operations that were called in some order, some of them
// in part or not at all.
func (o *oracle) remember(r *rand.Rand) {
	order := r.Perm(o.n())
	if r.IntN(3) > 0 {
		slices.Sort(order)
	}
	part := r.IntN(3) == 0
	for f := range o.size {
		o.size[f] = int(o.w.Size(f) / 512)
	}
	for s := range o.holds {
		if o.holds[s] = (sector{0, s}); o.initialZero(s) {
			o.holds[s] = sector{zeroed, s}
		}
	}
	var shifts []int
	for _, i := range order {
		x := i + 1
		if o.call[x] == 0 || o.refused(x) && r.IntN(20) > 0 || r.IntN(5) == 0 {
			continue
		}
		op := o.op(x)
		size := &o.size[op.File]
		old := *size
		switch o.kind(x) {
		case "truncate":
			*size = int(op.Offset / 512)
		case "pwrite", "zero", "fallocate", "clone":
			if !part || r.IntN(2) == 0 {
				*size = max(*size, int((op.Offset+op.Length)/512))
			}
		case "collapse", "insert":
			shifts = append(shifts, x)
			if !part || r.IntN(2) == 0 {
				*size = max(0, min(oracleSectors, old+int(op.Shifts()/512)))
			}
		}
		carried := o.carry(x)
		for s := range o.holds {
			switch {
			case !o.covers(x, s) || part && r.IntN(3) == 0:
			case o.stamps(x):
				o.holds[s] = sector{x, s}
			case o.moves(x) && part && r.IntN(3) == 0:
				o.holds[s] = sector{zeroed, s}
			case o.moves(x):
				o.holds[s] = carried[s]
			case sectorOf(s) < old || sectorOf(s) < *size:
				o.holds[s] = sector{zeroed, s}
			}
		}
	}
	// The log may not tell of a shift whose file was written since.
	for _, x := range shifts {
		if r.IntN(4) == 0 {
			o.undo(x)
		}
	}
}

// carry returns what is where after a move.
func (o *oracle) carry(x int) (after [oraclePlaces]sector) {
	for s := range after {
		after[s] = sector{zeroed, s}
	}
	for s := range o.holds {
		if to, ok := o.goes(x, s); ok && !o.absent(s) {
			after[to] = o.holds[s]
		}
	}
	return after
}

// undo puts every block back to where it was before a shift.
func (o *oracle) undo(x int) {
	was := o.holds
	for s := range o.holds {
		if to, ok := o.goes(x, s); ok {
			o.holds[s] = was[to]
		}
	}
	o.size[o.op(x).File] = int(o.w.Size(o.op(x).File) / 512)
}

// spoil damages an image now and then.
func (o *oracle) spoil(r *rand.Rand) {
	at := r.IntN(oracleSectors)
	file := 0
	if o.w.Files() == 2 {
		file = r.IntN(2)
	}
	s := file*oracleSectors + at
	switch r.IntN(32) {
	case 0:
		o.holds[s].what = garbage
	case 1:
		o.holds[s].what = freed
	case 2:
		o.holds[s].what = zeroed
	case 3, 4:
		o.size[file] = at
	case 5:
		o.size[file] = int(o.w.Size(file) / 512)
	case 6:
		o.holds[s] = o.holds[r.IntN(oraclePlaces)]
	}
}

// handle returns what lies on the disk where a place holds something.
func (o *oracle) handle(s int) blk.Handle {
	switch c := o.holds[s]; {
	case c.what == zeroed:
		return blk.Zero
	case c.what == garbage:
		return blk.Garbage
	case c.what == 0:
		return blk.Data(0, (int(baseOf(fileOf(c.home)))+sectorOf(c.home))%blk.MaxPlace)
	case c.what > 0 && o.covers(c.what, c.home):
		return blk.Data(c.what, sectorOf(c.home)-int(o.op(c.what).Offset/512))
	}
	return blk.Data(blk.FreeSpace, s)
}

// store puts the image on the disk, block by block: a block of zeros may be a
// hole, or unwritten, and one that was cloned may be shared.
func (o *oracle) store(d *disk, r *rand.Rand) {
	var items []ondisk.Item
	for f := range d.w.Files() {
		items = append(items, ondisk.Item{Kind: ondisk.Size, ID: uint32(f), Bytes: int64(o.size[f]) * 512})
		for b := range oracleSectors / 8 {
			blank := true
			first := f*oracleSectors + 8*b
			at := mapped(int32(f*secondBlock+b), int32(first/8), 1)
			for s := first; s < first+8; s++ {
				blank = blank && (o.holds[s].what == zeroed || o.absent(s))
				d.image[d.super.Sector(at.Ext.Block)+int32(s-first)] = o.handle(s)
			}
			switch k := r.IntN(3); {
			case blank && k == 0:
				at.Kind = ondisk.Unmap
			case blank && k == 1:
				at.Ext.Unwritten = true
			case k == 2:
				at.Ext.Block = o.shares(first)
			}
			items = append(items, at)
		}
	}
	d.checkpoint(items...)
}

// shares returns the disk block of a block: that of another one that was cloned
// to it and holds the same, or its own.
func (o *oracle) shares(first int) int32 {
	for x := 1; x <= o.n(); x++ {
		if o.kind(x) != "clone" || !o.live(x) {
			continue
		}
		for from := 0; from < first; from += 8 {
			to, ok := o.goes(x, from)
			end, also := o.goes(x, from+7)
			same := ok && also && to == first && end == first+7
			for i := range 8 {
				same = same && o.handle(from+i) == o.handle(first+i) && !o.absent(from+i) && !o.absent(first+i)
			}
			if same {
				return int32(from / 8)
			}
		}
	}
	return int32(first / 8)
}

// The judge and the contract agree on random histories and images.
func TestJudgeKeepsToTheContract(t *testing.T) {
	n := 60000
	if testing.Short() {
		n = 10000
	}
	r := rand.New(rand.NewPCG(3, 4))
	seen := make(map[Verdict]int)
	for i := range n {
		d, o := chance(t, r)
		want := o.verdict()
		for _, c := range []Contract{Untorn, OldOrNew} {
			if c == OldOrNew && want > Stale && o.stale() {
				want = Stale
			}
			seen[want]++
			v := d.verifier(c)
			got := d.drive(v).Worst
			whole, why := v.JudgeImage()
			if got != want || whole != want || strings.Contains(why, "in group") {
				require.Equal(t, want, got, "case %d, %v: %s\n%s\nsize %d: %v", i, c, why, strings.TrimSpace(d.history(c)), o.size, o.holds)
				require.Equal(t, want, whole, "case %d", i)
				require.NotContains(t, why, "in group", "case %d, %v\n%s\nsize %d: %v", i, c, strings.TrimSpace(d.history(c)), o.size, o.holds)
			}
		}
	}
	for _, v := range []Verdict{Corrupt, Exposed, Torn, Cut, Short, Lost, Stale, AppTorn, Held} {
		require.Greater(t, seen[v], n/400, "too few cases earned %v", v)
	}

}

// Zeros may be one of several versions, and what a write put somewhere a move
// may have carried there as well. Whichever it was, an image that
// counts against a design does so.
func TestZerosAccuseNobody(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	several, carried := 0, 0
	for i := range 40000 {
		_, o := chance(t, r)
		sectors := o.look()
		want := o.judgeUnits(sectors)
		if !want.Bad() {
			continue
		}
		read, many := o.read, false
		for range 4 {
			for s := range o.read {
				if len(read[s]) > 1 {
					many, o.read[s] = true, []int{read[s][r.IntN(len(read[s]))]}
				}
			}
			require.Equal(t, want, o.judgeUnits(sectors), "case %d: %v", i, o.read)
		}
		if many {
			several++
		}
		many = false
		for range 4 {
			for s := range o.read {
				if o.read[s] = read[s]; len(o.may[s]) > 0 {
					many = many || len(o.may[s]) > len(read[s])
					o.read[s] = []int{o.may[s][r.IntN(len(o.may[s]))]}
				}
			}
			require.True(t, o.judgeUnits(sectors).Bad(), "case %d: %v of %v\n%s", i, o.read, o.may, o.h)
		}
		if many && !sectors.Bad() {
			carried++
		}
	}
	t.Logf("several versions in %d cases, moves besides writes in %d", several, carried)
	require.Greater(t, several, 1000)
	require.Greater(t, carried, 5)
}

// The judge of reads and the plain one agree on random reads.
func TestJudgeReadKeepsToOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	seen := make(map[Verdict]int)
	for i := range 60000 {
		d, o := chance(t, r)
		for x := 1; x <= o.n(); x++ {
			if o.kind(x) != "pread" || o.call[x] == 0 {
				continue
			}
			file := o.op(x).File
			from, to := int(o.op(x).Offset/512), min(int((o.op(x).Offset+o.op(x).Length)/512), o.size[file])
			var saw []blk.Handle
			for s := from; s < to; s++ {
				saw = append(saw, o.handle(file*oracleSectors+s))
			}
			if len(saw) == 0 {
				continue
			}
			for _, lost := range []bool{false, true} {
				want := o.misread(x, lost)
				seen[want]++
				got := d.verifier(Untorn).JudgeRead(d.h, x, baseOf(file)+int32(from), saw, lost)
				require.Equal(t, want, got, "case %d\n%s\nsize %d: %v", i, d.history(Untorn), o.size, o.holds)
			}
		}
	}
	for _, v := range []Verdict{Corrupt, Exposed, Lost, Held} {
		require.Greater(t, seen[v], 20, "too few reads earned %v", v)
	}
}
