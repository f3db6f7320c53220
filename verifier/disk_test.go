package verifier

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// disk is an image made by hand: LBAs of 512 bytes, blocks of 4 KiB, the file
// from data block 0 on.
type disk struct {
	t     testing.TB
	super ondisk.Super
	in    *blk.Interner
	w     *workloads.Workload
	h     *workloads.History
	image []blk.Handle
	log   int32 // next sector of the log
	lsn   uint64
}

const kib = 1024

// secondBlock is the number of the first block of the second file.
const secondBlock = workloads.SecondFile / 4096

// mkfs formats a disk with a file of size bytes. ops are lines as ParseOp
// reads them.
func mkfs(t testing.TB, size int64, layout workloads.Layout, ops ...string) *disk {
	return mkfs2(t, size, 0, layout, ops...)
}

// mkfs2 formats a disk with a second file, which lies in the last blocks, when
// an operation names it.
func mkfs2(t testing.TB, size, second int64, layout workloads.Layout, ops ...string) *disk {
	d := &disk{t: t, super: ondisk.Geometry(1, 8, 32, 16, 8, 16), in: blk.NewInterner(), lsn: 1,
		w: &workloads.Workload{File: size, Second: second, Layout: layout, FreeSpace: workloads.Contiguous}}
	for _, s := range ops {
		o, err := workloads.ParseOp(s)
		require.NoError(t, err)
		d.w.Ops = append(d.w.Ops, o)
	}
	d.h = workloads.NewHistory(d.w)
	d.image = make([]blk.Handle, d.super.TotalLen)
	for s := d.super.Data.Start; s < d.super.TotalLen; s++ {
		d.image[s] = blk.Data(blk.FreeSpace, int(s)%blk.MaxPlace)
	}
	ino := ondisk.Inode{Size: [ondisk.Files]int64{size, second}, LSN: 1}
	for f := range d.w.Files() {
		blocks := int32((d.w.Size(f) + 4095) / 4096)
		e := ondisk.Extent{Len: blocks, Unwritten: layout == workloads.Unwritten}
		if f == 1 {
			d.super.Second = secondBlock
			e.Off, e.Block = secondBlock, d.super.Blocks()-blocks
		}
		if layout != workloads.Hole && blocks > 0 {
			ino.Extents = append(ino.Extents, e)
		}
		if layout == workloads.Contiguous {
			d.stamps(0, int(baseOf(f)%blk.MaxPlace), int32(d.w.Size(f)/512), 8*e.Block)
		}
	}
	sb := d.super.Encode()
	d.image[0] = d.in.Intern(sb[:])
	d.inode(0, &ino)
	return d
}

func (d *disk) inode(copy int, ino *ondisk.Inode) {
	sectors, err := ino.Encode(d.super.Inode[copy].Len)
	require.NoError(d.t, err)
	for i := range sectors {
		d.image[d.super.Inode[copy].Start+int32(i)] = d.in.Intern(sectors[i][:])
	}
}

// checkpoint appends a checkpoint to the log.
func (d *disk) checkpoint(items ...ondisk.Item) {
	d.lsn++
	n := ondisk.CheckpointSectors(len(items), 1)
	for i := range n {
		var b [512]byte
		ondisk.EncodeLogSector(&b, d.lsn, i, n, items)
		d.image[d.super.Log.Start+d.log+i] = d.in.Intern(b[:])
	}
	d.log += n
}

// put places the sectors [from, to) of operation op, in bytes of the file, at
// the disk block block; the file starts there with its byte 0.
func (d *disk) put(op int, from, to int64, block int32) {
	for b := from; b < to; b += 512 {
		place := b / 512
		if op > 0 {
			place = (b - d.w.Ops[op-1].Offset) / 512
		}
		d.image[d.super.Sector(block)+int32(b/512)] = blk.Data(op, int(place))
	}
}

// stamps puts n sectors of operation op, from one place of it on, at a sector of
// the data area.
func (d *disk) stamps(op, place int, n, at int32) {
	for i := range n {
		d.image[d.super.Sector(0)+at+i] = blk.Data(op, place+int(i))
	}
}

// zero places zeros at the sectors [from, to), in bytes of the file, of a file
// that starts at data block 0.
func (d *disk) zero(from, to int64) {
	for b := from; b < to; b += 512 {
		d.image[d.super.Sector(0)+int32(b/512)] = blk.Zero
	}
}

// success returns what an operation returns that did all it was asked for.
func success(op *workloads.Op) workloads.Result {
	if op.Writes() || op.Kind == workloads.Pread {
		return workloads.Result(op.Length)
	}
	return 0
}

// see plays marks: "c1 r1 c2 e2": call, return in full, EIO; x is EINVAL, f
// EFAULT, z a return of no bytes, s one of 512 bytes and h one of half the
// length.
func (d *disk) see(marks string) *disk {
	for _, m := range strings.Fields(marks) {
		n := int(m[1] - '0')
		switch m[0] {
		case 'c':
			d.h.Call(n)
		case 'r':
			d.h.Return(n, success(d.h.Op(n)))
		case 'e':
			d.h.Return(n, workloads.Fail(workloads.EIO))
		case 'x':
			d.h.Return(n, workloads.Fail(workloads.EINVAL))
		case 'f':
			d.h.Return(n, workloads.Fail(workloads.EFAULT))
		case 'z':
			d.h.Return(n, 0)
		case 's':
			d.h.Return(n, 512)
		case 'h':
			d.h.Return(n, workloads.Result(d.h.Op(n).Length/2))
		}
	}
	return d
}

func (d *disk) verifier(c Contract) *Verifier {
	v, err := New(Config{Workload: d.w, Contract: c, Super: d.super, Interner: d.in})
	require.NoError(d.t, err)
	return v
}

// drive judges the image the way powerloss does: group by group.
func (d *disk) drive(v *Verifier) Result {
	v.Begin(d.h)
	v.Set(0, d.image)
	_, n := v.Recover()
	for g := range n {
		v.Leaf(g, &one)
		v.Choice(&one)
		v.Component()
	}
	v.State(&one)
	return v.Result()
}

// verdict judges the image in the three ways there are, which must agree:
// group by group, as a whole, and from the bytes on the medium.
func (d *disk) verdict(c Contract) (Verdict, string) {
	v := d.verifier(c)
	r := d.drive(v)
	one, why := v.JudgeImage()
	require.Equal(d.t, r.Worst, one)
	require.NotEmpty(d.t, why)
	require.NotContains(d.t, why, "\n")

	h, err := workloads.ParseHistory(d.history(c))
	require.NoError(d.t, err)
	report, err := JudgeBytes(Bytes(d.image, d.in), h)
	require.NoError(d.t, err)
	require.Equal(d.t, r.Worst, report.Verdict)
	require.Equal(d.t, why, report.Reason)
	return r.Worst, why
}

func (d *disk) history(c Contract) string {
	h := d.h.Clone()
	h.Contract = c.String()
	return h.String()
}
