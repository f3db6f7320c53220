package run

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"time"

	"untorn/crashsim/explore"
	"untorn/engine"
	"untorn/internal/replayid"
	"untorn/internal/tape"
	"untorn/internal/target/model"
	"untorn/scenarios"
	"untorn/verifier"
)

// fingerprint tells configurations apart by everything that decides what a
// schedule does. What it may cost is no part of that, nor how it is explored.
// Fields that are zero are left out, so that one that is added later changes no
// fingerprint.
func fingerprint(c *model.Config) replayid.Row {
	one := *c
	one.Faults.Name, one.Faults.Budget = "", 0
	one.NoReduce, one.Others = 0, engine.Alike{}
	var b strings.Builder
	printValue(&b, reflect.ValueOf(one))
	sum := sha256.Sum256([]byte(b.String()))
	return replayid.Row(sum[:])
}

// printValue prints what is not zero: structs with the names of their fields,
// arrays with their indexes, enums by their names.
func printValue(b *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		b.WriteByte('{')
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() {
				b.WriteString(v.Type().Field(i).Name + ":")
				printValue(b, f)
			}
		}
		b.WriteByte('}')
	case reflect.Slice, reflect.Array:
		b.WriteByte('[')
		for i := range v.Len() {
			if v.Kind() == reflect.Slice || !v.Index(i).IsZero() {
				fmt.Fprintf(b, "%d:", i)
				printValue(b, v.Index(i))
			}
		}
		b.WriteByte(']')
	default:
		fmt.Fprintf(b, "%q ", fmt.Sprint(v.Interface()))
	}
}

// replayID names the schedule of a tape of an arm.
func replayID(t Target, c *model.Config, tp tape.Tape) (string, error) {
	n, err := t.Number(c, tp)
	if err != nil {
		return "", err
	}
	id := replayid.ID{Engine: EngineVersion, Row: fingerprint(c), Event: n.Event, Verdict: uint8(n.Verdict), Answers: n.Answers}
	return id.String(), nil
}

// ReplayID runs the schedule of a replay id on the row of a scenario that it
// belongs to, and prints its trace. With dir it also leaves a run directory
// there; one that exists is refused. The code of an id that is damaged or
// belongs to another scenario is ExitUsage, of one of another engine
// ExitNotBuilt.
func ReplayID(w io.Writer, t Target, s *scenarios.Scenario, text, dir string, now func() time.Time) (int, error) {
	id, err := replayid.Parse(text)
	if err != nil {
		return ExitUsage, fmt.Errorf("replay id: %w", err)
	}
	if id.Engine != EngineVersion {
		return ExitNotBuilt, fmt.Errorf("replay id: made by engine %s, and this is engine %s; allowed: the untorn that printed it", id.Engine, EngineVersion)
	}
	if _, err := os.Lstat(dir); dir != "" && err == nil {
		return ExitUsage, fmt.Errorf("%s: exists; allowed: the name of a directory to make", dir)
	}
	r, a, control := armOf(s, id.Row)
	if a == nil {
		return ExitUsage, fmt.Errorf("replay id: of no row of %s; allowed: the scenario, and every --set, of the run that printed it", s.Name)
	}
	var notBuilt *engine.NotBuiltError
	switch err := checkRow(r, t, &a.cfg); {
	case errors.As(err, &notBuilt):
		return ExitNotBuilt, fmt.Errorf("%s: %w", s.File, err)
	case err != nil:
		return ExitUsage, fmt.Errorf("%s: %w", s.File, err)
	}
	tp, err := t.Name(&a.cfg, model.Numbered{Answers: id.Answers, Event: id.Event, Verdict: verifier.Verdict(id.Verdict)})
	if err != nil {
		return ExitUnexpected, fmt.Errorf("replay id: %w", err)
	}
	p, err := t.ReplayTape(&a.cfg, tp)
	if err != nil {
		return ExitUnexpected, fmt.Errorf("replay id: %w", err)
	}
	if dir != "" {
		if err := leaveReplay(dir, r, a, control, p, text, now); err != nil {
			return ExitEnvironment, &EnvironmentError{err}
		}
	}
	if _, err := io.WriteString(w, traceText(p)); err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	return ExitOK, nil
}

// armOf finds the arm that a fingerprint is of; the arm is nil when there is
// none.
func armOf(s *scenarios.Scenario, want replayid.Row) (r *scenarios.Row, a *arm, control bool) {
	rows := s.Rows()
	for i := range rows {
		for control, a := range []*arm{designArm(&rows[i]), controlArm(&rows[i])} {
			if fingerprint(&a.cfg) == want {
				return &rows[i], a, control == 1
			}
		}
	}
	return nil, nil, false
}

// leaveReplay writes a run directory for one schedule. Its report says nothing
// of a space, since none was explored.
func leaveReplay(dir string, r *scenarios.Row, a *arm, control bool, p *model.Replay, id string, now func() time.Time) error {
	f := explore.Finding{Class: -1, Steps: p.Steps, Faults: p.Outcome.Faults, Preemptions: p.Outcome.Preemptions}
	a.example = &example{finding: f, verdict: p.Verdict, replay: p, id: id}
	res, reduced := newResult(r), r.Reduce()
	if control {
		res.Mutant, res.Expect, reduced = a.cfg.Design.Mutant, r.Control.Breaks, r.ReduceControl()
	}
	res.Verdict, res.Reason = p.Verdict.String(), p.Reason
	res.AsExpected = res.Verdict == res.Expect
	res.Counterexample = counterexample(a)
	res.Counterexample.Replay = "untorn replay " + ShellWord(dir)
	o := Options{Now: now}
	return atomically(dir, func(tmp string) error { return o.writeArm(tmp, res, reduced, a) })
}
