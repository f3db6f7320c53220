package powerloss

import (
	"slices"

	"untorn/internal/blk"
	"untorn/internal/key"
)

// phase is how far the device got with a command.
type phase uint8

const (
	_        phase = iota
	inflight       // not answered
	acked          // answered, in the volatile cache
	failed         // answered with an error: its pieces may be there or not, and no FLUSH tells
	hardened       // on the medium, and open only in its order or in what the device read, or kept for the order of others
)

// An alteration is another content that the device may have read for one LBA.
type alteration struct {
	lba     int32
	content []blk.Handle // one LBA
}

// command is a write that has LBAs whose content is open, or whose order decides
// that of such writes.
type command struct {
	id      int32
	rng     blk.Range
	payload []blk.Handle
	phase   phase
	fua     bool
	atomic  bool   // one piece
	whole   bool   // applies as a whole against others
	sub     uint32 // when it was submitted
	done    uint32 // when it was answered, 0 if it was not
	live    []uint64
	nlive   int32
	alts    []alteration // in the order in which they were made

	overlaps bool    // some other open command covered one of its LBAs
	stale    bool    // sum has to be computed again
	sum      key.Key // fingerprint of range, payload, alterations and live LBAs
}

// before reports whether a applies before b: it was answered by the time b
// was submitted.
func before(a, b *command) bool { return a.done != 0 && a.done < b.sub }

// covers reports whether LBA l of the command is open.
func (c *command) covers(l, lba int32) bool {
	i := l - c.rng.Start/lba
	return l*lba >= c.rng.Start && l*lba < c.rng.End() && c.live[i/64]>>(i%64)&1 != 0
}

// spans reports whether the command wrote LBA l, open or not.
func (c *command) spans(l, lba int32) bool { return l*lba >= c.rng.Start && l*lba < c.rng.End() }

func (c *command) drop(l, lba int32) {
	i := l - c.rng.Start/lba
	c.live[i/64] &^= 1 << (i % 64)
	c.nlive--
	c.stale = true
	c.alts = slices.DeleteFunc(c.alts, func(a alteration) bool { return a.lba == l })
}

// at returns what the write carried for an LBA.
func (c *command) at(l, lba int32) []blk.Handle {
	i := l*lba - c.rng.Start
	return c.payload[i : i+lba]
}

// newest returns the last content that the device may have read for an LBA.
func (c *command) newest(l, lba int32) []blk.Handle {
	for i := len(c.alts) - 1; i >= 0; i-- {
		if c.alts[i].lba == l {
			return c.alts[i].content
		}
	}
	return c.at(l, lba)
}

func (c *command) altered(l int32) bool {
	for i := range c.alts {
		if c.alts[i].lba == l {
			return true
		}
	}
	return false
}
