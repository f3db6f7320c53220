package run

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"untorn/engine"
	"untorn/internal/report"
	"untorn/internal/target/model"
	"untorn/scenarios"
	"untorn/verifier"
)

// MutantNames lists the planted defects.
func MutantNames() []string {
	var names []string
	for _, m := range engine.Mutants() {
		names = append(names, m.Name)
	}
	return names
}

// PickMutants returns the planted defects of these names, all when there is
// none.
func PickMutants(names []string) ([]engine.Mutant, error) {
	for _, name := range names {
		if all := MutantNames(); !slices.Contains(all, name) {
			return nil, fmt.Errorf("%q is no planted defect; %sallowed: one that \"untorn mutants --list\" prints", name, scenarios.Nearest(name, all))
		}
	}
	picked := slices.Clone(engine.Mutants())
	return slices.DeleteFunc(picked, func(m engine.Mutant) bool { return len(names) > 0 && !slices.Contains(names, m.Name) }), nil
}

// Mutants turns on one planted defect after the other and looks for a row
// that breaks by it: a row of the suite whose design is expected to hold, in
// its own bounds, the scenarios that are known to catch the defect first. A
// row without any defect that breaks is a false alarm. Only what an image
// shows is a kill: a schedule that is stuck is none. The code is ExitOK when
// every defect is killed and there is no false alarm.
func Mutants(ctx context.Context, rows []scenarios.Row, mutants []engine.Mutant, o Options) (*report.Mutants, int, error) {
	plans, err := plan(rows, o.Target)
	if err != nil {
		return nil, ExitUsage, err
	}
	plans = slices.DeleteFunc(plans, func(p planned) bool {
		return p.skip != "" || p.notBuilt != "" || p.row.Expect != verifier.Held.String() || p.row.Design.Mutant != ""
	})
	out, err := newOutput(o.Out)
	if err != nil {
		return nil, ExitEnvironment, &EnvironmentError{err}
	}
	defer out.close()
	rep := &report.Mutants{Report: *newReport(o.Now()), Total: len(mutants), Mutants: []report.Mutant{}}
	for i := range mutants {
		m, err := o.kill(ctx, &mutants[i], plans, out)
		if err != nil {
			return nil, ExitEnvironment, &EnvironmentError{err}
		}
		if ctx.Err() != nil {
			rep.Partial = true
			return rep, ExitUnexpected, nil
		}
		if m.KilledBy != "" {
			rep.Killed++
		}
		rep.Mutants = append(rep.Mutants, *m)
	}
	if err := o.falseAlarms(ctx, plans, rep); err != nil {
		return nil, ExitEnvironment, &EnvironmentError{err}
	}
	if rep.Partial || rep.Killed < rep.Total || rep.FalseAlarms > 0 {
		return rep, ExitUnexpected, nil
	}
	return rep, ExitOK, nil
}

// kill looks for the first row that a defect breaks.
func (o *Options) kill(ctx context.Context, m *engine.Mutant, plans []planned, out *output) (*report.Mutant, error) {
	res := &report.Mutant{Name: m.Name, Defect: m.Defect}
	for _, p := range suspects(m, plans) {
		r := p.row.WithMutant(m.Name)
		a := designArm(&r)
		if err := o.explore(ctx, a, &r, model.ClassOf(verifier.Stale), m.Name); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return res, nil
		}
		res.Tried++
		a.judge()
		if a.verdict == verifier.Stuck {
			res.Stuck++
		}
		if !a.verdict.Bad() || a.verdict == verifier.NotChecked {
			continue
		}
		if err := o.showExample(a, &r, a.verdict); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", m.Name, rowTitle(&r), err)
		}
		res.KilledBy, res.Row, res.Verdict = r.Scenario.Name, r.Label, a.verdict.String()
		f := &a.example.finding
		res.Faults, res.Preemptions, res.Steps = f.Faults, f.Preemptions, f.Steps
		var err error
		res.Replay, err = o.writeKill(m.Name, &r, a, out)
		return res, err
	}
	return res, nil
}

// suspects orders the rows: those of scenarios that are known to kill first.
func suspects(m *engine.Mutant, plans []planned) []planned {
	rank := func(p planned) int {
		if i := slices.Index(m.Killers, p.row.Scenario.Name); i >= 0 {
			return i
		}
		return len(m.Killers)
	}
	out := slices.Clone(plans)
	slices.SortStableFunc(out, func(a, b planned) int { return rank(a) - rank(b) })
	return out
}

// writeKill leaves the directory of a kill and returns the command that
// replays it.
func (o *Options) writeKill(name string, r *scenarios.Row, a *arm, out *output) (string, error) {
	dir := filepath.Join(out.root, name)
	command := replayCommand(dir)
	res := newResult(r)
	res.Verdict, res.Expect, res.AsExpected = a.verdict.String(), a.verdict.String(), true
	res.Reason = a.example.replay.Reason
	res.Counterexample = counterexample(a)
	res.Counterexample.Replay = command
	err := atomically(dir, func(tmp string) error { return o.writeArm(tmp, res, r.Reduce(), a) })
	return command, err
}

// falseAlarms runs the rows without any defect.
func (o *Options) falseAlarms(ctx context.Context, plans []planned, rep *report.Mutants) error {
	for _, p := range plans {
		a := designArm(p.row)
		if err := o.explore(ctx, a, p.row, model.ClassOf(verifier.Stale), "no defect"); err != nil {
			return err
		}
		if ctx.Err() != nil {
			rep.Partial = true
			return nil
		}
		rep.Rows++
		if a.judge(); a.verdict != verifier.Held {
			rep.FalseAlarms++
			rep.Alarms = append(rep.Alarms, fmt.Sprintf("%s: %v", rowTitle(p.row), a.verdict))
		}
	}
	return nil
}
