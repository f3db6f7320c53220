package run

import (
	"fmt"

	"untorn/crashsim"
	"untorn/internal/cost"
	"untorn/internal/count"
	"untorn/internal/reduce"
	"untorn/internal/report"
	"untorn/internal/target/model"
	"untorn/scenarios"
	"untorn/verifier"
)

// assumptions lists what the crash rule takes for granted on this device.
func assumptions(r *scenarios.Row) []string {
	out := designArm(r).cfg.Assumptions()
	if r.Device.FlushLies {
		out = append(out, "FLUSH answers without hardening anything")
	}
	return out
}

// newResult fills in what a row is, as opposed to what became of it.
func newResult(r *scenarios.Row) *report.Result {
	bounds := report.Bounds{Budget: r.Faults.Budget, Preemptions: r.Explore.Preemptions}
	if b := budget(r); b.Total < b.Faults+b.Preemptions {
		bounds.Together = b.Total
	}
	return &report.Result{
		Scenario: r.Scenario.Name, Row: r.Label, Design: fields(r, "design"), Device: fields(r, "device"), Faults: fields(r, "faults"),
		Contract: r.Contract, Target: "model", Mutant: r.Design.Mutant, Seed: r.Explore.Seed, Expect: r.Expect,
		Bounds:      bounds,
		Equivalence: model.Equivalence, Assumptions: assumptions(r),
		Schedules: "0", Covered: "0", Distinct: "0", DistinctExact: true,
		Verdicts: report.Fields{}, VersionsBehind: report.Fields{}, Fired: report.Fields{}, Steps: []string{},
	}
}

func fields(r *scenarios.Row, section string) report.Fields {
	out := report.Fields{}
	for _, v := range r.Values(section) {
		out = append(out, report.Field{Name: v.Name, Value: v.JSON})
	}
	return out
}

// fill turns both arms into the result of the row.
func (o *Options) fill(res *report.Result, r *scenarios.Row, design, control *arm) {
	verdict, reason := rowVerdict(r, design, control)
	res.Verdict, res.Reason = verdict.String(), reason
	res.AsExpected = res.Verdict == res.Expect
	d := design.res
	res.Exhaustive, res.Sample = d.Exhausted, sampleOf(r, d.Sample)
	if res.Sample != nil {
		res.Bounds.Depth = res.Sample.Depth
		if res.Bounds.Depth > 0 {
			res.Bounds.Together = 0 // which priorities do not count
		}
	}
	res.Schedules, res.Covered = d.Schedules.String(), d.Counts.Covered.String()
	res.Distinct, res.DistinctExact = fmt.Sprint(d.Distinct), d.DistinctExact
	for v := range d.Counts.Verdicts {
		if c := &d.Counts.Verdicts[v]; !c.IsZero() {
			res.Verdicts = res.Verdicts.Text(verifier.Verdict(v).String(), c.String())
		}
	}
	res.VersionsBehind = versionsBehind(&d.Counts)
	res.Fired = fired(&d.Counts, &r.Faults)
	res.Steps = stepNumbers(&d.Reached)
	res.Counterexample = counterexample(design)
	if design.verdict != verifier.Stuck {
		res.Cost = o.cost(design)
	}
	addWork(&res.Work, d)
	if control.res == nil {
		return
	}
	c := control.res
	res.Control = &report.Control{Verdict: control.verdict.String(), Covered: c.Counts.Covered.String(), Distinct: fmt.Sprint(c.Distinct),
		Fired: fired(&c.Counts, &r.Faults), Counterexample: counterexample(control)}
}

// cost returns what the quiet schedule of an arm takes, nil when it does not
// end: bounds may have kept the exploration away from where that shows.
func (o *Options) cost(a *arm) *cost.Figures {
	f, err := o.Target.Cost(&a.cfg)
	if err != nil {
		return nil
	}
	return f
}

func addWork(w *report.Work, e *Explored) {
	w.Executed += e.Executed
	w.Steps += e.Steps
	w.CacheHits += e.CacheHits
	w.States += e.States
	w.Judged += e.Judged
	var saved report.Fields
	for r := range reduce.NumRules {
		saved = saved.Text(r.String(), e.Saved[r].String())
	}
	w.Saved = report.AddSaved(w.Saved, saved)
}

func versionsBehind(c *model.Counts) report.Fields {
	out := report.Fields{}
	for i := range c.Behind {
		name := fmt.Sprint(i)
		if i == len(c.Behind)-1 {
			name += "+"
		}
		if !c.Behind[i].IsZero() {
			out = out.Text(name, c.Behind[i].String())
		}
	}
	return out
}

// fired counts power losses and every kind of fault that is on.
func fired(c *model.Counts, f *crashsim.Faults) report.Fields {
	out := report.Fields{}
	add := func(name string, on bool, n *count.Count) {
		if on || !n.IsZero() {
			out = out.Text(name, n.String())
		}
	}
	add("power_loss", f.PowerLoss, &c.Cuts)
	add("recovery_power_loss", f.RecoveryPowerLoss > 0, &c.Recut)
	for k := crashsim.Reclaim; k < crashsim.NumFaultKinds; k++ {
		add(k.String(), f.Kinds[k], &c.Fired[k])
	}
	return out
}

// counterexample describes the schedule of an arm that broke.
func counterexample(a *arm) *report.Counterexample {
	if a.example == nil {
		return nil
	}
	f := &a.example.finding
	return &report.Counterexample{Verdict: a.example.verdict.String(), Faults: f.Faults, Preemptions: f.Preemptions, Steps: f.Steps,
		ID: a.example.id, Trace: shortTrace(traceLines(a.example.replay))}
}

// maxTrace bounds the trace in report.json: one of a run that hit the step
// cap is long, and its end says why. trace.txt has all of it.
const maxTrace = 2000

func shortTrace(lines []string) []string {
	if n := len(lines) - maxTrace; n > 0 {
		return append([]string{fmt.Sprintf("(%d lines before this are in trace.txt)", n)}, lines[n:]...)
	}
	return lines
}

// traceLines prints a trace, one line for each step, fault and switch.
func traceLines(p *model.Replay) []string {
	out := []string{}
	for i := range p.Trace {
		out = append(out, traceLine(&p.Trace[i]))
	}
	return out
}

func traceLine(l *model.TraceLine) string {
	mark := " "
	switch {
	case l.Fault:
		mark = "!"
	case l.Switch:
		mark = ">"
	}
	s := fmt.Sprintf("%5d %s %-8s %-4s %-34s", l.Step, mark, l.Task, l.Num, l.Text)
	if l.Units != "" {
		s += " | " + l.Units
	}
	return trimRight(s)
}

func trimRight(s string) string {
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}
