package powerloss

import (
	"untorn/internal/blk"
	"untorn/internal/key"
)

// Hash folds everything that decides which images power loss may leave, now
// and after any further events. content returns a word that names what a
// handle stands for; it must be the same function in every call.
func (s *State) Hash(h *key.Hasher, content func(blk.Handle) uint64) {
	if !s.summed {
		for i, x := range s.initial {
			s.initialSum += key.Mix(uint64(i), content(x))
		}
		s.summed = true
		s.sum += s.initialSum
	}
	for _, c := range s.changes {
		s.sum += key.Mix(uint64(c.sector), content(c.new)) - key.Mix(uint64(c.sector), content(c.old))
	}
	s.changes = s.changes[:0]
	h.Word(s.sum)
	h.Word(uint64(len(s.cmds))<<32 | uint64(len(s.flushes)))
	for i, c := range s.cmds {
		if c.stale {
			c.fingerprint(content, s.rules.LBA)
		}
		h.Word(c.sum ^ uint64(c.phase))
		if c.overlaps {
			for j, d := range s.cmds[:i] {
				if d.overlaps && d.rng.Overlaps(c.rng) {
					// Who was answered first decides what a read returns.
					h.Word(uint64(i)<<32 | uint64(j)<<2 | bit(before(d, c))<<1 | bit(d.done < c.done))
				}
			}
		}
	}
	for _, f := range s.flushes {
		for _, c := range s.cmds {
			h.Word(bit(c.done != 0 && c.done < f.sub))
		}
	}
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (c *command) fingerprint(content func(blk.Handle) uint64, lba int32) {
	var h key.Hasher
	h.Word(uint64(uint32(c.rng.Start))<<32 | uint64(uint32(c.rng.Len)))
	h.Bool(c.fua)
	for _, w := range c.live {
		h.Word(w)
	}
	for l := c.rng.Start / lba; l*lba < c.rng.End(); l++ {
		if c.covers(l, lba) {
			for _, x := range c.at(l, lba) {
				h.Word(content(x))
			}
		}
	}
	for _, a := range c.alts {
		h.Int(int(a.lba))
		for _, x := range a.content {
			h.Word(content(x))
		}
	}
	c.sum, c.stale = h.Sum()[0], false
}
