package explore

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
)

// strategies are configurations of each way to draw.
func strategies(runs int, seed uint64) map[string]Config {
	c := Config{Bound: bound(2, 2), Workers: 1, Runs: runs, Seed: seed}
	all := map[string]Config{}
	for name, change := range map[string]func(*Config){
		"uniform":       func(*Config) {},
		"uniform, rate": func(c *Config) { c.FaultRate = Ratio{1, 16} },
		"pct":           func(c *Config) { c.Strategy, c.Depth = PCT, 3 },
		"pct, rate":     func(c *Config) { c.Strategy, c.Depth, c.FaultRate = PCT, 2, Ratio{1, 16} },
		"coverage":      func(c *Config) { c.Strategy = Coverage },
		"coverage rate": func(c *Config) { c.Strategy, c.FaultRate = Coverage, Ratio{1, 16} },
	} {
		one := c
		change(&one)
		all[name] = one
	}
	return all
}

// A sample is a function of its seed and its number of schedules, whoever
// draws it, and its findings are made again.
func TestRandom(t *testing.T) {
	c := toyConfig{tasks: 3}
	run := func(cfg Config, workers int) *Result {
		cfg.Workers = workers
		r, err := RunRandom(context.Background(), newToy(c), cfg)
		require.NoError(t, err)
		return r
	}
	for name, cfg := range strategies(3000, 7) {
		t.Run(name, func(t *testing.T) {
			want := run(cfg, 1)
			require.Equal(t, "3000", want.Schedules.String())
			require.Equal(t, uint64(3000), want.Sample.Runs)
			require.False(t, want.Exhausted)
			require.False(t, want.Partial)
			require.Equal(t, []int{0, 2, 3}, classes(want))
			for _, workers := range []int{2, 5} {
				require.Equal(t, promised(want), promised(run(cfg, workers)))
			}
			require.NotEqual(t, promised(want), promised(run(strategies(3000, 8)[name], 1)))

			p := newToy(c)()
			defer p.Close()
			for _, f := range want.Findings {
				p.Judge(true)
				out := p.Run(Replay(f.Choices), f.Bound)
				got := emptyTally()
				p.Take(&got)
				require.Equal(t, uint32(f.Steps), got.First[f.Class])
				require.Equal(t, [2]int{f.Faults, f.Preemptions}, [2]int{out.Faults, out.Preemptions})
				require.LessOrEqual(t, f.Faults, 2)
				require.NotZero(t, f.Run+1)
			}
		})
	}
}

// A sample that ends because it was enough is that of as many runs.
func TestRandomEnough(t *testing.T) {
	for name, cfg := range strategies(1<<40, 7) {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			cfg.Workers = 3
			cfg.Enough = func() bool { return asked.Add(1) > 1500 }
			cut, err := RunRandom(context.Background(), newToy(toyConfig{tasks: 2}), cfg)
			require.NoError(t, err)
			require.False(t, cut.Partial)
			require.Positive(t, cut.Sample.Runs)
			require.LessOrEqual(t, cut.Sample.Runs, uint64(1500))
			cfg.Runs, cfg.Enough, cfg.Workers = int(cut.Sample.Runs), nil, 1
			again, err := RunRandom(context.Background(), newToy(toyConfig{tasks: 2}), cfg)
			require.NoError(t, err)
			require.Equal(t, promised(again), promised(cut))
		})
	}
}

// A fault rate is the share of places where one may strike in which one does.
func TestFaultRate(t *testing.T) {
	for name, cfg := range strategies(4000, 3) {
		if cfg.FaultRate.Den == 0 {
			continue
		}
		rate := func(r Ratio) uint64 {
			cfg.FaultRate = r
			res, err := RunRandom(context.Background(), newToy(toyConfig{tasks: 3}), cfg)
			require.NoError(t, err)
			n, ok := res.Tally.Counts[2].Uint64()
			require.True(t, ok)
			return n
		}
		require.Zero(t, rate(Ratio{0, 1}), name)
		if cfg.Strategy != Coverage { // which draws parts of a schedule only
			require.Equal(t, uint64(8000), rate(Ratio{1, 1}), "%s: the budget of each schedule", name)
		}
		if cfg.Strategy == PCT {
			// 3 stores where one may strike, and more places once a task stored.
			require.InEpsilon(t, float64(rate(Ratio{1, 400})), 2*float64(rate(Ratio{1, 800})), 0.5, name)
		}
	}
}

func TestRandomRefuses(t *testing.T) {
	for want, cfg := range map[string]Config{
		"depth 0":        {Workers: 1, Strategy: PCT},
		"strategy 3":     {Workers: 1, Strategy: numStrategies},
		"fault rate 2/1": {Workers: 1, FaultRate: Ratio{2, 1}},
		"fault rate 1/0": {Workers: 1, FaultRate: Ratio{1, 0}},
	} {
		_, err := RunRandom(context.Background(), newToy(toyConfig{tasks: 2}), cfg)
		require.ErrorContains(t, err, want)
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
