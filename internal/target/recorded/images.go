package recorded

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"

	"untorn/internal/blk"
	"untorn/internal/blk/logwrites"
	"untorn/internal/key"
	"untorn/workloads"
)

// content is a number for the bytes of a sector, 0 for zeros.
type content = uint32

// contents numbers the sectors of a log, each different one once.
type contents struct {
	seed  maphash.Seed
	known map[uint64][]content
	bytes [][]byte
}

func newContents() *contents {
	c := &contents{seed: maphash.MakeSeed(), known: make(map[uint64][]content)}
	c.number(make([]byte, blk.SectorSize))
	return c
}

func (c *contents) number(b []byte) content {
	h := maphash.Bytes(c.seed, b)
	for _, n := range c.known[h] {
		if string(c.bytes[n]) == string(b) {
			return n
		}
	}
	n := content(len(c.bytes))
	c.bytes = append(c.bytes, b)
	c.known[h] = append(c.known[h], n)
	return n
}

// write is a command whose pieces may or may not be on the medium.
type write struct {
	entry  int // of the log
	start  int64
	data   []content
	pieces int // 1, or its LBAs
	lba    int // sectors of a piece when there are several
}

// A Choice says which pieces of one pending write are on the medium.
type Choice struct {
	Write  int // entry of the log
	Pieces int // of the write
	Alive  []bool
}

func (c *Choice) count() (n int) {
	for _, a := range c.Alive {
		if a {
			n++
		}
	}
	return n
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

// Found is an image that a loss of power at one cut may leave.
type Found struct {
	Cut     int // entries of the log before the loss of power
	Image   int // index of the distinct image
	Choices []Choice
}

// String says which pieces are on the medium, with the others lost:
//
//	writes 57 whole, 58 lost, 60 pieces 0-3 of 8
func (f *Found) String() string {
	s := ""
	for i := range f.Choices {
		c := &f.Choices[i]
		if i > 0 {
			s += ", "
		}
		switch n := c.count(); n {
		case 0:
			s += fmt.Sprintf("%d lost", c.Write)
		case len(c.Alive):
			s += fmt.Sprintf("%d whole", c.Write)
		default:
			s += fmt.Sprintf("%d %d of %d pieces (%s)", c.Write, n, c.Pieces, runs(c.Alive))
		}
	}
	if s == "" {
		return "nothing is pending"
	}
	return "writes " + s
}

// runs prints the indexes that are set.
func runs(set []bool) string {
	s := ""
	for i := 0; i < len(set); i++ {
		if !set[i] {
			continue
		}
		from := i
		for i+1 < len(set) && set[i+1] {
			i++
		}
		if s != "" {
			s += " "
		}
		if s += fmt.Sprint(from); i > from {
			s += fmt.Sprintf("-%d", i)
		}
	}
	return s
}

// Space is the images of a recording that are looked at.
type Space struct {
	contents *contents
	base     map[int64]content
	Images   []Image
	Found    []Found // by cut, then in the order in which they were taken
	Cuts     int     // moments at which power may be lost
	Whole    bool    // every image that the crash rule allows is here
}

func newSpace(r *Recording) *Space {
	s := &Space{contents: newContents(), base: make(map[int64]content)}
	for i := range r.Base {
		if e := &r.Base[i]; e.Flags == 0 {
			for k := range int64(e.Sectors) {
				s.base[int64(e.Sector)+k] = s.contents.number(e.Data[k*blk.SectorSize : (k+1)*blk.SectorSize])
			}
		}
	}
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
	x := taker{space: s, limit: limit, at: make(map[key.Key]int), taken: make(map[[2]int]bool)}
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

// cut is a moment of the log.
type cut struct {
	entries int
	hard    map[int64]content // shared by neighbours until a flush
	pending []write
	planned [][]Choice
	whole   bool // planned is all that there is
}

// maxZeroed bounds a discard of a recording, in sectors.
const maxZeroed = 1 << 20

// cuts lists the moments from..to at which power may be lost. What the medium
// holds for sure is written by flushes only, so that neighbours share it.
func (s *Space) cuts(r *Recording, d *Device, from, to int) ([]cut, error) {
	var out []cut
	hard := make(map[int64]content)
	var pending []write
	harden := func() {
		next := make(map[int64]content, len(hard))
		for k, v := range hard {
			next[k] = v
		}
		for i := range pending {
			pending[i].apply(next, nil)
		}
		hard, pending = next, nil
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

func (s *Space) write(e *logwrites.Entry, entry int, d *Device) write {
	w := write{entry: entry, start: int64(e.Sector), data: make([]content, e.Sectors), pieces: 1, lba: int(d.LBA / blk.SectorSize)}
	for k := 0; k < len(e.Data); k += blk.SectorSize {
		w.data[k/blk.SectorSize] = s.contents.number(e.Data[k : k+blk.SectorSize])
	}
	// Discard and write-zeroes work LBA by LBA.
	if e.Flags&logwrites.Discard != 0 || d.pieces(w.start, int64(e.Sectors), true) {
		w.pieces = max(1, len(w.data)/w.lba)
	}
	return w
}

// apply puts the pieces of a write that are alive into m; nil is all.
func (w *write) apply(m map[int64]content, alive []bool) {
	for i, c := range w.data {
		if alive == nil || w.pieces == 1 && alive[0] || w.pieces > 1 && alive[i/w.lba] {
			m[w.start+int64(i)] = c
		}
	}
}

// maxSubsets is the number of pieces up to which every subset is taken.
const maxSubsets = 6

// plan lists the images of a cut, those that find most first: all and nothing,
// what a device that keeps its order leaves, one write gone or one alone, then
// halves of one write with all others there, or none. A log record that says
// that data moved, next to half of that data, is among them.
func (c *cut) plan() {
	n := len(c.pending)
	total := 0
	for i := range c.pending {
		total += c.pending[i].pieces
	}
	all, none := c.choice(func(int) bool { return true }), c.choice(func(int) bool { return false })
	c.planned = append(c.planned, all, none)
	if n == 0 {
		c.planned, c.whole = c.planned[:1], true
		return
	}
	if total <= maxSubsets {
		c.whole = true
		for m := range uint64(1) << total {
			c.planned = append(c.planned, c.subset(m))
		}
		return
	}
	for i := n - 1; i >= 0; i-- {
		c.planned = append(c.planned, c.choice(func(k int) bool { return k < i }))
	}
	for i := range n {
		c.planned = append(c.planned, c.choice(func(k int) bool { return k != i }), c.choice(func(k int) bool { return k == i }))
	}
	for _, part := range parts {
		for i := n - 1; i >= 0; i-- {
			if p := c.pending[i].pieces; p > 1 {
				for _, rest := range []func(int) bool{
					func(int) bool { return true },
					func(int) bool { return false },
					func(k int) bool { return k < i },
				} {
					x := c.choice(rest)
					for k := range x[i].Alive {
						x[i].Alive[k] = part(k, p)
					}
					c.planned = append(c.planned, x)
				}
			}
		}
	}
}

// parts are pieces of a write that find tears: a half, all but one, one alone.
var parts = []func(k, n int) bool{
	func(k, n int) bool { return k < n/2 },
	func(k, n int) bool { return k >= n/2 },
	func(k, n int) bool { return k < n-1 },
	func(k, n int) bool { return k > 0 },
	func(k, _ int) bool { return k%2 == 0 },
	func(k, _ int) bool { return k == 0 },
	func(k, n int) bool { return k == n-1 },
}

// choice makes whole writes alive or lost.
func (c *cut) choice(alive func(i int) bool) []Choice {
	out := make([]Choice, len(c.pending))
	for i := range c.pending {
		w := &c.pending[i]
		out[i] = Choice{Write: w.entry, Pieces: w.pieces, Alive: make([]bool, w.pieces)}
		for k := range out[i].Alive {
			out[i].Alive[k] = alive(i)
		}
	}
	return out
}

// subset makes the pieces alive of which m has the bits.
func (c *cut) subset(m uint64) []Choice {
	out := c.choice(func(int) bool { return false })
	for i := range out {
		for k := range out[i].Alive {
			out[i].Alive[k] = m&1 != 0
			m >>= 1
		}
	}
	return out
}

// random draws an image: of each write all, nothing or each piece by itself.
func (c *cut) random(seed uint64) []Choice {
	draw := func() uint64 {
		seed = key.Mix(seed, 0x756e746f726e)
		return seed
	}
	out := c.choice(func(int) bool { return false })
	for i := range out {
		how := draw() % 3
		for k := range out[i].Alive {
			out[i].Alive[k] = how == 1 || how == 2 && draw()&1 != 0
		}
	}
	return out
}

// taker collects images.
type taker struct {
	space *Space
	limit int
	at    map[key.Key]int // index of a distinct image
	taken map[[2]int]bool // cut and image
}

func (x *taker) full() bool { return len(x.space.Images) >= x.limit }

// take adds an image of a cut, and to the distinct ones when it is new and
// there is room.
func (x *taker) take(c *cut, choices []Choice) {
	img := x.space.image(c, choices)
	i, ok := x.at[img.key]
	if !ok {
		if x.full() {
			return
		}
		i = len(x.space.Images)
		x.space.Images = append(x.space.Images, *img)
		x.at[img.key] = i
	}
	if at := [2]int{c.entries, i}; !x.taken[at] {
		x.taken[at] = true
		x.space.Found = append(x.space.Found, Found{Cut: c.entries, Image: i, Choices: choices})
	}
}

// image is what the medium holds at a cut when these pieces are on it.
func (s *Space) image(c *cut, choices []Choice) *Image {
	m := make(map[int64]content, len(c.hard)+64)
	for k, v := range c.hard {
		m[k] = v
	}
	for i := range c.pending {
		c.pending[i].apply(m, choices[i].Alive)
	}
	img := &Image{}
	for sector, v := range m {
		if v != s.base[sector] {
			img.key[0] += key.Mix(uint64(sector), uint64(v))
			img.key[1] += key.Mix(uint64(v)+1<<40, uint64(sector))
			img.delta = append(img.delta, cell{sector, v})
		}
	}
	slices.SortFunc(img.delta, func(a, b cell) int { return cmp.Compare(a.sector, b.sector) })
	return img
}

// HistoryAt returns what the caller had seen before a cut.
func (r *Recording) HistoryAt(w *workloads.Workload, cut int) *workloads.History {
	h := workloads.NewHistory(w)
	for i := range r.Entries[:cut] {
		if e := &r.Entries[i]; e.Flags&logwrites.Mark != 0 {
			mark(h, string(e.Data))
		}
	}
	h.Cut = cut
	return h
}

func mark(h *workloads.History, text string) {
	if e, ok := logwrites.ParseMark(text); ok && e.Kind == blk.Call {
		h.Call(int(e.Op))
	} else if ok {
		h.Return(int(e.Op), workloads.Result(e.Result))
	}
}
