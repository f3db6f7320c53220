package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/report"
	"untorn/internal/run"
)

// TestBounds: bounds of the command line are those of the row in each form, and
// in the scenario that the row leaves, which explores the same.
func TestBounds(t *testing.T) {
	t.Chdir(t.TempDir())
	own := result(t, "run", "short-copy")
	require.Equal(t, report.Bounds{Budget: 2, Preemptions: 1}, own.Bounds)

	raised := result(t, "run", "short-copy", "--faults", "3", "--preemptions", "2", "--together", "3", "--keep")
	assert.Equal(t, report.Bounds{Budget: 3, Preemptions: 2, Together: 3}, raised.Bounds)
	assert.Contains(t, raised.Faults, report.Field{Name: "budget", Value: json.RawMessage("3")})
	assert.NotEqual(t, own.Schedules, raised.Schedules)
	again := result(t, "run", "runs/short-copy/single/scenario.yaml", "--out", "again")
	assert.Equal(t, raised.Bounds, again.Bounds)
	assert.Equal(t, raised.Schedules, again.Schedules)
	assert.Equal(t, raised.Covered, again.Covered)

	// Lower ones than the row's own raise nothing.
	assert.Equal(t, own.Bounds, result(t, "run", "short-copy", "--faults", "1", "--preemptions", "0").Bounds)
	// Priorities have a depth in place of preemptions, and count none.
	assert.Equal(t, report.Bounds{Budget: 2, Preemptions: 2, Depth: 3}, result(t, "run", "random", "--row", "track=sidecar", "--set", "explore.strategy=pct",
		"--set", "explore.runs=300", "--together", "1").Bounds)

	_, out, _ := call(t, "run", "no-pin", "--faults", "2", "--together", "1")
	assert.Contains(t, out, " 2+1<=1 ")
	for _, bad := range [][]string{{"--together", "33"}, {"--faults", "17"}, {"--preemptions", "-1"}, {"--together", "1", "--target", "recorded"}} {
		code, _, errs := call(t, append([]string{"run", "no-pin"}, bad...)...)
		assert.Equal(t, run.ExitUsage, code)
		assert.Contains(t, errs, "allowed: ")
	}
}
