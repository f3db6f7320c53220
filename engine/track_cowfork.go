package engine

// cowForkTracker is track: cow-fork: the in-core COW fork records the range of
// an atomic write, with or without blocks in it, until writeback decides at
// step 26 where the data goes. The collection of COW blocks passes over an
// inode with dirty pages or pages under writeback (xfs_prep_free_cowblocks),
// and there are no others as long as a range is remembered.
type cowForkTracker struct{ spanTable }
