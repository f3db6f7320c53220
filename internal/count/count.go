// Package count holds the numbers of a space: how many schedules, how many
// images. They pass 2^64 quickly, because each piece of an unhardened write
// doubles the images of a cut, so they are exact up to 512 bits and saturate
// beyond, which Saturated tells.
package count

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
)

const words = 8

// Count is a natural number below 2^512, or the saturated value. The zero
// value is 0. It is a plain value: copying it copies the number.
type Count struct {
	n uint8 // words in use; w[n:] is zero
	w [words]uint64
}

// Of returns the count v.
func Of(v uint64) Count {
	var c Count
	if v != 0 {
		c.n, c.w[0] = 1, v
	}
	return c
}

// Pow2 returns 2^e, saturated for e of 512 and more.
func Pow2(e int) Count {
	var c Count
	if e >= 64*words {
		c.saturate()
		return c
	}
	c.n = uint8(e/64 + 1)
	c.w[e/64] = 1 << (e % 64)
	return c
}

func (c *Count) saturate() {
	c.n = words
	for i := range c.w {
		c.w[i] = ^uint64(0)
	}
}

// Saturated reports that the true number is at least 2^512 - 1.
func (c *Count) Saturated() bool {
	if c.n < words {
		return false
	}
	for _, w := range c.w {
		if w != ^uint64(0) {
			return false
		}
	}
	return true
}

// IsZero reports whether the number is 0.
func (c *Count) IsZero() bool { return c.n == 0 }

// Uint64 returns the number when it fits 64 bits.
func (c *Count) Uint64() (uint64, bool) { return c.w[0], c.n <= 1 }

// Add adds o to c.
func (c *Count) Add(o *Count) {
	n := max(c.n, o.n)
	var carry uint64
	for i := range n {
		c.w[i], carry = bits.Add64(c.w[i], o.w[i], carry)
	}
	c.n = n
	if carry == 0 {
		return
	}
	if n == words {
		c.saturate()
		return
	}
	c.w[n] = carry
	c.n++
}

// AddWord adds v to c.
func (c *Count) AddWord(v uint64) {
	o := Of(v)
	c.Add(&o)
}

// Sub subtracts o, which must not be larger than c. Neither may be saturated.
func (c *Count) Sub(o *Count) {
	var borrow uint64
	for i := range c.n {
		c.w[i], borrow = bits.Sub64(c.w[i], o.w[i], borrow)
	}
	if borrow != 0 || o.n > c.n {
		panic("count: negative difference")
	}
	c.trim()
}

func (c *Count) trim() {
	for c.n > 0 && c.w[c.n-1] == 0 {
		c.n--
	}
}

// Mul returns the product of a and b.
func Mul(a, b *Count) Count {
	var c Count
	if a.n == 0 || b.n == 0 {
		return c
	}
	if a.n == 1 && b.n == 1 {
		hi, lo := bits.Mul64(a.w[0], b.w[0])
		c.w[0], c.w[1], c.n = lo, hi, 2
		c.trim()
		return c
	}
	for i := range a.n {
		var carry uint64
		for j := uint8(0); j < b.n || carry != 0; j++ {
			if int(i)+int(j) >= words {
				if carry != 0 || (j < b.n && b.w[j] != 0 && a.w[i] != 0) {
					c.saturate()
					return c
				}
				continue
			}
			var bj uint64
			if j < b.n {
				bj = b.w[j]
			}
			hi, lo := bits.Mul64(a.w[i], bj)
			var k uint64
			lo, k = bits.Add64(lo, carry, 0)
			hi += k
			c.w[i+j], k = bits.Add64(c.w[i+j], lo, 0)
			carry = hi + k
		}
	}
	c.n = min(a.n+b.n, words)
	c.trim()
	return c
}

// MulAdd adds a times b to c.
func (c *Count) MulAdd(a, b *Count) {
	p := Mul(a, b)
	c.Add(&p)
}

// Cmp compares two counts: -1, 0 or 1.
func (c *Count) Cmp(o *Count) int {
	for i := words - 1; i >= 0; i-- {
		switch {
		case c.w[i] < o.w[i]:
			return -1
		case c.w[i] > o.w[i]:
			return 1
		}
	}
	return 0
}

// String prints the exact decimal number; a saturated count has a leading ">=".
func (c Count) String() string {
	if c.n <= 1 {
		return fmt.Sprint(c.w[0])
	}
	var b [8 * words]byte
	for i := range words {
		binary.BigEndian.PutUint64(b[8*(words-1-i):], c.w[i])
	}
	s := new(big.Int).SetBytes(b[:]).String()
	if c.Saturated() {
		return ">=" + s
	}
	return s
}

// Short prints a number of up to seven digits exactly, and others with an
// exponent, rounded down; a saturated count has a leading ">".
func (c Count) Short() string {
	s := c.String()
	more := ""
	if len(s) > 2 && s[0] == '>' {
		more, s = ">", s[2:]
	}
	if len(s) <= 7 {
		return more + s
	}
	return fmt.Sprintf("%s%c.%ce%d", more, s[0], s[1], len(s)-1)
}

// Append encodes c for a compact store; Decode reads it back.
func (c *Count) Append(p []byte) []byte {
	p = append(p, c.n)
	for i := range c.n {
		p = binary.AppendUvarint(p, c.w[i])
	}
	return p
}

// Decode reads what Append wrote and returns the rest.
func (c *Count) Decode(p []byte) []byte {
	*c = Count{n: p[0]}
	p = p[1:]
	for i := range c.n {
		v, k := binary.Uvarint(p)
		c.w[i] = v
		p = p[k:]
	}
	return p
}
