package verifier

import "testing"

const (
	pieces      = "db: pwrite offset=0 length=16KiB atomic unit=8KiB"
	piecesAgain = "b: pwrite offset=0 length=16KiB atomic unit=8KiB"
	pastPieces  = "db: pwrite offset=64KiB length=16KiB atomic unit=8KiB"
)

// An atomic write of several units promises that each of them is untorn, and
// nothing of the call.
func TestPieces(t *testing.T) {
	judge(t, []earns{
		{"one unit is new and one is old", file(pieces), "c1 r1", func(d *disk) { d.put(1, 8*kib, 16*kib, 0) }, Held, ""},
		{"near: without units of its own", file(atomic), "c1 r1", func(d *disk) { d.put(1, 8*kib, 16*kib, 0) }, Torn, ""},
		{"torn: half of a unit", file(pieces), "c1 r1", func(d *disk) { d.put(1, 0, 12*kib, 0) }, Torn,
			"unit of op 1 [8KiB,16KiB): sectors 0-7 hold op 1; sectors 8-15 hold version 0, which op 1 replaced"},
		{"near: the whole of it", file(pieces), "c1 r1", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Held, ""},
		{"units that ran together, each call over the other in a unit", file(pieces, piecesAgain), "c1 c2 r1 r2",
			func(d *disk) { d.put(1, 0, 8*kib, 0); d.put(2, 8*kib, 16*kib, 0) }, Held, ""},
		{"torn: each over the other within a unit", file(pieces, piecesAgain), "c1 c2 r1 r2",
			func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 4*kib, 8*kib, 0) }, Torn, "no order of the operations"},
		{"torn: a call that is one unit over one that has two, and under it", file(pieces, "b: pwrite offset=0 length=16KiB atomic"), "c1 c2 r1 r2",
			func(d *disk) { d.put(2, 0, 16*kib, 0); d.put(1, 4*kib, 8*kib, 0) }, Torn, "no order"},
		{"torn: the call that is one unit lies over one unit and under the other", file(pieces, "b: pwrite offset=0 length=16KiB atomic"), "c1 c2 r1 r2",
			func(d *disk) { d.put(1, 0, 8*kib, 0); d.put(2, 8*kib, 12*kib, 0); d.put(1, 12*kib, 16*kib, 0) }, Torn, "no order"},
		{"near: it lies under one of them, and the other is not there", file(pieces, "b: pwrite offset=0 length=16KiB atomic"), "c1 c2 r1 r2",
			func(d *disk) { d.put(2, 0, 16*kib, 0); d.put(1, 0, 8*kib, 0) }, Held, ""},
		{"cut: the size is inside a unit", file(pastPieces), "c1 r1",
			func(d *disk) {
				d.put(1, 64*kib, 76*kib, 0)
				d.checkpoint(mapped(16, 16, 3), sized(76*kib))
			}, Cut, "unit of op 1 [72KiB,80KiB) is visible and the recovered file ends at 76KiB"},
		{"near: the size is where a unit ends", file(pastPieces), "c1 r1",
			func(d *disk) {
				d.put(1, 64*kib, 72*kib, 0)
				d.checkpoint(mapped(16, 16, 2), sized(72*kib))
			}, Held, ""},
		{"short: the call returned a part of a unit", file(pieces), "c1 s1", func(d *disk) {}, Short, "returned 512 of 16384"},
		{"near: it returned a whole one", file(pieces), "c1 h1", func(d *disk) { d.put(1, 0, 8*kib, 0) }, Held, ""},
		{"lost: a unit that was written, and synced", file(pieces, fsync), "c1 h1 c2 r2", func(d *disk) { d.put(1, 8*kib, 16*kib, 0) }, Lost, ""},
		{"near: the unit that was not written is not there", file(pieces, fsync), "c1 h1 c2 r2", func(d *disk) { d.put(1, 0, 8*kib, 0) }, Held, ""},
		{"torn: half of the unit that was not written", file(pieces), "c1 h1", func(d *disk) { d.put(1, 0, 12*kib, 0) }, Torn, ""},
	})
}
