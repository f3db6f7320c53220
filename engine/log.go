package engine

import (
	"untorn/crashsim"
	"untorn/internal/blk"
	"untorn/internal/key"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// journal is the log. Transactions that committed gather in items, the CIL;
// a force writes them as one checkpoint.
type journal struct {
	items   []ondisk.Item
	writing int32        // items of the checkpoint being written
	forcing int32        // 1 + task that forces the log
	lsn     uint64       // of the last checkpoint
	pos     int32        // sectors of the log area in use
	payload []blk.Handle // of the record being written
	sector  [blk.SectorSize]byte
}

func (j *journal) reset() {
	j.items = j.items[:0]
	j.writing, j.forcing, j.lsn, j.pos = 0, 0, 0, 0
}

func (j *journal) hash(h *key.Hasher) {
	h.Word(uint64(j.writing) | uint64(j.forcing)<<16 | uint64(j.pos)<<32)
	h.Word(j.lsn)
	h.Int(len(j.items))
	for i := range j.items {
		it := &j.items[i]
		h.Word(uint64(it.Kind) | uint64(it.ID)<<8)
		h.Word(uint64(it.Ext.Off) | uint64(it.Ext.Block)<<32)
		h.Word(uint64(it.Ext.Len) | uint64(it.Bytes)<<16)
		h.Bool(it.Ext.Unwritten)
	}
}

// add puts an item into the running transaction; blocks that continue the
// item before become part of it.
func (j *journal) add(it ondisk.Item) {
	if n := len(j.items); n > int(j.writing) {
		last := &j.items[n-1]
		e := &last.Ext
		if last.Kind == it.Kind && it.Kind != ondisk.Intent && e.Len > 0 && e.Unwritten == it.Ext.Unwritten &&
			e.Block+e.Len == it.Ext.Block && (it.Kind != ondisk.Map || e.Off+e.Len == it.Ext.Off) {
			e.Len += it.Ext.Len
			return
		}
	}
	j.items = append(j.items, it)
}

// logFile puts an item about file blocks into the running transaction.
func (k *Kernel) logFile(it ondisk.Item) {
	it.Ext.Off = k.onDisk(it.Ext.Off)
	k.log.add(it)
}

// pins reports whether transactions that are not durable yet have changed a file
// (xfs_ipincount, i_sync_tid of ext4). What is staged belongs to no file.
func (k *Kernel) pins(file int32) bool {
	for i := range k.log.items {
		switch it := &k.log.items[i]; it.Kind {
		case ondisk.Intent, ondisk.Map, ondisk.Unmap:
			if int32(k.super.FileOf(it.Ext.Off)) == file {
				return true
			}
		case ondisk.Size:
			if int32(it.ID) == file {
				return true
			}
		}
	}
	return false
}

// logMapping logs a newly allocated block.
func (k *Kernel) logMapping(file int32, e forkEntry, state blockState) {
	if state == blockStaged {
		k.log.add(ondisk.Item{Kind: ondisk.Stage, Ext: ondisk.Extent{Block: e.block(), Len: 1}})
		return
	}
	k.logFile(ondisk.Item{Kind: ondisk.Map, Ext: ondisk.Extent{Off: file, Block: e.block(), Len: 1, Unwritten: e.unwritten()}})
}

// logIntent logs that a run of blocks of the COW fork will be remapped.
func (k *Kernel) logIntent(id uint32, r span) {
	k.logFile(ondisk.Item{Kind: ondisk.Intent, ID: id, Ext: ondisk.Extent{
		Off: r.from, Block: k.forks.cow[r.from].block(), Len: r.to - r.from}})
}

// logDone logs that an intent is finished.
func (k *Kernel) logDone(id uint32) { k.log.add(ondisk.Item{Kind: ondisk.Done, ID: id}) }

// logSize logs where a file ends, in sectors.
func (k *Kernel) logSize(ino *inode, size int32) {
	ino.diskSize = size
	k.log.add(ondisk.Item{Kind: ondisk.Size, ID: uint32(k.file(ino.base)), Bytes: int64(size-ino.base) * sectorBytes})
}

// runLogWorker forces the log when asked to (xfs_log_worker).
func (t *task) runLogWorker() {
	for {
		t.Idle(crashsim.Wait{Kind: waitLogWork})
		t.Step(stepLogWorker)
		// An error has shut the file system down, and others report that.
		_, _ = t.commit()
		t.k.logWork = 0
	}
}

// commit is a log force that writes ordered data first
// (jbd2_journal_commit_transaction).
func (t *task) commit() (wrote bool, err workloads.Errno) {
	k := t.k
	for {
		ino := k.firstOrdered()
		if ino == nil {
			break
		}
		t.f.orderedFrom, t.f.orderedTo = ino.orderedFrom, ino.orderedTo
		ino.orderedFrom, ino.orderedTo = 0, 0
		t.Step(stepOrdered)
		from, to := k.rules.orderedRange(t.f.orderedFrom, t.f.orderedTo)
		t.writeRange(from, to, true)
	}
	return t.logForce()
}

// firstOrdered returns the first file with data that a commit has to write
// (data=ordered, jbd2_submit_inode_data).
func (k *Kernel) firstOrdered() *inode {
	for i := range k.inodes[:k.numFiles] {
		if ino := &k.inodes[i]; ino.orderedTo > ino.orderedFrom {
			return ino
		}
	}
	return nil
}

// orderPartialBlock notes that a write past the end of file zeroes the rest of
// the last block, whose data the next commit has to write
// (ext4_block_zero_page_range, ext4_jbd2_inode_add_write).
func (k *Kernel) orderPartialBlock(t *task) {
	ino := t.ino()
	if k.design.Filesystem == Ext4 && t.f.end > ino.size && ino.size%k.blockSectors != 0 {
		ino.orderedFrom = ino.size / pageSectors
		ino.orderedTo = ino.orderedFrom + 1
	}
}

// logForce makes every transaction that committed so far durable
// (xfs_log_force, xlog_cil_push_work), step 37: the device is flushed, so that
// data precedes the remap that points to it, then the record is written with
// FUA. It reports false when there was nothing to write. An I/O error shuts
// the file system down (xlog_force_shutdown).
func (t *task) logForce() (wrote bool, err workloads.Errno) {
	k := t.k
	t.block(waitLogIdle, 0)
	if k.down != 0 {
		return false, workloads.EIO
	}
	if len(k.log.items) == 0 {
		return false, 0
	}
	j := &k.log
	j.forcing = int32(t.ID()) + 1
	j.writing = int32(len(j.items))
	j.lsn++
	k.alloc.freedAreWritten(k.rules.freeing())

	flush, fua := !k.dev.Config().Protected, k.dev.Config().FUA
	t.Step(stepLogFlush)
	if k.rules.flushesFirst(t) {
		t.submitFlush()
		err = t.waitOwn()
	}
	if err == 0 {
		t.Step(stepLogWrite)
		t.submitCheckpoint(flush && fua && k.rules.logFUA(t))
		err = t.waitOwn()
	}
	if err == 0 && flush && !fua && k.rules.flushesAfter(t) {
		t.Step(stepLogPostFlush)
		t.submitFlush()
		err = t.waitOwn()
	}
	j.forcing = 0
	if err != 0 {
		k.down = 1
		return false, workloads.EIO
	}
	j.items = j.items[:copy(j.items, j.items[j.writing:])]
	j.writing = 0
	k.alloc.freedAreDurable()
	return true, 0
}

// A device whose cache survives power loss is sent neither FLUSH nor FUA.
func (k sound) flushesFirst(*task) bool   { return !k.dev.Config().Protected }
func (k sound) forcesLog(file int32) bool { return k.pins(file) }
func (k sound) flushesOnFsync() bool      { return !k.dev.Config().Protected }
func (k sound) logFUA(*task) bool         { return true }
func (k sound) flushesAfter(*task) bool   { return true }
func (k sound) syncWaits() bool           { return true }

// submitCheckpoint encodes the checkpoint and sends it to the device.
func (t *task) submitCheckpoint(fua bool) {
	k := t.k
	j := &k.log
	n := ondisk.CheckpointSectors(int(j.writing), k.super.LBA)
	if j.pos+n > k.super.Log.Len {
		panic("engine: the log is full")
	}
	j.payload = j.payload[:0]
	for i := range n {
		ondisk.EncodeLogSector(&j.sector, j.lsn, i, n, j.items[:j.writing])
		j.payload = append(j.payload, k.interner.Intern(j.sector[:]))
	}
	at := k.super.Log.Start + j.pos
	for rest := j.payload; len(rest) > 0; {
		m := min(len(rest), int(k.limits.maxTransfer))
		t.submitWrite(at, rest[:m], fua)
		rest, at = rest[m:], at+int32(m)
	}
	j.pos += n
}

// freedAreWritten gives what was freed so far a state: a checkpoint that is
// being written holds it.
func (a *allocator) freedAreWritten(state blockState) {
	for b, s := range a.state {
		if s == blockBusy {
			a.state[b] = state
		}
	}
}

// freedAreDurable makes the blocks that the last checkpoint freed free.
func (a *allocator) freedAreDurable() {
	for b, s := range a.state {
		if s == blockBusyIO {
			a.state[b] = blockFree
		}
	}
}
