package engine

import "untorn/internal/key"

// pageFlagTracker is track: page-flag: one flag on each folio says that it
// goes out as one atomic bio. The unit is the folio: what is smaller or larger
// than that is lost. Nothing is known before the copy (step 14), so that
// writeback may take a folio of a larger unit in the middle of the write.
type pageFlagTracker struct{ k *Kernel }

func (x pageFlagTracker) open(span)  {}
func (x pageFlagTracker) close(span) {}

func (x pageFlagTracker) tag(_ span, fo *folio) { fo.atomic = true }

func (x pageFlagTracker) next(from, to int32) (s span, open, ok bool) {
	k := x.k
	for b := from; b < to; b++ {
		if fo := k.cache.folio(b * k.blockSectors / pageSectors); fo != nil && fo.atomic {
			s.from, s.to = k.folioBlocks(fo)
			// What lies past the end of file is not written.
			s.to = min(s.to, k.endBlock(s.from))
			return s, false, s.to > b
		}
	}
	return s, false, false
}

func (x pageFlagTracker) take(from, to int32) { x.forget(from, to) }

func (x pageFlagTracker) forget(from, to int32) {
	k := x.k
	for b := from; b < to; b++ {
		if fo := k.cache.folio(b * k.blockSectors / pageSectors); fo != nil {
			fo.atomic = false
		}
	}
}

// splits refuses to split a folio with the flag: two flags would not say that
// the halves belong together.
func (x pageFlagTracker) splits(fo *folio) bool { return !fo.atomic }

func (x pageFlagTracker) split(_, _ *folio) {}

func (x pageFlagTracker) evictions(func(int32, string)) {}
func (x pageFlagTracker) evict(int32)                   {}
func (x pageFlagTracker) reset()                        {}
func (x pageFlagTracker) hash(*key.Hasher)              {}
