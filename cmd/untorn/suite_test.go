package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/scenarios"
)

// TestReportsOfOneSeed: with one worker and with two the same run gives the
// same report but for when, where and with how much work.
func TestReportsOfOneSeed(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range []string{
		"cow-fork no-pin partial-writeback fsync-durable remap-chain --set faults.budget=1 --set explore.preemptions=1",
		"append rewrite --seed 3 --set explore.mode=random --set explore.runs=300",
	} {
		var reports []map[string]any
		for _, workers := range []string{"1", "2", "2"} {
			code, out, errs := call(t, append([]string{"run", "--format", "json", "--workers", workers}, strings.Fields(args)...)...)
			require.Zero(t, code, errs)
			var r map[string]any
			require.NoError(t, json.Unmarshal([]byte(out), &r))
			delete(r, "started")
			delete(r, "host")
			for _, res := range r["results"].([]any) {
				delete(res.(map[string]any), "work")
			}
			reports = append(reports, r)
		}
		require.Equal(t, reports[0], reports[1])
		require.Equal(t, reports[0], reports[2])
	}
}

// TestMakefileNamesEveryScenario: the long suites leave none out. That of the main
// suite takes what is listed, but for what it names apart.
func TestMakefileNamesEveryScenario(t *testing.T) {
	text, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	named := func(lists string) (out []string) {
		for _, list := range regexp.MustCompile(`(?m)^(?:`+lists+`) = (.*)`).FindAllStringSubmatch(string(text), -1) {
			out = append(out, strings.Fields(list[1])...)
		}
		slices.Sort(out)
		return out
	}
	require.Equal(t, scenarios.List("debate"), named("DESIGNS|PIECES"))
	long := named("LONG")
	require.NotEmpty(t, long)
	require.Subset(t, scenarios.List(scenarios.Main), long)
}
