package verifier

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

const (
	atomic = "db: pwrite offset=0 length=16KiB atomic"
	again  = "db: pwrite offset=0 length=16KiB atomic"
	plain  = "db: pwrite offset=0 length=16KiB"
	middle = "db: pwrite offset=8KiB length=16KiB atomic"
	past   = "db: pwrite offset=64KiB length=16KiB atomic append"
	over   = "db: pwrite offset=56KiB length=16KiB atomic"
	fsync  = "db: fsync"
)

func mapped(off, block, n int32) ondisk.Item {
	return ondisk.Item{Kind: ondisk.Map, Ext: ondisk.Extent{Off: off, Block: block, Len: n}}
}

func sized(n int64) ondisk.Item { return ondisk.Item{Kind: ondisk.Size, Bytes: n} }

// earns is an image, what the caller had seen, and the verdict it earns.
type earns struct {
	name  string
	mk    func(*testing.T) *disk
	marks string
	make  func(d *disk)
	want  Verdict
	why   string
}

func file(ops ...string) func(*testing.T) *disk {
	return func(t *testing.T) *disk { return mkfs(t, 64*kib, workloads.Contiguous, ops...) }
}

func hole(ops ...string) func(*testing.T) *disk {
	return func(t *testing.T) *disk { return mkfs(t, 64*kib, workloads.Hole, ops...) }
}

func judge(t *testing.T, cases []earns) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := c.mk(t).see(c.marks)
			c.make(d)
			got, why := d.verdict(Untorn)
			require.Equal(t, c.want, got, why)
			require.Contains(t, why, c.why)
		})
	}
}

// Each verdict has an image that earns it, followed by near misses that do
// not: one thing differs.
func TestVerdicts(t *testing.T) {
	judge(t, []earns{
		{"untouched", file(atomic), "", func(d *disk) {}, Held, "every unit is whole"},
		{"whole", file(atomic), "c1 r1", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Held, ""},
		{"absent", file(atomic), "c1 r1", func(d *disk) {}, Held, ""},

		{"torn: first half", file(atomic), "c1 r1", func(d *disk) { d.put(1, 0, 8*kib, 0) }, Torn,
			"unit of op 1 [0,16KiB): sectors 0-15 hold op 1; sectors 16-31 hold version 0, which op 1 replaced"},
		{"torn: one sector", file(atomic), "c1", func(d *disk) { d.put(1, 512, 1024, 0) }, Torn, ""},
		{"torn: a failed write is whole or absent too", file(atomic), "c1 e1", func(d *disk) { d.put(1, 0, 512, 0) }, Torn, ""},
		{"torn: an earlier version of the unit", file(atomic, again), "c1 r1 c2 r2",
			func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 0, 4*kib, 0) }, Torn, ""},
		{"near: the earlier version is whole", file(atomic, again), "c1 r1 c2 r2", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Held, ""},
		{"torn: a later unit over a part, with a hole in the first", file(atomic, middle), "c1 r1 c2 r2",
			func(d *disk) { d.put(1, 0, 4*kib, 0); d.put(2, 8*kib, 24*kib, 0) }, Torn, ""},
		{"near: a later unit over a part", file(atomic, middle), "c1 r1 c2 r2",
			func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 8*kib, 24*kib, 0) }, Held, ""},
		{"torn: units that ran together, each partly over the other", file(atomic, again), "c1 c2 r1 r2",
			func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 0, 8*kib, 0) }, Torn, "no order of the operations"},
		{"near: units that ran together, one over the other", file(atomic, middle), "c1 c2 r1 r2",
			func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 8*kib, 24*kib, 0) }, Held, ""},
		{"near: the other way", file(atomic, middle), "c1 c2 r1 r2",
			func(d *disk) { d.put(2, 8*kib, 24*kib, 0); d.put(1, 0, 16*kib, 0) }, Held, ""},
		{"torn: a cycle of three", file(atomic, "b: pwrite offset=8KiB length=16KiB atomic", "c: pwrite offset=0 length=32KiB atomic"),
			"c1 c2 c3", func(d *disk) { // 1 over 3, 3 over 2, 2 over 1
				d.put(1, 0, 8*kib, 0)
				d.put(2, 8*kib, 16*kib, 0)
				d.put(3, 16*kib, 32*kib, 0)
			}, Torn, "no order"},
		{"near: no cycle of three", file(atomic, "b: pwrite offset=8KiB length=16KiB atomic", "c: pwrite offset=0 length=32KiB atomic"),
			"c1 c2 c3", func(d *disk) { // 1 under 2 under 3
				d.put(3, 0, 32*kib, 0)
				d.put(2, 8*kib, 24*kib, 0)
				d.put(1, 0, 16*kib, 0)
			}, Held, ""},

		{"torn: a circle that what precedes closes", file(middle, "b: pwrite offset=16KiB length=16KiB atomic", atomic), "c1 c2 r2 c3",
			func(d *disk) { // 1 under 2, 2 precedes 3, 3 under 1
				d.put(3, 0, 8*kib, 0)
				d.put(1, 8*kib, 16*kib, 0)
				d.put(2, 16*kib, 32*kib, 0)
			}, Torn, "no order"},
		{"near: nothing precedes", file(middle, "b: pwrite offset=16KiB length=16KiB atomic", atomic), "c1 c2 c3 r2",
			func(d *disk) {
				d.put(3, 0, 8*kib, 0)
				d.put(1, 8*kib, 16*kib, 0)
				d.put(2, 16*kib, 32*kib, 0)
			}, Held, ""},

		{"app-torn: a plain write over it, later", file(atomic, plain), "c1 r1 c2",
			func(d *disk) { d.put(1, 0, 8*kib, 0) }, AppTorn, "may be the work of op 2"},
		{"near: the plain write came before", file(plain, again), "c1 r1 c2 r2",
			func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 0, 8*kib, 0) }, Torn, ""},
		{"near: the plain write was refused", file(atomic, plain), "c1 r1 c2 x2",
			func(d *disk) { d.put(1, 0, 8*kib, 0) }, Torn, ""},
		{"near: the plain write is elsewhere", file(atomic, "db: pwrite offset=16KiB length=4KiB"), "c1 r1 c2 r2",
			func(d *disk) { d.put(1, 0, 8*kib, 0) }, Torn, ""},
		{"near: a plain write over a part, seen whole", file(atomic, "db: pwrite offset=0 length=4KiB"), "c1 r1 c2 r2",
			func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 0, 2*kib, 0) }, Held, ""},
		{"app-torn: a direct write that overlaps in time", file(atomic, "b: pwrite offset=0 length=16KiB atomic direct"), "c1 c2 r2 r1",
			func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 0, 8*kib, 0) }, AppTorn, ""},
		{"app-torn: a direct unit, and the buffered one over it comes before nothing", file(atomic+" direct", again), "c1 c2 r2 r1",
			func(d *disk) { d.put(2, 0, 16*kib, 0); d.put(1, 0, 8*kib, 0) }, AppTorn, ""},
		{"torn: a direct unit with a buffered one beside it", file(atomic+" direct", again), "c1 c2 r2 r1",
			func(d *disk) { d.put(1, 0, 8*kib, 0) }, Torn, "which op 1 replaced"},
		{"near: a direct unit with a direct one beside it", file(atomic+" direct", again+" direct"), "c1 c2 r2 r1",
			func(d *disk) { d.put(1, 0, 8*kib, 0) }, AppTorn, "the work of op 2"},
		{"app-torn: a whole unit beside one that the application may have mixed", file(atomic, middle, "c: pwrite offset=16KiB length=8KiB"), "c1 r1 c2 r2 c3",
			func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 8*kib, 16*kib, 0) }, AppTorn, ""},
		{"near: the application did not", file(atomic, middle), "c1 r1 c2 r2",
			func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 8*kib, 16*kib, 0) }, Torn, ""},
		{"near: a direct write that came later", file(atomic, "b: pwrite offset=0 length=16KiB atomic direct"), "c1 r1 c2 r2",
			func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 0, 8*kib, 0) }, Torn, ""},

		{"cut: the old size", file(over), "c1 r1", func(d *disk) {
			d.put(1, 56*kib, 72*kib, 0)
			d.checkpoint(mapped(16, 16, 2))
		}, Cut, "unit of op 1 [56KiB,72KiB) is visible and the recovered file ends at 64KiB"},
		{"near: the new size", file(over), "c1 r1", func(d *disk) {
			d.put(1, 56*kib, 72*kib, 0)
			d.checkpoint(mapped(16, 16, 2), sized(72*kib))
		}, Held, ""},
		{"near: the old size and nothing visible", file(past), "c1 r1", func(d *disk) {}, Held, ""},
		{"torn: past the end, part of it zeros", file(past), "c1 r1", func(d *disk) {
			d.put(1, 64*kib, 72*kib, 0)
			d.checkpoint(mapped(16, 16, 2), sized(80*kib))
		}, Torn, ""},
		{"near: past the end, only zeros", file(past), "c1 r1", func(d *disk) { d.checkpoint(sized(80 * kib)) }, Held, ""},

		{"short", file(atomic), "c1 s1", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Short, "returned 512 of 16384"},
		{"near: a plain write may be short", file(plain), "c1 s1", func(d *disk) { d.put(1, 0, 512, 0) }, Held, ""},

		{"lost: version 0 after fsync", file(atomic, fsync), "c1 r1 c2 r2", func(d *disk) {}, Lost,
			"file sector 0 holds version 0, which a durable operation replaced (durable here: op 1)"},
		{"near: the fsync has not returned", file(atomic, fsync), "c1 r1 c2", func(d *disk) {}, Held, ""},
		{"near: the fsync failed", file(atomic, fsync), "c1 r1 c2 e2", func(d *disk) {}, Held, ""},
		{"near: a later version", file(atomic, fsync, again), "c1 r1 c2 r2 c3", func(d *disk) { d.put(3, 0, 16*kib, 0) }, Held, ""},
		{"lost: an earlier version", file(atomic, again, fsync), "c1 r1 c2 r2 c3 r3", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Lost, ""},
		{"near: an earlier version that ran together", file(atomic, again, fsync), "c1 c2 r1 r2 c3 r3", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Held, ""},
		{"lost: absent after fsync", file(past, fsync), "c1 r1 c2 r2", func(d *disk) {}, Lost, "is absent, and op 1 was durable"},
		{"lost: the file is shorter than it was", file(atomic), "", func(d *disk) { d.checkpoint(sized(60 * kib)) }, Lost, "is absent"},
		{"lost: dsync", file(atomic + " dsync"), "c1 r1", func(d *disk) {}, Lost, ""},
		{"near: dsync under way", file(atomic + " dsync"), "c1", func(d *disk) {}, Held, ""},
		{"lost: what a short write did write", file(plain, fsync), "c1 s1 c2 r2", func(d *disk) {}, Lost, "file sector 0 holds version 0"},
		{"near: a short write replaced only a part", file(plain, fsync), "c1 s1 c2 r2", func(d *disk) { d.put(1, 0, 512, 0) }, Held, ""},
		{"lost: a short write that ends in another place of the stretch", file(plain, fsync), "c1 h1 c2 r2",
			func(d *disk) { d.put(1, 0, 7*kib, 0) }, Lost, "file sector 14 holds version 0"},
		{"near: all that it wrote", file(plain, fsync), "c1 h1 c2 r2", func(d *disk) { d.put(1, 0, 8*kib, 0) }, Held, ""},

		{"exposed: a freed block", file(atomic), "c1 r1", func(d *disk) { d.checkpoint(mapped(0, 16, 4)) }, Exposed, "holds free."},
		{"near: the block was written", file(atomic), "c1 r1", func(d *disk) {
			d.put(1, 0, 16*kib, 16)
			d.checkpoint(mapped(0, 16, 4))
		}, Held, ""},
		{"near: the block is unwritten", hole(atomic), "c1 r1", func(d *disk) {
			d.checkpoint(ondisk.Item{Kind: ondisk.Map, Ext: ondisk.Extent{Block: 16, Len: 4, Unwritten: true}})
		}, Held, ""},
		{"exposed: where no operation is", hole(atomic), "", func(d *disk) { d.checkpoint(mapped(8, 16, 1)) }, Exposed, ""},

		{"corrupt: garbage", file(atomic), "c1", func(d *disk) { d.image[d.super.Sector(0)] = blk.Garbage }, Corrupt, "file sector 0 holds garbage"},
		{"near: garbage in a free block", file(atomic), "c1", func(d *disk) { d.image[d.super.Sector(20)] = blk.Garbage }, Held, ""},
		{"corrupt: a stamp at the wrong place", file(atomic), "c1 r1", func(d *disk) {
			d.put(1, 0, 16*kib, 0)
			d.image[d.super.Sector(0)+3] = blk.Data(1, 4)
		}, Corrupt, "file sector 3 holds w1.4"},
		{"corrupt: version 0 at the wrong place", file(atomic), "", func(d *disk) { d.image[d.super.Sector(10)] = blk.Data(0, 0) }, Corrupt, ""},
		{"corrupt: outside its range", file("db: pwrite offset=0 length=512 atomic"), "c1", func(d *disk) {
			d.image[d.super.Sector(0)+1] = blk.Data(1, 1)
		}, Corrupt, ""},
		{"corrupt: never called", file(atomic), "", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Corrupt, ""},
		{"corrupt: refused", file(atomic), "c1 x1", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Corrupt, ""},
		{"near: failed", file(atomic), "c1 e1", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Held, ""},
		{"corrupt: zeros over data", file(atomic), "", func(d *disk) { d.image[d.super.Sector(3)] = blk.Zero }, Corrupt, "holds zero"},
		{"near: zeros in a hole", hole(atomic), "", func(d *disk) {}, Held, ""},
		{"corrupt: data turned into a hole", file(atomic), "", func(d *disk) {
			d.inode(1, &ondisk.Inode{Size: [ondisk.Files]int64{64 * kib}, LSN: 2, Extents: []ondisk.Extent{{Len: 15}}})
		}, Corrupt, ""},
		{"torn: a hole in part of a unit", hole(atomic), "c1 r1", func(d *disk) {
			d.put(1, 0, 8*kib, 16)
			d.checkpoint(mapped(0, 16, 2))
		}, Torn, ""},
		{"corrupt: version 0 in a hole", hole(atomic), "", func(d *disk) {
			d.put(0, 0, 4*kib, 16)
			d.checkpoint(mapped(0, 16, 1))
		}, Corrupt, ""},
		{"corrupt: no inode", file(atomic), "", func(d *disk) { d.image[d.super.Inode[0].Start] = blk.Garbage }, Corrupt, "recovery: inode"},
		{"near: the other copy", file(atomic), "", func(d *disk) {
			d.image[d.super.Inode[0].Start] = blk.Garbage
			d.inode(1, &ondisk.Inode{Size: [ondisk.Files]int64{64 * kib}, LSN: 1, Extents: []ondisk.Extent{{Len: 16}}})
		}, Held, ""},
		{"corrupt: a size no operation left", file(atomic), "c1", func(d *disk) { d.checkpoint(sized(65 * kib)) }, Corrupt, "a size of 66560 bytes"},
		{"corrupt: a size between the end and a write beyond it", file("db: pwrite offset=72KiB length=8KiB atomic"), "c1 r1",
			func(d *disk) { d.checkpoint(sized(72 * kib)) }, Corrupt, "which no operation leaves"},
		{"corrupt: inside an atomic write, and nothing else of it", file(past), "c1 r1", func(d *disk) { d.checkpoint(sized(72 * kib)) }, Corrupt, "inside an atomic write"},
		{"near: and it is visible", file(past), "c1 r1", func(d *disk) {
			d.put(1, 64*kib, 72*kib, 0)
			d.checkpoint(mapped(16, 16, 2), sized(72*kib))
		}, Cut, ""},
		{"near: a plain write moves the end bit by bit", file("db: pwrite offset=64KiB length=16KiB append"), "c1", func(d *disk) { d.checkpoint(sized(72 * kib)) }, Held, ""},
		{"near: another write ends there", file("db: pwrite offset=64KiB length=16KiB atomic", "db: pwrite offset=64KiB length=8KiB"), "c1 r1 c2", func(d *disk) { d.checkpoint(sized(72 * kib)) }, Held, ""},
		{"corrupt: the write was refused", file(past), "c1 x1", func(d *disk) { d.checkpoint(sized(80 * kib)) }, Corrupt, "which no operation leaves"},
		{"corrupt: metadata in the place of data", file(atomic), "c1", func(d *disk) { d.image[d.super.Sector(0)] = d.image[0] }, Corrupt, "file sector 0 holds garbage"},
		{"corrupt: half a sector", file(atomic), "c1", func(d *disk) { d.checkpoint(sized(60*kib + 1)) }, Corrupt, ""},
		{"corrupt: mapped twice", file(atomic), "c1", func(d *disk) { d.checkpoint(mapped(0, 4, 1)) }, Corrupt, "block 4 is mapped twice"},
		{"corrupt: out of range", file(atomic), "c1", func(d *disk) { d.checkpoint(mapped(0, 30, 4)) }, Corrupt, "out of range"},
		{"corrupt: mapped and staged", file(atomic), "c1", func(d *disk) {
			d.put(1, 0, 16*kib, 16)
			d.checkpoint(ondisk.Item{Kind: ondisk.Stage, Ext: ondisk.Extent{Block: 16, Len: 4}}, mapped(0, 16, 4))
		}, Corrupt, "and staged"},
		{"near: an intent takes the blocks out of staging", file(atomic), "c1", func(d *disk) {
			d.put(1, 0, 16*kib, 16)
			d.checkpoint(ondisk.Item{Kind: ondisk.Stage, Ext: ondisk.Extent{Block: 16, Len: 4}})
			d.checkpoint(ondisk.Item{Kind: ondisk.Intent, ID: 7, Ext: ondisk.Extent{Block: 16, Len: 4}})
		}, Held, ""},
		{"torn: an intent that is done is not finished again", file(atomic), "c1", func(d *disk) {
			d.put(1, 0, 16*kib, 16)
			d.put(1, 0, 8*kib, 0)
			d.checkpoint(ondisk.Item{Kind: ondisk.Intent, ID: 7, Ext: ondisk.Extent{Block: 16, Len: 4}}, ondisk.Item{Kind: ondisk.Done, ID: 7})
		}, Torn, ""},
		{"near: the log ends at a gap", file(atomic), "c1", func(d *disk) {
			d.lsn++
			d.checkpoint(mapped(0, 16, 4))
		}, Held, ""},
		{"near: a checkpoint that is not whole", file(atomic), "c1", func(d *disk) {
			items := make([]ondisk.Item, ondisk.ItemsPerSector+1)
			for i := range items {
				items[i] = mapped(0, 16, 4)
			}
			d.checkpoint(items...)
			d.image[d.super.Log.Start+1] = blk.Zero
		}, Held, ""},
		{"near: a checkpoint whose sectors disagree on their number", file(atomic), "c1", func(d *disk) {
			d.lsn++
			for i, n := range []int32{2, 3} {
				var b [512]byte
				ondisk.EncodeLogSector(&b, d.lsn, int32(i), n, []ondisk.Item{mapped(0, 16, 4)})
				d.image[d.super.Log.Start+int32(i)] = d.in.Intern(b[:])
			}
		}, Held, ""},
	})
}

func TestOldOrNew(t *testing.T) {
	for _, c := range []struct {
		name  string
		marks string
		op    int
		want  Verdict
	}{
		{"the newest", "c1 r1 c2 r2 c3 r3", 3, Held},
		{"the one before", "c1 r1 c2 r2 c3 r3", 2, Held},
		{"older", "c1 r1 c2 r2 c3 r3", 1, Stale},
		{"near: the third failed", "c1 r1 c2 r2 c3 e3", 1, Held},
		{"near: the third ran together", "c1 r1 c2 c3 r2 r3", 2, Held},
		{"version 0 after one version", "c1 r1", 0, Held},
		{"version 0 after two", "c1 r1 c2", 0, Stale},
		{"near: after two in flight together", "c1 c2", 0, Held},
		{"near: after two that ran together", "c1 c2 r1 r2", 0, Held},
		{"near: one of two failed", "c1 e1 c2 r2", 0, Held},
		{"near: two writers in flight after it", "c1 r1 c2 c3", 1, Held},
		{"near: that ran together", "c1 r1 c2 c3 r2 r3", 1, Held},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := mkfs(t, 64*kib, workloads.Contiguous, atomic, again, again).see(c.marks)
			d.put(c.op, 0, 16*kib, 0)
			got, why := d.verdict(OldOrNew)
			require.Equal(t, c.want, got, why)
			got, _ = d.verdict(Untorn)
			require.Equal(t, Held, got)
		})
	}
}

func TestBehind(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, atomic, again, again, middle).see("c1 r1 c2 r2 c3 r3 c4")
	r := d.drive(d.verifier(Untorn))
	require.Equal(t, "1", r.Behind[3].String(), "version 0 of a range that was written three times, once")
	require.Equal(t, "1", r.Behind[1].String(), "version 0 of the other one")
	d.put(1, 0, 16*kib, 0)
	r = d.drive(d.verifier(Untorn))
	n, _ := r.Behind[2].Uint64()
	require.EqualValues(t, 1, n, "two versions of exactly that range came later")
	d.put(4, 8*kib, 24*kib, 0)
	r = d.drive(d.verifier(Untorn))
	n, _ = r.Behind[0].Uint64()
	require.EqualValues(t, 1, n, "the other unit is the newest of its range")
}
