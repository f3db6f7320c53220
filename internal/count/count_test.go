package count

import (
	"math/big"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	one   = big.NewInt(1)
	limit = new(big.Int).Sub(new(big.Int).Lsh(one, 512), one) // the saturated value
)

func toBig(c *Count) *big.Int {
	v := new(big.Int)
	for i := words - 1; i >= 0; i-- {
		v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(c.w[i]))
	}
	return v
}

// clamp is what a Count holds of a true number.
func clamp(v *big.Int) *big.Int {
	if v.Cmp(limit) > 0 {
		return limit
	}
	return v
}

// samples are numbers of every length, among them those at which carries run
// through all words.
func samples() []Count {
	rng := rand.New(rand.NewPCG(1, 2))
	all := []Count{{}, Of(1), Of(2), Of(^uint64(0))}
	for e := 0; e <= 512; e += 31 {
		all = append(all, Pow2(e))
	}
	for n := uint8(1); n <= words; n++ {
		full, sparse, random := Count{n: n}, Count{n: n}, Count{n: n}
		for i := range n {
			full.w[i] = ^uint64(0)
			random.w[i] = rng.Uint64() | 1
		}
		sparse.w[n-1] = 1
		all = append(all, full, sparse, random)
	}
	return all
}

func requireCount(t *testing.T, want *big.Int, got *Count) {
	t.Helper()
	require.Equal(t, clamp(want).String(), toBig(got).String())
	require.Equal(t, want.Cmp(limit) >= 0, got.Saturated(), "%v", want)
	require.Equal(t, want.Sign() == 0, got.IsZero())
	for i := got.n; i < words; i++ {
		require.Zero(t, got.w[i], "words beyond n are zero")
	}
	require.True(t, got.n == 0 || got.w[got.n-1] != 0, "no leading zero words")
}

func TestArithmetic(t *testing.T) {
	all := samples()
	for i := range all {
		for j := range all {
			a, b := all[i], all[j]
			x, y := toBig(&a), toBig(&b)
			require.Equal(t, x.Cmp(y), a.Cmp(&b))

			sum := a
			sum.Add(&b)
			requireCount(t, new(big.Int).Add(x, y), &sum)

			p := Mul(&a, &b)
			requireCount(t, new(big.Int).Mul(x, y), &p)

			acc := b
			acc.MulAdd(&a, &b)
			requireCount(t, new(big.Int).Add(new(big.Int).Mul(x, y), y), &acc)

			if x.Cmp(y) >= 0 {
				diff := a
				diff.Sub(&b)
				requireCount(t, new(big.Int).Sub(x, y), &diff)
			} else {
				diff := a
				require.Panics(t, func() { diff.Sub(&b) })
			}
		}
	}
}

// An operand may be the number itself.
func TestAliases(t *testing.T) {
	for _, a := range samples() {
		x := toBig(&a)
		twice, square, none := a, a, a
		twice.Add(&twice)
		requireCount(t, new(big.Int).Lsh(x, 1), &twice)
		square = Mul(&square, &square)
		requireCount(t, new(big.Int).Mul(x, x), &square)
		none.Sub(&none)
		require.True(t, none.IsZero())
	}
}

func TestWords(t *testing.T) {
	for _, v := range []uint64{0, 1, 1000, ^uint64(0)} {
		c := Of(v)
		got, ok := c.Uint64()
		require.True(t, ok)
		require.Equal(t, v, got)
		c.AddWord(1)
		got, ok = c.Uint64()
		sum, carry := bits.Add64(v, 1, 0)
		require.Equal(t, sum, got)
		require.Equal(t, carry == 0, ok, "%d + 1", v)
	}
}

func TestPow2(t *testing.T) {
	for e := range 600 {
		c := Pow2(e)
		requireCount(t, new(big.Int).Lsh(one, uint(e)), &c)
	}
}

// The largest exact number is one below the saturated value.
func TestSaturation(t *testing.T) {
	top := Pow2(511)
	rest := Pow2(511)
	rest.Sub(&Count{n: 1, w: [words]uint64{2}})
	top.Add(&rest)
	require.False(t, top.Saturated())
	top.AddWord(1)
	require.True(t, top.Saturated())
	for range 3 { // and it stays there
		top.AddWord(1)
		require.True(t, top.Saturated())
	}
	a, zero := Of(1), Count{}
	p := Mul(&top, &a)
	require.True(t, p.Saturated())
	p = Mul(&top, &zero)
	require.True(t, p.IsZero(), "no image is none, however many ways there are to pick it")
}

func TestText(t *testing.T) {
	saturated := Pow2(512)
	for _, c := range []struct {
		c             Count
		string, short string
	}{
		{Of(0), "0", "0"},
		{Of(7), "7", "7"},
		{Of(1000000), "1000000", "1000000"},
		{Of(12345678), "12345678", "1.2e7"},
		{Of(19999999), "19999999", "1.9e7"},
		{Of(^uint64(0)), "18446744073709551615", "1.8e19"},
		{Pow2(64), "18446744073709551616", "1.8e19"},
		{Pow2(100), "1267650600228229401496703205376", "1.2e30"},
		{saturated, ">=" + limit.String(), ">1.3e154"},
	} {
		require.Equal(t, c.string, c.c.String())
		require.Equal(t, c.short, c.c.Short())
	}
	for _, c := range samples() {
		if !c.Saturated() {
			require.Equal(t, toBig(&c).String(), c.String())
			require.LessOrEqual(t, len(c.Short()), 7, "%v", c)
		}
	}
}

func TestEncoding(t *testing.T) {
	var p []byte
	all := samples()
	for i := range all {
		p = all[i].Append(p)
	}
	for i := range all {
		got := Pow2(300) // what was there before is gone
		p = got.Decode(p)
		require.Equal(t, all[i], got)
	}
	require.Empty(t, p)
}

func TestNoAllocations(t *testing.T) {
	a, b := Pow2(300), Pow2(200)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		a.Add(&b)
		p := Mul(&a, &b)
		a.Sub(&b)
		a.MulAdd(&b, &b)
		_ = p.Cmp(&a)
	}))
}
