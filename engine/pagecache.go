package engine

import (
	"untorn/internal/blk"
	"untorn/internal/key"
)

const sectorBytes = blk.SectorSize

// folio is one folio of the file's page cache: pages neighbouring pages with
// one lock. dirtyBlocks and uptodateBlocks are its iomap_folio_state.
type folio struct {
	index    int32 // first page
	pages    int32 // 0 when the slot is empty
	lockedBy int32 // 1 + task
	dirty    bool
	// mark is the dirty mark by which writeback finds the folio. It outlives
	// dirty until the folio is under writeback (folio_start_writeback), so that
	// nobody who looks in between takes the folio for clean.
	mark bool
	// refs counts the writes that hold the folio, so that it stays.
	refs int32
	// writeback counts the blocks under writeback, and one more while the
	// folio is being mapped, so that it does not end early.
	writeback int32

	dirtyBlocks, uptodateBlocks uint64

	dropBehind         bool   // leaves the cache when its writeback ends
	atomic             bool   // track: page-flag
	startBits, endBits uint64 // track: state-bits
}

// pageCache holds the folios by their first page, and the content by sector
// of the file. What lies outside of folios is 0.
type pageCache struct {
	folios  []folio
	head    []int32 // page to 1 + first page of the folio it is in
	content []blk.Handle
	// bounced is what I/O reads instead of the content where stable: bounce
	// copied it; 0 elsewhere.
	bounced []blk.Handle
}

func (c *pageCache) init(k *Kernel) {
	// A folio may reach past the last page of the file.
	n := k.filePages + int32(k.design.FolioMax/PageSize)
	c.folios = make([]folio, n)
	c.head = make([]int32, n)
	c.content = make([]blk.Handle, n*pageSectors)
	if k.stableIs(StableBounce) {
		c.bounced = make([]blk.Handle, n*pageSectors)
	}
}

func (c *pageCache) reset() {
	clear(c.folios)
	clear(c.head)
	clear(c.content)
	clear(c.bounced)
}

func (c *pageCache) hash(h *key.Hasher) {
	key.Words(h, c.bounced)
	for i := range c.folios {
		f := &c.folios[i]
		if f.pages == 0 {
			continue
		}
		w := uint64(f.index) | uint64(f.pages)<<12 | uint64(f.lockedBy)<<24 | uint64(f.refs)<<32 | uint64(f.writeback)<<40
		if f.dirty {
			w |= 1 << 63
		}
		if f.mark {
			w |= 1 << 62
		}
		if f.atomic {
			w |= 1 << 61
		}
		if f.dropBehind {
			w |= 1 << 59
		}
		if f.startBits|f.endBits != 0 {
			w |= 1 << 60
			h.Word(f.startBits)
			h.Word(f.endBits)
		}
		h.Word(w)
		h.Word(f.dirtyBlocks)
		h.Word(f.uptodateBlocks)
		key.Words(h, c.content[f.index*pageSectors:f.end()*pageSectors])
	}
	h.Word(0)
}

// folio returns the folio that holds a page, nil if none does.
func (c *pageCache) folio(page int32) *folio {
	if h := c.head[page]; h != 0 {
		return &c.folios[h-1]
	}
	return nil
}

// put sets the content of one sector of the cache.
func (c *pageCache) put(s int32, h blk.Handle) { c.content[s] = h }

// bounce copies a run of sectors for I/O to read.
func (c *pageCache) bounce(from, n int32) {
	copy(c.bounced[from:from+n], c.content[from:from+n])
}

// unbounce drops the copy of a run of sectors.
func (c *pageCache) unbounce(from, n int32) {
	clear(c.bounced[from : from+n])
}

// underIO returns what I/O reads of a run of sectors.
func (c *pageCache) underIO(from, n int32) []blk.Handle {
	if c.bounced != nil {
		return c.bounced[from : from+n]
	}
	return c.content[from : from+n]
}

// add makes a folio of n pages; none of them may be in the cache.
func (c *pageCache) add(index, n int32) *folio {
	f := &c.folios[index]
	*f = folio{index: index, pages: n}
	for p := index; p < index+n; p++ {
		c.head[p] = index + 1
	}
	return f
}

// remove drops a folio and its content.
func (c *pageCache) remove(f *folio) {
	clear(c.content[f.index*pageSectors : f.end()*pageSectors])
	for p := f.index; p < f.index+f.pages; p++ {
		c.head[p] = 0
	}
	*f = folio{}
}

// dropClean drops the folios that are to leave the cache and that nothing
// keeps (folio_end_dropbehind).
func (k *Kernel) dropClean() {
	for i := range k.cache.folios {
		if fo := &k.cache.folios[i]; fo.pages > 0 && fo.dropBehind && k.rules.dropsBehind(fo) {
			k.cache.remove(fo)
		}
	}
}

// splitFolio splits a folio into two halves with the state of their blocks
// (folio_split).
func (k *Kernel) splitFolio(fo *folio) {
	half := fo.pages / 2
	second := &k.cache.folios[fo.index+half]
	*second = *fo
	second.index, second.pages = fo.index+half, half
	n := uint(half * pageSectors / k.blockSectors)
	fo.pages = half
	for _, bits := range [][2]*uint64{{&fo.dirtyBlocks, &second.dirtyBlocks}, {&fo.uptodateBlocks, &second.uptodateBlocks},
		{&fo.startBits, &second.startBits}, {&fo.endBits, &second.endBits}} {
		*bits[0] &= 1<<n - 1
		*bits[1] >>= n
	}
	for p := second.index; p < second.end(); p++ {
		k.cache.head[p] = second.index + 1
	}
	for _, f := range []*folio{fo, second} {
		f.dirty = f.dirty && f.dirtyBlocks != 0
		f.mark = f.dirty
	}
	k.tracker.split(fo, second)
}

// all reports whether folios hold all of the pages.
func (c *pageCache) all(from, to int32) bool {
	for p := from; p < to; p++ {
		if c.head[p] == 0 {
			return false
		}
	}
	return true
}

// end returns the first page after the folio.
func (f *folio) end() int32 { return f.index + f.pages }

// evictable reports whether reclaim may take the folio.
func (f *folio) evictable() bool {
	return f.pages > 0 && !f.dirty && f.dirtyBlocks == 0 && f.lockedBy == 0 && f.writeback == 0 && f.refs == 0
}

// blockBits returns the bits of the file blocks [from, to) in the folio's state.
func (k *Kernel) blockBits(f *folio, from, to int32) uint64 {
	first := f.index * pageSectors / k.blockSectors
	return (1<<uint(to-first) - 1) &^ (1<<uint(from-first) - 1)
}

// folioBlocks returns the file blocks [from, to) that the folio covers.
func (k *Kernel) folioBlocks(f *folio) (from, to int32) {
	return f.index * pageSectors / k.blockSectors, f.end() * pageSectors / k.blockSectors
}

// uptodate reports whether the whole folio has valid content.
func (k *Kernel) uptodate(f *folio) bool {
	from, to := k.folioBlocks(f)
	return f.uptodateBlocks == k.blockBits(f, from, to)
}

// grabFolio finds the folio that holds a page or makes one of the largest
// size that fits the rest of the write (iomap_get_folio, fgf_set_order). pos
// and left are sectors.
func (k *Kernel) grabFolio(pos, left int32) *folio {
	page := pos / pageSectors
	if f := k.cache.folio(page); f != nil {
		return f
	}
	minPages, maxPages := int32(k.design.FolioMin/PageSize), int32(k.design.FolioMax/PageSize)
	n := maxPages
	for n > minPages && (page%n != 0 || n*pageSectors > left || k.cache.any(page, page+n)) {
		n /= 2
	}
	return k.cache.add(page/n*n, n)
}

// any reports whether a folio holds one of the pages.
func (c *pageCache) any(from, to int32) bool {
	for p := from; p < to; p++ {
		if c.head[p] != 0 {
			return true
		}
	}
	return false
}
