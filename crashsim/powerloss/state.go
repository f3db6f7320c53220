package powerloss

import (
	"fmt"
	"slices"

	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/key"
)

// flush is a FLUSH in flight.
type flush struct {
	id  int32
	sub uint32
}

// change is a change of the medium that is not in the fingerprint yet.
type change struct {
	sector   blk.Sector
	old, new blk.Handle
}

// State is what a device holds as far as loss of power is concerned: the
// medium, and the commands of which some LBA is open. It is used by one
// goroutine at a time.
type State struct {
	rules   Rules
	initial []blk.Handle
	base    []blk.Handle
	cmds    []*command // in the order of submission
	pool    []*command
	flushes []flush
	now     uint32

	changes    []change
	sum        key.Key // of the medium, without changes
	initialSum key.Key
	summed     bool // initialSum is known

	enum enumeration

	// NoCells makes Images vary each LBA by itself, and NoGroups all units
	// together: more images, and the same verdicts.
	NoCells, NoGroups bool
	// SavedCells counts images that another one stood for, and SavedGroups the
	// leaves that varying all units together would have added.
	SavedCells, SavedGroups count.Count
}

// New returns the state of a device that holds initial, one handle a sector.
// The slice is kept and not changed.
func New(rules Rules, initial []blk.Handle) *State {
	if rules.LBA == 0 {
		rules.LBA = 1
	}
	s := &State{rules: rules, initial: initial, base: slices.Clone(initial)}
	s.enum.s = s
	return s
}

// Reset goes back to the initial content with no command outstanding.
func (s *State) Reset() {
	copy(s.base, s.initial)
	s.pool = append(s.pool, s.cmds...)
	s.cmds, s.flushes, s.changes = s.cmds[:0], s.flushes[:0], s.changes[:0]
	s.now = 0
	s.sum = s.initialSum
}

// Apply follows one event of the block log; marks are ignored. The payload of
// a write must stay as it is while the command is open. An event that no
// device can cause, such as a write that is not a run of whole LBAs, panics.
func (s *State) Apply(e *blk.Event) {
	switch e.Kind {
	case blk.SubmitWrite:
		s.submit(e)
	case blk.SubmitFlush:
		s.now++
		s.flushes = append(s.flushes, flush{e.Cmd, s.now})
	case blk.Alter:
		s.alter(e)
	case blk.Complete:
		s.complete(e)
	case blk.Pin:
		s.pin(e)
	}
}

func (s *State) submit(e *blk.Event) {
	if e.Range.Start%s.rules.LBA != 0 || e.Range.Len%s.rules.LBA != 0 || e.Range.Len <= 0 ||
		int(e.Range.End()) > len(s.base) || len(e.Payload) != int(e.Range.Len) {
		panic(fmt.Sprintf("powerloss: %v is no write of whole LBAs", e))
	}
	var c *command
	if n := len(s.pool); n > 0 {
		c, s.pool = s.pool[n-1], s.pool[:n-1]
	} else {
		c = new(command)
	}
	s.now++
	nlba := e.Range.Len / s.rules.LBA
	*c = command{id: e.Cmd, rng: e.Range, payload: e.Payload, phase: inflight, fua: e.FUA, sub: s.now,
		atomic: s.rules.atomic(e.Range), whole: s.rules.whole(e.Range),
		live: c.live[:0], nlive: nlba, alts: c.alts[:0], stale: true}
	for n := nlba; n > 0; n -= 64 {
		c.live = append(c.live, ^uint64(0)>>max(0, 64-n))
	}
	for _, d := range s.cmds {
		if d.rng.Overlaps(c.rng) {
			c.overlaps, d.overlaps = true, true
		}
	}
	s.cmds = append(s.cmds, c)
}

func (s *State) find(id int32) *command {
	for _, c := range s.cmds {
		if c.id == id {
			return c
		}
	}
	return nil
}

// Alone reports whether a command is a write that shares no LBA with another
// one whose outcome was open while it was.
func (s *State) Alone(id int32) bool {
	c := s.find(id)
	return c != nil && !c.overlaps
}

func (s *State) complete(e *blk.Event) {
	s.now++
	for i, f := range s.flushes {
		if f.id == e.Cmd {
			s.flushes = slices.Delete(s.flushes, i, i+1)
			if e.Result == 0 && !s.rules.FlushLies {
				s.harden(func(c *command) bool { return c.phase == acked && c.done < f.sub })
			}
			return
		}
	}
	c := s.find(e.Cmd)
	if c == nil || c.phase != inflight {
		panic(fmt.Sprintf("powerloss: %v was not outstanding", e))
	}
	c.done = s.now
	if e.Result < 0 {
		c.phase = failed
		return
	}
	c.phase = acked
	if c.fua || s.rules.Protected {
		s.harden(func(d *command) bool { return d == c })
	}
}

// harden puts the chosen commands on the medium and closes what that decides.
func (s *State) harden(chosen func(*command) bool) {
	for _, c := range s.cmds {
		if chosen(c) {
			c.phase = hardened
		}
	}
	for _, c := range s.cmds {
		if c.phase == hardened && c.nlive > 0 {
			s.settle(c)
		}
	}
	s.sweep()
}

// settle closes, on each LBA that c covers, what c decides: commands ordered
// before it no longer show, and c itself becomes the medium unless a command
// that is not ordered after it, or what the device read, is open.
func (s *State) settle(c *command) {
	lba := s.rules.LBA
	for l := c.rng.Start / lba; l*lba < c.rng.End(); l++ {
		if !c.covers(l, lba) {
			continue
		}
		open := c.altered(l)
		if c.overlaps {
			for _, d := range s.cmds {
				switch {
				case d == c || !d.covers(l, lba):
				case before(d, c):
					d.drop(l, lba)
				case !before(c, d):
					open = true
				}
			}
		}
		if !open {
			s.store(l*lba, c.at(l, lba))
			c.drop(l, lba)
		}
	}
}

// sweep forgets commands of which nothing is open, unless they stand between
// others. Without a command that must apply before it, such a command may be
// taken to apply before all that were in flight with it; without one that may
// apply before it and was answered later, after all of them. Either way it
// decides nothing.
func (s *State) sweep() {
	for again := true; again; {
		again = false
		kept := s.cmds[:0]
		for _, c := range s.cmds {
			if c.nlive > 0 || s.between(c) {
				kept = append(kept, c)
			} else {
				s.pool = append(s.pool, c)
				again = true
			}
		}
		s.cmds = kept
	}
}

func (s *State) between(c *command) bool {
	if !c.whole || !c.overlaps {
		return false
	}
	first, beside := false, false
	for _, d := range s.cmds {
		first = first || d.whole && d.rng.Overlaps(c.rng) && before(d, c)
		beside = beside || d.whole && d.overlaps && d.sub < c.done && (d.done == 0 || d.done > c.done)
	}
	return first && beside
}

func (s *State) store(at blk.Sector, content []blk.Handle) {
	for i, h := range content {
		sec := at + int32(i)
		if old := s.base[sec]; old != h {
			s.changes = append(s.changes, change{sec, old, h})
			s.base[sec] = h
		}
	}
}

// top returns the command whose content a read of an LBA returns, nil for
// none: the one that was acknowledged last.
func (s *State) top(l int32) *command {
	var top *command
	for _, c := range s.cmds {
		if (c.phase == acked || c.phase == hardened) && c.covers(l, s.rules.LBA) && (top == nil || c.done > top.done) {
			top = c
		}
	}
	return top
}

// Contents returns what a read of the device returns for a sector now: what
// was acknowledged last; where the device may have read one of several
// contents, the newest. What a failed write carried is not returned.
func (s *State) Contents(sec blk.Sector) blk.Handle {
	l := sec / s.rules.LBA
	if c := s.top(l); c != nil {
		return c.newest(l, s.rules.LBA)[sec%s.rules.LBA]
	}
	return s.base[sec]
}
