package engine

// sidecarTracker is track: sidecar: a tree of ranges beside the page cache. No
// reclaim touches it; it has to follow what truncate, punch, mmap and
// overlapping writes do to the file.
type sidecarTracker struct{ spanTable }
