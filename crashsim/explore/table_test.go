package explore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/internal/count"
	"untorn/internal/key"
)

func someKey(i uint64) key.Key { return key.Key{key.Mix(i, 1), key.Mix(i, 2)} }

func someSums(i uint64, steps uint32) *sums {
	s := &sums{}
	s.leaf(int(steps + uint32(i%100)))
	s.schedules = count.Pow2(int(i % 200))
	for c := uint64(0); c < i%5; c++ {
		slot := (i*7 + c*3) % Slots
		s.counts[slot] = count.Of(i + c + 1)
		s.used |= 1 << slot
	}
	if i%3 == 0 {
		s.first[i%(Classes+1)] = steps + uint32(i%50)
	}
	return s
}

// Steps are kept from the state itself, so that a state reached later gives
// later findings.
func TestTable(t *testing.T) {
	tab := newTable(8 << 20)
	for i := range uint64(20000) {
		tab.put(someKey(i), 10, someSums(i, 10))
	}
	require.False(t, tab.full.Load())
	got := &sums{}
	for i := range uint64(20000) {
		require.True(t, tab.get(someKey(i), 30, got))
		require.Equal(t, someSums(i, 30), got)
	}
	require.False(t, tab.get(someKey(20000), 30, got))
	require.False(t, tab.get(someKey(99), crashsim.MaxSteps-50, got), "the step cap may cut it off there")
	open := someSums(1, 0)
	open.open = true
	tab.put(someKey(20001), 0, open)
	require.False(t, tab.get(someKey(20001), 0, got))
}

func TestTableKeepsItsBound(t *testing.T) {
	for _, bytes := range []int64{0, 5000, 300_000, 2_000_000} {
		tab := newTable(bytes)
		for i := range uint64(100_000) {
			tab.put(someKey(i), 0, someSums(i, 0))
		}
		require.True(t, tab.full.Load())
		used := int64(0)
		for i := range tab.shards {
			s := &tab.shards[i]
			used += int64(len(s.slots)) * slotBytes
			for _, c := range s.chunks {
				used += int64(cap(c))
			}
		}
		require.LessOrEqual(t, used, bytes)
		got := &sums{}
		for i := range uint64(100_000) {
			if tab.get(someKey(i), 0, got) {
				require.Equal(t, someSums(i, 0), got)
			}
		}
	}
}

func TestSumsRecurrence(t *testing.T) {
	total, edge, branch := &sums{}, &sums{}, &sums{}
	total.reset()
	edge.leaf(0)
	edge.counts[3], edge.used = count.Of(5), 1<<3
	edge.first[2] = 7
	branch.leaf(20)
	branch.schedules = count.Of(4)
	branch.counts[3], branch.counts[9], branch.used = count.Of(1), count.Of(2), 1<<3|1<<9
	branch.first[2], branch.first[stuck] = 9, 20
	total.addBranch(edge, branch)
	total.addBranch(edge, branch)
	require.Equal(t, "8", total.schedules.String())
	require.Equal(t, "42", total.counts[3].String())
	require.Equal(t, "4", total.counts[9].String())
	require.Equal(t, [2]uint32{7, 20}, [2]uint32{total.first[2], total.first[stuck]})
	total.reset()
	empty := &sums{}
	empty.reset()
	require.Equal(t, empty, total)
}

func TestPath(t *testing.T) {
	var p path
	for round := range uint64(3) {
		p.reset()
		for i := range uint64(1000) {
			require.False(t, p.has(someKey(i+round)))
			p.push(someKey(i + round))
		}
		for i := uint64(1000); i > 0; i-- {
			require.True(t, p.has(someKey(0+round)))
			require.True(t, p.has(someKey(i-1+round)))
			p.pop()
			require.False(t, p.has(someKey(i-1+round)))
		}
	}
}
