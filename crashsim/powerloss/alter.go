package powerloss

import (
	"fmt"
	"slices"

	"untorn/internal/blk"
)

// alter notes that memory changed while the device could be reading it: from
// now on each LBA may have been read as it was, or as it is.
func (s *State) alter(e *blk.Event) {
	c := s.find(e.Cmd)
	if c == nil || c.phase != inflight {
		return
	}
	lba := s.rules.LBA
	for l := e.Range.Start / lba; l*lba < e.Range.End(); l++ {
		if !c.covers(l, lba) {
			continue
		}
		content := slices.Clone(c.newest(l, lba))
		for i := range content {
			if sec := l*lba + int32(i); e.Range.Contains(sec) {
				content[i] = e.Payload[sec-e.Range.Start]
			}
		}
		if !slices.Equal(content, c.newest(l, lba)) {
			c.alts = append(c.alts, alteration{l, content})
			c.stale = true
		}
	}
}

// pin removes, on the LBAs of a read, what the device cannot have read into
// the command that shows there, given what it returned of them.
func (s *State) pin(e *blk.Event) {
	lba := s.rules.LBA
	for l := e.Range.Start / lba; l*lba < e.Range.End(); l++ {
		c := s.top(l)
		if c == nil || !c.altered(l) {
			continue
		}
		matches := func(content []blk.Handle) bool {
			for i, h := range content {
				if sec := l*lba + int32(i); e.Range.Contains(sec) && e.Payload[sec-e.Range.Start] != h {
					return false
				}
			}
			return true
		}
		// A read of a part of an LBA may leave several; the newest of them is
		// the last still.
		var left [][]blk.Handle
		keep := func(content []blk.Handle) {
			if matches(content) {
				left = slices.DeleteFunc(left, func(x []blk.Handle) bool { return slices.Equal(x, content) })
				left = append(left, content)
			}
		}
		keep(c.at(l, lba))
		for _, a := range c.alts {
			if a.lba == l {
				keep(a.content)
			}
		}
		if len(left) == 0 {
			panic(fmt.Sprintf("powerloss: %v returned what cmd%d never carried", e, c.id))
		}
		if own := c.at(l, lba); &left[0][0] != &own[0] {
			c.payload = slices.Clone(c.payload)
			copy(c.at(l, lba), left[0])
		}
		c.alts = slices.DeleteFunc(c.alts, func(a alteration) bool { return a.lba == l })
		for _, content := range left[1:] {
			c.alts = append(c.alts, alteration{l, content})
		}
		c.stale = true
	}
	s.harden(func(*command) bool { return false })
}
