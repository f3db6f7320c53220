package engine

import (
	"untorn/internal/blk"
	"untorn/workloads"
)

// store is a store through a shared mapping, page by page, steps 19 and M1. No
// inode lock stops it: the fault makes the folio writable and dirty as a whole
// (xfs_write_fault, iomap_page_mkwrite), and as long as writeback does not
// write-protect it the stores that follow change it at any moment.
func (t *task) store(op *workloads.Op) workloads.Result {
	k, f := t.k, &t.f
	f.pos, f.end = f.start, f.start+int32(op.Length/sectorBytes)
	for f.pos < f.end {
		t.Step(stepMkwrite)
		if err := t.makeWritable(); err != 0 {
			return workloads.Fail(err)
		}
		t.Step(stepStore)
		fo := k.cache.folio(f.page)
		if fo == nil || !fo.dirty {
			continue // write-protected since, or gone: fault again
		}
		// What the last page has past the end of file is no content of it.
		end := min(f.end, (f.pos/pageSectors+1)*pageSectors, t.ino().size)
		for ; f.pos < end; f.pos++ {
			k.putDirty(f.pos, blk.Data(int(t.ops[f.next]), int(f.pos-f.start)))
		}
	}
	return workloads.Result(op.Length)
}

// makeWritable is the fault: it waits for who keeps faults out, locks the folio, waits for stable pages,
// reserves blocks and dirties all of the folio that the file reaches. A range
// that an atomic write left there is no longer what it was: the tag goes (19).
func (t *task) makeWritable() workloads.Errno {
	k, f := t.k, &t.f
	f.page = f.pos / pageSectors
	for {
		fo := k.cache.folio(f.page)
		if t.ino().faultsStopped != 0 {
			t.block(waitFaults, f.file)
		} else if fo != nil && fo.lockedBy != 0 {
			t.block(waitFolio, f.page)
		} else if fo != nil && fo.writeback > 0 && k.stableIs(StableWait) {
			t.block(waitWriteback, f.page)
		} else {
			break
		}
	}
	if f.pos >= t.ino().size {
		return workloads.EFAULT // SIGBUS
	}
	fo := k.grabFolio(f.pos, pageSectors)
	from, to := k.folioBlocks(fo)
	to = min(to, k.endBlock(from))
	for b := from; b < to; b++ {
		if bit := k.blockBits(fo, b, b+1); fo.uptodateBlocks&bit == 0 {
			k.readBlock(b)
			fo.uptodateBlocks |= bit
		}
	}
	if !k.reserve(from, to) {
		return workloads.EFAULT // SIGBUS
	}
	k.tracker.forget(from, to)
	fo.dirtyBlocks |= k.blockBits(fo, from, to)
	fo.dirty, fo.mark = true, true
	return 0
}
