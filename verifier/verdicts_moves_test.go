package verifier

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

const (
	collapse = "db: collapse offset=16KiB length=16KiB"
	insert   = "db: insert offset=16KiB length=16KiB"
	clone    = "db: clone offset=32KiB length=16KiB from=0"
	quarter2 = "db: pwrite offset=16KiB length=16KiB"
	quarter3 = "db: pwrite offset=32KiB length=16KiB"
)

// Collapse takes the second quarter of 64 KiB out of the file, extent by
// extent, and sets the size after that.
func TestCollapse(t *testing.T) {
	same := func(*disk) {}
	holed := func(d *disk) { d.checkpoint(punched4K(4, 4)) }
	half := func(d *disk) { d.checkpoint(mapped(4, 8, 4), punched4K(8, 4)) }
	shifted := func(d *disk) { d.checkpoint(mapped(4, 8, 8), punched4K(12, 4)) }
	done := func(d *disk) { shifted(d); d.checkpoint(sized(48 * kib)) }
	garbage := func(d *disk) { d.image[d.super.Sector(8)] = blk.Garbage }
	judge(t, []earns{
		{"done", file(collapse), "c1 r1", done, Held, ""},
		{"not yet", file(collapse), "c1 r1", same, Held, ""},
		{"a hole yet", file(collapse), "c1", holed, Held, ""},
		{"one extent", file(collapse), "c1", half, Held, ""},
		{"all but the size", file(collapse), "c1 r1", shifted, Held, ""},
		{"failed in the middle", file(collapse, fsync), "c1 e1 c2 r2", half, Held, ""},
		{"corrupt: not called", file(collapse), "", holed, Corrupt, "file sector 32 holds zero"},
		{"corrupt: refused", file(collapse), "c1 x1", holed, Corrupt, "file sector 32 holds zero"},
		{"corrupt: refused, and shifted", file(collapse), "c1 x1", half, Corrupt, "file sector 32 holds w0.64"},
		{"corrupt: too far", file(collapse), "c1 r1", func(d *disk) { d.checkpoint(mapped(4, 12, 4), punched4K(12, 4)) }, Corrupt, "file sector 32 holds w0.96"},
		{"corrupt: a hole before it", file(collapse), "c1 r1", func(d *disk) { d.checkpoint(punched4K(3, 5)) }, Corrupt, "file sector 24 holds zero"},
		{"corrupt: another size", file(collapse), "c1 r1", func(d *disk) { shifted(d); d.checkpoint(sized(52 * kib)) }, Corrupt, "which no operation leaves"},
		{"corrupt: shorter, and not called", file(collapse), "", done, Corrupt, ""},
		{"exposed: a free block", file(collapse), "c1 r1", func(d *disk) { d.checkpoint(mapped(4, 20, 4)) }, Exposed, ""},

		{"durable", file(collapse, fsync), "c1 r1 c2 r2", done, Held, ""},
		{"lost: durable", file(collapse, fsync), "c1 r1 c2 r2", same, Lost, "file sector 32 holds version 0, which a durable operation replaced"},
		{"lost: durable, and in the middle", file(collapse, fsync), "c1 r1 c2 r2", half, Lost, "file sector 64 holds op 1"},
		{"lost: durable, and the size is not", file(collapse, fsync), "c1 r1 c2 r2", shifted, Lost, "file sector 96 holds op 1"},
		{"corrupt: durable, and too short", file(collapse, fsync), "c1 r1 c2 r2", func(d *disk) { shifted(d); d.checkpoint(sized(44 * kib)) }, Corrupt, ""},
		{"near: the fsync failed", file(collapse, fsync), "c1 r1 c2 e2", half, Held, ""},
		{"near: it overlaps the fsync", file(collapse, "b: fsync"), "c1 c2 r1 r2", half, Held, ""},

		{"durable, and a gap behind it", file(collapse, "db: pwrite offset=56KiB length=8KiB", fsync), "c1 r1 c2 r2 c3 r3",
			func(d *disk) { shifted(d); d.checkpoint(mapped(14, 20, 2)); d.stamps(2, 0, 16, 160) }, Held, ""},
		{"near: the write failed", file(collapse, "db: pwrite offset=56KiB length=8KiB", fsync), "c1 r1 c2 x2 c3 r3", shifted, Lost, "file sector 96 holds op 1"},

		{"carries a write", file(quarter3, collapse), "c1 r1 c2", func(d *disk) { d.stamps(1, 0, 32, 64); half(d) }, Held, ""},
		{"carries half of it", file(quarter3, collapse), "c1 r1 c2", func(d *disk) { d.stamps(1, 0, 16, 64); half(d) }, Held, ""},
		{"corrupt: a write that came later", file(collapse, quarter3), "c1 r1 c2 r2", func(d *disk) { d.stamps(2, 0, 32, 64); half(d) }, Corrupt, "file sector 32 holds w2.0"},
		{"near: they ran together", file(collapse, "b: pwrite offset=32KiB length=16KiB"), "c1 c2 r1 r2", func(d *disk) { d.stamps(2, 0, 32, 64); half(d) }, Held, ""},
		{"lost: what it carries was replaced", file(quarter3, fsync, collapse), "c1 r1 c2 r2 c3", half, Lost, "file sector 32 holds op 3"},
		{"lost: and became durable with it", file(quarter3, collapse, fsync), "c1 r1 c2 r2 c3 r3", done, Lost, ""},
		{"near: the write and the collapse ran together", file(quarter3, "b: collapse offset=16KiB length=16KiB", fsync), "c1 c2 r1 r2 c3 r3", done, Held, ""},
		{"near: not durable", file(quarter3, collapse), "c1 r1 c2 r2", half, Held, ""},
		{"lost: a short write that was durable", file(quarter3, fsync, collapse), "c1 h1 c2 r2 c3", half, Lost, "file sector 32"},
		{"near: what it wrote", file(quarter3, fsync, collapse), "c1 h1 c2 r2 c3", func(d *disk) { d.stamps(1, 0, 16, 64); half(d) }, Held, ""},
		{"lost: one sector less", file(quarter3, fsync, collapse), "c1 h1 c2 r2 c3", func(d *disk) { d.stamps(1, 0, 15, 64); half(d) }, Lost, "file sector 47"},

		{"written over, and the log does not tell", file(collapse, quarter2), "c1 r1 c2 r2", func(d *disk) { d.stamps(2, 0, 32, 64) }, Held, ""},
		{"corrupt: at another place", file(collapse, quarter2), "c1 r1 c2 r2", func(d *disk) { d.stamps(2, 1, 31, 64) }, Corrupt, "file sector 64 holds w2.1"},
		{"corrupt: the write came first", file(quarter2, collapse), "c1 r1 c2", func(d *disk) { d.stamps(1, 0, 32, 64) }, Corrupt, "file sector 64 holds w1.0"},
		{"lost: the collapse was durable", file(collapse, fsync, quarter2), "c1 r1 c2 r2 c3", func(d *disk) { d.stamps(3, 0, 32, 64) }, Lost, ""},
		{"app-torn: stored over, and the log does not tell", file(collapse, "db: store offset=16KiB length=16KiB"), "c1 r1 c2", garbage, AppTorn, ""},
		{"near: the store came first", file("db: store offset=16KiB length=16KiB", fsync, collapse), "c1 r1 c2 r2 c3", garbage, Corrupt, ""},
		{"near: the collapse was durable", file(collapse, fsync, "db: store offset=16KiB length=16KiB"), "c1 r1 c2 r2 c3", garbage, Corrupt, ""},
		{"lost: and is there", file(collapse, fsync, quarter2), "c1 r1 c2 r2 c3", func(d *disk) { done(d); d.stamps(3, 0, 32, 96) }, Lost, "file sector 64 holds op 1"},
		{"near: the fsync has not returned", file(collapse, "b: fsync", quarter2), "c1 r1 c2 c3", func(d *disk) { done(d); d.stamps(3, 0, 32, 96) }, Held, ""},
		{"corrupt: the collapse was refused", file(collapse, quarter2), "c1 x1 c2", func(d *disk) { d.stamps(2, 0, 32, 64) }, Corrupt, ""},
	})
}

// Insert makes a hole of 16 KiB before the second quarter: the size first, then
// the extents from the last one on.
func TestInsert(t *testing.T) {
	same := func(*disk) {}
	size := func(d *disk) { d.checkpoint(sized(80 * kib)) }
	half := func(d *disk) { d.checkpoint(sized(80*kib), mapped(16, 12, 4), punched4K(12, 4)) }
	done := func(d *disk) { d.checkpoint(sized(80*kib), mapped(8, 4, 12), punched4K(4, 4)) }
	judge(t, []earns{
		{"done", file(insert), "c1 r1", done, Held, ""},
		{"not yet", file(insert), "c1", same, Held, ""},
		{"the size", file(insert), "c1", size, Held, ""},
		{"one extent", file(insert), "c1 r1", half, Held, ""},
		{"corrupt: not called", file(insert), "", size, Corrupt, "which no operation leaves"},
		{"corrupt: refused", file(insert), "c1 x1", half, Corrupt, "which no operation leaves"},
		{"corrupt: too far", file(insert), "c1 r1", func(d *disk) { d.checkpoint(sized(80*kib), mapped(16, 8, 4), punched4K(8, 4)) }, Corrupt, "file sector 128 holds w0.64"},
		{"corrupt: a hole before it", file(insert), "c1 r1", func(d *disk) { d.checkpoint(punched4K(3, 1)) }, Corrupt, "file sector 24 holds zero"},
		{"corrupt: inside the size", file(insert), "c1 r1", func(d *disk) { d.checkpoint(sized(72 * kib)) }, Corrupt, "which no operation leaves"},
		{"corrupt: both places", file(insert), "c1 r1", func(d *disk) { d.checkpoint(sized(80*kib), mapped(16, 12, 4)) }, Corrupt, "block 12 is mapped twice"},

		{"durable", file(insert, fsync), "c1 r1 c2 r2", done, Held, ""},
		{"lost: durable", file(insert, fsync), "c1 r1 c2 r2", same, Lost, "file sector 32"},
		{"lost: durable, and the size alone", file(insert, fsync), "c1 r1 c2 r2", size, Lost, ""},
		{"lost: durable, and in the middle", file(insert, fsync), "c1 r1 c2 r2", half, Lost, ""},
		{"lost: durable, and the end is not", file(insert, fsync), "c1 r1 c2 r2", func(d *disk) { d.checkpoint(mapped(8, 4, 8), punched4K(4, 4)) }, Lost, "file sector 128 is absent, and op 1 was durable"},
		{"near: the fsync failed", file(insert, fsync), "c1 r1 c2 e2", half, Held, ""},

		{"carries a write", file("db: pwrite offset=48KiB length=16KiB", insert), "c1 r1 c2", func(d *disk) { d.stamps(1, 0, 32, 96); half(d) }, Held, ""},
		{"corrupt: that came later", file(insert, "db: pwrite offset=48KiB length=16KiB"), "c1 r1 c2", func(d *disk) { d.stamps(2, 0, 32, 96); half(d) }, Corrupt, "holds w2.0"},
		{"written over, and the log does not tell", file(insert, "db: pwrite offset=32KiB length=16KiB"), "c1 r1 c2", func(d *disk) { d.stamps(2, 0, 32, 32) }, Held, ""},
		{"corrupt: the write came first", file(quarter3, insert), "c1 r1 c2", func(d *disk) { d.stamps(1, 0, 32, 32) }, Corrupt, "file sector 32 holds w1.0"},
		{"corrupt: in the hole", file(quarter2, insert), "c1 r1 c2", func(d *disk) { d.stamps(1, 8, 24, 64); d.checkpoint(sized(80*kib), mapped(4, 8, 4), punched4K(8, 4)) }, Corrupt, ""},
	})
}

// Clone makes the third quarter share the blocks of the first.
func TestClone(t *testing.T) {
	same := func(*disk) {}
	done := func(d *disk) { d.checkpoint(mapped(8, 0, 4)) }
	copied := func(d *disk) { d.stamps(0, 0, 32, 128); d.checkpoint(mapped(8, 16, 4)) } // of version 0
	judge(t, []earns{
		{"done", file(clone), "c1 r1", done, Held, ""},
		{"not yet", file(clone), "c1 r1", same, Held, ""},
		{"in part", file(clone), "c1", func(d *disk) { d.checkpoint(mapped(9, 1, 2)) }, Held, ""},
		{"in blocks of its own", file(clone), "c1 r1", copied, Held, ""},
		{"corrupt: not called", file(clone), "", done, Corrupt, "recovery: block 0 is mapped twice, again at file block 8"},
		{"corrupt: refused", file(clone), "c1 x1", done, Corrupt, "block 0 is mapped twice"},
		{"corrupt: not called, and in blocks of its own", file(clone), "", copied, Corrupt, "file sector 64 holds w0.0"},
		{"corrupt: another place is shared", file(clone), "c1 r1", func(d *disk) { d.checkpoint(mapped(12, 0, 4)) }, Corrupt, "block 0 is mapped twice, again at file block 12"},
		{"corrupt: another block is shared", file(clone), "c1 r1", func(d *disk) { d.checkpoint(mapped(8, 1, 3)) }, Corrupt, "file sector 64 holds w0.8"},
		{"exposed: a block is freed", file(clone), "c1 r1", func(d *disk) { d.checkpoint(mapped(8, 16, 4)) }, Exposed, ""},
		{"corrupt: garbage is cloned", file(plain, clone), "c1 r1 c2", func(d *disk) { done(d); d.image[d.super.Sector(0)] = blk.Garbage }, Corrupt, ""},
		{"app-torn: of a store", file(store, clone), "c1 r1 c2", func(d *disk) { copied(d); d.image[d.super.Sector(16)] = blk.Garbage }, AppTorn, ""},
		{"near: the store came later", file(clone, store), "c1 r1 c2", func(d *disk) { copied(d); d.image[d.super.Sector(16)] = blk.Garbage }, Corrupt, ""},
		{"near: the store was durable", file(store, fsync, clone), "c1 r1 c2 r2 c3", func(d *disk) { d.put(1, 0, 16*kib, 0); copied(d); d.image[d.super.Sector(16)] = blk.Garbage }, Corrupt, ""},

		{"lost: durable", file(clone, fsync), "c1 r1 c2 r2", same, Lost, "file sector 64 holds version 0"},
		{"lost: durable, and a part is not there", file(clone, fsync), "c1 r1 c2 r2", func(d *disk) { d.checkpoint(mapped(8, 0, 3)) }, Lost, "file sector 88"},
		{"near: durable", file(clone, fsync), "c1 r1 c2 r2", done, Held, ""},
		{"near: the fsync failed", file(clone, fsync), "c1 r1 c2 e2", same, Held, ""},
		{"lost: what it carries was replaced", file(plain, fsync, clone), "c1 r1 c2 r2 c3", func(d *disk) { d.put(1, 0, 16*kib, 0); copied(d) }, Lost, "file sector 64 holds op 3"},
		{"near: the write came back later", file(plain, "b: clone offset=32KiB length=16KiB from=0", fsync), "c1 c2 r1 r2 c3 r3", func(d *disk) { d.put(1, 0, 16*kib, 0); copied(d) }, Held, ""},
		{"near: the write came later", file(clone, plain, fsync), "c1 r1 c2 r2 c3 r3", func(d *disk) { d.put(2, 0, 16*kib, 0); copied(d) }, Held, ""},
		{"corrupt: a later write shows through", file(clone, plain), "c1 r1 c2", func(d *disk) { done(d); d.put(2, 0, 16*kib, 0) }, Corrupt, "file sector 64 holds w2.0"},
		{"near: they ran together", file(clone, "b: pwrite offset=0 length=16KiB"), "c1 c2", func(d *disk) { done(d); d.put(2, 0, 16*kib, 0) }, Held, ""},
		{"corrupt: a write to the clone shows in its source", file(clone, quarter3), "c1 r1 c2", func(d *disk) { done(d); d.stamps(2, 0, 32, 0) }, Corrupt, "file sector 0 holds w2.0"},
		{"lost: a write to the clone", file(clone, quarter3, fsync), "c1 r1 c2 r2 c3 r3", done, Lost, ""},

		{"past the end", file("db: clone offset=56KiB length=16KiB from=0"), "c1 r1", func(d *disk) {
			d.stamps(0, 0, 32, 112)
			d.checkpoint(mapped(16, 16, 2), sized(72*kib))
			d.stamps(0, 16, 16, 128)
		}, Held, ""},
		{"past the end, in part", file("db: clone offset=56KiB length=16KiB from=0"), "c1", func(d *disk) { d.checkpoint(mapped(14, 0, 2), sized(68*kib)); d.checkpoint(mapped(16, 2, 1)) }, Held, ""},
		{"lost: past the end", file("db: clone offset=56KiB length=16KiB from=0", fsync), "c1 r1 c2 r2", func(d *disk) { d.checkpoint(mapped(14, 0, 2)) }, Lost, "file sector 128 is absent, and op 1 was durable"},

		{"of a clone", file(clone, "db: clone offset=48KiB length=16KiB from=32KiB"), "c1 r1 c2 r2", func(d *disk) { d.checkpoint(mapped(8, 0, 4), mapped(12, 0, 4)) }, Held, ""},
		{"corrupt: of a later clone", file("db: clone offset=48KiB length=16KiB from=32KiB", clone), "c1 r1 c2 r2", func(d *disk) { d.checkpoint(mapped(8, 0, 4), mapped(12, 0, 4)) }, Corrupt, "file sector 96 holds w0.0"},
		{"near: together", file("db: clone offset=48KiB length=16KiB from=32KiB", "b: clone offset=32KiB length=16KiB from=0"), "c1 c2 r1 r2", func(d *disk) { d.checkpoint(mapped(8, 0, 4), mapped(12, 0, 4)) }, Held, ""},
		{"of a clone, shifted", file(clone, collapse), "c1 r1 c2 r2", func(d *disk) { d.checkpoint(mapped(4, 0, 4), mapped(8, 12, 4), punched4K(12, 4), sized(48*kib)) }, Held, ""},
	})
}

// A move is an operation on the range of a unit like any other that is not
// atomic. What it carried is no unit where it carried it to.
func TestUnitsAndMoves(t *testing.T) {
	quarter2, quarter3 := quarter2+" atomic", quarter3+" atomic"
	half := func(op int, at int32) func(*disk) {
		return func(d *disk) { d.stamps(op, 0, 16, at) }
	}
	clone2 := "db: clone offset=16KiB length=16KiB from=48KiB"
	cloned := func(from, to int32) func(*disk) { // a half
		return func(d *disk) { d.stamps(2, 0, 32, 32); d.checkpoint(mapped(from, 12, to-from)) }
	}
	cut := "db: pwrite offset=40KiB length=16KiB atomic"
	shorter := func(op int) func(*disk) {
		return func(d *disk) { d.stamps(op, 0, 32, 80); d.checkpoint(sized(48 * kib)) }
	}
	judge(t, []earns{
		{"app-torn: a collapse over it", file(quarter2, collapse), "c1 r1 c2", half(1, 32), AppTorn, "may be the work of op 2"},
		{"near: it was refused", file(quarter2, collapse), "c1 r1 c2 x2", half(1, 32), Torn, ""},
		{"near: it was not called", file(quarter2, collapse), "c1 r1", half(1, 32), Torn, ""},
		{"near: it came before", file(collapse, quarter2), "c1 r1 c2", half(2, 32), Torn, ""},
		{"near: it is behind the unit", file(quarter2, "db: collapse offset=32KiB length=16KiB"), "c1 r1 c2", half(1, 32), Torn, ""},
		{"app-torn: it is before the unit", file(quarter2, "db: collapse offset=0 length=16KiB"), "c1 r1 c2", half(1, 32), AppTorn, ""},
		{"app-torn: an insert over it", file(quarter2, insert), "c1 r1 c2", half(1, 32), AppTorn, "may be the work of op 2"},
		{"near: it came before", file(insert, quarter2), "c1 r1 c2", half(2, 32), Torn, ""},
		{"app-torn: a clone over it", file(quarter2, clone2), "c1 r1 c2", half(1, 32), AppTorn, "may be the work of op 2"},
		{"near: a clone of it", file(quarter2, "db: clone offset=32KiB length=16KiB from=16KiB"), "c1 r1 c2", half(1, 32), Torn, ""},
		{"near: it came before", file(clone2, quarter2), "c1 r1 c2", half(2, 32), Torn, ""},

		{"torn: what a clone before it left", file(clone2, quarter2), "c1 r1 c2", cloned(4, 6), Torn, "sectors 0-15 hold op 1, which op 2 replaced; sectors 16-31 hold op 2"},
		{"near: all of it", file(clone2, quarter2), "c1 r1 c2", cloned(4, 8), Held, ""},
		{"near: together", file(clone2, "b: pwrite offset=16KiB length=16KiB atomic"), "c1 c2", cloned(4, 6), Held, ""},
		{"torn: what a collapse before it left", file(collapse, quarter2), "c1 r1 c2",
			func(d *disk) { d.stamps(2, 0, 16, 64); d.checkpoint(mapped(4, 8, 4), punched4K(8, 4)) }, Torn, "hold op 1, which op 2 replaced"},

		// Op 1 may have been carried away and back before op 4 was called, or be
		// there by itself.
		{"app-torn: carried away and back", file(atomic, "b: clone offset=32KiB length=16KiB from=0", "b: clone offset=0 length=16KiB from=32KiB",
			"b: pwrite offset=0 length=16KiB atomic"), "c1 c2 r2 c3 r3 c4", func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(4, 0, 8*kib, 0) }, AppTorn, ""},
		{"near: away only", file(atomic, "b: clone offset=32KiB length=16KiB from=0", "b: clone offset=48KiB length=16KiB from=32KiB",
			"b: pwrite offset=0 length=16KiB atomic"), "c1 c2 r2 c3 r3 c4", func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(4, 0, 8*kib, 0) }, Torn, "no order"},

		{"carried in half", file(quarter3, collapse), "c1 r1 c2", func(d *disk) { d.stamps(1, 0, 16, 64); d.checkpoint(mapped(4, 8, 4), punched4K(8, 4)) }, Held, ""},
		{"cloned in half", file(atomic, clone), "c1 r1 c2", func(d *disk) { d.put(1, 0, 16*kib, 0); d.checkpoint(mapped(8, 0, 2)) }, Held, ""},
		{"torn: in half, and cloned as it is", file(atomic, clone), "c1 r1 c2", func(d *disk) { d.put(1, 0, 8*kib, 0); d.checkpoint(mapped(8, 0, 4)) }, Torn, "unit of op 1 [0,16KiB)"},

		{"app-torn: a collapse cut it", file(cut, collapse), "c1 r1 c2", shorter(1), AppTorn, "ends at 48KiB; the mixture may be the work of op 2"},
		{"cut: the collapse came before", file(collapse, cut), "c1 r1 c2", shorter(2), Cut, "ends at 48KiB"},
		{"short", file(quarter3, collapse), "c1 h1 c2", func(*disk) {}, Short, ""},
	})
}

// What a move may have put on a unit is no old version of it.
func TestOldOrNewMoves(t *testing.T) {
	for _, c := range []struct {
		name string
		ops  []string
		want Verdict
	}{
		{"cloned over", []string{atomic, again, "db: clone offset=0 length=16KiB from=48KiB"}, Held},
		{"cloned", []string{atomic, again, "db: clone offset=48KiB length=16KiB from=0"}, Stale},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := mkfs(t, 64*kib, workloads.Contiguous, c.ops...).see("c1 r1 c2 r2 c3")
			got, why := d.verdict(OldOrNew)
			require.Equal(t, c.want, got, why)
		})
	}
}

// What a read sees of content that was moved.
func TestReadsOfMoves(t *testing.T) {
	version0 := func(d *disk, at int32) []blk.Handle {
		out := make([]blk.Handle, 32)
		for i := range out {
			out[i] = blk.Data(0, int(at)+i)
		}
		return out
	}
	zeros := func(*disk, int32) []blk.Handle { return make([]blk.Handle, 32) }
	of := func(op, place int) func(*disk, int32) []blk.Handle {
		return func(*disk, int32) []blk.Handle {
			out := make([]blk.Handle, 32)
			for i := range out {
				out[i] = blk.Data(op, place+i)
			}
			return out
		}
	}
	const read2, read3 = "r: pread offset=16KiB length=16KiB", "r: pread offset=32KiB length=16KiB"
	for _, c := range []struct {
		name  string
		ops   []string
		marks string
		read  int
		saw   func(d *disk, at int32) []blk.Handle
		lost  bool
		want  Verdict
	}{
		{"moved down", []string{collapse, read2}, "c1 r1 c2 r2", 2, of(0, 64), false, Held},
		{"lost: not moved", []string{collapse, read2}, "c1 r1 c2 r2", 2, version0, false, Lost},
		{"near: while it is", []string{collapse, read2}, "c1 c2 r2", 2, version0, false, Held},
		{"near: data was lost", []string{collapse, read2}, "c1 r1 c2 r2", 2, version0, true, Held},
		{"lost: a hole", []string{collapse, read2}, "c1 r1 c2 r2", 2, zeros, false, Lost},
		{"near: while it is", []string{collapse, read2}, "c1 c2 r2", 2, zeros, false, Held},
		{"corrupt: from elsewhere", []string{collapse, read2}, "c1 r1 c2 r2", 2, of(0, 65), false, Corrupt},
		{"a hole", []string{insert, read2}, "c1 r1 c2 r2", 2, zeros, false, Held},
		{"moved up", []string{insert, read3}, "c1 r1 c2 r2", 2, of(0, 32), false, Held},
		{"cloned", []string{clone, read3}, "c1 r1 c2 r2", 2, of(0, 0), false, Held},
		{"lost: the old content", []string{clone, read3}, "c1 r1 c2 r2", 2, version0, false, Lost},
		{"lost: a clone of what was replaced", []string{plain, clone, read3}, "c1 r1 c2 r2 c3 r3", 3, of(0, 0), false, Lost},
		{"a clone of what was written", []string{plain, clone, read3}, "c1 r1 c2 r2 c3 r3", 3, of(1, 0), false, Held},
		{"corrupt: what was written later", []string{clone, plain, read3}, "c1 r1 c2 r2 c3 r3", 3, of(2, 0), false, Corrupt},
		{"corrupt: written over, and not moved", []string{collapse, quarter2, read3}, "c1 c2 r2 c3 r3", 3, of(2, 0), false, Corrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := mkfs(t, 64*kib, workloads.Contiguous, c.ops...).see(c.marks)
			at := int32(d.h.Op(c.read).Start() / 512)
			require.Equal(t, c.want, d.verifier(Untorn).JudgeRead(d.h, c.read, at, c.saw(d, at), c.lost))
		})
	}
}

func second(ops ...string) func(*testing.T) *disk {
	return func(t *testing.T) *disk { return mkfs2(t, 64*kib, 16*kib, workloads.Contiguous, ops...) }
}

// The second file has 16 KiB in the last four blocks of the disk.
func TestSecondFile(t *testing.T) {
	const (
		unit    = "db: pwrite offset=0 length=8KiB atomic file=1"
		other   = "db: pwrite offset=0 length=8KiB"
		over    = "db: pwrite offset=12KiB length=8KiB atomic file=1"
		fsync2  = "db: fsync file=1"
		cloneTo = "db: clone offset=0 length=16KiB from=0 file=1"
		cloneOf = "db: clone offset=0 length=16KiB from=0 from_file=1"
		blocks  = 8 * 28
	)
	same := func(*disk) {}
	put := func(op, place int, n int32) func(*disk) {
		return func(d *disk) { d.stamps(op, place, n, blocks+int32(place)) }
	}
	size := func(n int64) ondisk.Item { return ondisk.Item{Kind: ondisk.Size, ID: 1, Bytes: n} }
	judge(t, []earns{
		{"untouched", second(unit), "", same, Held, ""},
		{"whole", second(unit), "c1 r1", put(1, 0, 16), Held, ""},
		{"torn", second(unit), "c1 r1", put(1, 0, 8), Torn, "unit of op 1 [0,8KiB) of the second file: sectors 0-7 hold op 1; sectors 8-15 hold version 0"},
		{"near: a plain write of the other file is no excuse", second(unit, other), "c1 r1 c2 r2", put(1, 0, 8), Torn, ""},
		{"app-torn: a plain write of this one is", second(unit, other+" file=1"), "c1 r1 c2 r2", put(1, 0, 8), AppTorn, ""},
		{"corrupt: the write is in the other file", second(unit), "c1 r1", func(d *disk) { d.stamps(1, 0, 16, 0) }, Corrupt, "file sector 0 holds w1.0"},
		{"corrupt: version 0 of the other file", second(unit), "", func(d *disk) { d.stamps(0, 0, 32, blocks) }, Corrupt, "sector 0 of the second file holds w0.0"},
		{"corrupt: a block of the other file", second(unit), "", func(d *disk) { d.checkpoint(mapped(secondBlock, 0, 1)) }, Corrupt, "block 0 is mapped twice"},
		{"exposed", second(unit), "c1", func(d *disk) { d.checkpoint(mapped(secondBlock, 16, 1)) }, Exposed, "sector 0 of the second file"},

		{"lost: fsync of it", second(unit, fsync2), "c1 r1 c2 r2", same, Lost, "sector 0 of the second file holds version 0"},
		{"near: fsync of the other", second(unit, fsync), "c1 r1 c2 r2", same, Held, ""},
		{"near: of the other, by its write", second(unit, other, fsync2), "c1 r1 c2 r2 c3 r3", put(1, 0, 16), Held, ""},
		{"lost: the other", second(unit, other, fsync), "c1 r1 c2 r2 c3 r3", put(1, 0, 16), Lost, "file sector 0 holds version 0"},
		{"near: an error of the other file is none here", second(unit, other, fsync, fsync2), "c1 r1 c2 r2 c3 e3 c4 r4", same, Lost, ""},
		{"near: an error of this one", second(unit, fsync2, fsync2), "c1 r1 c2 e2 c3 r3", same, Held, ""},

		{"longer", second(over), "c1 r1", func(d *disk) {
			d.stamps(1, 0, 8, blocks+24)
			d.stamps(1, 8, 8, 128)
			d.checkpoint(mapped(secondBlock+4, 16, 1), size(20*kib))
		}, Held, ""},
		{"cut", second(over), "c1 r1", func(d *disk) { d.stamps(1, 0, 8, blocks+24) }, Cut, "of the second file is visible and the recovered file ends at 16KiB"},
		{"near: nothing of it", second(over), "c1 r1", same, Held, ""},
		{"corrupt: a size inside it", second(over), "c1 r1", func(d *disk) { d.checkpoint(size(18 * kib)) }, Corrupt, "a size of 18432 bytes of the second file is inside an atomic write"},
		{"corrupt: another size", second(over), "c1 r1", func(d *disk) { d.checkpoint(size(24 * kib)) }, Corrupt, "a size of 24576 bytes of the second file, which no operation leaves"},
		{"corrupt: the size in the other file", second(over), "c1 r1", func(d *disk) { d.checkpoint(sized(68 * kib)) }, Corrupt, "which no operation leaves"},
		{"lost: shorter", second(unit), "", func(d *disk) { d.checkpoint(size(8 * kib)) }, Lost, "sector 16 of the second file is absent, and no operation makes the file shorter"},
		{"near: truncated", second("db: truncate offset=8KiB file=1"), "c1", func(d *disk) { d.checkpoint(size(8 * kib)) }, Held, ""},
		{"near: the other was truncated", second("db: truncate offset=8KiB", unit), "c1", func(d *disk) { d.checkpoint(size(8 * kib)) }, Lost, ""},
		{"lost: the end is durable in the other file only", second("db: fallocate offset=16KiB length=4KiB file=1", fsync2), "c1 r1 c2 r2", same, Lost, "sector 32 of the second file is absent, and op 1 was durable"},
		{"near: it is", second("db: fallocate offset=16KiB length=4KiB file=1", fsync), "c1 r1 c2 r2", same, Held, ""},
		{"a size beyond the longest write", second(unit), "", func(d *disk) { d.checkpoint(size(-512)) }, Corrupt, "recovery: a size of -512 bytes of the second file"},
		{"corrupt: an extent over the beginning of the file", second(unit), "", func(d *disk) { d.checkpoint(mapped(secondBlock-1, 16, 2)) }, Corrupt, "is out of range"},

		{"cloned here", second(cloneTo), "c1 r1", func(d *disk) { d.checkpoint(mapped(secondBlock, 0, 4)) }, Held, ""},
		{"cloned here, in part", second(cloneTo), "c1", func(d *disk) { d.checkpoint(mapped(secondBlock+1, 1, 2)) }, Held, ""},
		{"corrupt: not called", second(cloneTo), "", func(d *disk) { d.checkpoint(mapped(secondBlock, 0, 4)) }, Corrupt, "block 0 is mapped twice"},
		{"corrupt: not called, in its own blocks", second(cloneTo), "", func(d *disk) { d.stamps(0, 0, 32, blocks) }, Corrupt, "holds w0.0"},
		{"corrupt: the other way round", second(cloneTo), "c1", func(d *disk) { d.checkpoint(mapped(0, 28, 4)) }, Corrupt, "file sector 0 holds w0.32768"},
		{"cloned from here", second(cloneOf), "c1", func(d *disk) { d.checkpoint(mapped(0, 28, 4)) }, Held, ""},
		{"lost: fsync of the target", second(cloneTo, fsync2), "c1 r1 c2 r2", same, Lost, ""},
		{"near: of the source", second(cloneTo, fsync), "c1 r1 c2 r2", same, Held, ""},
		{"lost: what was durable in the source", second(other, fsync, cloneTo), "c1 r1 c2 r2 c3", func(d *disk) {
			d.put(1, 0, 8*kib, 0)
			d.stamps(0, 0, 32, blocks)
		}, Lost, "sector 0 of the second file holds op 3"},
		{"near: not durable", second(other, cloneTo), "c1 r1 c2", func(d *disk) { d.stamps(0, 0, 32, blocks) }, Held, ""},
		{"app-torn: a unit that the clone is over", second(unit, cloneTo), "c1 r1 c2", put(1, 0, 8), AppTorn, ""},
		{"near: a unit that it comes from", second(unit, cloneOf), "c1 r1 c2", put(1, 0, 8), Torn, ""},

		{"collapsed", second("db: collapse offset=4KiB length=4KiB file=1"), "c1 r1", func(d *disk) {
			d.checkpoint(mapped(secondBlock+1, 30, 2), punched4K(secondBlock+3, 1), size(12*kib))
		}, Held, ""},
		{"near: the other was", second("db: collapse offset=4KiB length=4KiB", unit), "c1 r1", func(d *disk) {
			d.checkpoint(mapped(secondBlock+1, 30, 2), punched4K(secondBlock+3, 1))
		}, Corrupt, "of the second file holds"},
	})
}

// Units of the same offset in two files are not versions of each other.
func TestVersionsOfTwoFiles(t *testing.T) {
	d := mkfs2(t, 64*kib, 16*kib, workloads.Contiguous, atomic, again+" file=1", again+" file=1").see("c1 r1 c2 r2 c3 r3")
	r := d.drive(d.verifier(Untorn))
	require.Equal(t, "1", r.Behind[1].String(), "the unit of the first file")
	require.Equal(t, "1", r.Behind[2].String(), "and that of the second")
}

func TestDiskWithoutASecondFile(t *testing.T) {
	d := mkfs2(t, 64*kib, 16*kib, workloads.Contiguous, atomic+" file=1")
	d.super.Second = 0
	_, err := New(Config{Workload: d.w, Contract: Untorn, Super: d.super, Interner: d.in})
	require.ErrorContains(t, err, "the second file of the disk begins at block 0; it has to be 266240")
}

// What cannot be judged in reasonable time is refused.
func TestTooManyMoves(t *testing.T) {
	var ops []string
	for range workloads.MaxMoves + 1 {
		ops = append(ops, clone)
	}
	d := mkfs(t, 64*kib, workloads.Contiguous, ops...)
	_, err := New(Config{Workload: d.w, Contract: Untorn, Super: d.super, Interner: d.in})
	require.ErrorContains(t, err, "11 operations move content, at most 10 are possible")

	d = mkfs(t, 64*kib, workloads.Contiguous, "db: collapse offset=0 length=512")
	d.w.File = 256 << 20
	_, err = New(Config{Workload: d.w, Contract: Untorn, Super: d.super, Interner: d.in})
	require.ErrorContains(t, err, "into more than 65536 pieces")
}

// Following content through moves takes no memory.
func TestMovesTakeNoMemory(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, atomic, clone, collapse, fsync).see("c1 r1 c2 r2 c3 r3 c4")
	v := d.verifier(Untorn)
	v.Begin(d.h)
	v.Set(0, d.image)
	v.Recover()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for g := range v.layout.groups() {
			v.Leaf(g, &one)
			v.Choice(&one)
			v.Component()
		}
		v.State(&one)
	}))
}

// Where a durable short write ended in the source of a move, what was moved is
// judged differently before and after that, and is varied apart.
func TestMovesCarryEnds(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, quarter3, fsync, collapse).see("c1 h1 c2 r2 c3")
	d.checkpoint(mapped(4, 8, 4), punched4K(8, 4))
	v := d.verifier(Untorn)
	d.drive(v)
	require.True(t, slices.ContainsFunc(v.m.cells, func(c blk.Cell) bool { return c.Start == d.super.Sector(8)+16 }), "%v", v.m.cells)
}
