package recorded

import (
	"bytes"
	"hash/maphash"
	"sync"

	"untorn/internal/blk"
)

// content is a number for the bytes of a sector, 0 for zeros.
type content = uint32

// contents numbers the sectors of logs, each different one once. Its methods may
// be called from any goroutine.
type contents struct {
	seed maphash.Seed

	mu    sync.RWMutex
	known map[uint64][]content
	bytes [][]byte
}

func newContents() *contents {
	c := &contents{seed: maphash.MakeSeed(), known: make(map[uint64][]content)}
	c.number(make([]byte, blk.SectorSize))
	return c
}

// number returns the number of a sector.
func (c *contents) number(b []byte) content {
	h := maphash.Bytes(c.seed, b)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.known[h] {
		if string(c.bytes[n]) == string(b) {
			return n
		}
	}
	n := content(len(c.bytes))
	c.bytes = append(c.bytes, bytes.Clone(b))
	c.known[h] = append(c.known[h], n)
	return n
}

// numbers returns the number of each sector of b.
func (c *contents) numbers(b []byte) []content {
	out := make([]content, len(b)/blk.SectorSize)
	for i := range out {
		out[i] = c.number(b[i*blk.SectorSize : (i+1)*blk.SectorSize])
	}
	return out
}

// sector returns the bytes of a number.
func (c *contents) sector(n content) []byte {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.bytes[n]
}
