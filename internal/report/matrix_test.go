package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// debate is a product of three designs and five blocks of faults, some of
// whose rows were not run.
func debate() *Report {
	r := sample()
	proto := r.Results[0]
	r.Results = nil
	designs := []string{"copy=plain track=none writeback=plain", "copy=pin track=cow-fork writeback=cow-or-atomic", "submit=write-through-wait-and-much-longer"}
	faults := []string{"quiet", "reclaim", "short-copy-of-a-page-that-is-gone-for-good", "io-error", "no-space"}
	for d, design := range designs {
		for f, name := range faults {
			if d == 2 && f == 1 {
				continue
			}
			res := proto
			res.Scenario, res.Row = "debate", design+" faults="+name
			res.Faults = Fields{}.Text("name", name)
			if d == 0 {
				res.Verdict, res.Expect = "torn", "torn"
				res.Counterexample = &Counterexample{Verdict: "torn", Faults: f, Preemptions: 1, Steps: 10 * f}
			}
			if d == 2 && f == 4 {
				res.Verdict, res.AsExpected, res.Reason = "inconclusive", false, "a fault struck in neither arm"
			}
			r.Results = append(r.Results, res)
		}
	}
	return r
}

func TestMatrixGolden(t *testing.T) {
	var b bytes.Buffer
	for _, m := range matrices(debate()) {
		textMatrix(&b, m)
		markdownMatrix(&b, m)
	}
	golden(t, "matrix.txt", b.String())
}

// TestMatrixStandsAfterOutcome: in text and in Markdown, and only for a
// scenario of several designs and several named blocks.
func TestMatrixStandsAfterOutcome(t *testing.T) {
	for _, write := range []Format{formats[0], formats[2]} {
		var b bytes.Buffer
		require.NoError(t, write.Write(&b, debate()))
		outcome, matrix, space := strings.Index(b.String(), "cheapest:"), strings.Index(b.String(), "verdict by design and faults"), strings.Index(b.String(), "judged")
		assert.True(t, 0 < outcome && outcome < matrix && matrix < space, "%d %d %d", outcome, matrix, space)
	}
	for _, tc := range []struct {
		what string
		keep func(*Result) bool
		want int
	}{
		{"all", func(*Result) bool { return true }, 1},
		{"one design", func(r *Result) bool { return strings.HasPrefix(r.Row, "copy=pin") }, 0},
		{"one block", func(r *Result) bool { return strings.HasSuffix(r.Row, "=quiet") }, 0},
		{"two of each, three rows", func(r *Result) bool {
			return strings.HasPrefix(r.Row, "copy=p") && (strings.HasSuffix(r.Row, "=quiet") || strings.HasSuffix(r.Row, "=io-error"))
		}, 1},
	} {
		r := debate()
		var kept []Result
		for i := range r.Results {
			if tc.keep(&r.Results[i]) {
				kept = append(kept, r.Results[i])
			}
		}
		r.Results = kept
		assert.Len(t, matrices(r), tc.want, tc.what)
	}
	assert.Empty(t, matrices(sample()))
}

// TestMatrixCells: each cell is of its own row.
func TestMatrixCells(t *testing.T) {
	m := matrices(debate())[0]
	require.Len(t, m.cells, 3)
	assert.Equal(t, []string{"torn 0+1/0", "torn 1+1/10", "torn 2+1/20", "torn 3+1/30", "torn 4+1/40"}, m.cells[0])
	assert.Equal(t, []string{"held", "held", "held", "held", "held"}, m.cells[1])
	assert.Equal(t, []string{"held", absent, "held", "held", "inconclusive!"}, m.cells[2])
	assert.Equal(t, "submit=write-through-wait-and-much-longer", m.designs[2])
}

// TestMatricesApart: scenarios do not mix, though their rows be in any order.
func TestMatricesApart(t *testing.T) {
	r := debate()
	for _, res := range debate().Results {
		res.Scenario = "other"
		r.Results = append(r.Results, res)
	}
	for i := 0; i < len(r.Results)/2; i += 2 {
		j := len(r.Results) - 1 - i
		r.Results[i], r.Results[j] = r.Results[j], r.Results[i]
	}
	all := matrices(r)
	require.Len(t, all, 2)
	for _, m := range all {
		assert.Len(t, m.designs, 3)
		assert.Len(t, m.faults, 5)
	}
}
