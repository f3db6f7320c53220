package report

import (
	"fmt"
	"strings"
)

// testCase is a row as a test sees it: one that turned out as expected
// passed, whatever its verdict.
type testCase struct {
	scenario string
	row      string // label, empty for the only row of a scenario
	outcome  outcomeKind
	verdict  string
	message  string   // why it did not pass, in one line
	detail   []string // what was found, in lines, empty for a row that did not run
	seconds  float64  // wall clock
}

// outcomeKind tells passed from failed. Zero is failed, so that nothing passes
// by being forgotten.
type outcomeKind int

const (
	failed outcomeKind = iota
	passed
	notRun // skipped, or not built yet
	broken // not a row that failed, but a run that did not finish
)

// wholeRun names the case that stands for rows which a partial report may
// lack.
const wholeRun = "whole-run"

// testCases returns a case for each row, and for a report that is partial one
// more that did not pass, since the rows that are missing cannot tell.
func testCases(r *Report) []testCase {
	var out []testCase
	for i := range r.Results {
		out = append(out, rowCase(&r.Results[i]))
	}
	if r.Partial {
		out = append(out, testCase{scenario: wholeRun, outcome: broken, verdict: "partial",
			message: "the run ended early: rows may be missing"})
	}
	return out
}

func rowCase(res *Result) testCase {
	c := testCase{scenario: res.Scenario, row: res.Row, verdict: res.Verdict, seconds: res.Work.Seconds}
	switch {
	case res.NotBuilt || res.Verdict == skipped:
		c.outcome, c.message = notRun, oneLine(res.Reason)
		return c
	case res.AsExpected:
		c.outcome = passed
	default:
		c.message = fmt.Sprintf("verdict %s, expected %s", res.Verdict, res.Expect)
		if res.Reason != "" {
			c.message += ": " + res.Reason
		}
	}
	c.message, c.detail = oneLine(c.message), detail(res)
	return c
}

// title names the case in a line of its own.
func (c *testCase) title() string {
	if c.row == "" {
		return c.scenario
	}
	return c.scenario + " " + c.row
}

// detail says what became of a row: verdicts of both arms, counts, bounds,
// faults that struck, the cheapest counterexample and how to replay it.
func detail(res *Result) []string {
	out := []string{fmt.Sprintf("verdict: %s, expected %s", res.Verdict, res.Expect)}
	if res.Reason != "" {
		out = append(out, "reason: "+res.Reason)
	}
	if c := res.Control; c != nil {
		line := "control: " + c.Verdict
		if c.Covered != "" {
			line += fmt.Sprintf(", %s images covered, %s distinct", c.Covered, c.Distinct)
		}
		out = append(out, line)
	} else {
		out = append(out, "control: not run")
	}
	if res.Covered != "" {
		atLeast := ""
		if !res.DistinctExact {
			atLeast = "at least "
		}
		out = append(out, fmt.Sprintf("images: %s covered, %s%s distinct, %d judged", res.Covered, atLeast, res.Distinct, res.Work.Judged))
		space := "part of the space"
		if res.Exhaustive {
			space = "the whole space"
		}
		together := ""
		if res.Bounds.Together > 0 {
			together = fmt.Sprintf(", both together %d", res.Bounds.Together)
		}
		out = append(out, fmt.Sprintf("schedules: %s, %s within faults %d, preemptions %d%s; seed %d",
			res.Schedules, space, res.Bounds.Budget, res.Bounds.Preemptions, together, res.Seed))
	}
	if len(res.Fired) > 0 {
		var struck []string
		for _, f := range res.Fired {
			struck = append(struck, f.Name+" "+res.Fired.Get(f.Name))
		}
		out = append(out, "struck: "+strings.Join(struck, ", "))
	}
	if c := res.Counterexample; c != nil {
		out = append(out, fmt.Sprintf("counterexample: %s, faults %d, preemptions %d, steps %d", c.Verdict, c.Faults, c.Preemptions, c.Steps))
		if c.Replay != "" {
			out = append(out, "replay: "+c.Replay)
		}
		if x := c.Shrunk; x != nil {
			how := "1-minimal"
			if !x.Minimal {
				how = "in part"
			}
			out = append(out, fmt.Sprintf("shrunk: %s, %s", x.size(), how), "replay shrunk: "+x.Replay)
		}
	}
	for i := range out {
		out[i] = oneLine(out[i])
	}
	return out
}

// oneLine makes line breaks and other control characters spaces.
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, s)
}
