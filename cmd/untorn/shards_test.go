package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/report"
	"untorn/internal/run"
)

// ofEveryKind are scenarios whose rows earn every sort of verdict: held, torn
// though held was expected, skipped, sampled, inconclusive, stuck, refused.
var ofEveryKind = map[string]string{
	"several": `
design: {folio: {min: 4KiB, max: 4KiB}, copy: [plain, pin, retry], track: [cow-fork, state-bits], submit: [writeback, direct]}
workload: {file: 16KiB, ops: [{op: pwrite, offset: 0, length: 8KiB, atomic: true}, {op: fsync}, {op: pwrite, offset: 8KiB, length: 8KiB, atomic: true}]}
faults: {power_loss: every-step, page_gone: every-step, budget: 1}
explore: {preemptions: 1}
`,
	"sampled": `
design: {track: [cow-fork, sidecar], writeback: cow-or-atomic, folio: {min: 4KiB, max: 8KiB}}
device: {nawupf: 8KiB}
workload: {generate: {kind: random, pages: 6, tasks: 3, seed: 1}}
faults: {power_loss: every-step, reclaim: every-step, budget: 2}
explore: {mode: random, runs: 1500, strategy: coverage}
`,
	"weak": `
design: {folio: {min: 4KiB, max: 4KiB}}
device: {nawupf: [8KiB, 512]}
control: {copy: plain, breaks: lost}
workload: {file: 16KiB, ops: [{op: pwrite, offset: 0, length: 8KiB, atomic: true}, {op: fsync}]}
faults: {power_loss: every-step, budget: 0}
explore: {preemptions: 0}
`,
	"panics": `
design: {copy: pin, track: cow-fork, writeback: cow, stable: wait, folio: {min: 8KiB, max: 8KiB}}
mutant: stable-cleared-early
device: {nawupf: 512}
workload:
  file: 8KiB
  ops:
    - {task: db, op: pwrite, offset: 0, length: 4KiB, atomic: true}
    - {task: db, op: pwrite, offset: 4KiB, length: 4KiB, atomic: true}
    - {task: db, op: pwrite, offset: 0, length: 4KiB, atomic: true}
    - {task: db, op: pwrite, offset: 4KiB, length: 4KiB, atomic: true}
    - {task: db, op: fsync}
faults: {power_loss: every-step, reclaim: every-step, log_force: every-step, budget: 2}
explore: {mode: random, strategy: pct, runs: 100, preemptions: 2}
expect: stuck
`,
}

// TestShardsOfEveryKind: the parts of a run whose rows earn every sort of verdict,
// one of which is killed again and again, are the whole one when they are joined.
func TestShardsOfEveryKind(t *testing.T) {
	t.Chdir(t.TempDir())
	args := []string{"run", "--workers", "2", "--resume", "--save-every", "10ms", "ext4-refused"}
	for _, name := range []string{"several", "sampled", "weak", "panics"} {
		args = append(args, write(t, name+".yaml", "name: "+name+ofEveryKind[name]))
	}
	code, out, errs := call(t, append(args, "--out", "whole", "--format", "json")...)
	require.Equal(t, run.ExitUnexpected, code, errs)
	var rep report.Report
	require.NoError(t, json.Unmarshal([]byte(out), &rep))
	verdicts, findings, samples := map[string]int{}, 0, 0
	for i := range rep.Results {
		res := &rep.Results[i]
		verdicts[res.Verdict]++
		if res.Counterexample != nil && !res.AsExpected {
			findings++
		}
		if res.Sample != nil {
			samples++
		}
	}
	for _, v := range []string{"held", "torn", "skipped", "inconclusive", "stuck", "refused"} {
		require.Positive(t, verdicts[v], "%s: %v", v, verdicts)
	}
	require.Greater(t, findings, 1)
	require.Greater(t, samples, 1)

	begun := time.Now()
	for _, part := range []string{"1", "2", "3"} {
		begun = time.Now()
		call(t, append(args, "--shard", part+"/3", "--out", "part-"+part)...)
	}
	kills := killedAgain(t, append(args, "--shard", "3/3"), time.Since(begun)/3)
	t.Logf("killed %d times", kills)
	require.Positive(t, kills)
	code, out, errs = call(t, "merge", "part-2", "killed", "part-1", "--out", "joined", "--format", "json")
	require.Equal(t, run.ExitUnexpected, code, errs)
	assert.Equal(t, read(t, "joined/report.json"), out)
	whole := tree(t, "whole")
	require.Greater(t, len(whole), 20)
	assert.Equal(t, whole, tree(t, "joined"))

	// No row of the killed part is there twice.
	lines := strings.Split(strings.TrimSpace(read(t, "killed/journal.txt")), "\n")
	rows := map[int]bool{}
	for _, l := range lines[1:] {
		var rec struct{ Row int }
		require.NoError(t, json.Unmarshal([]byte(l[9:]), &rec))
		require.False(t, rows[rec.Row], "row %d", rec.Row)
		rows[rec.Row] = true
	}
	require.Len(t, rows, len(rep.Results)/3)
}
