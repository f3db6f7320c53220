// Package key makes 128-bit fingerprints of states, images and cuts.
//
// Two different states that share a fingerprint would make an exploration
// skip work that it has not done. With 128 bits and at most 2^32 states in
// one run the chance of a single collision stays below 2^-64, provided that
// whatever is folded is as wide: a part that was reduced to one word before
// has the chance of 64 bits.
package key

import "math/bits"

// Key is a fingerprint. The zero Key is never produced by Sum in practice
// and stands for "no state".
type Key [2]uint64

// Less orders keys, so that sets of keys can be compared and cut off.
func (k Key) Less(o Key) bool {
	if k[0] != o[0] {
		return k[0] < o[0]
	}
	return k[1] < o[1]
}

const (
	prime0 = 0xa0761d6478bd642f
	prime1 = 0xe7037ed1a0b428db
	prime2 = 0x9e3779b97f4a7c15
	prime3 = 0xc2b2ae3d27d4eb4f
)

// Hasher folds words into a Key. The zero value is ready to use, and the
// order of the words matters.
type Hasher struct{ a, b uint64 }

// Word folds one 64-bit word.
func (h *Hasher) Word(v uint64) {
	hi, lo := bits.Mul64(h.a^v^prime0, prime1)
	h.a = hi ^ lo
	h.b = (bits.RotateLeft64(h.b, 29) ^ v) * prime2
}

// Int folds an integer.
func (h *Hasher) Int(v int) { h.Word(uint64(v)) }

// Bool folds a truth value.
func (h *Hasher) Bool(v bool) {
	if v {
		h.Word(1)
	} else {
		h.Word(2)
	}
}

// Key folds another fingerprint.
func (h *Hasher) Key(k Key) {
	h.Word(k[0])
	h.Word(k[1])
}

// Bytes folds a byte string and its length.
func (h *Hasher) Bytes(p []byte) {
	h.Word(uint64(len(p)))
	for len(p) >= 8 {
		h.Word(uint64(p[0]) | uint64(p[1])<<8 | uint64(p[2])<<16 | uint64(p[3])<<24 |
			uint64(p[4])<<32 | uint64(p[5])<<40 | uint64(p[6])<<48 | uint64(p[7])<<56)
		p = p[8:]
	}
	var last uint64
	for i, c := range p {
		last |= uint64(c) << (8 * i)
	}
	h.Word(last)
}

// Words folds a run of small words and its length, four at a time, which is
// twice as fast as one after the other. Both halves depend on all of them.
func Words[T ~int32 | ~uint32](h *Hasher, p []T) {
	h.Word(uint64(len(p)))
	for ; len(p) >= 4; p = p[4:] {
		v := uint64(uint32(p[0])) | uint64(uint32(p[1]))<<32
		w := uint64(uint32(p[2])) | uint64(uint32(p[3]))<<32
		hi, lo := bits.Mul64(h.a^v^prime0, w^prime1)
		h.a = hi ^ lo
		hi, lo = bits.Mul64(v^prime2, w^prime3)
		h.b = (bits.RotateLeft64(h.b, 29) ^ hi ^ lo) * prime2
	}
	for _, v := range p {
		h.Word(uint64(uint32(v)))
	}
}

// Sum returns the fingerprint of all words so far. More words may follow.
func (h *Hasher) Sum() Key {
	return Key{Mix(h.a, h.b), Mix(h.b^prime3, h.a)}
}

// Pair is the fingerprint of what is at a place, for fingerprints of a whole
// that are kept by addition: see Add and Sub.
func Pair(place uint64, content Key) Key {
	return Key{Mix(place, content[0]), Mix(content[1]^prime1, place)}
}

// Add adds another fingerprint, in any order.
func (k *Key) Add(o Key) {
	k[0] += o[0]
	k[1] += o[1]
}

// Sub takes a fingerprint out that was added.
func (k *Key) Sub(o Key) {
	k[0] -= o[0]
	k[1] -= o[1]
}

// Mix folds two words into one.
func Mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^prime2, b^prime3)
	x := hi ^ lo ^ a
	x ^= x >> 32
	x *= prime0
	return x ^ x>>29
}
