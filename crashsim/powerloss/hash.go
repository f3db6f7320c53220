package powerloss

import (
	"untorn/internal/blk"
	"untorn/internal/key"
)

// Hash folds everything that decides which images power loss may leave, now
// and after any further events. content returns a key that names what a
// handle stands for; it must be the same function in every call.
func (s *State) Hash(h *key.Hasher, content func(blk.Handle) key.Key) {
	if !s.summed {
		for i, x := range s.initial {
			s.initialSum.Add(key.Pair(uint64(i), content(x)))
		}
		s.summed = true
		s.sum.Add(s.initialSum)
	}
	for _, c := range s.changes {
		s.sum.Add(key.Pair(uint64(c.sector), content(c.new)))
		s.sum.Sub(key.Pair(uint64(c.sector), content(c.old)))
	}
	s.changes = s.changes[:0]
	h.Key(s.sum)
	h.Word(uint64(len(s.cmds))<<32 | uint64(len(s.flushes)))
	for i, c := range s.cmds {
		if c.stale {
			c.fingerprint(content, s.rules.LBA)
		}
		h.Key(c.sum)
		h.Word(uint64(c.phase) | bit(c.overlaps)<<8)
		if c.overlaps {
			for j, d := range s.cmds[:i] {
				if d.overlaps {
					// Who was answered first decides what a read returns, and
					// which commands are kept for the order of others.
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

// fold folds one sector. What is not metadata is named by its handle.
func fold(h *key.Hasher, x blk.Handle, content func(blk.Handle) key.Key) {
	if x.IsMeta() {
		h.Word(1 << 32)
		h.Key(content(x))
		return
	}
	h.Word(uint64(x))
}

func (c *command) fingerprint(content func(blk.Handle) key.Key, lba int32) {
	var h key.Hasher
	h.Word(uint64(uint32(c.rng.Start))<<32 | uint64(uint32(c.rng.Len)))
	h.Bool(c.fua)
	for _, w := range c.live {
		h.Word(w)
	}
	for l := c.rng.Start / lba; l*lba < c.rng.End(); l++ {
		if c.covers(l, lba) {
			for _, x := range c.at(l, lba) {
				fold(&h, x, content)
			}
		}
	}
	for _, a := range c.alts {
		h.Int(int(a.lba))
		for _, x := range a.content {
			fold(&h, x, content)
		}
	}
	c.sum, c.stale = h.Sum(), false
}
