package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sample has every kind of row: held, broken as expected, inconclusive,
// skipped, not built, and a product with a long label.
func sample() *Report {
	fired := func(loss, reclaim, short string) Fields {
		return Fields{}.Text("power_loss", loss).Text("reclaim", reclaim).Text("short_copy", short)
	}
	base := Result{
		Design: Fields{{"filesystem", json.RawMessage(`"xfs"`)}, {"block", json.RawMessage("4096")}}, Device: Fields{{"lba", json.RawMessage("512")}},
		Faults: Fields{{"budget", json.RawMessage("2")}}, Contract: "untorn", Target: "model", Seed: 1, Expect: "held",
		Exhaustive: true, Bounds: Bounds{Budget: 2, Preemptions: 2}, Equivalence: "none, all, first and last of each piece", Assumptions: []string{"an assumption"},
		DistinctExact: true,
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

	held.Cost = figures()

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
	bad.Counterexample = &Counterexample{Verdict: "torn", Steps: 9, Replay: "untorn replay runs/in-place/single", ID: "u2-040g40r40m4g86e71g1dn1d9x0",
		Shrunk: &Shrunk{Minimal: true, Operations: 1, Tasks: 1, Steps: 7, Replay: "untorn replay runs/in-place/single-shrunk", ID: "u2-040g40r40m4g86e71g1dn1d9x0"}}

	skip := base
	skip.Scenario, skip.Row, skip.Verdict, skip.AsExpected = "product", "filesystem=ext4 folio=16KiB..16KiB writeback=cow-or-atomic", "skipped", true
	skip.Reason = "writeback: cow needs data CoW, which ext4 does not have"
	skip.Exhaustive = false

	later := base
	later.Scenario, later.Verdict, later.NotBuilt, later.Exhaustive = "later", "not-checked", true, false
	later.Reason = "recovery_power_loss: 1 is not built yet"

	return &Report{Schema: Schema, Tool: "untorn", Version: "0.1.0", Engine: "xfs-1", Started: "2026-01-02T03:04:05Z",
		Host: Host{"linux", "amd64", 2, "go1.26"}, Results: []Result{held, torn, odd, bad, skip, later}}
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
	for _, r := range []*Report{sample(), nasty(), debate()} {
		fitsAMail(t, r)
	}
}

func fitsAMail(t *testing.T, r *Report) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, WriteText(&b, r))
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

// TestFormats: each form of the sample is as it was, and a writer that fails
// is an error.
func TestFormats(t *testing.T) {
	files := map[string]string{"text": "report.txt", "json": "report.json", "markdown": "report.md", "csv": "report.csv",
		"junit": "report.xml", "ktap": "report.ktap"}
	for _, f := range Formats() {
		var b bytes.Buffer
		require.NoError(t, f.Write(&b, sample()))
		golden(t, files[f.Name], b.String())
		assert.True(t, strings.HasSuffix(b.String(), "\n"), f.Name)
		assert.ErrorIs(t, f.Write(full{}, sample()), errFull, f.Name)
		same, ok := FormatOf(f.Name)
		assert.True(t, ok)
		assert.Equal(t, f.Name, same.Name)
		assert.Contains(t, FormatNames(), f.Name)
		assert.NotEmpty(t, f.About)
	}
	assert.Len(t, Formats(), len(files))
	_, ok := FormatOf("pdf")
	assert.False(t, ok)
}

var errFull = errors.New("no space")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// nasty has in every text what means something to some format.
func nasty() *Report {
	r := sample()
	const odd = "a|b # SKIP <x> &amp; \"q\" 'r' ]]> `c` *d* \\_e_ , ~~f~~ [g](h) $i$ ok 7"
	for i := range r.Results {
		res := &r.Results[i]
		res.Reason = odd
		if res.Counterexample != nil {
			res.Counterexample.Replay = "untorn replay 'a ``` b'"
		}
	}
	r.Results[0].Scenario, r.Results[1].Row = "a#b|<c>", "x=|# y=<&>"
	r.Version = "0 # <|>"
	return r
}

func TestPieces(t *testing.T) {
	for name, want := range map[string][]string{
		"recovery-long":           {"recovery-long"},
		"real-append-unaligned":   {"real-append-", "unaligned"},
		"writeback=cow-or-atomic": {"writeback=", "cow-or-atomic"},
		"a23456789012345678901-b": {"a234567890123456789", "01-b"},
	} {
		assert.Equal(t, want, pieces(name, nameWidth), name)
	}
}

// A row that was refused says why, as expected or not; what was drawn from no
// seed names none; and of one thing there is no plural.
func TestTextSaysWhat(t *testing.T) {
	text := func(change func(r *Report)) string {
		r := sample()
		r.Results = r.Results[:1]
		change(r)
		var b bytes.Buffer
		require.NoError(t, WriteText(&b, r))
		return b.String()
	}
	plain := text(func(*Report) {})
	assert.Contains(t, plain, "engine xfs-1, seed 1\n")
	assert.Contains(t, plain, "\n1 row, 0 not as expected\n")
	assert.NotContains(t, plain, "\n- ")
	assert.Contains(t, text(func(r *Report) {
		r.Results[0].Verdict, r.Results[0].Expect, r.Results[0].Reason = "refused", "refused", "operation 1 gets EINVAL"
	}), "\n- cow-fork: refused, expected refused: operation 1 gets EINVAL\n")
	assert.Contains(t, text(func(r *Report) { r.Results[0].Target, r.Results[0].Seed = "file", 0 }), "engine xfs-1\n")
	assert.Contains(t, text(func(r *Report) { r.Results[0].Seed = 0 }), "engine xfs-1, seed 0\n")
}
