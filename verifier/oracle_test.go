package verifier

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/workloads"
)

const oracleSectors = 16

// oracle judges one image by the words of the contract alone: every relation
// is a matrix or a time, and nothing is a set in a word.
type oracle struct {
	w         *workloads.Workload
	h         *workloads.History
	call, ret []int // when, 0 for never
	result    []workloads.Result
	holds     [oracleSectors]int
}

func (o *oracle) op(x int) *workloads.Op { return &o.w.Ops[x-1] }

func (o *oracle) covers(x, sector int) bool {
	op := o.op(x)
	return op.Writes() && int64(sector*512) >= op.Offset && int64(sector*512) < op.End()
}

func (o *oracle) precedes(x, y int) bool {
	return y > 0 && o.call[y] > 0 && (x == 0 || o.ret[x] > 0 && o.ret[x] < o.call[y])
}

func (o *oracle) returned(x int, r workloads.Result) bool { return o.ret[x] > 0 && o.result[x] == r }
func (o *oracle) refused(x int) bool                      { return o.returned(x, workloads.Fail(workloads.EINVAL)) }

// durable reports whether x hardened what it wrote to a sector.
func (o *oracle) durable(x, sector int) bool {
	op := o.op(x)
	if !op.Writes() || o.ret[x] == 0 || o.result[x] < 0 || int64(sector+1)*512 > op.Offset+int64(o.result[x]) {
		return false
	}
	if op.Dsync && int64(o.result[x]) == op.Length {
		return true
	}
	for f := range o.w.Ops {
		f++
		if o.op(f).Writes() || o.ret[f] == 0 || o.result[f] < 0 || !o.precedes(x, f) {
			continue
		}
		reported := false
		for e := range o.w.Ops {
			e++
			bad := o.returned(e, workloads.Fail(workloads.EIO)) || o.returned(e, workloads.Fail(workloads.ENOSPC))
			reported = reported || bad && o.ret[e] > o.call[x] && o.ret[e] < o.ret[f]
		}
		if !reported {
			return true
		}
	}
	return false
}

// visible reports whether x is an atomic write of which a sector holds
// something.
func (o *oracle) visible(x int) bool {
	if x == 0 || !o.op(x).Atomic || o.call[x] == 0 || o.refused(x) {
		return false
	}
	for s := range o.holds {
		if o.holds[s] == x {
			return true
		}
	}
	return false
}

// excused reports whether the application made, or may have made, a mixture
// in the range of x.
func (o *oracle) excused(x int) bool {
	a := o.op(x)
	for y := range o.w.Ops {
		y++
		b := o.op(y)
		if y == x || !b.Writes() || o.call[y] == 0 || o.refused(y) || b.Offset >= a.End() || a.Offset >= b.End() {
			continue
		}
		if !b.Atomic && !o.precedes(y, x) || b.Direct && !o.precedes(y, x) && !o.precedes(x, y) {
			return true
		}
	}
	return false
}

// circles returns who must come before whom, with or without the mixtures of
// excused units.
func (o *oracle) circles(excused bool) [][]bool {
	n := len(o.w.Ops) + 1
	edge := make([][]bool, n)
	for x := range edge {
		edge[x] = make([]bool, n)
		for y := range edge[x] {
			edge[x][y] = x != y && o.precedes(x, y)
		}
		if o.visible(x) && (excused || !o.excused(x)) {
			for s, y := range o.holds {
				if o.covers(x, s) && y != x {
					edge[x][y] = true
				}
			}
		}
	}
	for k := range edge {
		for i := range edge {
			for j := range edge {
				edge[i][j] = edge[i][j] || edge[i][k] && edge[k][j]
			}
		}
	}
	return edge
}

func (o *oracle) verdict() Verdict {
	worst := Held
	for s, x := range o.holds {
		if x > 0 && (o.refused(x) || o.call[x] == 0) {
			worst = min(worst, Corrupt)
		}
		for y := range o.w.Ops {
			if y++; o.covers(y, s) && o.durable(y, s) && o.precedes(x, y) {
				worst = min(worst, Lost)
			}
		}
	}
	all, some := o.circles(true), o.circles(false)
	for x := range o.w.Ops {
		x++
		if r := o.result[x]; o.op(x).Atomic && o.ret[x] > 0 && r >= 0 && int64(r) < o.op(x).Length {
			worst = min(worst, Short)
		}
		if !o.visible(x) {
			continue
		}
		older := false
		for s, y := range o.holds {
			older = older || o.covers(x, s) && o.precedes(y, x)
		}
		switch {
		case !o.excused(x) && (older || some[x][x]):
			worst = min(worst, Torn)
		case older || all[x][x]:
			worst = min(worst, AppTorn)
		}
	}
	return worst
}

// stale reports whether some unit is older than the version before the
// newest, by pairs of later writes of its range.
func (o *oracle) stale() bool {
	for x := range o.w.Ops {
		x++
		if !o.op(x).Atomic || o.call[x] == 0 || o.refused(x) {
			continue
		}
		base, whole := 0, true
		if o.visible(x) {
			base = x
		} else {
			for s := range o.holds {
				whole = whole && (!o.covers(x, s) || o.holds[s] == 0)
			}
		}
		same := func(y int) bool {
			a, b := o.op(x), o.op(y)
			failed := o.ret[y] > 0 && o.result[y] < 0
			return b.Writes() && a.Offset == b.Offset && a.Length == b.Length && o.call[y] > 0 && !failed
		}
		for a := range o.w.Ops {
			for b := range o.w.Ops {
				if whole && same(a+1) && same(b+1) && o.precedes(base, a+1) && o.precedes(a+1, b+1) {
					return true
				}
			}
		}
	}
	return false
}

// chance makes a workload, what its caller saw, and an image of it.
func chance(t *testing.T, r *rand.Rand) (*disk, *oracle) {
	n := 1 + r.IntN(5)
	var ops []string
	for range n {
		op := fmt.Sprintf("%c: fsync", 'a'+r.IntN(3))
		if r.IntN(5) > 0 {
			length := 1 << r.IntN(4)
			op = fmt.Sprintf("%c: pwrite offset=%d length=%d", 'a'+r.IntN(3), r.IntN(oracleSectors/length)*length*512, length*512)
			for _, flag := range []struct {
				name string
				not  int
			}{{" atomic", 4}, {" direct", 5}, {" dsync", 6}} {
				if yes := r.IntN(flag.not) == 0; yes != (flag.name == " atomic") {
					op += flag.name
				}
			}
		}
		ops = append(ops, op)
	}
	d := mkfs(t, oracleSectors*512, workloads.Contiguous, ops...)
	o := &oracle{w: d.w, h: d.h, call: make([]int, n+1), ret: make([]int, n+1), result: make([]workloads.Result, n+1)}
	busy := map[string]int{}
	next := 1
	for now := 1; now < 6*n; now++ {
		if next <= n && r.IntN(2) == 0 && busy[o.op(next).Task] == 0 {
			o.call[next] = now
			d.h.Call(next)
			busy[o.op(next).Task] = next
			next++
			continue
		}
		x := busy[string(rune('a'+r.IntN(3)))]
		if x == 0 || r.IntN(3) == 0 {
			continue
		}
		res := workloads.Result(o.op(x).Length)
		switch r.IntN(12) {
		case 0:
			res = workloads.Fail(workloads.EIO)
		case 1:
			res = workloads.Fail(workloads.ENOSPC)
		case 2:
			res = workloads.Fail(workloads.EFAULT)
		case 3:
			if o.op(x).Writes() {
				res = workloads.Fail(workloads.EINVAL)
			}
		case 4:
			res /= 2
		}
		o.ret[x], o.result[x] = now, res
		d.h.Return(x, res)
		busy[o.op(x).Task] = 0
	}
	order := r.Perm(n)
	if r.IntN(2) == 0 {
		for i := range order {
			order[i] = i
		}
	}
	part := r.IntN(3) == 0
	for _, i := range order {
		x := i + 1
		if o.call[x] == 0 || !o.op(x).Writes() || o.refused(x) && r.IntN(20) > 0 || r.IntN(5) == 0 {
			continue
		}
		for s := range o.holds {
			if o.covers(x, s) && !(part && r.IntN(3) == 0) {
				o.holds[s] = x
			}
		}
	}
	for s, x := range o.holds {
		d.put(x, int64(s)*512, int64(s+1)*512, 0)
	}
	return d, o
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
			if c == OldOrNew && o.stale() {
				want = min(want, Stale)
			}
			seen[want]++
			if got := d.drive(d.verifier(c)).Worst; got != want {
				require.Equal(t, want, got, "case %d, %v\n%s\n%v", i, c, strings.TrimSpace(d.history(c)), o.holds)
			}
		}
	}
	for _, v := range []Verdict{Corrupt, Torn, Short, Lost, Stale, AppTorn, Held} {
		require.NotZero(t, seen[v], "no case earned %v", v)
	}
}
