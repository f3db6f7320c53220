package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sample has every kind of row: held, broken as expected, inconclusive,
// skipped, and a product with a long label.
func sample() *Report {
	fired := func(loss, reclaim, short string) Fields {
		return Fields{}.Text("power_loss", loss).Text("reclaim", reclaim).Text("short_copy", short)
	}
	base := Result{
		Design: Fields{{"filesystem", json.RawMessage(`"xfs"`)}, {"block", json.RawMessage("4096")}}, Device: Fields{{"lba", json.RawMessage("512")}},
		Faults: Fields{{"budget", json.RawMessage("2")}}, Contract: "untorn", Target: "model", Seed: 1, Expect: "held",
		Exhaustive: true, Bounds: Bounds{2, 2}, Equivalence: "none, all, first and last of each piece", Assumptions: []string{"an assumption"},
		DistinctExact: true, Cost: Fields{},
	}
	held := base
	held.Scenario, held.Verdict, held.AsExpected = "cow-fork", "held", true
	held.Schedules, held.Covered, held.Distinct = "123456789", "1339001234567890123456789", "12345"
	held.Verdicts = Fields{}.Text("held", held.Covered)
	held.VersionsBehind = Fields{}.Text("0", "7").Text("1", "100000000").Text("2", "3")
	held.Fired = fired("99999999", "1234", "0")
	held.Work = Work{Executed: 12, Steps: 3456, Judged: 7890123, CacheHits: 11, Seconds: 1.25, Workers: 2}
	held.Control = &Control{Verdict: "torn", Covered: "12", Distinct: "3", Fired: fired("1", "0", "0"),
		Counterexample: &Counterexample{Verdict: "torn", Steps: 20, Trace: []string{"12 copy"}}}

	torn := base
	torn.Scenario, torn.Row, torn.Verdict, torn.Expect, torn.AsExpected = "boundary", "layout=contiguous", "torn", "torn", true
	torn.Schedules, torn.Covered, torn.Distinct, torn.Fired = "10", "200", "30", fired("5", "6", "7")
	torn.Counterexample = &Counterexample{Verdict: "torn", Faults: 1, Preemptions: 1, Steps: 123, Trace: []string{"1 validate"},
		Replay: "untorn replay runs/boundary/layout=contiguous"}
	torn.Reason = "unit of op 1 is a mixture"

	odd := torn
	odd.Row, odd.Verdict, odd.Expect, odd.AsExpected = "layout=unaligned", "inconclusive", "held", false
	odd.Reason = "the control arm held too: a test that cannot fail proves nothing, and this one did not fail when the protection was gone"
	odd.Exhaustive, odd.DistinctExact, odd.Counterexample = false, false, nil
	odd.Control = &Control{Verdict: "held"}

	bad := torn
	bad.Scenario, bad.Row, bad.Expect, bad.AsExpected = "in-place", "", "held", false
	bad.Counterexample = &Counterexample{Verdict: "torn", Steps: 9, Replay: "untorn replay runs/in-place/single"}

	skip := base
	skip.Scenario, skip.Row, skip.Verdict, skip.AsExpected = "product", "filesystem=ext4 folio=16KiB..16KiB writeback=cow-or-atomic", "skipped", true
	skip.Reason = "writeback: cow needs data CoW, which ext4 does not have"
	skip.Exhaustive = false

	return &Report{Schema: Schema, Tool: "untorn", Version: "0.1.0", Engine: "xfs-1", Started: "2026-01-02T03:04:05Z",
		Host: Host{"linux", "amd64", 2, "go1.26"}, Results: []Result{held, torn, odd, bad, skip}}
}

func TestTextGolden(t *testing.T) {
	r := sample()
	var b bytes.Buffer
	require.NoError(t, WriteText(&b, r))
	golden(t, "report.txt", b.String())
	r.Partial = true
	b.Reset()
	require.NoError(t, WriteText(&b, r))
	assert.Contains(t, b.String(), "PARTIAL")
}

func TestTextFitsAMail(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteText(&b, sample()))
	for line := range strings.Lines(b.String()) {
		line = strings.TrimRight(line, "\n")
		assert.Equal(t, strings.TrimRight(line, " "), line, "no spaces at the end")
		for _, c := range line {
			assert.True(t, c >= ' ' && c <= '~', "%q", line)
		}
		if !strings.HasPrefix(line, "  untorn replay") {
			assert.LessOrEqual(t, len(line), Width, line)
		}
	}
}

func TestJSONGolden(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteJSON(&b, sample()))
	golden(t, "report.json", b.String())
	back, err := ReadJSON(b.Bytes())
	require.NoError(t, err)
	var again bytes.Buffer
	require.NoError(t, WriteJSON(&again, back))
	assert.Equal(t, b.String(), again.String())

	_, err = ReadJSON([]byte(`{"schema": 2}`))
	assert.ErrorContains(t, err, "schema 2")
	_, err = ReadJSON([]byte(`{`))
	assert.ErrorContains(t, err, "report.json")
}

func TestShort(t *testing.T) {
	for n, want := range map[string]string{"0": "0", "9999999": "9999999", "10000000": "1.0e7", "1999999999": "1.9e9", "": "",
		">=13400000000": ">1.3e10", "-": "-"} {
		assert.Equal(t, want, short(n))
	}
}

// golden compares with a file of testdata; UPDATE_GOLDEN=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}
