package verifier

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/ondisk"
	"untorn/workloads"
)

const (
	punch     = "db: punch offset=0 length=16KiB"
	punchHalf = "db: punch offset=8KiB length=8KiB"
	zeroPast  = "db: zero offset=60KiB length=8KiB"
	allocPast = "db: fallocate offset=60KiB length=8KiB"
	writePast = "db: pwrite offset=64KiB length=16KiB"
)

func punched4K(off, n int32) ondisk.Item {
	return ondisk.Item{Kind: ondisk.Unmap, Ext: ondisk.Extent{Off: off, Len: n}}
}

// Zeros are what punched, zeroed or truncated left, or version 0 of a hole.
func TestZeros(t *testing.T) {
	half := func(op int) func(*disk) { // the other half is zeros
		return func(d *disk) { d.put(op, 0, 8*kib, 0); d.zero(8*kib, 16*kib) }
	}
	all := func(d *disk) { d.zero(0, 16*kib) }
	judge(t, []earns{
		{"punched: zeros", file(atomic, punchHalf), "c1 r1 c2 r2", half(1), Held, ""},
		{"punched: a hole", file(atomic, punchHalf), "c1 r1 c2 r2",
			func(d *disk) { d.put(1, 0, 8*kib, 0); d.checkpoint(punched4K(2, 2)) }, Held, ""},
		{"punched: not yet", file(atomic, punchHalf), "c1 r1 c2 r2", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Held, ""},
		{"punched: under way, in a part", file(punch), "c1", func(d *disk) { d.zero(4*kib, 8*kib) }, Held, ""},
		{"punched: failed, in a part", file(punch), "c1 e1", func(d *disk) { d.zero(4*kib, 8*kib) }, Held, ""},
		{"near: beside it", file(atomic, punchHalf), "c1 r1 c2 r2",
			func(d *disk) { half(1)(d); d.zero(7*kib, 8*kib) }, Corrupt, "file sector 14 holds zero"},
		{"near: a hole beside it", file(atomic, punchHalf), "c1 r1 c2 r2", func(d *disk) { d.checkpoint(punched4K(1, 3)) }, Corrupt, "file sector 8 holds zero"},
		{"near: not called", file(atomic, punchHalf), "c1 r1", half(1), Corrupt, "file sector 16 holds zero"},
		{"near: refused", file(atomic, punchHalf), "c1 r1 c2 x2", half(1), Corrupt, ""},

		{"torn: zeros from before the unit", file(punch, again), "c1 r1 c2 r2", half(2), Torn,
			"sectors 0-15 hold op 2; sectors 16-31 hold op 1, which op 2 replaced"},
		{"torn: a hole from before the unit", file(punch, again), "c1 r1 c2 r2",
			func(d *disk) { d.put(2, 0, 8*kib, 0); d.checkpoint(punched4K(2, 2)) }, Torn, ""},
		{"torn: zeros of a zeroed range", file("db: zero offset=0 length=16KiB", again), "c1 r1 c2 r2", half(2), Torn, ""},
		{"torn: zeros of a truncation", file("db: truncate offset=8KiB", again), "c1 r1 c2 r2", half(2), Torn, ""},
		{"near: it has not returned", file(punch, "b: pwrite offset=0 length=16KiB atomic"), "c1 c2 r2 r1", half(2), Held, ""},
		{"near: the zeros are whole", file(punch, again), "c1 r1 c2 r2", all, Held, ""},

		{"app-torn: punched, and the old half", file(atomic, punch), "c1 r1 c2 r2", func(d *disk) { d.put(1, 0, 8*kib, 0) }, AppTorn, "may be the work of op 2"},
		{"app-torn: zeroed, and the old half", file(atomic, "db: zero offset=8KiB length=8KiB"), "c1 r1 c2",
			func(d *disk) { d.put(1, 0, 8*kib, 0) }, AppTorn, "may be the work of op 2"},
		{"near: punched elsewhere", file(atomic, "db: punch offset=16KiB length=8KiB"), "c1 r1 c2 r2", func(d *disk) { d.put(1, 0, 8*kib, 0) }, Torn, ""},
		{"near: the punch was refused", file(atomic, punch), "c1 r1 c2 x2", func(d *disk) { d.put(1, 0, 8*kib, 0) }, Torn, ""},
		{"near: allocated changes nothing", file(atomic, "db: fallocate offset=0 length=16KiB"), "c1 r1 c2 r2", func(d *disk) { d.put(1, 0, 8*kib, 0) }, Torn, ""},
		{"app-torn: zeros of the hole that was, or of the punch", hole(atomic, punchHalf), "c1 r1 c2 r2",
			func(d *disk) { d.put(1, 0, 8*kib, 16); d.checkpoint(mapped(0, 16, 2)) }, AppTorn, ""},
		{"near: of the punch, since the unit was durable", hole(atomic, fsync, punchHalf), "c1 r1 c2 r2 c3 r3",
			func(d *disk) { d.put(1, 0, 8*kib, 16); d.checkpoint(mapped(0, 16, 2)) }, Held, ""},

		{"lost: zeros in place of what came later", file(punch, again, fsync), "c1 r1 c2 r2 c3 r3", all, Lost,
			"file sector 0 holds op 1, which a durable operation replaced (durable here: op 1, op 2)"},
		{"lost: a hole in place of what came later", file(punch, plain, fsync), "c1 r1 c2 r2 c3 r3",
			func(d *disk) { d.checkpoint(punched4K(0, 4)) }, Lost, "file sector 0 holds op 1"},
		{"near: the fsync has not returned", file(punch, again, fsync), "c1 r1 c2 r2 c3", all, Held, ""},
		{"near: the write ran together with the punch", file(punch, "b: pwrite offset=0 length=16KiB", fsync), "c1 c2 r2 r1 c3 r3", all, Held, ""},
		{"lost: what was punched", file(atomic, punch, fsync), "c1 r1 c2 r2 c3 r3", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Lost,
			"file sector 0 holds op 1, which a durable operation replaced (durable here: op 1, op 2)"},
		{"near: the punch is durable", file(atomic, punch, fsync), "c1 r1 c2 r2 c3 r3", all, Held, ""},
		{"near: the punch came back after the call of fsync", file(atomic, "b: punch offset=0 length=16KiB", fsync), "c1 r1 c2 c3 r2 r3",
			func(d *disk) { d.put(1, 0, 16*kib, 0) }, Held, ""},
		{"near: the punch failed", file(atomic, punch, fsync), "c1 r1 c2 e2 c3 r3", func(d *disk) {}, Held, ""},
		{"lost: a hole of version 0 after a durable write", hole(plain, fsync), "c1 r1 c2 r2", func(d *disk) {}, Lost, ""},

		{"exposed: an allocated block that is read", hole("db: fallocate offset=0 length=4KiB"), "c1 r1", func(d *disk) { d.checkpoint(mapped(0, 16, 1)) }, Exposed, ""},
		{"near: unwritten", hole("db: fallocate offset=0 length=4KiB"), "c1 r1", func(d *disk) {
			d.checkpoint(ondisk.Item{Kind: ondisk.Map, Ext: ondisk.Extent{Block: 16, Len: 1, Unwritten: true}})
		}, Held, ""},
		{"corrupt: allocated, and the data is gone", file("db: fallocate offset=0 length=16KiB"), "c1 r1", all, Corrupt, ""},
	})
}

// The end of file is where version 0 or an operation left it.
func TestSizes(t *testing.T) {
	size := func(n int64) func(*disk) { return func(d *disk) { d.checkpoint(sized(n)) } }
	same := func(*disk) {}
	short := "db: truncate offset=16KiB"
	judge(t, []earns{
		{"shorter", file(short), "c1 r1", size(16 * kib), Held, ""},
		{"not yet shorter", file(short), "c1 r1", same, Held, ""},
		{"near: not called", file(short), "", size(16 * kib), Lost, "no operation makes the file shorter"},
		{"near: refused", file(short), "c1 x1", size(16 * kib), Lost, "no operation makes the file shorter"},
		{"near: another size", file(short), "c1 r1", size(20 * kib), Corrupt, "a size of 20480 bytes, which no operation leaves"},
		{"near: shorter than that", file(short), "c1 r1", size(12 * kib), Corrupt, "which no operation leaves"},
		{"shorter, and a write on the way back", file(short, "db: pwrite offset=16KiB length=16KiB"), "c1 r1 c2", func(d *disk) {
			d.put(2, 16*kib, 20*kib, 0)
			d.checkpoint(sized(20 * kib))
		}, Held, ""},
		{"corrupt: shorter, and inside an atomic write of which nothing is there", file(short, "db: pwrite offset=16KiB length=16KiB atomic"), "c1 r1 c2",
			size(20 * kib), Corrupt, "is inside an atomic write"},
		{"lost: longer than what is durable", file(short, fsync), "c1 r1 c2 r2", same, Lost, "file sector 32 holds version 0"},
		{"near: the fsync failed", file(short, fsync), "c1 r1 c2 e2", same, Held, ""},
		{"lost: a msync covers no truncation", file(short, "db: msync offset=0 length=64KiB"), "c1 r1 c2 r2", same, Held, ""},

		{"shorter and longer again: zeros", file(short, "db: truncate offset=64KiB"), "c1 r1 c2 r2", func(d *disk) { d.zero(16*kib, 64*kib) }, Held, ""},
		{"shorter and longer again: a hole", file(short, "db: truncate offset=64KiB"), "c1 r1 c2", func(d *disk) { d.checkpoint(punched4K(4, 12)) }, Held, ""},
		{"near: zeros below", file(short, "db: truncate offset=64KiB"), "c1 r1 c2 r2", func(d *disk) { d.zero(12*kib, 64*kib) }, Corrupt, "file sector 24 holds zero"},
		{"lost: the old data is back", file(short, "db: truncate offset=64KiB", fsync), "c1 r1 c2 r2 c3 r3", func(d *disk) { d.zero(16*kib, 60*kib) }, Lost, "file sector 120 holds version 0"},
		{"near: the fsync has not returned", file(short, "db: truncate offset=64KiB", fsync), "c1 r1 c2 r2 c3", func(d *disk) { d.zero(16*kib, 60*kib) }, Held, ""},
		{"lost: the size after a longer truncation", file("db: truncate offset=80KiB", fsync), "c1 r1 c2 r2", same, Lost, "file sector 128 is absent, and op 1 was durable"},
		{"near: the fsync has not returned", file("db: truncate offset=80KiB", fsync), "c1 r1 c2", same, Held, ""},
		{"near: cut short again", file("db: truncate offset=80KiB", fsync, "db: truncate offset=64KiB"), "c1 r1 c2 r2 c3", same, Held, ""},
		{"lost: shorter again, and the longer one was durable", file("db: truncate offset=64KiB", "db: truncate offset=80KiB", fsync), "c1 r1 c2 r2 c3 r3", same, Lost, "file sector 128 is absent, and op 2 was durable"},
		{"near: they ran together", file("db: truncate offset=64KiB", "b: truncate offset=80KiB", fsync), "c1 c2 r1 r2 c3 r3", same, Held, ""},

		{"zeroed past the end", file(zeroPast), "c1 r1", func(d *disk) { d.zero(60*kib, 64*kib); d.checkpoint(sized(68 * kib)) }, Held, ""},
		{"near: a punch moves no end", file("db: punch offset=60KiB length=8KiB"), "c1 r1", size(68 * kib), Corrupt, "which no operation leaves"},
		{"near: nor does a punch inside", file("db: punch offset=60KiB length=12KiB", writePast), "c1 r1", size(68 * kib), Corrupt, "which no operation leaves"},
		{"lost: zeroed past the end", file(zeroPast, fsync), "c1 r1 c2 r2", func(d *disk) { d.zero(60*kib, 64*kib) }, Lost, "file sector 128 is absent"},
		{"near: a punch past the end leaves it absent", file("db: punch offset=64KiB length=16KiB", fsync, writePast), "c1 r1 c2 r2", same, Held, ""},
		{"allocated past the end", file(allocPast), "c1 r1", size(68 * kib), Held, ""},
		{"near: not called", file(allocPast), "", size(68 * kib), Corrupt, "which no operation leaves"},
		{"lost: allocated past the end", file(allocPast, fsync), "c1 r1 c2 r2", same, Lost, "file sector 128 is absent, and op 1 was durable"},
		{"lost: and made durable by its range", file(allocPast, "db: msync offset=60KiB length=8KiB"), "c1 r1 c2 r2", same, Lost, ""},
		{"near: the range is smaller", file(allocPast, "db: msync offset=60KiB length=4KiB"), "c1 r1 c2 r2", same, Held, ""},
		{"near: it failed", file(allocPast, fsync), "c1 e1 c2 r2", same, Held, ""},
		{"lost: the gap before a durable write", file("db: pwrite offset=72KiB length=8KiB", fsync, "db: pwrite offset=64KiB length=8KiB"), "c1 r1 c2 r2 c3", func(d *disk) {
			d.put(3, 64*kib, 68*kib, 0)
			d.checkpoint(mapped(16, 16, 2), sized(68*kib))
		}, Lost, "file sector 136 is absent, and op 1 was durable"},
		{"near: a write of no bytes keeps no gap", file("db: pwrite offset=72KiB length=8KiB", fsync), "c1 z1 c2 r2", same, Held, ""},
		{"lost: what a short write past the end wrote", file(writePast, fsync), "c1 h1 c2 r2", func(d *disk) {
			d.put(1, 64*kib, 68*kib, 0)
			d.checkpoint(mapped(16, 16, 1), sized(68*kib))
		}, Lost, "file sector 136 is absent"},
		{"near: all that it wrote", file(writePast, fsync), "c1 h1 c2 r2", func(d *disk) {
			d.put(1, 64*kib, 72*kib, 0)
			d.checkpoint(mapped(16, 16, 2), sized(72*kib))
		}, Held, ""},
		{"corrupt: a store moves no end", file("db: store offset=60KiB length=8KiB"), "c1", size(68 * kib), Corrupt, "which no operation leaves"},
	})
}

// A truncation may cut a unit that it does not precede, and no other.
func TestCutByTruncation(t *testing.T) {
	cut := func(unit int) func(*disk) {
		return func(d *disk) { d.put(unit, 56*kib, 60*kib, 0); d.checkpoint(sized(60 * kib)) }
	}
	here := "db: truncate offset=60KiB"
	judge(t, []earns{
		{"app-torn: it came later", file(over, here), "c1 r1 c2", cut(1), AppTorn,
			"is visible and the recovered file ends at 60KiB; the mixture may be the work of op 2"},
		{"app-torn: it ran together", file(over, "b: truncate offset=60KiB"), "c2 c1 r2 r1", cut(1), AppTorn, ""},
		{"cut: it came before", file(here, over), "c1 r1 c2", cut(2), Cut, "ends at 60KiB"},
		{"cut: it was refused", file(over, here, "db: pwrite offset=56KiB length=4KiB"), "c1 r1 c2 x2", func(d *disk) { d.put(1, 56*kib, 64*kib, 0) }, Cut, ""},
		{"cut: it leaves the unit alone", file(over, "db: truncate offset=80KiB"), "c1 r1 c2 r2", func(d *disk) { d.put(1, 56*kib, 64*kib, 0) }, Cut, "ends at 64KiB"},
		{"cut: a plain write is no truncation", file(over, "db: pwrite offset=56KiB length=4KiB"), "c1 r1 c2 r2", func(d *disk) { d.put(1, 56*kib, 64*kib, 0) }, Cut, "ends at 64KiB"},
		{"near: it begins in the unit", file(over, "db: truncate offset=64KiB"), "c1 r1 c2 r2", func(d *disk) { d.put(1, 56*kib, 64*kib, 0) }, AppTorn, ""},
		{"near: nothing visible", file(over, here), "c1 r1 c2", func(d *disk) { d.checkpoint(sized(60 * kib)) }, Held, ""},
		{"lost: the unit was durable and came after it", file(here, over, fsync), "c1 r1 c2 r2 c3 r3", func(d *disk) { d.checkpoint(sized(60 * kib)) }, Lost, ""},
		{"near: it came after the unit was durable", file(over, fsync, here), "c1 r1 c2 r2 c3", func(d *disk) {
			d.put(1, 56*kib, 60*kib, 0)
			d.checkpoint(sized(60 * kib))
		}, AppTorn, ""},
	})
}

// What a truncation took away, or a punch, is no old version of a unit.
func TestOldOrNewZeros(t *testing.T) {
	past2 := "db: pwrite offset=64KiB length=16KiB atomic"
	for _, c := range []struct {
		name  string
		ops   []string
		marks string
		make  func(*disk)
		want  Verdict
	}{
		{"truncated", []string{past2, past2, "db: truncate offset=64KiB"}, "c1 r1 c2 r2 c3", func(*disk) {}, Held},
		{"near: refused", []string{past2, past2, "db: truncate offset=64KiB"}, "c1 r1 c2 r2 c3 x3", func(*disk) {}, Stale},
		{"near: above", []string{past2, past2, "db: truncate offset=80KiB"}, "c1 r1 c2 r2 c3", func(*disk) {}, Stale},
		{"punched", []string{atomic, again, punch}, "c1 r1 c2 r2 c3", func(d *disk) { d.zero(0, 16*kib) }, Held},
		{"near: version 0", []string{atomic, again, punch}, "c1 r1 c2 r2 c3", func(*disk) {}, Stale},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := mkfs(t, 64*kib, workloads.Contiguous, c.ops...).see(c.marks)
			c.make(d)
			got, why := d.verdict(OldOrNew)
			require.Equal(t, c.want, got, why)
		})
	}
}
