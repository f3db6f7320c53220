package report

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// product makes a scenario of 6*6*4 designs and two blocks of faults. Designs
// with b=0 and c=0 make no sense; verdict says what becomes of the others.
func product(verdict func(a, b, c int, faults string) string) *Report {
	r := &Report{}
	for a := range 6 {
		for b := range 6 {
			for c := range 4 {
				for _, f := range []string{"one", "two"} {
					v := verdict(a, b, c, f)
					if b == 0 && c == 0 {
						v = skipped
					}
					r.Results = append(r.Results, Result{Scenario: "big", Row: fmt.Sprintf("a=%d b=%d c=%d faults=%s", a, b, c, f),
						Faults: Fields{}.Text("name", f), Verdict: v, Expect: v, AsExpected: true, Reason: "because"})
				}
			}
		}
	}
	return r
}

func collapsed(t *testing.T, r *Report) []string {
	t.Helper()
	ms := matrices(r)
	require.Len(t, ms, 1)
	var out []string
	for i, d := range ms[0].designs {
		out = append(out, fmt.Sprint(d, " ", ms[0].cells[i]))
	}
	return out
}

// TestCollapse: designs that agree are one line, one that differs has its own,
// and every design is in exactly one line.
func TestCollapse(t *testing.T) {
	byA := func(a, _, _ int, faults string) string {
		if a >= 4 && faults == "two" {
			return "torn"
		}
		return "held"
	}
	require.GreaterOrEqual(t, len(product(byA).Results), LargeProduct)
	assert.Equal(t, []string{
		"a=0 | 1 | 2 | 3 c=1 | 2 | 3 [held held]",
		"a=0 | 1 | 2 | 3 b=1 | 2 | 3 | 4 | 5 c=0 [held held]",
		"a=4 | 5 c=1 | 2 | 3 [held torn]",
		"a=4 | 5 b=1 | 2 | 3 | 4 | 5 c=0 [held torn]",
	}, collapsed(t, product(byA)))
	assert.Contains(t, collapsed(t, product(func(a, b, c int, faults string) string {
		if a == 2 && b == 3 && c == 1 && faults == "one" {
			return "lost"
		}
		return byA(a, b, c, faults)
	})), "a=2 b=3 c=1 [lost held]")
}

// TestLargeProductsListSurprises: of a large product the tables list what is
// not as expected only; of a smaller one all.
func TestLargeProductsListSurprises(t *testing.T) {
	r := product(func(int, int, int, string) string { return "torn" })
	for i := range r.Results {
		r.Results[i].Counterexample = &Counterexample{Replay: fmt.Sprint("replay ", i)}
	}
	assert.Empty(t, r.listed())
	assert.Empty(t, replays(r))
	assert.Empty(t, explanations(r))
	r.Results[17].AsExpected = false
	require.Len(t, r.listed(), 1)
	assert.Same(t, &r.Results[17], r.listed()[0])
	var b bytes.Buffer
	require.NoError(t, WriteText(&b, r))
	assert.Contains(t, b.String(), "NOT AS EXPECTED, replay with:\n  replay 17\n")
	assert.Contains(t, b.String(), fmt.Sprintf("%d rows, 1 not as expected", len(r.Results)))

	r.Results = r.Results[:LargeProduct-1]
	assert.Len(t, r.listed(), LargeProduct-1)
}
