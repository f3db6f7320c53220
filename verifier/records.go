package verifier

import (
	"untorn/internal/blk"
	"untorn/internal/ondisk"
)

// records knows of metadata sectors whether they begin a record.
type records struct {
	in    *blk.Interner
	known []int8 // by metadata handle: 0 unknown, 1 begins, -1 does not
}

func newRecords(in *blk.Interner) *records { return &records{in: in} }

// starts reports whether a metadata sector begins a record: the first sector
// of a checkpoint or of an inode, the superblock, or anything that is none of
// these.
func (r *records) starts(h blk.Handle) bool {
	i := r.in.Index(h)
	for len(r.known) <= i {
		r.known = append(r.known, 0)
	}
	if r.known[i] == 0 {
		r.known[i] = 1
		if ondisk.SectorIndex(r.in.Bytes(h)) > 0 {
			r.known[i] = -1
		}
	}
	return r.known[i] > 0
}
