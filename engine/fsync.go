package engine

import "untorn/workloads"

// fsync is fsync(2) (xfs_file_fsync), steps 20 to 38: write back and wait,
// then make the metadata durable, and with it the data that the device holds
// in its cache.
func (t *task) fsync() workloads.Result {
	k := t.k
	t.Step(stepWritebackSync)
	t.writepages(0, k.filePages, true)
	t.waitWriteback()
	t.Step(stepFsync)
	if !t.logForce() && t.flushes() {
		// The log had nothing to write, so nothing has flushed the device.
		t.Step(stepDeviceFlush)
		t.submitFlush()
		t.block(waitIO, int32(t.ID()))
	}
	t.Step(stepFsyncReturn)
	return t.reportErrors()
}

// reportErrors tells a descriptor of writeback errors, each once
// (file_check_and_advance_wb_err).
func (t *task) reportErrors() workloads.Result {
	ino := &t.k.inode
	seen := &ino.seen[t.op().FD]
	if *seen == ino.wbErrors {
		return 0
	}
	*seen = ino.wbErrors
	return workloads.Fail(workloads.EIO)
}

// waitWriteback waits for every folio under writeback (filemap_fdatawait_range).
func (t *task) waitWriteback() {
	k := t.k
	for p := int32(0); p < k.filePages; p++ {
		if fo := k.cache.folio(p); fo != nil && fo.writeback > 0 {
			t.block(waitWriteback, p)
		}
	}
}
