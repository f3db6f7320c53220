package powerloss

import (
	"math"
	"math/bits"
	"slices"

	"untorn/internal/blk"
	"untorn/internal/count"
)

// Where a segment belongs, when that is not one group.
const (
	nowhere = -1 // no group reads it
	several = -2 // an LBA of which several groups read a part
)

// A segment is a run of LBAs that are open in the same commands and that no
// verdict can tell apart: each source holds the same run of one write there.
type segment struct {
	lba, n int32
	cov    []int32 // the open commands that cover it, by index
	isVar  bool    // one of them is a single piece of several LBAs
	cell   int32   // index of the cell that contains it, -1 for an LBA across edges
	group  int32

	srcs    []source
	classes []uint64 // for each source the bit of its class in the cell
	opts    []option
}

// An option of a segment is the set of sources that appear in it.
type option struct {
	set    uint64
	weight count.Count // in how many ways exactly these appear
}

// continues reports whether b follows a in the same write, or is the same
// kind of nothing.
func continues(a, b blk.Handle) bool {
	if a.IsData() {
		return b == a+1 && b.Write() == a.Write()
	}
	return a == b && (a == blk.Zero || a == blk.Garbage)
}

// unlike is the key of what looks like nothing else.
const unlike = math.MinInt64

// classKey names what a source holds in a segment as a verdict sees it: which
// write, and whether shifted. The disk sector is taken off so that all of one
// write in one cell has one key.
func classKey(h blk.Handle, s blk.Sector) int64 {
	if h.IsData() {
		return int64(h) - int64(s)
	}
	return -1 - int64(h)<<32
}

// touch lists in order the LBAs that some command covers, each with those
// commands.
func (e *enumeration) touch() {
	e.lbas, e.covAt, e.cov = e.lbas[:0], e.covAt[:0], e.cov[:0]
	lba := e.s.rules.LBA
	for len(e.bits)*64*int(lba) < len(e.s.base) {
		e.bits = append(e.bits, 0)
	}
	clear(e.bits)
	for _, c := range e.s.cmds {
		first := c.rng.Start / lba
		for i, w := range c.live {
			for ; w != 0; w &= w - 1 {
				l := first + int32(i*64+bits.TrailingZeros64(w))
				e.bits[l/64] |= 1 << (l % 64)
			}
		}
	}
	for i, w := range e.bits {
		for ; w != 0; w &= w - 1 {
			l := int32(i*64 + bits.TrailingZeros64(w))
			e.lbas = append(e.lbas, l)
			e.covAt = append(e.covAt, int32(len(e.cov)))
			for k, c := range e.s.cmds {
				if c.covers(l, lba) {
					e.cov = append(e.cov, int32(k))
				}
			}
			e.checkTogether(l, e.cov[e.covAt[len(e.covAt)-1]:])
		}
	}
	e.covAt = append(e.covAt, int32(len(e.cov)))
}

func (e *enumeration) covOf(i int) []int32 { return e.cov[e.covAt[i]:e.covAt[i+1]] }

// join reports whether LBA l may be part of the segment
// of the LBA before it: same commands, nothing altered, and next says of each
// source whether it goes on.
func (e *enumeration) join(seg *segment, l int32, cov []int32, next func(a, b []blk.Handle) bool) bool {
	if e.s.NoCells || seg.lba+seg.n != l || !slices.Equal(seg.cov, cov) {
		return false
	}
	for _, i := range cov {
		c := e.s.cmds[i]
		if len(c.alts) > 0 && (c.altered(l) || c.altered(l-1)) {
			return false
		}
		if !next(c.at(l-1, e.s.rules.LBA), c.at(l, e.s.rules.LBA)) {
			return false
		}
	}
	lba := e.s.rules.LBA
	return next(e.s.base[(l-1)*lba:l*lba], e.s.base[l*lba:(l+1)*lba])
}

// dataGoesOn says that LBA b continues LBA a.
func dataGoesOn(a, b []blk.Handle) bool {
	if !continues(a[len(a)-1], b[0]) {
		return false
	}
	for i := range len(a) - 1 {
		if !continues(a[i], a[i+1]) || !continues(b[i], b[i+1]) {
			return false
		}
	}
	return true
}

// recordGoesOn says that LBA b belongs to the same metadata record as LBA a.
func (e *enumeration) recordGoesOn(a, b []blk.Handle) bool {
	if e.part.Starts == nil {
		return false
	}
	if a[0].IsMeta() && b[0].IsMeta() {
		return !e.part.Starts(b[0])
	}
	return a[0] == blk.Zero && b[0] == blk.Zero
}

func (e *enumeration) newSegment(segs []segment, l int32, cov []int32, cell, group int32) []segment {
	if len(segs) < cap(segs) {
		segs = segs[:len(segs)+1]
	} else {
		segs = append(segs, segment{})
	}
	seg := &segs[len(segs)-1]
	*seg = segment{lba: l, n: 1, cov: cov, cell: cell, group: group,
		srcs: seg.srcs[:0], classes: seg.classes[:0], opts: seg.opts[:0]}
	for _, i := range cov {
		seg.isVar = seg.isVar || e.isVar[i]
	}
	return segs
}

// metaSegments splits the touched LBAs of the metadata area.
func (e *enumeration) metaSegments() {
	e.meta = e.meta[:0]
	lba := e.s.rules.LBA
	next := e.recordGoesOn
	for i, l := range e.lbas {
		if !e.isMeta(blk.Range{Start: l * lba, Len: lba}) {
			continue
		}
		cov := e.covOf(i)
		// Parts of two records that are both new, or of one that is on the
		// medium already, could make up a whole one.
		alone := len(cov) == 1 && e.differs(cov[0], l) && e.differs(cov[0], l-1)
		if n := len(e.meta); n > 0 && alone && e.join(&e.meta[n-1], l, cov, next) {
			e.meta[n-1].n++
			continue
		}
		e.meta = e.newSegment(e.meta, l, cov, -1, nowhere)
	}
}

// differs reports whether command i carries for LBA l what the medium does
// not hold.
func (e *enumeration) differs(i, l int32) bool {
	c, lba := e.s.cmds[i], e.s.rules.LBA
	return c.covers(l, lba) && !slices.Equal(c.at(l, lba), e.s.base[l*lba:(l+1)*lba])
}

func (e *enumeration) isMeta(r blk.Range) bool {
	for _, m := range e.part.Meta {
		if m.Overlaps(r) {
			return true
		}
	}
	return false
}

// dataSegments splits the other touched LBAs at the edges of the cells.
func (e *enumeration) dataSegments(cells []blk.Cell) {
	e.data = e.data[:0]
	lba := e.s.rules.LBA
	k := 0
	for i, l := range e.lbas {
		r := blk.Range{Start: l * lba, Len: lba}
		if e.isMeta(r) {
			continue
		}
		for k < len(cells) && cells[k].End() <= r.Start {
			k++
		}
		cell, group := place(cells[k:], r)
		if cell >= 0 {
			cell += int32(k)
		}
		if e.s.NoGroups && group != nowhere {
			group = several
		}
		cov := e.covOf(i)
		if n := len(e.data); n > 0 && (cell >= 0 || group == nowhere) {
			if seg := &e.data[n-1]; seg.cell == cell && seg.group == group && e.join(seg, l, cov, dataGoesOn) {
				seg.n++
				continue
			}
		}
		e.data = e.newSegment(e.data, l, cov, cell, group)
	}
}

// place returns the cell that contains r, -1 if r reaches over an edge or is
// in none, and the group that reads it.
func place(cells []blk.Cell, r blk.Range) (cell, group int32) {
	group = nowhere
	for i := range cells {
		c := &cells[i]
		if c.Start >= r.End() {
			break
		}
		if c.Start <= r.Start && r.End() <= c.End() {
			return int32(i), int32(c.Group)
		}
		if g := int32(c.Group); group == nowhere {
			group = g
		} else if group != g {
			group = several
		}
	}
	return -1, group
}

// fill works out the sources of a segment and, as options, which sets of them
// may appear, each with the number of ways.
func (e *enumeration) fill(seg *segment) {
	seg.srcs = e.sources(seg.srcs[:0], seg.lba, seg.cov)
	for i := 0; i < len(seg.srcs); i++ {
		for j := i + 1; j < len(seg.srcs); j++ {
			if slices.Equal(e.content(seg.srcs[i], seg.lba, seg.n), e.content(seg.srcs[j], seg.lba, seg.n)) {
				seg.srcs[i].ways += seg.srcs[j].ways
				seg.srcs = slices.Delete(seg.srcs, j, j+1)
				j--
			}
		}
	}
	seg.opts = seg.opts[:0]
	if len(seg.srcs) == 2 && seg.srcs[0].ways == 1 && seg.srcs[1].ways == 1 {
		seg.opts = append(seg.opts, option{1, count.Of(1)})
		if seg.n > 1 {
			// Some but not all LBAs: neither the empty set nor the full one.
			both := count.Pow2(int(seg.n))
			two := count.Of(2)
			if !both.Saturated() {
				both.Sub(&two)
			}
			seg.opts = append(seg.opts, option{3, both})
		}
		seg.opts = append(seg.opts, option{2, count.Of(1)})
		return
	}
	// One LBA after the other: each adds one source to the set.
	for i, x := range seg.srcs {
		seg.opts = append(seg.opts, option{1 << i, count.Of(x.ways)})
	}
	for range seg.n - 1 {
		e.prev = append(e.prev[:0], seg.opts...)
		seg.opts = seg.opts[:0]
		for _, o := range e.prev {
			for i, x := range seg.srcs {
				ways := count.Of(x.ways)
				w := count.Mul(&o.weight, &ways)
				seg.opts = addOption(seg.opts, o.set|1<<i, &w)
			}
		}
	}
}

func addOption(opts []option, set uint64, w *count.Count) []option {
	for i := range opts {
		if opts[i].set == set {
			opts[i].weight.Add(w)
			return opts
		}
	}
	return append(opts, option{set, *w})
}

// set makes the image hold an option of a segment: its sources one LBA each
// in order, and the last one for the rest.
func (e *enumeration) set(seg *segment, set uint64) {
	l, n := seg.lba, seg.n
	for set != 0 {
		i := bits.TrailingZeros64(set)
		set &= set - 1
		m := int32(1)
		if set == 0 {
			m = n
		}
		e.sink.Set(l*e.s.rules.LBA, e.content(seg.srcs[i], l, m))
		l, n = l+m, n-m
	}
}
