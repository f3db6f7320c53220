package verifier

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/workloads"
)

// apart returns an oracle in which every atomic write of several units is as
// many writes, called and returned at the same moments: that is what such a
// write promises. Of one that was short the units after its end failed.
func (o *oracle) apart() *oracle {
	w := *o.w
	w.Ops = nil
	p := &oracle{w: &w, h: o.h, call: []int{0}, ret: []int{0}, size: o.size}
	p.result = make([]workloads.Result, 1)
	at := map[int]map[int64]int{} // by operation, then by offset of a unit: its number
	for x := 1; x <= o.n(); x++ {
		op := *o.op(x)
		at[x] = map[int64]int{}
		for _, unit := range split(op) {
			res := o.result[x]
			switch end := unit.Offset + unit.Length - op.Offset; {
			case op.Unit == 0 || o.ret[x] == 0 || res < 0:
			case int64(res) >= end:
				res = workloads.Result(unit.Length)
			case int64(res) <= end-unit.Length:
				res = workloads.Fail(workloads.EINTR)
			default:
				res = workloads.Result(int64(res) - (end - unit.Length))
			}
			w.Ops = append(w.Ops, unit)
			at[x][unit.Offset] = len(w.Ops)
			p.call, p.ret, p.result = append(p.call, o.call[x]), append(p.ret, o.ret[x]), append(p.result, res)
		}
	}
	for s := range o.holds {
		p.holds[s] = o.holds[s]
		x := o.holds[s].what
		if x <= 0 {
			continue
		}
		offset := o.op(x).Offset
		if unit := o.op(x).Unit; unit != 0 {
			offset += (byteOf(o.holds[s].home) - offset) / unit * unit
		}
		p.holds[s].what = at[x][offset]
	}
	return p
}

// split returns the writes that one of several units stands for.
func split(op workloads.Op) (units []workloads.Op) {
	if op.Unit == 0 {
		return []workloads.Op{op}
	}
	for at := op.Offset; at < op.Offset+op.Length; at += op.Unit {
		unit := op
		unit.Offset, unit.Length, unit.Unit = at, op.Unit, 0
		units = append(units, unit)
	}
	return units
}

// chancePieces makes a workload with writes of several units, what its caller
// saw, and an image of it.
func chancePieces(t *testing.T, r *rand.Rand) (*disk, *oracle) {
	w := &workloads.Workload{File: int64(r.IntN(oracleSectors/4+1)) * 4 * 512, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous}
	var lines []string
	for _, line := range chanceOps(t, r, w, 2+r.IntN(5), false, false) {
		op, err := workloads.ParseOp(line)
		require.NoError(t, err)
		if op.Kind == workloads.Msync || op.Dsync {
			continue // what they make durable of a call is all of it or nothing
		}
		if op.Atomic && !op.Direct && !op.Unflagged && op.Length > 512 && r.IntN(4) > 0 {
			op.Unit = op.Length / 2
			if op.Length >= 4*512 && r.IntN(2) == 0 {
				op.Unit = op.Length / 4
			}
		}
		lines = append(lines, op.String())
	}
	if len(lines) == 0 {
		return chancePieces(t, r)
	}
	d := mkfs(t, w.File, w.Layout, lines...)
	n := len(lines)
	o := &oracle{w: d.w, h: d.h, call: make([]int, n+1), ret: make([]int, n+1), result: make([]workloads.Result, n+1)}
	o.see(r)
	o.remember(r)
	o.spoil(r)
	o.store(d, r)
	return d, o
}

// The judge reads an atomic write of several units as that many writes.
func TestUnitsOfOneWrite(t *testing.T) {
	n := 30000
	if testing.Short() {
		n = 5000
	}
	r := rand.New(rand.NewPCG(11, 12))
	seen, differs := make(map[Verdict]int), 0
	for i := range n {
		d, o := chancePieces(t, r)
		p := o.apart()
		want := p.verdict()
		whole := o.verdict()
		if whole != want {
			differs++
		}
		for _, c := range []Contract{Untorn, OldOrNew} {
			if c == OldOrNew && want > Stale && p.stale() {
				want = Stale
			}
			seen[want]++
			v := d.verifier(c)
			got := d.drive(v).Worst
			image, why := v.JudgeImage()
			require.Equal(t, []Verdict{want, want}, []Verdict{got, image}, "case %d, %v: %s\n%s\nsize %d: %v", i, c, why, d.history(c), o.size, o.holds)
			require.NotContains(t, why, "in group", "case %d", i)
		}
	}
	for _, v := range []Verdict{Corrupt, Torn, Cut, Short, Lost, Stale, AppTorn, Held} {
		require.Greater(t, seen[v], n/400, "too few cases earned %v", v)
	}
	t.Logf("in %d of %d cases one unit as long as the call earns another verdict", differs, n)
	require.Greater(t, differs, n/100)
}
