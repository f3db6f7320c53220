package run

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/internal/report"
	"untorn/scenarios"
)

// unreached are the places and kinds of fault that no row of the suite takes,
// with the reason.
var unreached = map[string]string{}

// TestSuiteReachesEverything: each step, at each of its places, and each kind
// of fault is taken by a design of the suite, even if only one thing may
// happen in a schedule besides what has to.
func TestSuiteReachesEverything(t *testing.T) {
	done, results := exploreSuite(t, crashsim.Budget{Faults: 1, Preemptions: 1, Total: 2})
	c := coverage(done, results, true)
	for _, m := range c.Missing {
		assert.Contains(t, unreached, m, "no scenario takes it")
	}
	for m, why := range unreached {
		assert.Contains(t, c.Missing, m, "it is taken, though %s", why)
	}
	require.Len(t, c.Faults, int(crashsim.NumFaultKinds)+1, "all kinds, power loss and its repetition")

	// Near miss: a suite of one scenario misses some.
	c = coverage(done[:1], results[:1], true)
	assert.Contains(t, c.Missing, "R1 recovery: read log")
	assert.Contains(t, c.Missing, "quota")
}

// exploreSuite explores the designs of all rows within b and what the rows
// allow.
func exploreSuite(t *testing.T, b crashsim.Budget) (done []doneRow, results []report.Result) {
	var rows []scenarios.Row
	for _, name := range scenarios.List(scenarios.Main) {
		sc, err := scenarios.Embedded(name)
		require.NoError(t, err)
		rows = append(rows, sc.Rows()...)
	}
	plans, err := plan(rows, Model{})
	require.NoError(t, err)
	for _, p := range plans {
		if p.skip != "" || p.notBuilt != "" {
			continue
		}
		r := p.row
		own := budget(r)
		cfg := explore.Config{Bound: crashsim.Budget{Faults: min(own.Faults, b.Faults), Preemptions: min(own.Preemptions, b.Preemptions), Total: min(own.Total, b.Total)},
			Workers: 2, CacheBytes: CacheBytes, StopAt: -1}
		a := designArm(r)
		e, err := Model{}.Explore(context.Background(), &a.cfg, cfg)
		require.NoError(t, err)
		res := newResult(r)
		res.Fired = fired(&e.Counts, &r.Faults)
		done = append(done, doneRow{res: res, reached: e.Reached})
		results = append(results, *res)
	}
	return done, results
}
