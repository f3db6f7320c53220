package engine

import (
	"untorn/internal/blk"
	"untorn/workloads"
)

// rules are the decisions on which the soundness of the write path rests, one
// method each: what a correct design has to enforce. The path asks them
// through Kernel.rules. A planted defect is a type that embeds rules and gets
// one of them wrong; all of those stand in the files mutants_*.go, apart from
// the path.
type rules interface {
	writeRules
	selectionRules
	blockLayerRules
	completionRules
	directRules
	moveRules
	logRules
	// kernel returns what the rules are of.
	kernel() *Kernel
}

// writeRules are those of the write call, steps 1 to 18.
type writeRules interface {
	// excludesWriters: writers take the inode lock alone (2).
	excludesWriters() bool
	// stopsAtSignal: the write ends because of a fatal signal (8).
	stopsAtSignal(t *task) bool
	// limited returns where a write from start to end, in sectors, ends by the
	// caller's limit on the size of files, counted from where the file begins (3).
	limited(op *workloads.Op, start, end int32) (int32, workloads.Errno)
	// stablePages waits until the locked folio may change (9).
	stablePages(t *task)
	// tag remembers that the range has dirty data, while the folio is locked (14).
	tag(t *task)
	// nextFolio ends the work on a folio that is unlocked (17).
	nextFolio(t *task)
	// beingPicked returns the slot of a unit that overlaps the blocks [from, to)
	// and that others select for writeback, -1 for none: the write waits (5).
	beingPicked(t *task, from, to int32) int32
	// newMapping reserves what a write needs (5).
	newMapping(t *task, s span) bool
	// renewMapping reserves what a write still needs when its mapping went stale
	// in the middle (10, 5).
	renewMapping(t *task, s span) bool
	// growsFirst moves the size over data that the write sends itself, before
	// writeback zeroes what lies past the size (15, 23).
	growsFirst(t *task)
}

// selectionRules are those of writeback, steps 20 to 28.
type selectionRules interface {
	// widen grows a selection of pages until it holds whole folios and units (21).
	widen(from, to int32) (int32, int32)
	// obstacle says what keeps a selection from being written now (21).
	obstacle(from, to int32) obstacle
	// skips reports whether a task passes over a selection that has an obstacle
	// instead of waiting for it (21).
	skips(t *task, o obstacle) bool
	// cleaned is told of a folio that is no longer dirty and not yet under
	// writeback (22).
	cleaned(fo *folio)
	// quota returns what is still picked of a selection when background
	// writeback has written as much as it may (21).
	quota(from, to int32) (int32, int32)
	// rangeToWrite returns the pages that a sync of a byte range writes.
	rangeToWrite(from, to int32) (int32, int32)
	// truncated, punched and shifted are told of blocks that left the file, the
	// cache, or their place.
	truncated(from, to int32)
	punched(from, to int32)
	shifted(from, to int32)
	// selects reports whether a folio of the selection is written with it (21).
	selects(fo *folio) bool
	// reached is told that writeback comes to a folio of its selection (21).
	reached(t *task, fo *folio)
	// place returns where a block that a unit holds goes, as step 26 decided.
	place(slot, block int32) int32
	// withoutSpace says where a block goes that found no space (25), if anywhere.
	withoutSpace(slot, place int32) (other int32, ok bool)
	// discarded is told of a block that is discarded (25).
	discarded(t *task, fo *folio)
	// mapsUnwritten: new blocks of a file are unwritten until data is in them (25).
	mapsUnwritten() bool
	// joins reports whether a block of a unit, or of none, may extend the ioend
	// under construction (27).
	joins(e *ioend, slot int32) bool
	// spares reports whether data of a file block goes to a new block because the
	// one it has is shared (5).
	spares(block int32) bool
	// inPlace reports whether the blocks of a unit can be overwritten by one
	// atomic bio (26).
	inPlace(s span) bool
}

// blockLayerRules are those of the block layer and the driver, step 30.
type blockLayerRules interface {
	// merges reports whether a bio joins a request of n sectors.
	merges(first *ioend, n int32, next *ioend) bool
	// refused reports whether an atomic request of n sectors is answered EINVAL.
	refused(first *ioend, n int32) bool
	// bounced makes the private copy of a run of sectors that I/O reads, where
	// stable: bounce asks for one (27).
	bounced(file, n int32)
	// payload returns what the device reads of an ioend.
	payload(e *ioend) []blk.Handle
}

// completionRules are those of I/O completion, steps 32 to 36.
type completionRules interface {
	// complete reports whether the unit of an ioend can be completed: all of
	// its ioends are done (32).
	complete(slot int32) bool
	// failed is told of an ioend of a unit that the device failed (33).
	failed(e *ioend)
	// keepsError returns the file that keeps a writeback error of a block for
	// fsync, nil if none does (33).
	keepsError(block int32) *inode
	// endWriteback ends the writeback of one block of a folio (36).
	endWriteback(fo *folio)
	// dropsBehind reports whether a folio that is to leave the cache can (36).
	dropsBehind(fo *folio) bool
	// remap moves the blocks of a unit in one chain (34), with the size (35) or
	// without.
	remap(t *task, slot int32, withSize bool)
	// unmapped is told of a disk block that the data fork lets go of.
	unmapped(block int32)
	// freed returns the state of a block that a running transaction frees (34).
	freed() blockState
	// owned reports whether a block stays in use when a file block lets go of it.
	owned(block int32) bool
	// freeing returns the state of such a block while the transaction is written.
	freeing() blockState
}

// directRules are those of direct I/O, steps D1 to D9.
type directRules interface {
	// inPlaceDirect reports whether a unit can be overwritten by one atomic bio.
	inPlaceDirect(s span) bool
	// fallsBack: a direct write that cannot invalidate the page cache goes
	// through it instead.
	fallsBack(op *workloads.Op) bool
	// validateAppend checks where an append came to lie.
	validateAppend(op *workloads.Op, start int32) workloads.Errno
}

// moveRules are those of operations that move content, steps T13 to T22.
type moveRules interface {
	// stopsFaults: page faults wait until the operation has ended (T13, T18).
	stopsFaults() bool
	// flushesShift: what a shift drops from the cache is written back (T14).
	flushesShift() bool
	// punchesSize: where a punch drops pages at the end of file that are not
	// written back, the size is logged first (T7).
	punchesSize() bool
	// flushesSource: what a clone takes its content from is written back (T19).
	flushesSource() bool
}

// logRules are those of the log and of fsync, steps 37 and 38.
type logRules interface {
	// flushesFirst: a log write is preceded by a flush of the device (37).
	flushesFirst(t *task) bool
	// orderedRange returns the pages that a commit writes of those it has to.
	orderedRange(from, to int32) (int32, int32)
	// logFUA: the log record is written with FUA (37).
	logFUA(t *task) bool
	// forcesLog: fsync of a file forces the log (38).
	forcesLog(file int32) bool
	// flushesAfter: where the device has no FUA, a flush follows the record (37).
	flushesAfter(t *task) bool
	// syncWaits: a sync waits for the folios that are under writeback (38).
	syncWaits() bool
	// flushesOnFsync: fsync flushes the device when the log did not (38).
	flushesOnFsync() bool
}

// sound keeps every rule.
type sound struct{ *Kernel }

func (k sound) kernel() *Kernel { return k.Kernel }

// Writers of a block device share its lock (blkdev_write_iter).
func (k sound) excludesWriters() bool { return k.design.Filesystem != BlockDevice }

// A signal ends no atomic write of which a folio was copied: nothing could take
// that back. 7.3 knows no such writes.
func (k sound) stopsAtSignal(t *task) bool {
	return t.f.signal != 0 && (t.f.unitTo == 0 || t.f.pos == t.f.pieceFrom || !k.copier.holdsFolios())
}

// A plain write falls back (iomap_dio_rw answers ENOTBLK), an atomic one never
// does.
func (sound) fallsBack(op *workloads.Op) bool { return !op.Atomic }

// validateAppend repeats the check of step 1 at the place that the end of file
// gave.
func (sound) validateAppend(op *workloads.Op, start int32) workloads.Errno {
	if op.Atomic && start%int32(op.Piece()/sectorBytes) != 0 {
		return workloads.EINVAL
	}
	return 0
}

// limited shortens a plain write (generic_write_check_limits). It refuses an
// atomic one that it would shorten, as a block device does with one that
// crosses its end.
func (sound) limited(op *workloads.Op, start, end int32) (int32, workloads.Errno) {
	limit := int32(op.Limit / sectorBytes)
	switch {
	case op.Limit == 0 || end <= limit:
		return end, 0
	case start >= limit:
		return end, workloads.EFBIG
	case op.Atomic:
		return end, workloads.EINVAL
	}
	return limit, 0
}

func (sound) stablePages(t *task) { t.waitStable() }

func (sound) tag(t *task) { t.tagUnit() }

func (sound) nextFolio(*task) {}

func (k sound) beingPicked(t *task, from, to int32) int32 {
	if slot := k.units.pickedIn(from, to); slot != t.f.through-1 {
		return slot
	}
	return -1 // the write sends it itself
}

func (k sound) newMapping(_ *task, s span) bool { return k.reserve(s.from, s.to) }

func (sound) growsFirst(t *task) { t.ino().size = max(t.ino().size, t.f.pos+t.f.copied) }

// What was reserved for the whole unit stays reserved.
func (k sound) renewMapping(_ *task, s span) bool { return k.reserve(s.from, s.to) }

// Only background writeback skips anything.
func (sound) skips(t *task, o obstacle) bool { return o.skip && t.f.wbSync == 0 }

func (sound) cleaned(*folio) {}

// A selection that is cut short would hold a part of a unit.
func (sound) quota(_, _ int32) (from, to int32) { return 0, 0 }

// Writeback widens the range to whole units.
func (sound) rangeToWrite(from, to int32) (int32, int32) { return from, to }

func (k sound) truncated(from, to int32) { k.tracker.forget(from, to) }

func (k sound) punched(from, to int32) { k.tracker.forget(from, to) }

func (k sound) shifted(from, to int32) { k.tracker.forget(from, to) }

func (sound) selects(*folio) bool { return true }

// All folios of the selection were locked together.
func (sound) reached(*task, *folio) {}

func (k sound) place(slot, _ int32) int32 { return k.units.u[slot].place }

// A unit that finds no space fails: in place it would tear.
func (sound) withoutSpace(_, _ int32) (other int32, ok bool) { return 0, false }

func (sound) orderedRange(from, to int32) (int32, int32) { return from, to }

func (sound) discarded(*task, *folio) {}

func (sound) mapsUnwritten() bool { return true }

func (k sound) bounced(file, n int32) { k.cache.bounce(file, n) }

func (k sound) payload(e *ioend) []blk.Handle { return k.cache.underIO(e.file, e.len) }

// A unit fails as a whole.
func (k sound) failed(e *ioend) { k.units.u[e.unit-1].failed = 1 }

func (sound) joins(e *ioend, slot int32) bool { return e.unit == slot+1 }

// A folio is under writeback until the last of its blocks is done.
func (sound) endWriteback(fo *folio) { fo.writeback-- }

func (sound) dropsBehind(fo *folio) bool { return fo.evictable() }

func (k sound) keepsError(block int32) *inode { return k.inodeOf(block) }

func (sound) stopsFaults() bool   { return true }
func (sound) flushesShift() bool  { return true }
func (sound) punchesSize() bool   { return true }
func (sound) flushesSource() bool { return true }

// Nothing is discarded: the file system is mounted without online discard.
func (sound) unmapped(int32) {}

func (sound) freed() blockState { return blockBusy }

func (k sound) spares(block int32) bool { return k.shared(block) }

// The last owner frees a block.
func (k sound) owned(block int32) bool { return k.shared(block) }
func (sound) freeing() blockState      { return blockBusyIO }
