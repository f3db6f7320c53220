package engine

import (
	"untorn/internal/blk"
	"untorn/workloads"
)

// read is a pread(2), buffered (xfs_file_buffered_read, filemap_read), steps G1
// to G3. Writers are excluded, stores and writeback are not.
func (t *task) read(op *workloads.Op) workloads.Result {
	k, f := t.k, &t.f
	if err := k.validateRead(op); err != 0 {
		return workloads.Fail(err)
	}
	t.Step(stepReadLock)
	t.block(waitInodeShared, f.file)
	t.ino().sharedBy |= 1 << t.ID()
	if op.Direct {
		res := t.readDirect(op)
		t.unlockInode()
		return res
	}
	f.pos, f.end = f.start, min(f.start+int32(op.Length/sectorBytes), t.ino().size)
	for f.pos < f.end {
		t.Step(stepReadFolio)
		t.block(waitFolio, f.pos/pageSectors)
		end := min(f.end, (f.pos/pageSectors+1)*pageSectors)
		t.fill(end)
		t.Step(stepReadCopy)
		if k.cache.folio(f.pos/pageSectors) == nil {
			continue // evicted since: read it again
		}
		k.dev.Saw(t.ops[f.next], blk.Range{Start: k.inWorkload(f.pos), Len: end - f.pos}, k.cache.content[f.pos:end])
		f.pos = end
	}
	t.unlockInode()
	return workloads.Result(max(0, f.pos-f.start) * sectorBytes)
}

// readDirect is the rest of a pread(2) with O_DIRECT (xfs_file_dio_read,
// iomap_dio_rw), steps G4 and G5: the range is written back, and the device is
// read where the data fork maps it.
func (t *task) readDirect(op *workloads.Op) workloads.Result {
	k, f := t.k, &t.f
	t.Step(stepDirectReadFlush)
	if err := t.writeAndWait(t.opPages(op)); err != 0 {
		return workloads.Fail(err)
	}
	t.Step(stepDirectRead)
	f.end = min(f.start+int32(op.Length/sectorBytes), t.ino().size)
	if f.end <= f.start {
		return 0
	}
	t.waitMap(f.start / k.blockSectors)
	k.payload = k.payload[:0]
	for s := f.start; s < f.end; s++ {
		h := blk.Zero
		if e := k.forks.data[s/k.blockSectors]; e.real() && !e.unwritten() {
			h = k.dev.Read(k.super.Sector(e.block()) + s%k.blockSectors)
		}
		k.payload = append(k.payload, h)
	}
	k.dev.Saw(t.ops[f.next], blk.Range{Start: k.inWorkload(f.start), Len: f.end - f.start}, k.payload)
	return workloads.Result((f.end - f.start) * sectorBytes)
}

// fill reads the blocks up to a sector that are not uptodate
// (filemap_create_folio, iomap_read_folio).
func (t *task) fill(end int32) {
	k, f := t.k, &t.f
	fo := k.grabFolio(f.pos, end-f.pos)
	for b := f.pos / k.blockSectors; b*k.blockSectors < end; b++ {
		if bit := k.blockBits(fo, b, b+1); fo.uptodateBlocks&bit == 0 {
			k.readBlock(b)
			fo.uptodateBlocks |= bit
		}
	}
}

// LostData reports whether data of a file did not reach the disk, whether or
// not that was reported.
func (k *Kernel) LostData() bool {
	for i := range k.inodes {
		if k.inodes[i].wbErrors > 0 {
			return true
		}
	}
	return k.down != 0
}
