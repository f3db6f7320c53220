package engine

import (
	"untorn/crashsim"
	"untorn/internal/blk"
	"untorn/internal/key"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// ioend states.
const (
	ioendBuilding  = iota + 1
	ioendSubmitted // in a plug or with the device
	ioendDone      // all its commands completed
)

// ioend is a run of blocks neighbouring in the file and on the disk that
// completes as one (struct iomap_ioend). Positions are sectors.
type ioend struct {
	state     int32
	file      int32
	disk      blk.Sector
	len       int32
	unit      int32 // 1 + slot of the unit it belongs to
	place     int32 // placeCow, placeInPlace or placePlain
	unwritten int32
	atomic    int32 // goes out as one atomic bio
	eof       int32 // end of its data in the file: its end, or the size when it was built
	commands  int32 // of the device, not completed yet
	owner     int32 // 1 + task of a direct write, which completes it itself
	err       int32 // errno
}

const maxIoends = 64

// ioendTable holds the ioends in flight.
type ioendTable struct {
	used slotSet
	e    [maxIoends]ioend
}

func (x *ioendTable) hash(h *key.Hasher) {
	h.Word(uint64(x.used))
	for i := range x.used.all {
		e := &x.e[i]
		h.Word(uint64(i) | uint64(e.state)<<8 | uint64(e.file)<<16 | uint64(e.len)<<40)
		h.Word(uint64(e.disk) | uint64(e.unit)<<32 | uint64(e.place)<<40 | uint64(e.unwritten)<<48 | uint64(e.atomic)<<56)
		h.Word(uint64(e.commands) | uint64(e.owner)<<8 | uint64(e.err)<<16 | uint64(e.eof)<<32)
	}
}

// diskSector returns where a sector of the file is being written to by an
// ioend that the device has not completed.
func (x *ioendTable) diskSector(k *Kernel, s int32) (blk.Sector, bool) {
	for i := range x.used.all {
		e := &x.e[i]
		if e.state == ioendSubmitted && s >= e.file && s < e.file+e.len {
			return e.disk + s - e.file, true
		}
	}
	return 0, false
}

// addToIoend is step 27 (iomap_add_to_ioend): the block extends the ioend
// under construction, or that one is submitted and another begun.
func (t *task) addToIoend(disk, slot, place, unwritten int32) {
	k, f := t.k, &t.f
	file, at := f.wbBlock*k.blockSectors, k.super.Sector(disk)
	if f.direct == 0 && k.stableIs(StableBounce) {
		k.rules.bounced(file, k.blockSectors)
		k.counters.CopiedTwice += int64(k.blockSectors) * sectorBytes
	}
	var atomic int32
	if slot >= 0 && place == placeInPlace {
		atomic = 1
	}
	if f.building != 0 && !(slot < 0 && k.fs.byBuffer()) {
		e := &k.ioends.e[f.building-1]
		if e.file+e.len == file && e.disk+e.len == at && k.rules.joins(e, slot) && e.place == place && e.unwritten == unwritten &&
			e.len+k.blockSectors <= k.limits.maxTransfer {
			e.len += k.blockSectors
			e.eof = min(e.file+e.len, t.dataEnd(file))
			return
		}
	}
	if f.building != 0 {
		if f.direct == 0 {
			t.Step(stepSubmitFull)
		}
		t.submitIoend()
	}
	i := k.ioends.used.take()
	k.ioends.e[i] = ioend{state: ioendBuilding, file: file, disk: at, len: k.blockSectors, unit: slot + 1, place: place,
		unwritten: unwritten, atomic: atomic, eof: min(file+k.blockSectors, t.dataEnd(file))}
	if f.direct != 0 {
		k.ioends.e[i].owner = int32(t.ID()) + 1
	}
	f.building = i + 1
	if slot >= 0 {
		k.units.u[slot].ioends++
	}
}

// dataEnd returns where the data that the task writes to a file ends, at the
// latest.
func (t *task) dataEnd(file int32) int32 {
	if t.f.direct != 0 {
		return t.f.end
	}
	return t.k.inodeAt(file).size
}

// submitIoend hands the ioend under construction to the block layer
// (iomap_submit_ioend): it waits in the task's plug.
func (t *task) submitIoend() {
	k, f := t.k, &t.f
	if f.building == 0 {
		return
	}
	slot := f.building - 1
	f.building = 0
	k.ioends.e[slot].state = ioendSubmitted
	if int(f.plugged) == len(f.plug) {
		t.flushPlug()
	}
	f.plug[f.plugged] = slot
	f.plugged++
}

// nextDone returns the ioend to complete next, or -1: lowest in the file
// first, as iomap_sort_ioends has them. Those of a unit wait for each other:
// that is the barrier before the remap, and the first of them stands for all.
func (k *Kernel) nextDone() int32 {
	best := int32(-1)
	for i := range k.ioends.used.all {
		e := &k.ioends.e[i]
		if e.state != ioendDone || e.owner != 0 || e.unit != 0 && !k.rules.complete(e.unit-1) {
			continue
		}
		if best < 0 || e.file < k.ioends.e[best].file {
			best = int32(i)
		}
	}
	return best
}

// complete reports whether every ioend of a unit completed and no more come.
func (k sound) complete(slot int32) bool {
	x := &k.units.u[slot]
	if x.picked != 0 {
		return false
	}
	var done int32
	for i := range k.ioends.used.all {
		if e := &k.ioends.e[i]; e.state == ioendDone && e.unit == slot+1 {
			done++
		}
	}
	return done == x.ioends
}

// runCompletions is the completion worker (xfs_end_io), steps 32 to 36.
func (t *task) runCompletions() {
	k, f := t.k, &t.f
	for {
		t.Idle(crashsim.Wait{Kind: waitIoend})
		t.Step(stepIoendWork)
		f.ioend = k.nextDone()
		if slot := k.ioends.e[f.ioend].unit; slot != 0 {
			t.endUnit(slot - 1)
		} else {
			t.endIoend()
		}
		t.f = frame{}
	}
}

// endUnit completes all ioends of a unit together (xfs_reflink_end_atomic_cow).
func (t *task) endUnit(slot int32) {
	k := t.k
	x := &k.units.u[slot]
	if k.down != 0 {
		x.failed = 1
	}
	switch {
	case x.failed != 0:
		t.Step(stepIoendError)
		k.mappingError(x.from)
		if x.place == placeCow {
			k.cancelCow(x.from, x.to)
		}
	case x.place == placeCow:
		k.rules.remap(t, slot, true)
	default:
		t.convertUnit(slot)
	}
	t.Step(stepEndWriteback)
	for i := range k.ioends.used.all {
		if e := &k.ioends.e[i]; e.state == ioendDone && e.unit == slot+1 {
			k.endIoendWriteback(int32(i))
			x.ioends--
		}
	}
	k.units.release(slot)
}

// mappingError notes that data of a file did not reach the disk
// (mapping_set_error).
func (k *Kernel) mappingError(block int32) {
	if ino := k.rules.keepsError(block); ino != nil {
		ino.wbErrors++
		ino.unchecked = 1
	}
}

// remap is step 34 for a unit: every extent in one chain of transactions.
// The first holds the intents for all of them, and the size, so that a crash
// finds all or nothing; each that follows finishes one extent.
func (k sound) remap(t *task, slot int32, withSize bool) {
	f := &t.f
	x := &k.units.u[slot]
	t.Step(stepRemap)
	t.lockMap(x.from)
	for r, ok := k.nextCow(slot, x.from); ok; r, ok = k.nextCow(slot, r.to) {
		k.logIntent(intentID(slot, r), r)
	}
	if ino, end := k.inodeOf(x.from), k.unitEnd(slot); withSize && end > ino.diskSize {
		k.logSize(ino, end)
	}
	for f.extent = x.from; ; {
		r, ok := k.nextCow(slot, f.extent)
		if !ok {
			break
		}
		f.extent, f.extentTo = r.from, r.to
		t.Step(stepRemapExtent)
		r = span{f.extent, f.extentTo}
		k.remapExtent(r)
		k.logDone(intentID(slot, r))
		f.extent, f.extentTo = r.to, 0
	}
	t.unlockMap(x.from)
}

// nextCow returns the first run of blocks, at or after a file block, that a
// unit wrote to the COW fork and that is still there. Another unit may have
// taken it: direct writers share the blocks of overlapping ranges.
func (k *Kernel) nextCow(slot, from int32) (r span, ok bool) {
	x := &k.units.u[slot]
	for b := max(from, x.from); b < x.to; b++ {
		e := k.forks.cow[b]
		if !e.real() || !k.wroteCow(slot, b) {
			if ok {
				break
			}
			continue
		}
		if ok && !e.follows(k.forks.cow[b-1]) {
			break
		}
		if !ok {
			r.from, ok = b, true
		}
		r.to = b + 1
	}
	return r, ok
}

// wroteCow reports whether an ioend of a unit that is done wrote a block to
// the COW fork.
func (k *Kernel) wroteCow(slot, block int32) bool {
	s := block * k.blockSectors
	for i := range k.ioends.used.all {
		e := &k.ioends.e[i]
		if e.state == ioendDone && e.unit == slot+1 && e.place == placeCow && s >= e.file && s < e.file+e.len {
			return true
		}
	}
	return false
}

// unitEnd returns where the data of the ioends of a unit that are done ends.
func (k *Kernel) unitEnd(slot int32) (end int32) {
	for i := range k.ioends.used.all {
		if e := &k.ioends.e[i]; e.state == ioendDone && e.unit == slot+1 && e.place == placeCow {
			end = max(end, e.eof)
		}
	}
	return end
}

// intentID names an intent among those that may be unfinished together.
func intentID(slot int32, r span) uint32 {
	return uint32(slot)<<16 | uint32(r.from)
}

// convertUnit marks the extents of a unit that went in place into unwritten
// blocks as written, in one transaction (ext4_convert_unwritten_io_end_vec).
func (t *task) convertUnit(slot int32) {
	k := t.k
	for i := range k.ioends.used.all {
		if e := &k.ioends.e[i]; e.unit == slot+1 && e.state == ioendDone && e.unwritten != 0 {
			t.Step(stepConvertUnit)
			t.waitMap(e.file / k.blockSectors)
			k.convertUnwritten(e)
			e.unwritten = 0 // it is the next one's turn
		}
	}
}

// endIoend completes one ioend that belongs to no unit (xfs_end_ioend): its
// extent in a transaction of its own, and the size in another.
func (t *task) endIoend() {
	k := t.k
	e := &k.ioends.e[t.f.ioend]
	if k.down != 0 {
		e.err = int32(workloads.EIO)
	}
	switch {
	case e.err != 0:
		t.Step(stepIoendError)
		k.mappingError(e.file / k.blockSectors)
		if e.place == placeCow {
			k.cancelCow(e.file/k.blockSectors, (e.file+e.len)/k.blockSectors)
		}
	case e.place == placeCow:
		t.Step(stepRemapIoend)
		t.waitMap(e.file / k.blockSectors)
		k.remapLeft(span{e.file / k.blockSectors, (e.file + e.len) / k.blockSectors})
	case e.unwritten != 0:
		t.Step(stepConvert)
		t.waitMap(e.file / k.blockSectors)
		k.convertUnwritten(e)
	}
	if ino := k.inodeAt(e.file); e.err == 0 && e.eof > ino.diskSize {
		t.Step(stepSize)
		k.logSize(ino, max(e.eof, ino.diskSize))
	}
	t.Step(stepEndWriteback)
	k.endIoendWriteback(t.f.ioend)
}

// remapLeft remaps what the COW fork still has of a range. A direct write of
// the same range shares its blocks, and has taken them when it completed first
// (xfs_reflink_end_cow).
func (k *Kernel) remapLeft(s span) {
	for b := s.from; b < s.to; b++ {
		r := span{b, b}
		for r.to < s.to && k.forks.cow[r.to].real() {
			r.to++
		}
		if r.from < r.to {
			k.remapExtent(r)
			b = r.to - 1
		}
	}
}

// remapExtent moves a run of blocks from the COW fork to the data fork
// (xfs_reflink_end_cow_extent): one transaction, which also frees what the
// data fork had there.
func (k *Kernel) remapExtent(r span) {
	for b := r.from; b < r.to; b++ {
		k.unmapData(b)
		disk := k.forks.cow[b].block()
		k.forks.data[b], k.forks.cow[b] = mapped(disk, false), hole
		k.alloc.set(disk, blockUsed)
		k.log.add(ondisk.Item{Kind: ondisk.Unstage, Ext: ondisk.Extent{Block: disk, Len: 1}})
	}
	for b := r.from; b < r.to; b++ {
		k.logFile(ondisk.Item{Kind: ondisk.Map, Ext: ondisk.Extent{Off: b, Block: k.forks.data[b].block(), Len: 1}})
	}
	k.forksChanged()
}

// unmapData frees the block that the data fork has for a file block, unless it
// has another owner. It stays busy until the transaction is durable.
func (k *Kernel) unmapData(b int32) {
	if old := k.forks.data[b]; old.real() && !k.rules.owned(b) {
		k.alloc.set(old.block(), k.rules.freed())
		k.rules.unmapped(old.block())
	}
}

// convertUnwritten marks the blocks of an ioend as written, and sets the size
// in the same transaction (xfs_iomap_write_unwritten).
func (k *Kernel) convertUnwritten(e *ioend) {
	from, to := e.file/k.blockSectors, (e.file+e.len)/k.blockSectors
	for b := from; b < to; b++ {
		disk := k.forks.data[b].block()
		k.forks.data[b] = mapped(disk, false)
		k.logFile(ondisk.Item{Kind: ondisk.Map, Ext: ondisk.Extent{Off: b, Block: disk, Len: 1}})
	}
	if ino := k.inodeAt(e.file); e.eof > ino.diskSize {
		k.logSize(ino, e.eof)
	}
	k.forksChanged()
}

// cancelCow gives back the blocks of the COW fork in a range
// (xfs_reflink_cancel_cow_blocks).
func (k *Kernel) cancelCow(from, to int32) {
	for b := from; b < to; b++ {
		if e := k.forks.cow[b]; e.real() {
			k.alloc.set(e.block(), blockFree)
			k.log.add(ondisk.Item{Kind: ondisk.Unstage, Ext: ondisk.Extent{Block: e.block(), Len: 1}})
		}
		k.forks.cow[b] = hole
	}
	k.forksChanged()
}

// endIoendWriteback is step 36 for the folios of an ioend
// (iomap_finish_ioend_buffered).
func (k *Kernel) endIoendWriteback(slot int32) {
	e := &k.ioends.e[slot]
	for s := e.file; s < e.file+e.len; s += k.blockSectors {
		k.rules.endWriteback(k.cache.folio(s / pageSectors))
	}
	k.dropClean()
	if k.stableIs(StableBounce) {
		k.cache.unbounce(e.file, e.len)
	}
	*e = ioend{}
	k.ioends.used.drop(slot)
}
