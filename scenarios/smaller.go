package scenarios

import (
	"fmt"
	"maps"

	"untorn/crashsim"
	"untorn/workloads"
)

// ReduceTo prints the row as Reduce does, but with another workload, other
// faults and other bounds: a smaller scenario of the same design and device. Its
// operations are written out. Faults that are turned off are so by name.
func (r *Row) ReduceTo(w *workloads.Workload, f *crashsim.Faults, e *Explore) string {
	s := *r.Scenario
	s.expect = []expectation{{verdict: r.Expect}}
	s.workload = block{fFile: {{text: workloads.FormatSize(w.File), n: w.File}}, fSecondFile: {{text: workloads.FormatSize(w.Second), n: w.Second}}}
	s.ops, s.generate = expand(w.Ops), nil
	for i := range s.ops {
		if op := &s.ops[i].op; op.Append {
			op.Offset = 0 // it follows the size of the file
		}
	}
	mode := "exhaustive"
	if e.Random {
		mode = "random"
	}
	s.explore = maps.Clone(s.explore)
	s.explore[fMode] = []value{{text: mode}}
	s.explore[fPreemptions] = []value{{text: fmt.Sprint(min(int64(e.Preemptions), fPreemptions.max))}}
	s.explore[fTogether] = []value{{text: fmt.Sprint(min(int64(e.Together), fTogether.max))}}
	vals := maps.Clone(r.vals)
	vals[fLayout], vals[fFreeSpace] = []value{{text: w.Layout.String()}}, []value{{text: w.FreeSpace.String()}}

	one := s.faults[r.faults]
	one.vals = block{}
	for _, field := range faultFields {
		one.vals[field] = []value{r.faultValue(field)}
	}
	one.vals[fRecoveryLoss] = []value{{text: fmt.Sprint(f.RecoveryPowerLoss)}}
	one.vals[fBudget] = []value{{text: fmt.Sprint(f.Budget)}}
	for k := crashsim.Reclaim; k < crashsim.NumFaultKinds; k++ {
		if r.faultValue(faultKindField[k]).text == "every-step" && !f.Kinds[k] {
			one.vals[faultKindField[k]] = []value{{text: "off", written: true}}
		}
	}
	p := printer{s: &s, reduced: true, values: func(f *field) []value { return vals[f] }, follow: func(*field) string { return "" }}
	return p.print([]faultBlock{one})
}
