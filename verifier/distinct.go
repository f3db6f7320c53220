package verifier

import (
	"slices"
	"sync"

	"untorn/internal/key"
)

// distinctShards is how many parts a Distinct has, each with a lock of its own.
const distinctShards = 64

// Distinct counts different images. It may be shared by any number of
// verifiers in any number of goroutines.
type Distinct struct {
	cap    int
	shards [distinctShards]shard
}

// shard is an open hash table. The shard of a key is a function of the key,
// so that how many keys a shard was shown is a function of all images.
type shard struct {
	mu    sync.Mutex
	slots []key.Key // a power of two; the zero Key is an empty slot
	n     int
	full  bool
	_     [64]byte // no two locks in one cache line
}

// NewDistinct returns a set that holds up to maxKeys keys of 16 bytes, in
// tables that are at least half empty.
func NewDistinct(maxKeys int) *Distinct { return &Distinct{cap: max(1, maxKeys/distinctShards)} }

// Add adds the fingerprint of an image.
func (d *Distinct) Add(k key.Key) {
	s := &d.shards[k[0]>>58]
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.slots) == 0 {
		s.slots = make([]key.Key, 64)
	}
	i := s.find(k)
	if s.slots[i] == k {
		return
	}
	if s.n == d.cap {
		s.full = true
		return
	}
	s.slots[i] = k
	if s.n++; 2*s.n > len(s.slots) {
		old := s.slots
		s.slots = make([]key.Key, 2*len(old))
		for _, k := range old {
			if k != (key.Key{}) {
				s.slots[s.find(k)] = k
			}
		}
	}
}

// find returns the slot that holds k, or the one where it belongs.
func (s *shard) find(k key.Key) int {
	mask := len(s.slots) - 1
	for i := int(k[1]) & mask; ; i = (i + 1) & mask {
		if s.slots[i] == k || s.slots[i] == (key.Key{}) {
			return i
		}
	}
}

// Sum returns a fingerprint of the set.
func (d *Distinct) Sum() (sum key.Key) {
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		for _, k := range s.slots {
			sum.Add(k)
		}
		s.mu.Unlock()
	}
	return sum
}

// classes folds what a verdict can see of a group: for each piece which writes
// its sectors hold, and not where.
func (v *Verifier) classes(h *key.Hasher, group int) {
	pieces := v.m.pieces[v.m.piecesOf[group]:v.m.piecesOf[group+1]]
	for i := range pieces {
		p := &pieces[i]
		var seen []key.Key
		for s := p.disk; p.disk >= 0 && s < p.disk+p.n; s++ {
			k := v.in.Content(v.image[s])
			if x := v.image[s]; x.IsData() {
				k = key.Key{uint64(int64(x) - int64(s)), 1}
			}
			if !slices.Contains(seen, k) {
				seen = append(seen, k)
			}
		}
		slices.SortFunc(seen, func(a, b key.Key) int {
			if a.Less(b) {
				return -1
			}
			return 1
		})
		h.Int(len(seen))
		for _, k := range seen {
			h.Key(k)
		}
	}
}

// Count returns how many different images were added, and whether that is
// exact; if not, it is a lower bound. Both depend on the images alone, not on
// the order in which they came or on who added them.
func (d *Distinct) Count() (n uint64, exact bool) {
	exact = true
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		n += uint64(s.n)
		exact = exact && !s.full
		s.mu.Unlock()
	}
	return n, exact
}
