package main

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/report"
	"untorn/scenarios"
)

// TestCosts: every embedded row that makes sense has figures, the tables fit,
// and the same command gives the same bytes.
func TestCosts(t *testing.T) {
	for _, suite := range scenarios.Suites() {
		code, text, errs := call(t, "cost", "--suite", suite)
		require.Zero(t, code, errs)
		for line := range strings.Lines(text) {
			assert.LessOrEqual(t, len(line), report.Width+1, line)
		}
		_, again, _ := call(t, "cost", "--suite", suite)
		require.Equal(t, text, again)

		code, out, errs := call(t, "cost", "--suite", suite, "--format", "json")
		require.Zero(t, code, errs)
		var c report.Costs
		require.NoError(t, json.Unmarshal([]byte(out), &c))
		for _, r := range c.Results {
			require.Equal(t, r.Cost == nil, r.Verdict == "skipped", "%s %s", r.Scenario, r.Row)
			if f := r.Cost; f != nil && suite == scenarios.Cost {
				require.Positive(t, f.Asked, "%s %s", r.Scenario, r.Row)
				require.Zero(t, f.Refused, "%s %s", r.Scenario, r.Row)
			}
		}
	}
}

// TestCostOfARun: a run reports the figures that the command prints.
func TestCostOfARun(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "small.yaml", small)
	code, out, errs := call(t, "run", "small.yaml", "--format", "json")
	require.Zero(t, code, errs)
	var r report.Report
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	_, out, _ = call(t, "cost", "small.yaml", "--format", "json")
	var c report.Costs
	require.NoError(t, json.Unmarshal([]byte(out), &c))
	require.Len(t, c.Results, 2)
	for i := range c.Results {
		require.NotNil(t, c.Results[i].Cost)
		require.Equal(t, c.Results[i].Cost, r.Results[i].Cost)
	}

	for args, want := range map[string]string{
		"cost --format pdf":           `--format "pdf"; allowed: text, json, markdown, csv`,
		"cost --table x":              `--table "x"; allowed: write, cow`,
		"cost --suite x":              `--suite "x"; allowed: main, debate, cost`,
		"cost no-such":                "no such scenario",
		"run --suite cost":            `--suite "cost"; allowed: main, debate`,
		"cost small.yaml --row what=": "--row",
	} {
		code, _, errs := call(t, strings.Fields(args)...)
		assert.Equal(t, 2, code, args)
		assert.Contains(t, errs, want, args)
	}
}

// TestCostDocument: docs/cost.md prints what its commands print.
func TestCostDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/cost.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile(`(?ms)^    (untorn cost [^\n]*)\n\n`+"```\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, blocks)
	for _, b := range blocks {
		code, out, errs := call(t, strings.Fields(b[1])[1:]...)
		require.Zero(t, code, errs)
		_, tables, _ := strings.Cut(out, "\n\n") // the title has the version
		assert.Equal(t, strings.TrimRight(tables, "\n"), strings.TrimRight(b[2], "\n"), b[1])
	}
}
