package verifier

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/workloads"
)

const (
	store     = "db: store offset=0 length=16KiB"
	storeHalf = "db: store offset=0 length=8KiB"
	msync     = "db: msync offset=0 length=16KiB"
	syncRange = "db: sync_file_range offset=0 length=64KiB"
)

// Stores through mmap are the application's, and so are the mixtures that
// they make.
func TestStores(t *testing.T) {
	quarter := func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 0, 4*kib, 0) }
	garbage := func(d *disk) { d.image[d.super.Sector(0)+3] = blk.Garbage }
	judge(t, []earns{
		{"whole", file(store), "c1 r1", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Held, ""},
		{"any part", file(store), "c1 r1", func(d *disk) { d.put(1, 4*kib, 5*kib, 0) }, Held, ""},
		{"a part of one that failed", file(store), "c1 f1", func(d *disk) { d.put(1, 0, 4*kib, 0) }, Held, ""},
		{"near: not called", file(store), "", func(d *disk) { d.put(1, 0, 4*kib, 0) }, Corrupt, ""},
		{"near: at another place", file(store), "c1 r1", func(d *disk) { d.image[d.super.Sector(0)] = blk.Data(1, 1) }, Corrupt, "holds w1.1"},

		{"over a unit", file(atomic, storeHalf), "c1 r1 c2 r2", quarter, Held, ""},
		{"app-torn: over half a unit, and the rest is old", file(atomic, storeHalf), "c1 r1 c2 r2", func(d *disk) {
			d.put(1, 0, 8*kib, 0)
			d.put(2, 0, 4*kib, 0)
		}, AppTorn, "may be the work of op 2"},
		{"near: the store came before the unit", file(storeHalf, again), "c1 r1 c2 r2",
			func(d *disk) { d.put(2, 0, 16*kib, 0); d.put(1, 0, 4*kib, 0) }, Torn, "hold op 1, which op 2 replaced"},
		{"near: the store is elsewhere", file(atomic, "db: store offset=16KiB length=4KiB"), "c1 r1 c2 r2", func(d *disk) { d.put(1, 0, 8*kib, 0) }, Torn, ""},
		{"near: the store was refused", file(atomic, storeHalf), "c1 r1 c2 x2", func(d *disk) { d.put(1, 0, 8*kib, 0) }, Torn, ""},

		{"app-torn: a bad checksum under a store", file(store), "c1", garbage, AppTorn, "file sector 3 holds garbage, and a store may have been under way"},
		{"app-torn: under one that no sync followed", file(store), "c1 r1", garbage, AppTorn, ""},
		{"near: under none", file(plain), "c1", garbage, Corrupt, ""},
		{"near: the store is elsewhere", file("db: store offset=2KiB length=4KiB"), "c1", garbage, Corrupt, ""},
		{"near: the store was refused", file(store), "c1 x1", garbage, Corrupt, ""},
		{"near: the store was not called", file(store), "", garbage, Corrupt, ""},
		{"near: the store is durable", file(store, msync), "c1 r1 c2 r2", garbage, Corrupt, ""},
		{"app-torn: durable, and together with a write", file(store, "b: pwrite offset=0 length=16KiB", fsync), "c1 c2 r1 r2 c3 r3",
			func(d *disk) { d.put(2, 0, 16*kib, 0); garbage(d) }, AppTorn, ""},
		{"near: one after the other", file(store, plain, fsync), "c1 r1 c2 r2 c3 r3",
			func(d *disk) { d.put(2, 0, 16*kib, 0); garbage(d) }, Corrupt, ""},
		{"near: a write came after the durable store", file(store, msync, plain), "c1 r1 c2 r2 c3", func(d *disk) { d.put(1, 0, 16*kib, 0); garbage(d) }, Corrupt, ""},
		{"near: a durable write replaced the store", file(store, plain+" dsync"), "c1 r1 c2 r2", garbage, Corrupt, ""},
		{"app-torn: metadata has no checksum of a stamp", file(store), "c1", func(d *disk) { d.image[d.super.Sector(0)+3] = d.image[0] }, AppTorn, ""},
	})
}

// What makes an operation durable, and what only looks like it.
func TestSyncs(t *testing.T) {
	old := func(*disk) {}
	judge(t, []earns{
		{"lost: a store after msync", file(store, msync), "c1 r1 c2 r2", old, Lost, "file sector 0 holds version 0"},
		{"lost: after msync of more", file(store, "db: msync offset=0 length=32KiB"), "c1 r1 c2 r2", old, Lost, ""},
		{"lost: after fsync", file(store, fsync), "c1 r1 c2 r2", old, Lost, ""},
		{"lost: after fdatasync", file(store, "db: fdatasync"), "c1 r1 c2 r2", old, Lost, ""},
		{"lost: a write after msync", file(atomic, msync), "c1 r1 c2 r2", old, Lost, ""},
		{"lost: a punch after msync", file(punch, msync), "c1 r1 c2 r2", old, Lost, ""},
		{"near: msync of the first half", file(store, "db: msync offset=0 length=8KiB"), "c1 r1 c2 r2", old, Held, ""},
		{"near: msync of the second half", file(store, "db: msync offset=8KiB length=8KiB"), "c1 r1 c2 r2", old, Held, ""},
		{"near: msync failed", file(store, msync), "c1 r1 c2 e2", old, Held, ""},
		{"near: msync has not returned", file(store, msync), "c1 r1 c2", old, Held, ""},
		{"near: msync was called before the store returned", file(store, "b: msync offset=0 length=16KiB"), "c1 c2 r1 r2", old, Held, ""},
		{"near: the store failed", file(store, msync), "c1 f1 c2 r2", old, Held, ""},
		{"near: a msync failed before", file(store, msync, msync), "c1 r1 c2 e2 c3 r3", old, Held, ""},
		{"lost: and was written again", file(store, msync, store, msync), "c1 r1 c2 e2 c3 r3 c4 r4", old, Lost, ""},

		{"sync_file_range promises nothing", file(atomic, syncRange), "c1 r1 c2 r2", old, Held, ""},
		{"nor with fsync under way", file(atomic, syncRange, fsync), "c1 r1 c2 r2 c3", old, Held, ""},
		{"near: fsync after it", file(atomic, syncRange, fsync), "c1 r1 c2 r2 c3 r3", old, Lost, ""},
		{"near: it reported the error, and fsync no more", file(atomic, syncRange, fsync), "c1 r1 c2 e2 c3 r3", old, Held, ""},
		{"torn: in half, after sync_file_range", file(atomic, syncRange), "c1 r1 c2 r2", func(d *disk) { d.put(1, 0, 8*kib, 0) }, Torn, ""},

		{"a read promises nothing", file(atomic, "db: pread offset=0 length=16KiB"), "c1 r1 c2 r2", old, Held, ""},
		{"near: fsync after it", file(atomic, "db: pread offset=0 length=16KiB", fsync), "c1 r1 c2 r2 c3 r3", old, Lost, ""},

		{"torn: a unit without its flag", file(atomic + " unflagged"), "c1 r1", func(d *disk) { d.put(1, 0, 8*kib, 0) }, Torn, "unit of op 1"},
		{"near: whole", file(atomic + " unflagged"), "c1 r1", func(d *disk) { d.put(1, 0, 16*kib, 0) }, Held, ""},
		{"near: a plain write is no unit", file(plain), "c1 r1", func(d *disk) { d.put(1, 0, 8*kib, 0) }, Held, ""},
		{"short: a unit without its flag", file(atomic + " unflagged"), "c1 h1", old, Short, ""},
		{"torn: no excuse for the unit beside it", file(atomic, again+" unflagged"), "c1 c2", func(d *disk) { d.put(1, 0, 16*kib, 0); d.put(2, 0, 8*kib, 0) }, Torn, "no order"},
	})
}

// What a read of the running system returned, and the verdict on it.
func TestReads(t *testing.T) {
	const read = "r: pread offset=0 length=16KiB"
	// Each letter is a part of the range: a digit is a version, z zeros, g
	// garbage, x a freed block, s a stamp of op 1 at a wrong place, p one of
	// version 0.
	seen := func(s string) []blk.Handle {
		content := make([]blk.Handle, 32)
		for i := range content {
			switch x := s[i*len(s)/32]; x {
			case 'z':
				content[i] = blk.Zero
			case 'g':
				content[i] = blk.Garbage
			case 'x':
				content[i] = blk.Data(blk.FreeSpace, i)
			case 's':
				content[i] = blk.Data(1, i+1)
			case 'p':
				content[i] = blk.Data(0, i+1)
			default:
				content[i] = blk.Data(int(x-'0'), i)
			}
		}
		return content
	}
	for _, c := range []struct {
		name  string
		ops   []string // the last is the read
		marks string
		saw   string
		want  Verdict
	}{
		{"the write", []string{atomic, read}, "c1 r1 c2", "1", Held},
		{"half of it", []string{atomic, read}, "c1 r1 c2", "10", Lost},
		{"none of it", []string{atomic, read}, "c1 r1 c2", "0", Lost},
		{"near: under way", []string{atomic, read}, "c1 c2", "10", Held},
		{"near: returned after the call of the read", []string{atomic, read}, "c1 c2 r1", "10", Held},
		{"near: failed", []string{atomic, read}, "c1 e1 c2", "10", Held},
		{"near: short, the rest", []string{plain, read}, "c1 h1 c2", "10", Held},
		{"short, and what it wrote", []string{plain, read}, "c1 h1 c2", "1000", Lost},
		{"called after the read", []string{atomic, read}, "c2 c1", "1", Held},
		{"never called", []string{atomic, read}, "c2", "1", Corrupt},
		{"refused", []string{atomic, read}, "c1 x1 c2", "1", Corrupt},
		{"the wrong place", []string{atomic, read}, "c1 c2", "s", Corrupt},
		{"the wrong place of version 0", []string{atomic, read}, "c1 c2", "p", Corrupt},
		{"failed, and what it replaced before it was called", []string{plain, again, read}, "c1 r1 c2 e2 c3", "1", Held},
		{"garbage", []string{atomic, read}, "c1 c2", "1g", Corrupt},
		{"a freed block", []string{atomic, read}, "c1 c2", "1x", Exposed},
		{"zeros over data", []string{atomic, read}, "c1 c2", "1z", Corrupt},
		{"near: punched", []string{atomic, punchHalf, read}, "c1 r1 c2 r2 c3", "1z", Held},
		{"near: punch under way", []string{atomic, punchHalf, read}, "c1 r1 c2 c3", "11z1", Held},
		{"punch refused", []string{atomic, punchHalf, read}, "c1 r1 c2 x2 c3", "1z", Corrupt},
		{"not punched", []string{atomic, punchHalf, read}, "c1 r1 c2 r2 c3", "1", Lost},
		{"zeros after the punch was written over", []string{punchHalf, plain, read}, "c1 r1 c2 r2 c3", "22z2", Lost},
		{"near: not yet", []string{punchHalf, plain, read}, "c1 r1 c2 c3", "22z2", Held},
		{"version 0 beyond a truncation", []string{"db: truncate offset=8KiB", "db: truncate offset=16KiB", read}, "c1 r1 c2 r2 c3", "0", Lost},
		{"near: zeros", []string{"db: truncate offset=8KiB", "db: truncate offset=16KiB", read}, "c1 r1 c2 r2 c3", "0z", Held},
		{"a store", []string{store, read}, "c1 r1 c2", "1", Held},
		{"half a store", []string{store, read}, "c1 r1 c2", "10", Lost},
		{"fallocate changes nothing", []string{"db: fallocate offset=0 length=16KiB", read}, "c1 r1 c2", "0", Held},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := mkfs(t, 64*kib, workloads.Contiguous, c.ops...).see(c.marks)
			v, op := d.verifier(Untorn), len(c.ops)
			require.Equal(t, c.want, v.JudgeRead(d.h, op, 0, seen(c.saw), false))
			if c.want == Lost {
				require.Equal(t, Held, v.JudgeRead(d.h, op, 0, seen(c.saw), true), "an error lost data, and need not be reported yet")
			} else {
				require.Equal(t, c.want, v.JudgeRead(d.h, op, 0, seen(c.saw), true), "an error excuses what is old only")
			}
		})
	}
}

// The zeros of a hole are version 0, and a file reaches as far as an operation.
func TestReadsOfHoles(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Hole, writePast, "r: pread offset=0 length=128KiB").see("c1 c2")
	v := d.verifier(Untorn)
	zeros := make([]blk.Handle, 256)
	for i := range zeros {
		zeros[i] = blk.Zero
	}
	require.Equal(t, Held, v.JudgeRead(d.h, 2, 0, zeros[:160], false))
	require.Equal(t, Corrupt, v.JudgeRead(d.h, 2, 0, zeros[:161], false), "past what any operation reaches")
	require.Equal(t, Corrupt, v.JudgeRead(d.h, 2, 0, []blk.Handle{blk.Data(0, 0)}, false), "version 0 is no stamp")
	d.see("r1")
	d.h.Reset()
	d.see("c1 r1 c2")
	require.Equal(t, Held, v.JudgeRead(d.h, 2, 0, zeros[:128], false))
	require.Equal(t, Lost, v.JudgeRead(d.h, 2, 127, zeros[:2], false))
}

// A read that saw what it may not is a verdict on every image from then on,
// beside what the image earns.
func TestMisread(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, atomic, "db: pread offset=0 length=16KiB").see("c1 r1 c2")
	got, _ := d.verdict(Untorn)
	require.Equal(t, Held, got)
	d.h.SetMisread(workloads.Misread{Op: 2, Verdict: uint8(Lost)})
	d.h.SetMisread(workloads.Misread{Op: 2, Verdict: uint8(Exposed)})
	got, why := d.verdict(Untorn)
	require.Equal(t, Lost, got, "the first one stands")
	require.Equal(t, "op 2 read what it may not see", why)
	d.put(1, 0, 8*kib, 0)
	got, why = d.verdict(Untorn)
	require.Equal(t, Torn, got)
	require.Contains(t, why, "unit of op 1")
}
