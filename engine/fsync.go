package engine

import "untorn/workloads"

// fsync is fsync(2) (xfs_file_fsync), steps 20 to 38: write back and wait,
// then make the metadata durable, and with it the data that the device holds
// in its cache.
func (t *task) fsync() workloads.Result {
	t.Step(stepWritebackSync)
	return t.syncRange(t.k.pagesOf(t.f.file))
}

// syncRange writes a range of pages back, waits for it, and makes it durable
// (vfs_fsync_range).
func (t *task) syncRange(from, to int32) workloads.Result {
	k := t.k
	t.writeRange(from, to, k.rules.syncWaits())
	t.f.err = 0
	t.Step(stepFsync)
	wrote := false
	switch {
	case k.down != 0:
		t.f.err = int32(workloads.EIO)
	case k.rules.forcesLog(t.f.file):
		var err workloads.Errno
		wrote, err = t.commit()
		t.f.err = int32(err)
	}
	if !wrote && t.f.err == 0 && k.rules.flushesOnFsync() {
		// The log had nothing to write, so nothing has flushed the device.
		t.Step(stepDeviceFlush)
		t.submitFlush()
		t.f.err = int32(t.waitOwn())
	}
	t.Step(stepFsyncReturn)
	if err := workloads.Errno(t.f.err); err != 0 {
		return workloads.Fail(err)
	}
	return t.reportErrors()
}

// reportErrors tells a descriptor of writeback errors, each once
// (file_check_and_advance_wb_err).
func (t *task) reportErrors() workloads.Result {
	ino := t.ino()
	ino.unchecked = 0
	seen := &ino.seen[t.op().FD]
	if *seen == ino.wbErrors {
		return 0
	}
	*seen = ino.wbErrors
	return workloads.Fail(workloads.EIO)
}

// writeAndWait writes a range of pages back and waits for it
// (filemap_write_and_wait_range): an error of the file that nobody looked for
// yet comes back.
func (t *task) writeAndWait(from, to int32) workloads.Errno {
	k := t.k
	ino := k.inodeAt(from * pageSectors)
	from, to = k.rules.rangeToWrite(from, to)
	t.writeRange(from, to, true)
	if ino.unchecked != 0 {
		ino.unchecked = 0
		return workloads.EIO
	}
	return 0
}

// waitWriteback waits for the folios of a range of pages that are under
// writeback (filemap_fdatawait_range).
func (t *task) waitWriteback(from, to int32) {
	k := t.k
	for p := from; p < to; p++ {
		if fo := k.cache.folio(p); fo != nil && fo.writeback > 0 {
			t.block(waitWriteback, p)
		}
	}
}

// msync is msync(2) with MS_SYNC (vfs_fsync_range).
func (t *task) msync(op *workloads.Op) workloads.Result {
	t.Step(stepMsync)
	return t.syncRange(t.k.rules.rangeToWrite(t.opPages(op)))
}

// syncFileRange is sync_file_range(2) with all three flags: it writes a range
// back and waits, and flushes neither the log nor the device.
func (t *task) syncFileRange(op *workloads.Op) workloads.Result {
	t.Step(stepSyncFileRange)
	from, to := t.k.rules.rangeToWrite(t.opPages(op))
	t.writeRange(from, to, true)
	t.Step(stepSyncRangeReturn)
	return t.reportErrors()
}
