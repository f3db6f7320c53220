package recorded

import (
	"cmp"
	"fmt"
	"slices"

	"untorn/internal/blk"
	"untorn/internal/blk/logwrites"
	"untorn/internal/disk"
	"untorn/internal/key"
)

// event is an entry of a log as the crash rule sees it. The zero value is one that
// changes nothing, such as a mark.
type event struct {
	flush bool
	write *write // nil for none
}

// write is a command whose pieces may or may not be on the medium.
type write struct {
	entry   int // of the log
	start   int64
	data    []content
	discard bool
	pieces  int  // 1, or its LBAs
	lba     int  // sectors of a piece when there are several
	garbage bool // a piece may hold garbage
}

// end is the sector after a write.
func (w *write) end() int64 { return w.start + int64(len(w.data)) }

func (w *write) overlaps(o *write) bool { return w.start < o.end() && o.start < w.end() }

// states is how many things may become of a piece.
func (w *write) states() uint64 {
	if w.garbage {
		return 3
	}
	return 2
}

// maxZeroed bounds a discard of a recording, in sectors.
const maxZeroed = 1 << 20

// events takes the entries of a log apart.
func (s *Space) events(entries []logwrites.Entry, d *Device) ([]event, error) {
	out := make([]event, len(entries))
	for i := range entries {
		switch e := &entries[i]; {
		case e.Flags&logwrites.Mark != 0:
		case e.Flags&logwrites.Flush != 0:
			out[i].flush = true
		case e.Sectors > maxZeroed:
			return nil, fmt.Errorf("entry %d: a command of %d sectors; up to %d are followed", i, e.Sectors, maxZeroed)
		default:
			out[i].write = s.write(e, i, d)
		}
	}
	return out, nil
}

func (s *Space) write(e *logwrites.Entry, entry int, d *Device) *write {
	w := &write{entry: entry, start: int64(e.Sector), data: make([]content, e.Sectors), discard: e.Flags&logwrites.Discard != 0,
		pieces: 1, lba: int(d.LBA / blk.SectorSize)}
	copy(w.data, s.contents.numbers(e.Data))
	// Discard and write-zeroes work LBA by LBA, and leave zeros or what was there.
	whole := d.whole(w.start, int64(e.Sectors))
	if n := len(w.data) / w.lba; n > 1 && (w.discard || !whole || d.CachedLBA) {
		w.pieces = n
	}
	w.garbage = d.Garbage && !w.discard && !whole
	return w
}

// entries is what events was given, without marks.
func (s *Space) entries(events []event) []logwrites.Entry {
	out := make([]logwrites.Entry, len(events))
	for i, x := range events {
		e := &out[i]
		switch w := x.write; {
		case w == nil:
			e.Flags = logwrites.Flush
		case w.discard:
			*e = logwrites.Entry{Sector: uint64(w.start), Sectors: uint64(len(w.data)), Flags: logwrites.Discard}
		default:
			*e = logwrites.Entry{Sector: uint64(w.start), Sectors: uint64(len(w.data))}
			for _, c := range w.data {
				e.Data = append(e.Data, s.contents.sector(c)...)
			}
		}
	}
	return out
}

// A swap names two entries of a log, the first of which took effect first and may
// have come second: the writes were in flight together. The zero value is none.
type swap [2]int

// togetherIn lists the swaps that the marks of a log name.
func togetherIn(entries []logwrites.Entry) (out []swap) {
	for i := range entries {
		var x swap
		if e := &entries[i]; e.Flags&logwrites.Mark != 0 {
			if n, _ := fmt.Sscanf(string(e.Data), disk.TogetherMark+" %d %d", &x[0], &x[1]); n == 2 {
				out = append(out, x)
			}
		}
	}
	return out
}

// swapped is a log with the second write of a swap before the first. Where a flush
// came between them, or another write to the same sectors, that is not followed.
func swapped(events []event, x swap) ([]event, bool) {
	a, b := x[0], x[1]
	if a < 0 || b <= a || b >= len(events) || events[a].write == nil || events[b].write == nil || !events[a].write.overlaps(events[b].write) {
		return nil, false
	}
	for _, e := range events[a+1 : b] {
		if e.flush || e.write != nil && e.write.overlaps(events[b].write) {
			return nil, false
		}
	}
	out := slices.Clone(events)
	copy(out[a+1:b+1], events[a:b])
	out[a] = events[b]
	return out, true
}

// maxSwaps bounds the swaps of a log that are followed, and maxSwapCuts the moments
// after the second write of one.
const (
	maxSwaps    = 32
	maxSwapCuts = 64
)

// bothOrders is cuts of a log and of what it would be if writes that were in flight
// together had come the other way round, one swap at a time, those that the seed
// draws where there are many.
func (s *Space) bothOrders(events []event, swaps []swap, start *medium, d *Device, from, to int, seed uint64) []cut {
	out := s.cuts(events, start, d, from, to)
	slices.SortStableFunc(swaps, func(a, b swap) int {
		return cmp.Compare(key.Mix(seed, uint64(a[0])<<32|uint64(a[1])), key.Mix(seed, uint64(b[0])<<32|uint64(b[1])))
	})
	for _, x := range swaps[:min(len(swaps), maxSwaps)] {
		other, ok := swapped(events, x)
		if !ok {
			continue
		}
		s.Swaps++
		first := max(from, x[1]+1)
		more := s.cuts(other, start, d, first, min(to, first+maxSwapCuts))
		for i := range more {
			more[i].swap = x
		}
		out = append(out, more...)
	}
	return out
}

// cuts lists the moments from..to of a log at which power may be lost, on a medium
// that holds start before it. What the medium holds for sure is written by flushes
// only, so that neighbours share it.
func (s *Space) cuts(events []event, start *medium, d *Device, from, to int) []cut {
	var out []cut
	hard := start
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
	for i, e := range events[:min(to, len(events))] {
		if e.flush && !d.FlushLies {
			harden()
		}
		if e.write != nil {
			if d.Protected {
				harden()
			}
			pending = append(slices.Clip(pending), e.write)
		}
		if i+1 >= from {
			out = append(out, cut{entries: i + 1, hard: hard, pending: pending, parent: -1})
		}
	}
	return out
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
