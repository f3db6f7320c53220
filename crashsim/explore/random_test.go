package explore

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
)

func TestRandom(t *testing.T) {
	c := toyConfig{tasks: 3}
	run := func(workers, runs int, seed uint64) *Result {
		r, err := RunRandom(context.Background(), newToy(c), Config{Bound: bound(2, 2), Workers: workers, Runs: runs, Seed: seed})
		require.NoError(t, err)
		return r
	}
	want := run(1, 3000, 7)
	require.Equal(t, "3000", want.Schedules.String())
	require.False(t, want.Exhausted)
	require.False(t, want.Partial)
	require.Equal(t, []int{0, 2, 3}, classes(want))
	for _, workers := range []int{2, 5} {
		require.Equal(t, promised(want), promised(run(workers, 3000, 7)))
	}
	require.NotEqual(t, promised(want), promised(run(1, 3000, 8)))

	p := newToy(c)()
	defer p.Close()
	for _, f := range want.Findings {
		p.Judge(true)
		out := p.Run(Replay(f.Choices), bound(2, 2))
		got := emptyTally()
		p.Take(&got)
		require.Equal(t, uint32(f.Steps), got.First[f.Class])
		require.Equal(t, [2]int{f.Faults, f.Preemptions}, [2]int{out.Faults, out.Preemptions})
	}
}

func TestRandomStuckAndCancel(t *testing.T) {
	r, err := RunRandom(context.Background(), newToy(toyConfig{tasks: 2, stuck: "deadlock"}), Config{Bound: bound(1, 1), Workers: 2, Runs: 500, Seed: 1})
	require.NoError(t, err)
	require.Equal(t, crashsim.Deadlock, r.Stuck.Kind)
	require.Equal(t, 1, r.Stuck.Faults+r.Stuck.Preemptions)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err = RunRandom(ctx, newToy(toyConfig{tasks: 2}), Config{Bound: bound(1, 1), Workers: 2, Runs: 500, Seed: 1})
	require.NoError(t, err)
	require.True(t, r.Partial)
	require.Equal(t, "0", r.Schedules.String())
}
