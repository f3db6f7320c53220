package report

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// resultLine is <result> <number> [<description>][ # [<directive>] [<diagnostic data>]]
var resultLine = regexp.MustCompile(`^(ok|not ok) ([0-9]+)( [^#]*[^# ])?( # [^#]*)?$`)

// parseKTAP reads by the rules of Documentation/dev-tools/ktap.rst: a version
// line, a plan, results whose numbers rise by one up to the plan, and
// diagnostic lines. It returns the lines of both kinds.
func parseKTAP(t *testing.T, r *Report) (diagnostics, results []string) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, WriteKTAP(&b, r))
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	require.Equal(t, "KTAP version 1", lines[0])
	var plan int
	_, err := fmt.Sscanf(lines[1], "1..%d", &plan)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("1..%d", plan), lines[1])
	for _, l := range lines[2:] {
		if strings.HasPrefix(l, "# ") {
			diagnostics = append(diagnostics, l)
			continue
		}
		m := resultLine.FindStringSubmatch(l)
		require.NotNil(t, m, l)
		results = append(results, l)
		require.Equal(t, strconv.Itoa(len(results)), m[2], l)
	}
	require.Len(t, results, plan)
	return diagnostics, results
}

func TestKTAP(t *testing.T) {
	diagnostics, results := parseKTAP(t, sample())
	assert.Equal(t, []string{
		"ok 1 cow-fork",
		"ok 2 boundary layout=contiguous",
		"not ok 3 boundary layout=unaligned # verdict inconclusive, expected held: " + sample().Results[2].Reason,
		"not ok 4 in-place # verdict torn, expected held: unit of op 1 is a mixture",
		"ok 5 product filesystem=ext4 folio=16KiB..16KiB writeback=cow-or-atomic # SKIP writeback: cow needs data CoW, which ext4 does not have",
		"ok 6 later # SKIP recovery_power_loss: 1 is not built yet",
	}, results)
	assert.Contains(t, diagnostics, "# cow-fork: control: torn, 12 images covered, 3 distinct")
	assert.Contains(t, diagnostics, "# in-place: replay: untorn replay runs/in-place/single")
	assert.Contains(t, diagnostics, "# boundary layout=unaligned: images: 200 covered, at least 30 distinct, 0 judged")
}

// TestKTAPEscapes: no text of a row begins a line or a directive.
func TestKTAPEscapes(t *testing.T) {
	r := nasty()
	r.Results[0].AsExpected, r.Results[0].Reason = true, "x\nnot ok 1 y\r\nok 9"
	r.Results[1].Row += "\nok 3"
	_, results := parseKTAP(t, r)
	assert.Equal(t, "ok 1 a_b|<c>", results[0])
	assert.Equal(t, "ok 2 boundary x=|_ y=<&> ok 3", results[1])
}

// TestZeroFails: a row that nobody filled in is no pass.
func TestZeroFails(t *testing.T) {
	assert.Equal(t, failed, rowCase(&Result{}).outcome)
	assert.Equal(t, failed, rowCase(&Result{Verdict: "not-checked", Reason: "no image was judged"}).outcome)
}
