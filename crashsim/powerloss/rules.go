// Package powerloss works out what a loss of power leaves on a device. It
// follows the block log event by event, keeps apart what is certainly on the
// medium and what may or may not be, and drives a blk.Sink through every
// image that the crash rule allows at any moment.
//
// # The crash rule
//
// A command that fits the power-fail limit and crosses no boundary is one
// piece; of any other each LBA is a piece. Hardened pieces are on the medium,
// every other piece may or may not be. What was acknowledged before another
// command was submitted applies before it; commands in flight together apply
// in either order, as wholes if both fit the limit for that, else LBA by LBA.
package powerloss

import "untorn/internal/blk"

// Rules is what the crash rule depends on. Lengths and positions are sectors
// of 512 bytes.
type Rules struct {
	LBA             int32 // sectors per LBA; 0 means 1
	NAWUPF          int32 // the longest write that is atomic against loss of power
	NAWUN           int32 // the longest write that is atomic against other commands; 0 when DN is set
	Boundary        int64 // a write that crosses a multiple of it is not atomic; 0 for none
	BoundaryOffset  int64 // where on the namespace the first boundary lies
	PartitionOffset int64 // where on the namespace sector 0 lies
	Protected       bool  // the cache survives: what is acknowledged is hardened
	CachedLBA       bool  // an acknowledged command survives LBA by LBA, whatever its size
	Garbage         bool  // an LBA of a write that is not atomic may hold garbage
	FlushLies       bool  // FLUSH hardens nothing
}

// atomic reports whether a write is one piece.
func (r *Rules) atomic(rng blk.Range) bool {
	if rng.Len > max(r.NAWUPF, r.LBA) {
		return false
	}
	if r.Boundary == 0 || rng.Len <= r.LBA {
		return true
	}
	first := int64(rng.Start) + r.PartitionOffset - r.BoundaryOffset
	return floorDiv(first, r.Boundary) == floorDiv(first+int64(rng.Len)-1, r.Boundary)
}

// whole reports whether a write applies as a whole against others.
func (r *Rules) whole(rng blk.Range) bool { return rng.Len <= r.NAWUN }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
