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

// chanceOp makes a random operation.
func chanceOp(r *rand.Rand) string {
	task := 'a' + r.IntN(3)
	from := r.IntN(oracleSectors)
	length := 1 + r.IntN(min(oracleSectors-from, 12))
	ranged := func(kind string) string {
		return fmt.Sprintf("%c: %s offset=%d length=%d", task, kind, from*512, length*512)
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

// chance makes a workload, what its caller saw, and an image of it.
func chance(t *testing.T, r *rand.Rand) (*disk, *oracle) {
	n := 1 + r.IntN(6)
	var lines []string
	for range n {
		op := chanceOp(r)
		if len(lines) > 0 && r.IntN(3) == 0 {
			op = lines[r.IntN(len(lines))] // the same range again
		}
		lines = append(lines, op)
	}
	layouts := []workloads.Layout{workloads.Contiguous, workloads.Contiguous, workloads.Hole, workloads.Unwritten}
	d := mkfs(t, int64(r.IntN(oracleSectors/4+1))*4*512, layouts[r.IntN(len(layouts))], lines...)
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
	o.size = int(o.w.File / 512)
	for s := range o.holds {
		if o.holds[s] = 0; o.initialZero(s) {
			o.holds[s] = zeroed
		}
	}
	for _, i := range order {
		x := i + 1
		if o.call[x] == 0 || o.refused(x) && r.IntN(20) > 0 || r.IntN(5) == 0 {
			continue
		}
		op, old := o.op(x), o.size
		switch o.kind(x) {
		case "truncate":
			o.size = int(op.Offset / 512)
		case "pwrite", "zero", "fallocate":
			if !part || r.IntN(2) == 0 {
				o.size = max(o.size, int(op.End()/512))
			}
		}
		for s := range o.holds {
			switch {
			case !o.covers(x, s) || part && r.IntN(3) == 0:
			case o.stamps(x):
				o.holds[s] = x
			case s < old || s < o.size:
				o.holds[s] = zeroed
			}
		}
	}
}

// spoil damages an image now and then.
func (o *oracle) spoil(r *rand.Rand) {
	at := r.IntN(oracleSectors)
	switch r.IntN(32) {
	case 0:
		o.holds[at] = garbage
	case 1:
		o.holds[at] = freed
	case 2:
		o.holds[at] = zeroed
	case 3, 4:
		o.size = at
	case 5:
		o.size = int(o.w.File / 512)
	}
}

// store puts the image on the disk, block by block: a block of zeros may be a
// hole, or unwritten.
func (o *oracle) store(d *disk, r *rand.Rand) {
	items := []ondisk.Item{sized(int64(o.size) * 512)}
	for b := range int32(oracleSectors / 8) {
		blank := true
		for s := 8 * b; s < 8*b+8; s++ {
			x := o.holds[s]
			blank = blank && (x == zeroed || int(s) >= o.size)
			h := blk.Data(blk.FreeSpace, int(s))
			switch {
			case x == zeroed:
				h = blk.Zero
			case x == garbage:
				h = blk.Garbage
			case x == 0:
				h = blk.Data(0, int(s))
			case x > 0 && o.covers(x, int(s)):
				h = blk.Data(x, int(s)-int(o.op(x).Offset/512))
			}
			d.image[d.super.Sector(0)+s] = h
		}
		at := mapped(b, b, 1)
		if blank {
			switch r.IntN(3) {
			case 0:
				at.Kind = ondisk.Unmap
			case 1:
				at.Ext.Unwritten = true
			}
		}
		items = append(items, at)
	}
	d.checkpoint(items...)
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

// Zeros may be one of several versions. Whichever they are, an image that
// counts against a design does so.
func TestZerosAccuseNobody(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	several := 0
	for i := range 20000 {
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
	}
	require.Greater(t, several, 1000)
}

// The judge of reads and the plain one agree on random reads.
func TestJudgeReadKeepsToOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	seen := make(map[Verdict]int)
	for i := range 40000 {
		d, o := chance(t, r)
		for x := 1; x <= o.n(); x++ {
			if o.kind(x) != "pread" || o.call[x] == 0 {
				continue
			}
			from, to := int(o.op(x).Offset/512), min(int(o.op(x).End()/512), o.size)
			if from >= to {
				continue
			}
			at := d.super.Sector(0)
			for _, lost := range []bool{false, true} {
				want := o.misread(x, lost)
				seen[want]++
				got := d.verifier(Untorn).JudgeRead(d.h, x, int32(from), d.image[int(at)+from:int(at)+to], lost)
				require.Equal(t, want, got, "case %d\n%s\nsize %d: %v", i, d.history(Untorn), o.size, o.holds)
			}
		}
	}
	for _, v := range []Verdict{Corrupt, Exposed, Lost, Held} {
		require.Greater(t, seen[v], 20, "too few reads earned %v", v)
	}
}
