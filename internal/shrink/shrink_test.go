package shrink

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// subsets is a problem whose cases are sets of numbers; a set fails when it
// contains one of the wanted sets.
func subsets(wanted ...[]int) *Problem[[]int] {
	return &Problem[[]int]{
		Smaller: func(c []int) iter.Seq[[]int] { return Without(c) },
		Fails: func(_ context.Context, c []int) ([]int, bool) {
			return c, slices.ContainsFunc(wanted, func(w []int) bool {
				return !slices.ContainsFunc(w, func(x int) bool { return !slices.Contains(c, x) })
			})
		},
		Less: func(a, b []int) bool { return len(a) < len(b) },
	}
}

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// What is left is one of the wanted sets, whatever they are, and passes the
// check.
func TestMinimize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var wanted [][]int
		for range 1 + r.IntN(3) {
			wanted = append(wanted, slices.Sorted(slices.Values(r.Perm(200)[:r.IntN(9)])))
		}
		p := subsets(wanted...)
		tried := 0
		p.Tried = func() { tried++ }
		best, whole := p.Minimize(context.Background(), numbers(200))
		require.True(t, whole)
		require.True(t, slices.ContainsFunc(wanted, func(w []int) bool { return slices.Equal(w, best) }), "%v of %v", best, wanted)
		require.Less(t, tried, 4000)
		_, minimal, whole := p.Check(context.Background(), best)
		require.True(t, minimal && whole)
	}
}

// The check fails for what is not minimal, and names what is smaller.
func TestCheckFails(t *testing.T) {
	p := subsets([]int{3, 7})
	smaller, minimal, whole := p.Check(context.Background(), []int{3, 5, 7})
	require.False(t, minimal)
	require.True(t, whole)
	require.Equal(t, []int{3, 7}, smaller)
}

// A case that fails only with another one than the reduction made is taken as
// it failed, and one that is no smaller is not taken.
func TestFailsOtherwise(t *testing.T) {
	p := subsets([]int{1})
	plain := p.Fails
	p.Fails = func(ctx context.Context, c []int) ([]int, bool) {
		c, ok := plain(ctx, c)
		return append(slices.Clone(c), 9, 9, 9), ok // never smaller
	}
	best, whole := p.Minimize(context.Background(), []int{0, 1})
	require.True(t, whole)
	require.Equal(t, []int{0, 1}, best)
}

func TestMinimizeEndsEarly(t *testing.T) {
	p := subsets([]int{5})
	ctx, cancel := context.WithCancel(context.Background())
	var last []int
	p.Kept = func(c []int) {
		last = c
		if len(c) < 40 {
			cancel()
		}
	}
	best, whole := p.Minimize(ctx, numbers(200))
	require.False(t, whole)
	require.Equal(t, last, best)
	require.Greater(t, len(best), 1)
	_, ok := p.Fails(ctx, best)
	require.True(t, ok, "the best so far fails")
	_, _, whole = p.Check(ctx, best)
	require.False(t, whole)
}
