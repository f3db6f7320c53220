package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func jsonOf(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, WriteJSON(&b, r))
	return b.String()
}

// TestReadBack: what was written reads back as the same report.
func TestReadBack(t *testing.T) {
	partial := sample()
	partial.Partial, partial.Results = true, []Result{}
	for _, r := range []*Report{sample(), debate(), nasty(), partial} {
		text := jsonOf(t, r)
		back, err := ReadJSON([]byte(text))
		require.NoError(t, err)
		assert.Equal(t, text, jsonOf(t, back))
	}
	back, err := ReadJSON([]byte(strings.Replace(jsonOf(t, sample()), `"tool"`, `"later": 1, "tool"`, 1)))
	require.NoError(t, err, "a field that a later untorn added")
	assert.Equal(t, jsonOf(t, sample()), jsonOf(t, back))
}

// TestBadReport: a report that no run wrote is refused, with the place.
func TestBadReport(t *testing.T) {
	good := jsonOf(t, sample())
	for _, tc := range []struct{ old, new, want string }{
		{good, "", "line 1: unexpected end"},
		{good, "{", "line 1: unexpected end"},
		{good, good + "{}", "after top-level value"},
		{`"as_expected": true`, `"as_expected": yes`, "line 34: invalid character 'y'"},
		{`"as_expected": true`, `"as_expected": "yes"`, "line 34: json: cannot unmarshal string into Go struct field"},
		{`"schema": 1`, `"schema": 2`, "schema 2; allowed: 1"},
		{`"schema": 1,`, ``, "schema 0; allowed: 1"},
		{`"tool": "untorn"`, `"tool": "other"`, `tool "other"; allowed: untorn`},
		{`"scenario": "boundary"`, `"scenario": ""`, "results[1].scenario: missing"},
		{`"verdict": "held"`, `"verdict": "fine"`, `results[0].verdict: "fine" is no verdict`},
		{`"design": {`, `"design": 3, "was": {`, "results.design"},
		{`"results": [`, `"results": [], "was": [`, "results: empty"},
	} {
		require.Contains(t, good, tc.old)
		_, err := ReadJSON([]byte(strings.Replace(good, tc.old, tc.new, 1)))
		assert.ErrorContains(t, err, tc.want)
	}
}
