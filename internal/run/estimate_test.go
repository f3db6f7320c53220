package run

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/internal/reduce"
	"untorn/internal/report"
	"untorn/scenarios"
)

func TestEstimate(t *testing.T) {
	cubes := []uint64{0, 1, 8, 27}
	assert.InDelta(t, 216, Estimate(cubes, 6), 1e-6, "a power law goes on")
	assert.InDelta(t, 216, Estimate(cubes[:3], 6), 1e-6)
	for _, few := range [][]uint64{nil, {0}, {0, 5}, {0, 0, 5}, {0, 5, 5}} {
		assert.Zero(t, Estimate(few, 9), "nothing to go by")
	}
}

// TestEstimateIsNear: from the levels before the last one and before the last
// two, the number of states is estimated within the factor that
// docs/long-runs.md tells of.
func TestEstimateIsNear(t *testing.T) {
	for name, b := range map[string]crashsim.Budget{
		"bounce":     {Faults: 3, Preemptions: 3, Total: 6},
		"boundary":   {Faults: 3, Preemptions: 2, Total: 5},
		"awun":       {Faults: 3, Preemptions: 3, Total: 6},
		"append":     {Faults: 1, Preemptions: 2, Total: 3},
		"short-copy": {Faults: 2, Preemptions: 2, Total: 4},
	} {
		sc, err := scenarios.Embedded(name)
		require.NoError(t, err)
		a := designArm(&sc.Rows()[0])
		a.cfg.NoReduce = reduce.Of(reduce.Levels)
		var states []uint64
		cfg := explore.Config{Bound: b, Workers: 2, CacheBytes: CacheBytes, StopAt: -1, Grown: func(g explore.Grown) explore.Next {
			states = append(states, g.States)
			return explore.Deeper
		}}
		e, err := Model{}.Explore(context.Background(), &a.cfg, cfg)
		require.NoError(t, err)
		require.Len(t, states, b.Total, "each level but the last one")
		require.Greater(t, e.States, states[b.Total-1])
		for ahead := 1; b.Total-ahead >= 2 && ahead <= 2; ahead++ {
			ratio := Estimate(states[:b.Total-ahead+1], b.Total) / float64(e.States)
			assert.Greater(t, ratio, 0.15, "%s, %d ahead", name, ahead)
			assert.Less(t, ratio, 3.5, "%s, %d ahead", name, ahead)
		}
	}
}

// TestLimit: a row over the limit ends soon, undecided or sampled, in the same
// way for any number of workers, and a row that is not goes on.
func TestLimit(t *testing.T) {
	sc, err := scenarios.Embedded("two-writers", "faults.budget=9", "explore.preemptions=9")
	require.NoError(t, err)
	run := func(workers int, limit uint64, sample int) (*report.Result, int, []string) {
		t.Helper()
		var said []string
		o := options(t, Model{})
		o.Workers, o.Limit, o.Sample, o.Now = workers, limit, sample, time.Now
		o.Notice = func(line string) { said = append(said, line) }
		rep, code, err := Rows(context.Background(), sc.Rows(), o)
		require.NoError(t, err)
		require.False(t, rep.Partial)
		rep.Results[0].Work = report.Work{}
		return &rep.Results[0], code, said
	}
	one, code, said := run(1, 20000, 0)
	assert.Equal(t, ExitUnexpected, code)
	assert.Equal(t, "inconclusive", one.Verdict)
	assert.False(t, one.Exhaustive)
	assert.Regexp(t, `^over the limit: levels up to \d of 18 have \d+ states, all may have about \d\.\de\d+; what was explored until then held$`, one.Reason)
	two, _, _ := run(2, 20000, 0)
	assert.Equal(t, one, two)
	assert.Empty(t, said, "a row that ends at once is not announced as a long one")

	sampled, code, _ := run(2, 20000, 300)
	assert.Equal(t, ExitOK, code)
	assert.Equal(t, "held", sampled.Verdict)
	assert.Equal(t, "300", sampled.Schedules)
	assert.False(t, sampled.Exhaustive)
	assert.True(t, strings.HasPrefix(sampled.Reason, "a sample of 300 schedules: levels up to "), sampled.Reason)

	sc, err = scenarios.Embedded("awun", "faults.budget=2", "explore.preemptions=2")
	require.NoError(t, err)
	whole, code, said := run(2, 20000, 0)
	assert.Equal(t, ExitOK, code)
	assert.True(t, whole.Exhaustive)
	assert.Empty(t, said)
}

func TestRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 seconds", 90 * time.Second: "90 seconds", 3 * time.Minute: "3 minutes", 5 * time.Hour: "5 hours",
		50 * time.Hour: "2 days", 9e9 * time.Second: "285 years",
	} {
		assert.Equal(t, want, roughly(d))
	}
	assert.Equal(t, "12", short(12))
	assert.Equal(t, "1.2e20", short(1.2e20))
}
