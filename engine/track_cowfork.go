package engine

// cowForkTracker is track: cow-fork: the in-core COW fork records the range of
// an atomic write, with or without blocks in it, until writeback decides at
// step 26 where the data goes.
type cowForkTracker struct {
	k *Kernel
	spanTable
}

// forget drops what the COW fork recorded (xfs_reflink_cancel_cow_blocks).
func (x *cowForkTracker) forget(from, to int32) {
	for i := range x.used.all {
		if e := &x.s[i]; e.overlaps(from, to) {
			e.tagged = 0
			x.release(int32(i))
		}
	}
}

// evictions lists nothing: the collection of COW blocks passes over an inode
// with dirty pages or pages under writeback (xfs_prep_free_cowblocks), and
// there are no others as long as a range is remembered.
func (x *cowForkTracker) evictions(func(int32, string)) {}

func (x *cowForkTracker) evict(int32) {}
