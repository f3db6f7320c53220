package explore

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"

	"untorn/crashsim"
	"untorn/internal/key"
)

const (
	shardBits  = 6
	chunkBits  = 13 // log2 of the bytes of one chunk of encoded sums
	firstSlots = 64
	slotBytes  = 24
)

// table holds the sums of states whose every continuation is known. It never
// forgets; when its memory is used up it stops learning. Memory is counted as
// slots plus chunks; while a shard grows its old slots live a moment longer.
type table struct {
	left   atomic.Int64 // bytes that may still be taken
	full   atomic.Bool
	shards [1 << shardBits]shard
}

type shard struct {
	mu     sync.Mutex
	slots  []slot // open addressing, a power of two
	n      int
	chunks [][]byte
	_      [64]byte // keeps neighbours out of one cache line
}

type slot struct {
	key key.Key
	at  uint32 // 1 + chunk<<chunkBits + place in it; 0 for a free slot
}

func newTable(bytes int64) *table {
	t := &table{}
	t.left.Store(bytes)
	return t
}

// reserve asks for memory. Once it was refused, nothing is learned any more,
// so that a state that is known has all its continuations known as well.
func (t *table) reserve(bytes int64) bool {
	if t.full.Load() {
		return false
	}
	if t.left.Add(-bytes) < 0 {
		t.left.Add(bytes)
		t.full.Store(true)
		return false
	}
	return true
}

func (t *table) shard(k key.Key) *shard { return &t.shards[k[1]>>(64-shardBits)] }

// find returns the index of k, or of the free slot where it belongs.
func (s *shard) find(k key.Key) int {
	mask := len(s.slots) - 1
	i := int(k[0]) & mask
	for s.slots[i].at != 0 && s.slots[i].key != k {
		i = (i + 1) & mask
	}
	return i
}

// get fills sums with what is known of the state k, reached after steps, and
// reports whether it is. A state so late that the step cap could end some
// schedule early is not known.
func (t *table) get(k key.Key, steps uint32, sums *sums) bool {
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == 0 {
		return false
	}
	at := s.slots[s.find(k)].at
	if at == 0 {
		return false
	}
	at--
	decode(s.chunks[at>>chunkBits][at&(1<<chunkBits-1):], steps, sums)
	return sums.deepest < crashsim.MaxSteps
}

// put learns the sums of the state k, reached after steps.
func (t *table) put(k key.Key, steps uint32, sums *sums) {
	if sums.open || t.full.Load() {
		return
	}
	s := t.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.room(t) {
		return
	}
	i := s.find(k)
	if s.slots[i].at != 0 {
		return
	}
	last := len(s.chunks) - 1
	if last < 0 || cap(s.chunks[last])-len(s.chunks[last]) < encodedMax(sums) {
		if !t.reserve(1 << chunkBits) {
			return
		}
		s.chunks = append(s.chunks, make([]byte, 0, 1<<chunkBits))
		last++
	}
	at := uint32(last<<chunkBits | len(s.chunks[last]))
	s.chunks[last] = encode(s.chunks[last], steps, sums)
	s.slots[i] = slot{k, at + 1}
	s.n++
}

// room makes sure that one more slot can be used.
func (s *shard) room(t *table) bool {
	if s.n < len(s.slots)*3/4 {
		return true
	}
	size := max(firstSlots, 2*len(s.slots))
	if !t.reserve(int64(size-len(s.slots)) * slotBytes) {
		return false
	}
	old := s.slots
	s.slots = make([]slot, size)
	for _, o := range old {
		if o.at != 0 {
			s.slots[s.find(o.key)] = o
		}
	}
	return true
}

// encodedMax bounds the bytes that encode needs: each count a length and 8
// words of up to 10 bytes.
func encodedMax(s *sums) int {
	return 64 + 5*(Classes+1) + 81*(1+bits.OnesCount64(s.used))
}

// encode appends sums, with steps counted from the state itself.
func encode(p []byte, steps uint32, s *sums) []byte {
	p = binary.AppendUvarint(p, uint64(s.deepest-steps))
	p = s.schedules.Append(p)
	p = binary.AppendUvarint(p, s.used)
	for u := s.used; u != 0; u &= u - 1 {
		p = s.counts[bits.TrailingZeros64(u)].Append(p)
	}
	found := uint64(0)
	for c, first := range s.first {
		if first != Never {
			found |= 1 << c
		}
	}
	p = binary.AppendUvarint(p, found)
	for ; found != 0; found &= found - 1 {
		p = binary.AppendUvarint(p, uint64(s.first[bits.TrailingZeros64(found)]-steps))
	}
	return p
}

func decode(p []byte, steps uint32, s *sums) {
	s.reset()
	word := func() uint64 {
		v, n := binary.Uvarint(p)
		p = p[n:]
		return v
	}
	s.deepest = steps + uint32(word())
	p = s.schedules.Decode(p)
	s.used = word()
	for u := s.used; u != 0; u &= u - 1 {
		p = s.counts[bits.TrailingZeros64(u)].Decode(p)
	}
	for found := word(); found != 0; found &= found - 1 {
		s.first[bits.TrailingZeros64(found)] = steps + uint32(word())
	}
}
