package engine

// inPlace reports whether the blocks can be overwritten by one atomic bio:
// within the durable size, one written extent, aligned to its length, within the limits of the device
// (xfs_bmap_hw_atomic_write_possible).
func (k sound) inPlace(s span) bool {
	from, to := s.from, s.to
	n := (to - from) * k.blockSectors
	if to*k.blockSectors > k.inodeOf(from).diskSize {
		// The size would become durable in a transaction after the data.
		return false
	}
	if n > k.limits.unitMax || n < k.limits.unitMin || n&(n-1) != 0 {
		return false
	}
	for b := from; b < to; b++ {
		e := k.forks.data[b]
		if !e.real() || e.unwritten() || b > from && !e.follows(k.forks.data[b-1]) {
			return false
		}
	}
	start := k.super.Sector(k.forks.data[from].block())
	return start%n == 0 && !k.limits.crossesBoundary(start, n)
}

// usesCow reports whether writeback of a write to these blocks may need new
// blocks, so that they have to be reserved.
func (k *Kernel) usesCow() bool {
	return k.design.Writeback == WritebackCow || k.design.Writeback == WritebackCowOrAtomic
}

// reserve makes sure that writeback will find blocks: delayed allocations in
// the COW fork, or in the data fork for holes (xfs_bmapi_reserve_delalloc).
// It reports false when the disk is too full.
func (k *Kernel) reserve(from, to int32) bool {
	fork := k.forks.data
	if k.usesCow() {
		fork = k.forks.cow
	}
	var need, promised int32
	for b := range fork {
		if fork[b] == delalloc {
			promised++
		}
	}
	for b := from; b < to; b++ {
		if fork[b] == hole {
			need++
		}
	}
	if promised+need > k.alloc.available() {
		return false
	}
	for b := from; b < to; b++ {
		if fork[b] == hole {
			fork[b] = delalloc
		}
	}
	return true
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
	for b := t.f.start / k.blockSectors; b*k.blockSectors < t.f.end; b++ {
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
