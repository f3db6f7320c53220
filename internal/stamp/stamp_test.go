package stamp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRoundTrip(t *testing.T) {
	for _, w := range []int{0, 1, 62, 0x7ff0} {
		for _, p := range []int{0, 1, 31, 0xffff} {
			b := Encode(w, p)
			gw, gp, ok := Decode(b[:])
			require.True(t, ok)
			require.Equal(t, []int{w, p}, []int{gw, gp})
		}
	}
}

func TestNoByteGoesUnseen(t *testing.T) {
	good := Encode(3, 7)
	for i := range good {
		b := good
		b[i] ^= 1
		_, _, ok := Decode(b[:])
		require.False(t, ok, "byte %d", i)
	}
}

func TestTornAndShiftedSectorsShow(t *testing.T) {
	a, b := Encode(1, 0), Encode(2, 0)
	for cut := 1; cut < Size; cut++ {
		torn := b
		copy(torn[:cut], a[:cut])
		_, _, ok := Decode(torn[:])
		require.Equal(t, torn == a || torn == b, ok, "cut at %d", cut)
	}
	var shifted [Size]byte
	copy(shifted[8:], a[:])
	_, _, ok := Decode(shifted[:])
	require.False(t, ok)
	_, _, ok = Decode(a[:Size-1])
	require.False(t, ok, "a short sector")
}

func TestGarbageIsNoStamp(t *testing.T) {
	g := Garbage()
	_, _, ok := Decode(g[:])
	require.False(t, ok)
	_, _, ok = Decode(make([]byte, Size))
	require.False(t, ok)
}

func TestStampsHaveLittleInCommon(t *testing.T) {
	const header = 24
	var all [][Size]byte
	for w := range 12 {
		for p := range 12 {
			all = append(all, Encode(w, p), Encode((w+1)<<20, p<<20))
		}
	}
	total := 0
	for i := range all {
		for j := range all[:i] {
			bytes, words := 0, 0
			for k := header; k < Size; k++ {
				if all[i][k] == all[j][k] {
					bytes++
				}
				if k%8 == 0 && le.Uint64(all[i][k:]) == le.Uint64(all[j][k:]) {
					words++
				}
			}
			require.Zero(t, words)
			require.Less(t, bytes, Size/5)
			total += bytes
		}
	}
	// Chance alone leaves 488/256 bytes alike.
	require.Less(t, float64(total)/float64(len(all)*(len(all)-1)/2), 2.5)
}

func BenchmarkPut(b *testing.B) {
	p := make([]byte, Size)
	b.SetBytes(Size)
	for i := 0; b.Loop(); i++ {
		Put(p, i, i)
	}
}

func FuzzDecode(f *testing.F) {
	good := Encode(5, 9)
	f.Add(good[:])
	f.Add(good[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		if w, p, ok := Decode(b); ok {
			e := Encode(w, p)
			require.Equal(t, e[:], b)
		}
	})
}
