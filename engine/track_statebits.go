package engine

import (
	"fmt"

	"untorn/internal/key"
)

// stateBitsTracker is track: state-bits: bits for the first and the last block
// of a unit in the private state of its folios. They are set as each folio is
// copied (step 14), so that of a unit over several folios writeback may see a
// beginning without an end; and they are freed with the state.
type stateBitsTracker struct{ k *Kernel }

func (x stateBitsTracker) open(span)  {}
func (x stateBitsTracker) close(span) {}

// tag marks the ends of the unit that lie in the folio. A unit within a larger
// one that is marked already needs no marks of its own.
func (x stateBitsTracker) tag(s span, fo *folio) {
	if u, _, ok := x.next(s.from, s.to); ok && u.from <= s.from && s.to <= u.to && u != s {
		return
	}
	k := x.k
	from, to := k.folioBlocks(fo)
	inside := k.blockBits(fo, max(from, s.from), min(to, s.to))
	fo.startBits &^= inside
	fo.endBits &^= inside
	if from <= s.from {
		fo.startBits |= k.blockBits(fo, s.from, s.from+1)
	}
	if s.to <= to {
		fo.endBits |= k.blockBits(fo, s.to-1, s.to)
	}
}

// next reads the marks. A beginning without an end in its folio goes on in the
// next one if that has marks that fit, else it ends with its folio.
func (x stateBitsTracker) next(from, to int32) (s span, open, ok bool) {
	k := x.k
	start := int32(-1)
	for p := int32(0); p < int32(len(k.cache.folios)); {
		fo := k.cache.folio(p)
		if fo == nil {
			p++
			continue
		}
		p = fo.end()
		first, last := k.folioBlocks(fo)
		if first >= to && start < 0 {
			break
		}
		if start >= 0 && fo.startBits|fo.endBits == 0 && (s.to != first || fo.dirtyBlocks == 0) {
			if s.overlaps(from, to) {
				return s, false, true
			}
			start = -1
		}
		for b := first; b < last; b++ {
			bit := k.blockBits(fo, b, b+1)
			if fo.startBits&bit != 0 {
				if start >= 0 && (span{start, b}).overlaps(from, to) {
					return span{start, b}, false, true
				}
				start = b
			}
			if start >= 0 {
				s = span{start, b + 1}
			}
			if fo.endBits&bit != 0 && start >= 0 {
				if s.overlaps(from, to) {
					return s, false, true
				}
				start = -1
			}
		}
	}
	if start >= 0 && s.overlaps(from, to) {
		return s, false, true
	}
	return span{}, false, false
}

func (x stateBitsTracker) take(from, to int32) { x.clear(from, to) }

// clear drops the marks of the blocks [from, to).
func (x stateBitsTracker) clear(from, to int32) {
	k := x.k
	for b := from; b < to; b++ {
		if fo := k.cache.folio(b * k.blockSectors / pageSectors); fo != nil {
			fo.startBits &^= k.blockBits(fo, b, b+1)
			fo.endBits &^= k.blockBits(fo, b, b+1)
		}
	}
}

func (x stateBitsTracker) forget(from, to int32) {
	for s, _, ok := x.next(from, to); ok; s, _, ok = x.next(from, to) {
		x.clear(s.from, s.to)
	}
}

// splits: the marks are per block and move with them.
func (x stateBitsTracker) splits(*folio) bool { return true }

func (x stateBitsTracker) split(_, _ *folio) {}

// evictions lists the folios whose private state may be freed: they are clean
// (iomap_release_folio).
func (x stateBitsTracker) evictions(fn func(int32, string)) {
	for i := range x.k.cache.folios {
		if fo := &x.k.cache.folios[i]; fo.evictable() && fo.uptodateBlocks != 0 {
			fn(fo.index, fmt.Sprintf("folio state at %s is freed", x.k.pageText(fo.index)))
		}
	}
}

func (x stateBitsTracker) evict(page int32) {
	fo := &x.k.cache.folios[page]
	fo.startBits, fo.endBits, fo.uptodateBlocks = 0, 0, 0
}

func (x stateBitsTracker) reset()           {}
func (x stateBitsTracker) hash(*key.Hasher) {}
