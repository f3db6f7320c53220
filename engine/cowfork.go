package engine

func (k sound) inPlace(s span) bool { return k.fs.inPlace(s) }

// fitsUnit reports whether the device writes n sectors as a whole.
func (k *Kernel) fitsUnit(n int32) bool {
	return n <= k.limits.unitMax && n >= k.limits.unitMin && n&(n-1) == 0
}

// oneExtent reports whether one extent of the data fork, which no other file
// block shares, holds a range.
func (k *Kernel) oneExtent(s span, unwritten bool) bool {
	for b := s.from; b < s.to; b++ {
		e := k.forks.data[b]
		if !e.real() || k.rules.spares(b) || e.unwritten() && !unwritten || b > s.from && !e.follows(k.forks.data[b-1]) {
			return false
		}
	}
	return true
}

// alignedOnDisk reports whether the n sectors at which a range lies begin at a
// multiple of n and cross no power-fail boundary.
func (k *Kernel) alignedOnDisk(s span, n int32) bool {
	start := k.super.Sector(k.forks.data[s.from].block())
	return start%n == 0 && !k.limits.crossesBoundary(start, n)
}

// usesCow reports whether writeback of a write to these blocks may need new
// blocks, so that they have to be reserved.
func (k *Kernel) usesCow() bool {
	return ask(&k.axes.writeback, func(w Writeback) bool { return w == WritebackCow || w == WritebackCowOrAtomic })
}

// reserve makes sure that writeback will find blocks: delayed allocations in
// the COW fork, or in the data fork for holes (xfs_bmapi_reserve_delalloc).
// It reports false when the disk is too full.
func (k *Kernel) reserve(from, to int32) bool {
	var need int32
	for b := from; b < to; b++ {
		if k.forkFor(b)[b] == hole {
			need++
		}
	}
	if k.promised()+need > k.alloc.available() {
		return false
	}
	for b := from; b < to; b++ {
		if fork := k.forkFor(b); fork[b] == hole {
			fork[b] = delalloc
		}
	}
	return true
}

// forkFor returns the fork in which a write finds the block that its data will
// go to.
func (k *Kernel) forkFor(block int32) []forkEntry {
	if k.usesCow() || k.forks.cow[block] != hole || k.rules.spares(block) {
		return k.forks.cow
	}
	return k.forks.data
}

// promised counts the blocks that are reserved and not allocated yet.
func (k *Kernel) promised() (n int32) {
	for b := range k.forks.data {
		if k.forks.data[b] == delalloc || k.forks.cow[b] == delalloc {
			n++
		}
	}
	return n
}

// unreserve gives up what was reserved in the COW fork for a range that goes
// in place.
func (k *Kernel) unreserve(from, to int32) {
	for b := from; b < to; b++ {
		if k.forks.cow[b] == delalloc {
			k.forks.cow[b] = hole
		}
	}
}

// unreserveClean drops what a failed write reserved for blocks that it did not
// dirty (iomap_write_delalloc_release).
func (t *task) unreserveClean() {
	k := t.k
	for b := t.f.pieceFrom / k.blockSectors; b*k.blockSectors < t.f.pieceTo; b++ {
		fo := k.cache.folio(b * k.blockSectors / pageSectors)
		if fo != nil && fo.dirtyBlocks&k.blockBits(fo, b, b+1) != 0 {
			continue
		}
		for _, fork := range [][]forkEntry{k.forks.data, k.forks.cow} {
			if fork[b] == delalloc {
				fork[b] = hole
			}
		}
	}
}
