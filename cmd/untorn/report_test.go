package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/report"
	"untorn/internal/run"
)

// broken has a row that breaks though it is expected to hold, rows that hold
// and rows that are skipped.
const broken = `name: broken
design: {folio: {min: 4KiB, max: 4KiB}, track: [cow-fork, extent-status], copy: [plain, pin]}
workload: {file: 8KiB, ops: [{op: pwrite, offset: 0, length: 8KiB, atomic: true}, {op: fsync}]}
device: {nawupf: 512}
faults: [{name: gone, page_gone: every-step, budget: 1}, {name: quiet, budget: 0}]
explore: {preemptions: 0}
`

// TestReportOfARun: a run keeps its report, from which every format is made
// as the run itself would print it.
func TestReportOfARun(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "broken.yaml", broken)
	code, out, errs := call(t, "run", "broken.yaml", "--format", "json")
	require.Equal(t, run.ExitUnexpected, code, errs)
	kept, err := os.ReadFile("runs/report.json")
	require.NoError(t, err)
	assert.Equal(t, out, string(kept))

	var rep report.Report
	require.NoError(t, json.Unmarshal(kept, &rep))
	states := make(map[string]string)
	for i := range rep.Results {
		states[rep.Results[i].Row] = rep.Results[i].Verdict
	}
	assert.Equal(t, map[string]string{
		"copy=plain track=cow-fork faults=gone": "torn", "copy=plain track=cow-fork faults=quiet": "held",
		"copy=pin track=cow-fork faults=gone": "held", "copy=pin track=cow-fork faults=quiet": "held",
		"copy=plain track=extent-status faults=gone": "skipped", "copy=plain track=extent-status faults=quiet": "skipped",
		"copy=pin track=extent-status faults=gone": "skipped", "copy=pin track=extent-status faults=quiet": "skipped",
	}, states)

	for format, want := range map[string]string{
		"text":     "broken: verdict by design and faults\n",
		"json":     `"row": "copy=plain track=cow-fork faults=gone"`,
		"markdown": "| broken copy=plain track=cow-fork faults=gone | torn! | torn |",
		"csv":      "\nbroken,copy=plain track=cow-fork faults=gone,copy=plain track=cow-fork,gone,untorn,model,,1,torn,held,false,",
		"junit":    `<testsuite name="broken" tests="8" failures="1" errors="0" skipped="4"`,
		"ktap":     "\nnot ok 1 broken copy=plain track=cow-fork faults=gone # verdict torn, expected held: ",
	} {
		code, out, errs := call(t, "report", "runs", "--format", format)
		require.Equal(t, run.ExitOK, code, errs)
		assert.Contains(t, out, want, format)
		_, again, _ := call(t, "report", "runs/report.json", "--format", format)
		assert.Equal(t, out, again)
	}
	code, out, errs = call(t, "report", "runs/broken/copy=plain,track=cow-fork,faults=gone")
	require.Equal(t, run.ExitOK, code, errs)
	assert.Contains(t, out, "1 row, 1 not as expected")

	code, out, _ = call(t, "run", "broken.yaml", "--format", "junit", "--row", "copy=plain,track=cow-fork,faults=gone")
	assert.Equal(t, run.ExitUnexpected, code, "the format decides nothing")
	assert.True(t, strings.HasPrefix(out, "<?xml"))
	code, _, errs = call(t, "report", "runs/broken")
	assert.Equal(t, run.ExitUsage, code)
	assert.Contains(t, errs, "runs/broken/report.json: no such file")
}

// TestFormatCompletion: a shell is told the formats of each command.
func TestFormatCompletion(t *testing.T) {
	for command, want := range map[string][]string{
		"run": {"text", "json", "markdown", "csv", "junit", "ktap"}, "report": {"text", "json", "markdown", "csv", "junit", "ktap"},
		"mutants": {"text", "json"},
	} {
		code, out, _ := call(t, "__completeNoDesc", command, "--format", "")
		assert.Equal(t, run.ExitOK, code)
		words := strings.Fields(out)
		assert.Equal(t, want, words[:len(words)-1], command) // the last one is the directive
	}
	_, out, _ := call(t, "report", "--help")
	for _, f := range report.Formats() {
		assert.Contains(t, out, f.About)
	}
}

// TestFlagsAreExplained: every flag of every command says what it does, and
// every command that does something has an example.
func TestFlagsAreExplained(t *testing.T) {
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		assert.NotEmpty(t, c.Short, c.CommandPath())
		for _, line := range strings.Split(c.LocalFlags().FlagUsages(), "\n") {
			assert.True(t, line == "" || len(strings.Fields(line)) > 3, "%s: %q", c.CommandPath(), line)
		}
		if !c.HasSubCommands() && !c.Hidden && c.HasAvailableLocalFlags() {
			assert.NotEmpty(t, c.Example, c.CommandPath())
		}
		for _, sub := range c.Commands() {
			if sub.Name() != "completion" { // cobra's own, with a long help for each shell
				check(sub)
			}
		}
	}
	check(newRoot(&streams{}))
}
