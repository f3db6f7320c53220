package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/report"
	"untorn/internal/run"
)

// TestRunFor: a run for a time is the run of as many schedules as it says, of
// the control as well, and its run directory says so, too.
func TestRunFor(t *testing.T) {
	t.Chdir(t.TempDir())
	results := func(args ...string) *report.Result {
		res := result(t, append([]string{"run", "random", "--row", "track=sidecar", "--keep"}, args...)...)
		res.Work = report.Work{}
		return res
	}
	const strategy = "explore.strategy=coverage"
	timed := results("--set", strategy, "--for", "200ms")
	n := strconv.FormatUint(timed.Sample.Runs, 10)
	require.Equal(t, n, timed.Schedules)
	require.Equal(t, timed, results("--set", strategy, "--set", "explore.runs="+n))
	text, err := os.ReadFile(filepath.Join("runs", "random", "track=sidecar", "scenario.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(text), "  runs: "+n+"\n")

	_, out, _ := call(t, "run", "random", "--for", "1ns")
	require.Contains(t, out, "sampled random track=sidecar: explore.runs=1 (uniform)")
	for _, other := range []string{"0", "2ns"} {
		code, _, errs := call(t, "run", "random", "--resume", "--for", other)
		require.Equal(t, run.ExitUsage, code)
		require.Contains(t, errs, "the journal of another run: --for is not the same; ")
	}
	code, _, errs := call(t, "run", "no-pin", "--for", "1s")
	require.Equal(t, run.ExitUsage, code)
	require.Contains(t, errs, "--for: no row is explored at random; allowed: with --set explore.mode=random")
	code, _, errs = call(t, "run", "random", "--for", "-1s")
	require.Equal(t, run.ExitUsage, code)
	require.Contains(t, errs, "--for -1s")
	code, out, _ = call(t, "run", "random", "--set", "explore.strategy=pct", "--set", "explore.runs=300")
	require.Equal(t, run.ExitOK, code)
	require.Contains(t, out, " 2+d3 ")
	require.Contains(t, out, "sampled random track=sidecar: explore.runs=300 (pct, depth 3: 1 in ")
}

// TestLimitLeavesSamples: --limit leaves a row that is explored at random as it
// is, and ends another one beside it.
func TestLimitLeavesSamples(t *testing.T) {
	t.Chdir(t.TempDir())
	_, out, errs := call(t, "run", "cow-fork", "random", "--set", "explore.runs=20", "--limit", "10", "--format", "json")
	require.Empty(t, errs)
	var rep report.Report
	require.NoError(t, json.Unmarshal([]byte(out), &rep))
	limited := 0
	for _, res := range rep.Results {
		if res.Sample != nil {
			require.Equal(t, "20", res.Schedules)
		} else if res.Verdict == "inconclusive" {
			limited++
		}
	}
	require.Positive(t, limited)
}
