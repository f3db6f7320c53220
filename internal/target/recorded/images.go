package recorded

import (
	"cmp"
	"maps"
	"slices"

	"untorn/internal/blk"
	"untorn/internal/blk/logwrites"
	"untorn/internal/key"
	"untorn/internal/stamp"
)

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
	taken    map[[3]int]bool // parent, cut of the operations, and image
	Images   []Image
	Found    []Found // by cut, then in the order in which they were taken
	Cuts     int     // moments at which power may be lost
	// Swaps are pairs of writes that were in flight together and are tried in both
	// orders.
	Swaps int
	Whole bool // every image that the crash rule allows is here

	logs  map[int][]event // of mounts, by image
	again map[int][]Loss  // what a loss of power in the mount of an image may leave
}

func newSpace(r *Recording) *Space {
	s := &Space{contents: newContents(), base: make(map[int64]content), at: make(map[key.Key]int), taken: make(map[[3]int]bool),
		Whole: true, logs: make(map[int][]event), again: make(map[int][]Loss)}
	for _, e := range r.content() {
		for k, c := range s.contents.numbers(e.Data) {
			s.base[int64(e.Sector)+int64(k)] = c
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

func isCall(text string) bool {
	e, ok := logwrites.ParseMark(text)
	return ok && e.Kind == blk.Call
}

// Enumerate follows the log and takes images of a loss of power after from
// entries at the earliest and to entries at the latest, at most limit distinct
// ones. Those that find most come first, at all cuts; the rest is a sample by
// the seed.
func (r *Recording) Enumerate(d *Device, from, to, limit int, seed uint64) (*Space, error) {
	s := newSpace(r)
	events, err := s.events(r.Entries, d)
	if err != nil {
		return nil, err
	}
	cuts := s.bothOrders(events, togetherIn(r.Entries), s.medium(nil), d, from, to, seed)
	s.Cuts = max(0, min(to, len(events))-from+1)
	s.takeAll(cuts, limit, seed)
	slices.SortStableFunc(s.Found, func(a, b Found) int { return a.Cut - b.Cut })
	return s, nil
}

// maxDraws bounds how many images are drawn for each one that there is room for:
// many of those of mounts are there already.
const maxDraws = 64

// takeAll takes images of cuts, until there are limit distinct ones.
func (s *Space) takeAll(cuts []cut, limit int, seed uint64) {
	full := func() bool { return len(s.Images) >= limit }
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
	for rank, more := 0, true; more && !full(); rank++ {
		more = false
		for _, i := range order {
			if c := &cuts[i]; rank < len(c.planned) {
				more = true
				s.take(c, c.planned[rank](), limit)
			}
		}
	}
	s.Whole = s.Whole && !full()
	// A cut without anything open has one image, whatever is drawn.
	draws := uint64(0)
	for round := uint64(0); round < uint64(limit) && !full() && draws < maxDraws*uint64(limit); round++ {
		for i := range cuts {
			if c := &cuts[i]; !c.whole {
				draws++
				s.take(c, c.random(key.Mix(seed, round<<32|uint64(i))), limit)
			}
		}
	}
}

// take adds an image of a cut, and to the distinct ones when it is new and
// there is room.
func (s *Space) take(c *cut, choices []Choice, limit int) {
	k, over := s.lay(c, choices)
	i, ok := s.at[k]
	if !ok {
		if len(s.Images) >= limit {
			return
		}
		i = len(s.Images)
		s.Images = append(s.Images, *s.image(c, k, over))
		s.at[k] = i
	}
	l := Loss{Cut: c.entries, Image: i, Swap: c.swap, Choices: choices}
	at := [3]int{c.parent, c.entries, i}
	if c.parent >= 0 {
		at[1] = 0 // what the caller had seen is the same at all cuts of a mount
	}
	switch {
	case s.taken[at]:
		return
	case c.parent < 0:
		s.Found = append(s.Found, Found{Loss: l})
	default:
		s.again[c.parent] = append(s.again[c.parent], l)
	}
	s.taken[at] = true
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
