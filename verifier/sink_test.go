package verifier

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/key"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// The images of a cut are the product of what its groups hold; the verdict of
// each is the worse one.
func TestProduct(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, atomic, "db: pwrite offset=32KiB length=16KiB atomic").see("c1 r1 c2 r2")
	v := d.verifier(Untorn)
	v.Begin(d.h)
	v.Set(0, d.image)
	_, groups := v.Recover()
	require.Equal(t, 4, groups, "two units, and two stretches that nothing covers")
	w := func(n uint64) *count.Count { c := count.Of(n); return &c }
	first, second := d.super.Sector(0), d.super.Sector(8)
	for g := range groups {
		v.Leaf(g, w(1))
		switch g {
		case 0: // 1 held, 6 torn
			v.Set(first, []blk.Handle{blk.Data(1, 0)})
			v.Leaf(g, w(6))
		case 2: // 3 held, 1 corrupt
			v.Leaf(g, w(2))
			v.Set(second, []blk.Handle{blk.Garbage})
			v.Leaf(g, w(1))
		}
		v.Choice(w(1))
		v.Component()
	}
	v.State(w(10))
	r := v.Result()
	require.Equal(t, "280", r.Covered.String())
	require.Equal(t, "30", r.Verdicts[Held].String())
	require.Equal(t, "180", r.Verdicts[Torn].String())
	require.Equal(t, "70", r.Verdicts[Corrupt].String())
	require.Equal(t, Corrupt, r.Worst)
	require.Equal(t, "240", r.Behind[0].String(), "op 1 is visible in 6 of 7, whatever the rest is")
	require.EqualValues(t, 7, r.Judged)
}

func TestNothingLookedAt(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, atomic)
	v := d.verifier(Untorn)
	v.Begin(d.h)
	require.Equal(t, NotChecked, v.Result().Worst)
	require.True(t, v.Result().Worst.Bad())
}

// A cut that was given up does not count in the next one.
func TestBeginForgetsHalfACut(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, atomic).see("c1 r1")
	v := d.verifier(Untorn)
	want := d.drive(v)
	v.Begin(d.h)
	v.Recover()
	v.Leaf(0, &one)
	require.Equal(t, want, d.drive(v))
}

func TestOnVerdictComesOnce(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, atomic).see("c1 r1")
	d.put(1, 0, 4*kib, 0)
	v := d.verifier(Untorn)
	var seen []Verdict
	v.OnVerdict = func(x Verdict) {
		seen = append(seen, x)
		if x == Torn {
			got, _ := v.JudgeImage()
			require.Equal(t, Torn, got)
			require.Equal(t, d.image, v.Image())
		}
	}
	d.drive(v)
	require.Equal(t, []Verdict{Torn, Held}, seen)
	d.drive(v)
	require.Len(t, seen, 4, "once for each cut")
}

func TestDistinct(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, atomic).see("c1 r1")
	set := NewDistinct(1 << 16)
	judge := func() uint64 {
		v, err := New(Config{Workload: d.w, Contract: Untorn, Super: d.super, Interner: d.in, Distinct: set})
		require.NoError(t, err)
		d.drive(v)
		n, exact := set.Count()
		require.True(t, exact)
		return n
	}
	require.EqualValues(t, 2, judge(), "the unit, and what no operation covers")
	require.EqualValues(t, 2, judge(), "the same again")
	d.put(1, 0, 4*kib, 0)
	require.EqualValues(t, 3, judge())
	d.checkpoint(mapped(0, 16, 4))
	require.EqualValues(t, 5, judge(), "other metadata, for both groups")
}

// Two groups without a block look alike and are two.
func TestDistinctTellsGroups(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Hole, atomic, "db: pwrite offset=16KiB length=16KiB atomic").see("c1 c2")
	set := NewDistinct(1 << 16)
	v, err := New(Config{Workload: d.w, Contract: Untorn, Super: d.super, Interner: d.in, Distinct: set})
	require.NoError(t, err)
	d.drive(v)
	n, _ := set.Count()
	require.EqualValues(t, 3, n, "two units and what no operation covers")
}

// A verifier that is used for one cut after the other forgets where short
// writes ended.
func TestShortWritesOfOneCut(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, plain, fsync)
	v := d.verifier(Untorn)
	d.see("c1")
	require.Equal(t, Held, d.drive(v).Worst)
	d.see("h1 c2 r2")
	d.put(1, 0, 8*kib, 0)
	require.Equal(t, Held, d.drive(v).Worst)
	d.put(0, 7*kib, 8*kib, 0)
	require.Equal(t, Lost, d.drive(v).Worst)
	d.h.Reset()
	d.see("c1")
	require.Equal(t, Held, d.drive(v).Worst)
}

func TestSuperblockOfAnotherDisk(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, atomic)
	v := d.verifier(Untorn)
	require.Equal(t, Held, d.drive(v).Worst)
	other := d.super
	other.Log.Len--
	b := other.Encode()
	d.image[0] = d.in.Intern(b[:])
	require.Equal(t, Corrupt, d.drive(v).Worst)
	_, why := v.JudgeImage()
	require.Contains(t, why, "another geometry")
}

func TestContractNames(t *testing.T) {
	for _, c := range []Contract{Untorn, OldOrNew} {
		got, ok := ParseContract(c.String())
		require.True(t, ok)
		require.Equal(t, c, got)
	}
	require.Equal(t, "contract(9)", Contract(9).String())
}

// A run of version 0 does not go on in the stamps of the first operation,
// whose handles follow those of the last place.
func TestRunEndsWithItsWrite(t *testing.T) {
	w := &workloads.Workload{File: 33 << 20, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous,
		Ops: []workloads.Op{{Task: "db", Kind: workloads.Pwrite, Length: 4096, Atomic: true}}}
	super := ondisk.Geometry(1, 8, 9000, 16, 8, 16)
	in := blk.NewInterner()
	image := make([]blk.Handle, super.TotalLen)
	sb := super.Encode()
	image[0] = in.Intern(sb[:])
	ino := ondisk.Inode{Size: [ondisk.Files]int64{w.File}, LSN: 1, Extents: []ondisk.Extent{{Len: int32(w.File / 4096)}}}
	sectors, err := ino.Encode(super.Inode[0].Len)
	require.NoError(t, err)
	for i := range sectors {
		image[super.Inode[0].Start+int32(i)] = in.Intern(sectors[i][:])
	}
	file := image[super.Sector(0):]
	for i := range int(w.File / 512) {
		file[i] = blk.Data(0, i%blk.MaxPlace)
	}
	v, err := New(Config{Workload: w, Contract: Untorn, Super: super, Interner: in})
	require.NoError(t, err)
	h := workloads.NewHistory(w)
	report, err := v.JudgeOne(image, h)
	require.NoError(t, err)
	require.Equal(t, Held, report.Verdict)
	file[blk.MaxPlace] = blk.Data(1, 0)
	report, err = v.JudgeOne(image, h)
	require.NoError(t, err)
	require.Equal(t, Corrupt, report.Verdict)
	require.Contains(t, report.Reason, "file sector 65536 holds w1.0")
}

func TestDistinctOverflow(t *testing.T) {
	keys := make([]key.Key, 5000)
	for i := range keys {
		var h key.Hasher
		h.Int(i)
		keys[i] = h.Sum()
	}
	forward, backward := NewDistinct(1000), NewDistinct(1000)
	for i := range keys {
		forward.Add(keys[i])
		backward.Add(keys[len(keys)-1-i])
	}
	n, exact := forward.Count()
	m, _ := backward.Count()
	require.False(t, exact)
	require.Equal(t, n, m, "whatever the order")
	require.LessOrEqual(t, n, uint64(1000))
	all := NewDistinct(1 << 20)
	for range 2 {
		for _, k := range keys {
			all.Add(k)
		}
	}
	n, exact = all.Count()
	require.True(t, exact)
	require.EqualValues(t, 5000, n)
}

func TestRefusedConfigs(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, atomic)
	for _, cfg := range []Config{
		{Workload: d.w, Super: d.super, Interner: d.in},
		{Workload: d.w, Contract: Untorn, Interner: d.in},
		{Workload: d.w, Contract: Untorn, Super: d.super},
		{Workload: &workloads.Workload{File: 1}, Contract: Untorn, Super: d.super, Interner: d.in},
	} {
		_, err := New(cfg)
		require.Error(t, err)
	}
}

// Version 0 of two files is told apart by its places, which count modulo
// blk.MaxPlace.
func TestPlacesOfTwoFiles(t *testing.T) {
	const sectors = workloads.MaxOfTwo / workloads.SectorSize
	require.EqualValues(t, blk.MaxPlace, 2*sectors)
	require.EqualValues(t, sectors, workloads.SecondFile/workloads.SectorSize%blk.MaxPlace)
}
