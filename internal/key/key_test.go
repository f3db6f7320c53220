package key

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// distinct fails when two fingerprints are equal, or either of their halves:
// with so few inputs a half that repeats is a weakness, not chance.
type distinct struct {
	t     *testing.T
	whole map[Key]string
	half  [2]map[uint64]string
}

func newDistinct(t *testing.T) *distinct {
	return &distinct{t: t, whole: map[Key]string{}, half: [2]map[uint64]string{{}, {}}}
}

func (d *distinct) add(k Key, format string, args ...any) {
	name := fmt.Sprintf(format, args...)
	if other, ok := d.whole[k]; ok {
		d.t.Fatalf("%s and %s share a key", name, other)
	}
	d.whole[k] = name
	for i := range d.half {
		if other, ok := d.half[i][k[i]]; ok {
			d.t.Fatalf("%s and %s share half %d of a key", name, other, i)
		}
		d.half[i][k[i]] = name
	}
}

func words(v ...uint64) Key {
	var h Hasher
	for _, w := range v {
		h.Word(w)
	}
	return h.Sum()
}

// The inputs of states are small numbers, single bits and long runs of zeros.
func TestWordsDiffer(t *testing.T) {
	t.Run("lengths of zeros", func(t *testing.T) {
		d := newDistinct(t)
		zeros := make([]uint64, 200)
		for n := range zeros {
			d.add(words(zeros[:n]...), "%d zeros", n)
		}
	})
	t.Run("pairs", func(t *testing.T) {
		d := newDistinct(t)
		for a := range uint64(256) {
			for b := range uint64(256) {
				d.add(words(a, b), "%d, %d", a, b)
			}
		}
	})
	t.Run("pairs of bits", func(t *testing.T) {
		d := newDistinct(t)
		for a := range 64 {
			for b := range 64 {
				d.add(words(1<<a, 1<<b), "bits %d, %d", a, b)
			}
		}
	})
	t.Run("a bit in a run of zeros", func(t *testing.T) {
		d := newDistinct(t)
		d.add(words(make([]uint64, 32)...), "zeros")
		for i := range 32 {
			for b := range 64 {
				v := make([]uint64, 32)
				v[i] = 1 << b
				d.add(words(v...), "bit %d of word %d", b, i)
			}
		}
	})
	t.Run("order", func(t *testing.T) {
		d := newDistinct(t)
		var permute func(done, left []uint64)
		permute = func(done, left []uint64) {
			if len(left) == 0 {
				d.add(words(done...), "%v", done)
			}
			for i := range left {
				rest := append(append([]uint64(nil), left[:i]...), left[i+1:]...)
				permute(append(done[:len(done):len(done)], left[i]), rest)
			}
		}
		permute(nil, []uint64{0, 1, 2, 3, 1 << 32, ^uint64(0), 1 << 63})
	})
}

func TestBytesDiffer(t *testing.T) {
	d := newDistinct(t)
	sum := func(parts ...[]byte) Key {
		var h Hasher
		for _, p := range parts {
			h.Bytes(p)
		}
		return h.Sum()
	}
	zeros := make([]byte, 512)
	for n := range 40 {
		d.add(sum(zeros[:n]), "%d zeros", n)
	}
	d.add(sum(zeros), "a sector of zeros")
	for i := range zeros {
		for bit := range 8 {
			b := make([]byte, 512)
			b[i] = 1 << bit
			d.add(sum(b), "bit %d of byte %d", bit, i)
		}
	}
	abc := []byte("abcdefghijklmnop")
	for cut := range len(abc) + 1 { // where one string ends and the next begins
		d.add(sum(abc[:cut], abc[cut:]), "cut at %d", cut)
	}
}

func TestOtherFolds(t *testing.T) {
	d := newDistinct(t)
	for _, f := range []struct {
		name string
		fold func(*Hasher)
	}{
		{"nothing", func(*Hasher) {}},
		{"true", func(h *Hasher) { h.Bool(true) }},
		{"false", func(h *Hasher) { h.Bool(false) }},
		{"a key", func(h *Hasher) { h.Key(Key{3, 4}) }},
		{"its halves swapped", func(h *Hasher) { h.Key(Key{4, 3}) }},
		{"-1", func(h *Hasher) { h.Int(-1) }},
		{"0", func(h *Hasher) { h.Int(0) }},
	} {
		var h Hasher
		f.fold(&h)
		k := h.Sum()
		require.Equal(t, k, h.Sum(), "Sum may be called again")
		d.add(k, "%s", f.name)
		h.Word(9)
		d.add(h.Sum(), "%s and 9", f.name)
	}
}

// Sums of Pairs name what is at which place, in whatever order they are added.
func TestSumsOfPairs(t *testing.T) {
	d := newDistinct(t)
	const places = 6
	for n := range 1 << (2 * places) { // each place holds one of four contents
		var forth, back Key
		for p := range places {
			forth.Add(Pair(uint64(p), words(uint64(n>>(2*p)&3))))
			q := places - 1 - p
			back.Add(Pair(uint64(q), words(uint64(n>>(2*q)&3))))
		}
		require.Equal(t, forth, back)
		d.add(forth, "contents %b", n)
	}
	var k Key
	k.Add(Pair(1, Key{5, 6}))
	before := k
	k.Add(Pair(2, Key{7, 8}))
	k.Sub(Pair(2, Key{7, 8}))
	require.Equal(t, before, k)
}

func TestMixDiffers(t *testing.T) {
	seen := map[uint64]bool{}
	for a := range uint64(300) {
		for b := range uint64(300) {
			m := Mix(a, b)
			require.False(t, seen[m], "Mix(%d, %d) repeats", a, b)
			seen[m] = true
		}
	}
}

func TestLess(t *testing.T) {
	sorted := []Key{{0, 0}, {0, 1}, {0, ^uint64(0)}, {1, 0}, {1, 1}, {^uint64(0), 0}}
	for i := range sorted {
		for j := range sorted {
			require.Equal(t, i < j, sorted[i].Less(sorted[j]))
		}
	}
}
