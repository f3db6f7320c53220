package run

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"untorn/crashsim"
	"untorn/engine"
	"untorn/internal/report"
)

// stepOrder has the labels of the engine in the order of the step list: the
// numbered steps, then the lists that have a letter.
var stepOrder = listOrder()

func listOrder() []crashsim.Step {
	table := engine.Steps()
	labels := make([]crashsim.Step, len(table))
	for i := range labels {
		labels[i] = crashsim.Step(i)
	}
	slices.SortStableFunc(labels, func(a, b crashsim.Step) int {
		la, na := splitNumber(table[a].Num)
		lb, nb := splitNumber(table[b].Num)
		if la != lb {
			return strings.Compare(la, lb)
		}
		return na - nb
	})
	return labels
}

// splitNumber takes the number of a step apart: "T10" is "T" and 10.
func splitNumber(num string) (letter string, n int) {
	digits := strings.TrimLeft(num, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	n, err := strconv.Atoi(digits)
	if err != nil {
		panic(fmt.Sprintf("run: step %q has no number", num))
	}
	return num[:len(num)-len(digits)], n
}

// stepNumbers lists the numbers of the steps in a set, each once.
func stepNumbers(reached *crashsim.StepSet) []string {
	out := []string{}
	for _, s := range stepOrder {
		if num := engine.Steps()[s].Num; reached.Has(s) && (len(out) == 0 || out[len(out)-1] != num) {
			out = append(out, num)
		}
	}
	return out
}

// faultKinds lists all kinds of fault by the names of report.json.
func faultKinds() []string {
	out := []string{"power_loss", "recovery_power_loss"}
	for k := crashsim.Reclaim; k < crashsim.NumFaultKinds; k++ {
		out = append(out, k.String())
	}
	return out
}

// coverage adds up what the designs of the rows reached. suite says that they
// are the whole suite.
func coverage(done []doneRow, results []report.Result, suite bool) *report.Coverage {
	c := &report.Coverage{Suite: suite, Missing: []string{}}
	for _, s := range stepOrder {
		info := engine.Steps()[s]
		p := report.PlaceCoverage{Step: info.Num, Place: info.Name}
		for i := range done {
			if !done[i].reached.Has(s) {
				continue
			}
			if p.Rows++; p.Rows == 1 {
				p.Example = done[i].res.Scenario
			}
		}
		if p.Rows == 0 {
			c.Missing = append(c.Missing, p.Step+" "+p.Place)
		}
		c.Steps = append(c.Steps, p)
	}
	for _, kind := range faultKinds() {
		f := report.FaultCoverageOf(kind, results)
		if f.Rows == 0 {
			c.Missing = append(c.Missing, kind)
		}
		c.Faults = append(c.Faults, f)
	}
	return c
}
