package recorded

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"untorn/internal/blk"
	"untorn/internal/blk/logwrites"
	"untorn/internal/key"
	"untorn/internal/stamp"
)

// write is a command whose pieces may or may not be on the medium.
type write struct {
	entry   int // of the log
	start   int64
	data    []content
	pieces  int  // 1, or its LBAs
	lba     int  // sectors of a piece when there are several
	garbage bool // a piece may hold garbage
}

// states is how many things may become of a piece.
func (w *write) states() uint64 {
	if w.garbage {
		return 3
	}
	return 2
}

// Image is one state of the medium.
type Image struct {
	key   key.Key
	delta []cell // sorted: what differs from the base
}

type cell struct {
	sector  int64
	content content
}

// Space is the images of a recording that are looked at.
type Space struct {
	contents *contents
	base     map[int64]content
	garbage  content
	at       map[key.Key]int // index of a distinct image
	Images   []Image
	Found    []Found // by cut, then in the order in which they were taken
	Cuts     int     // moments at which power may be lost
	Whole    bool    // every image that the crash rule allows is here
}

func newSpace(r *Recording) *Space {
	s := &Space{contents: newContents(), base: make(map[int64]content), at: make(map[key.Key]int)}
	for i := range r.Base {
		if e := &r.Base[i]; e.Flags == 0 {
			for k, c := range s.contents.numbers(e.Data) {
				s.base[int64(e.Sector)+int64(k)] = c
			}
		}
	}
	garbage := stamp.Garbage()
	s.garbage = s.contents.number(garbage[:])
	return s
}

// enumerate takes images at every moment from the first call on.
func (r *Recording) enumerate(d *Device, limit int, seed uint64) (*Space, error) {
	return r.Enumerate(d, r.firstCall(), len(r.Entries), limit, seed)
}

// firstCall is the number of entries up to the first call and with it, more than
// there are when nothing was called.
func (r *Recording) firstCall() int {
	for i := range r.Entries {
		if e := &r.Entries[i]; e.Flags&logwrites.Mark != 0 && isCall(string(e.Data)) {
			return i + 1
		}
	}
	return len(r.Entries) + 1
}

// Enumerate follows the log and takes images of a loss of power after from
// entries at the earliest and to entries at the latest, at most limit distinct
// ones. Those that find most come first, at all cuts; the rest is a sample by
// the seed.
func (r *Recording) Enumerate(d *Device, from, to, limit int, seed uint64) (*Space, error) {
	s := newSpace(r)
	s.Whole = true
	cuts, err := s.cuts(r, d, from, to)
	if err != nil {
		return nil, err
	}
	s.Cuts = len(cuts)
	x := taker{space: s, limit: limit, taken: make(map[[2]int]bool)}
	for i := range cuts {
		cuts[i].plan()
		s.Whole = s.Whole && cuts[i].whole
	}
	// Where there is no room for all, every part of the log has its share.
	order := make([]int, len(cuts))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(key.Mix(seed, uint64(a)), key.Mix(seed, uint64(b))) })
	for rank, more := 0, true; more && !x.full(); rank++ {
		more = false
		for _, i := range order {
			if c := &cuts[i]; rank < len(c.planned) {
				more = true
				x.take(c, c.planned[rank])
			}
		}
	}
	s.Whole = s.Whole && !x.full()
	// A cut without anything open has one image, whatever is drawn.
	for round := uint64(0); round < uint64(limit) && !x.full(); round++ {
		for i := range cuts {
			if c := &cuts[i]; !c.whole {
				x.take(c, c.random(key.Mix(seed, round<<32|uint64(i))))
			}
		}
	}
	slices.SortStableFunc(s.Found, func(a, b Found) int { return a.Cut - b.Cut })
	return s, nil
}

// maxZeroed bounds a discard of a recording, in sectors.
const maxZeroed = 1 << 20

// cuts lists the moments from..to at which power may be lost. What the medium
// holds for sure is written by flushes only, so that neighbours share it.
func (s *Space) cuts(r *Recording, d *Device, from, to int) ([]cut, error) {
	var out []cut
	hard := s.medium(nil)
	var pending []*write
	harden := func() {
		if len(pending) == 0 {
			return
		}
		hard = hard.clone()
		for _, w := range pending {
			w.apply(nil, s.garbage, hard.set)
		}
		pending = nil
	}
	for i := range r.Entries[:min(to, len(r.Entries))] {
		e := &r.Entries[i]
		switch {
		case e.Flags&logwrites.Mark != 0:
		case e.Flags&logwrites.Flush != 0:
			if !d.FlushLies {
				harden()
			}
		default:
			if e.Sectors > maxZeroed {
				return nil, fmt.Errorf("entry %d: a command of %d sectors; up to %d are followed", i, e.Sectors, maxZeroed)
			}
			if d.Protected {
				harden()
			}
			pending = append(slices.Clip(pending), s.write(e, i, d))
		}
		if i+1 >= from {
			out = append(out, cut{entries: i + 1, hard: hard, pending: pending})
		}
	}
	return out, nil
}

func isCall(text string) bool {
	e, ok := logwrites.ParseMark(text)
	return ok && e.Kind == blk.Call
}

func (s *Space) write(e *logwrites.Entry, entry int, d *Device) *write {
	w := &write{entry: entry, start: int64(e.Sector), data: make([]content, e.Sectors), pieces: 1, lba: int(d.LBA / blk.SectorSize)}
	copy(w.data, s.contents.numbers(e.Data))
	// Discard and write-zeroes work LBA by LBA, and leave zeros or what was there.
	discard, whole := e.Flags&logwrites.Discard != 0, d.whole(w.start, int64(e.Sectors))
	if n := len(w.data) / w.lba; n > 1 && (discard || !whole || d.CachedLBA) {
		w.pieces = n
	}
	w.garbage = d.Garbage && !discard && !whole
	return w
}

// apply calls set for the sectors of a write that are there, and for those that
// hold garbage; nil is all of it.
func (w *write) apply(pieces []Piece, garbage content, set func(sector int64, c content)) {
	for i, c := range w.data {
		p := There
		if len(pieces) == 1 {
			p = pieces[0]
		} else if pieces != nil {
			p = pieces[i/w.lba]
		}
		switch p {
		case There:
			set(w.start+int64(i), c)
		case Garbage:
			set(w.start+int64(i), garbage)
		}
	}
}

// medium is what the medium holds for sure, as far as it differs from the base.
type medium struct {
	space *Space
	cells map[int64]content
	key   key.Key // of the image that this is
}

// medium makes one that holds an image; nil is the base.
func (s *Space) medium(img *Image) *medium {
	m := &medium{space: s, cells: make(map[int64]content)}
	if img != nil {
		for _, c := range img.delta {
			m.set(c.sector, c.content)
		}
	}
	return m
}

func (m *medium) clone() *medium {
	return &medium{space: m.space, cells: maps.Clone(m.cells), key: m.key}
}

func (m *medium) get(sector int64) content {
	if c, ok := m.cells[sector]; ok {
		return c
	}
	return m.space.base[sector]
}

// set makes a sector hold something else.
func (m *medium) set(sector int64, c content) {
	m.key = m.space.rekey(m.key, sector, m.get(sector), c)
	m.cells[sector] = c
}

// rekey is the fingerprint of an image in which a sector holds something else.
// It is a sum over what differs from the base, in any order.
func (s *Space) rekey(k key.Key, sector int64, from, to content) key.Key {
	base := s.base[sector]
	pair := func(c content) key.Key { return key.Pair(uint64(sector), key.Key{uint64(c), uint64(c) + 1<<40}) }
	if from != base {
		k.Sub(pair(from))
	}
	if to != base {
		k.Add(pair(to))
	}
	return k
}

// taker collects images.
type taker struct {
	space *Space
	limit int
	taken map[[2]int]bool // cut and image
}

func (x *taker) full() bool { return len(x.space.Images) >= x.limit }

// take adds an image of a cut, and to the distinct ones when it is new and
// there is room.
func (x *taker) take(c *cut, choices []Choice) {
	k, over := x.space.lay(c, choices)
	i, ok := x.space.at[k]
	if !ok {
		if x.full() {
			return
		}
		i = len(x.space.Images)
		x.space.Images = append(x.space.Images, *x.space.image(c, k, over))
		x.space.at[k] = i
	}
	if at := [2]int{c.entries, i}; !x.taken[at] {
		x.taken[at] = true
		x.space.Found = append(x.space.Found, Found{Cut: c.entries, Image: i, Choices: choices})
	}
}

// lay returns what the pending writes of a cut put over what is there for sure,
// and the fingerprint of the image that this makes.
func (s *Space) lay(c *cut, choices []Choice) (key.Key, map[int64]content) {
	over, k := make(map[int64]content), c.hard.key
	for i, w := range c.pending {
		w.apply(choices[i].Pieces, s.garbage, func(sector int64, v content) {
			old, ok := over[sector]
			if !ok {
				old = c.hard.get(sector)
			}
			k = s.rekey(k, sector, old, v)
			over[sector] = v
		})
	}
	return k, over
}

// image is what lay laid, as a whole.
func (s *Space) image(c *cut, k key.Key, over map[int64]content) *Image {
	img := &Image{key: k}
	add := func(sector int64, v content) {
		if v != s.base[sector] {
			img.delta = append(img.delta, cell{sector, v})
		}
	}
	for sector, v := range c.hard.cells {
		if _, ok := over[sector]; !ok {
			add(sector, v)
		}
	}
	for sector, v := range over {
		add(sector, v)
	}
	slices.SortFunc(img.delta, func(a, b cell) int { return cmp.Compare(a.sector, b.sector) })
	return img
}
