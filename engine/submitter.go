package engine

import "untorn/workloads"

// submitter is the axis submit: when the data of an atomic write is sent to
// the device. A new one is one file with these methods and a line in
// newSubmitter.
type submitter interface {
	// copied is told that the folio of the task, which is still locked, has new
	// data (before step 15).
	copied(t *task)
	// unlocked is told that the write has ended and let go of the inode (18); it
	// may fail it.
	unlocked(t *task, op *workloads.Op) workloads.Errno
	// dropsBehind: folios leave the cache when their writeback ends (36).
	dropsBehind(op *workloads.Op) bool
}

func newSubmitter(k *Kernel) submitter {
	switch k.design.Submit {
	case SubmitWriteThrough:
		return writeThrough{}
	case SubmitWriteThroughWait:
		return writeThroughWait{}
	case SubmitDontcache:
		return dontcache{}
	}
	return laterWriteback{}
}

// laterWriteback is submit: writeback: the flusher or fsync sends the data.
type laterWriteback struct{}

func (laterWriteback) copied(*task)                                  {}
func (laterWriteback) unlocked(*task, *workloads.Op) workloads.Errno { return 0 }
func (laterWriteback) dropsBehind(*workloads.Op) bool                { return false }

// dontcache is submit: dontcache: the write starts writeback of its range
// when it has let go of the inode (generic_write_sync,
// filemap_fdatawrite_range_kick), and the folios are dropped when it ends
// (folio_end_dropbehind). Until then they are as open to change as any.
type dontcache struct{ laterWriteback }

func (dontcache) unlocked(t *task, _ *workloads.Op) workloads.Errno {
	k, f := t.k, &t.f
	t.Step(stepWritebackKick)
	t.writepages(f.start/pageSectors, (f.end+pageSectors-1)/pageSectors, false)
	k.dropClean()
	return 0
}

func (dontcache) dropsBehind(*workloads.Op) bool { return true }
