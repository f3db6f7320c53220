package report

import (
	"bytes"
	"fmt"
	"io"
	"math/big"
	"strings"
)

// Coverage tells which steps of the step list and which kinds of fault the
// designs of the rows took, controls not counted. A step that was reached was
// announced by a task, in some schedule of some row; what it did there depends
// on the state.
type Coverage struct {
	Suite   bool            `json:"whole_suite"` // all rows of the suite, to the end: only then missing means something
	Steps   []PlaceCoverage `json:"steps"`       // in the order of the step list
	Faults  []FaultCoverage `json:"faults"`
	Missing []string        `json:"missing"` // places, as "number name", then kinds of fault
}

// PlaceCoverage is one place in the program of a step.
type PlaceCoverage struct {
	Step    string `json:"step"`    // number of the step list
	Place   string `json:"place"`   // name of the place
	Rows    int    `json:"rows"`    // that reached it
	Example string `json:"example"` // the first scenario that did
}

// FaultCoverage is one kind of fault, losses of power included.
type FaultCoverage struct {
	Kind    string `json:"kind"`
	Fired   string `json:"fired"` // how often, in all rows together
	Rows    int    `json:"rows"`  // in which it fired
	Example string `json:"example"`
}

// FaultCoverageOf adds up how often a kind of fault fired.
func FaultCoverageOf(kind string, results []Result) FaultCoverage {
	f := FaultCoverage{Kind: kind}
	total, least := new(big.Int), ""
	for i := range results {
		n, atLeast := strings.CutPrefix(results[i].Fired.Get(kind), ">=")
		fired, ok := new(big.Int).SetString(n, 10)
		if !ok || fired.Sign() == 0 {
			continue
		}
		if atLeast {
			least = ">="
		}
		total.Add(total, fired)
		if f.Rows++; f.Rows == 1 {
			f.Example = results[i].Scenario
		}
	}
	f.Fired = least + total.String()
	return f
}

// coverageLine sums the coverage up, and says what a whole suite left out.
func coverageLine(b *bytes.Buffer, c *Coverage) {
	if c == nil {
		return
	}
	steps := make(map[string]bool)
	places, reached, kinds := 0, 0, 0
	for i := range c.Steps {
		p := &c.Steps[i]
		steps[p.Step] = steps[p.Step] || p.Rows > 0
		if p.Rows > 0 {
			places++
		}
	}
	for _, yes := range steps {
		if yes {
			reached++
		}
	}
	for i := range c.Faults {
		if c.Faults[i].Rows > 0 {
			kinds++
		}
	}
	line := fmt.Sprintf("coverage: %d of %d steps (%d of %d places), %d of %d kinds of fault", reached, len(steps), places, len(c.Steps), kinds, len(c.Faults))
	if c.Suite && len(c.Missing) > 0 {
		line += "; missing: " + strings.Join(c.Missing, ", ")
	}
	for _, l := range wrap(line, Width) {
		fmt.Fprintln(b, l)
	}
}

// exampleWidth is the width of the column of examples.
const exampleWidth = 24

// WriteCoverage writes the table of steps and the table of faults.
func WriteCoverage(w io.Writer, r *Report) error {
	var b bytes.Buffer
	b.WriteByte('\n')
	rows := [][]string{}
	for _, p := range r.Coverage.Steps {
		rows = append(rows, exampled([]string{p.Step, p.Place}, p.Example, fmt.Sprint(p.Rows))...)
	}
	table(&b, 3, []string{"step", "place", "first seen in", "rows"}, rows)
	rows = rows[:0]
	for _, f := range r.Coverage.Faults {
		rows = append(rows, exampled([]string{f.Kind}, f.Example, short(f.Fired), fmt.Sprint(f.Rows))...)
	}
	table(&b, 2, []string{"fault", "first seen in", "fired", "rows"}, rows)
	_, err := w.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return err
}

// exampled is a line of a table, and more lines for an example that is long.
func exampled(before []string, example string, after ...string) (lines [][]string) {
	if example == "" {
		example = "-"
	}
	for _, piece := range pieces(example, exampleWidth) {
		line := append([]string{}, before...)
		lines = append(lines, append(append(line, piece), after...))
		before, after = make([]string, len(before)), make([]string, len(after))
	}
	return lines
}
