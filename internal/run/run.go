// Package run wires the pipeline: it takes the rows of scenarios, explores
// both arms of each, turns what was found into a verdict by the rules of the
// contract, and writes what a run leaves.
package run

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"untorn/engine"
	"untorn/internal/reduce"
	"untorn/internal/report"
	"untorn/internal/target/model"
	"untorn/scenarios"
)

// CacheBytes caps the memory of known states of one exploration.
const CacheBytes = 384 << 20

// Exit codes of the commands.
const (
	ExitOK          = 0 // as expected
	ExitUnexpected  = 1 // a verdict differs from what was expected, or is partial
	ExitUsage       = 2 // usage, a bad scenario, a combination that makes no sense
	ExitEnvironment = 3 // the environment failed
	ExitNotBuilt    = 4 // not supported here, not built yet
)

// Options say how to run rows.
type Options struct {
	Target  Target
	Out     string // where run directories and the report go
	Keep    bool   // write one for rows that held, too
	Workers int    // at least 1
	NoCache bool   // check that skipping known states changes nothing
	// NoReduce names rules of reduction that leave nothing out.
	NoReduce reduce.Set
	// Shrink makes the counterexamples of rows smaller and leaves what they come
	// to beside their directories.
	Shrink   ShrinkRows
	Suite    bool // the rows are all of the suite, so that what they do not reach is missing
	Progress func(line string)

	// Limit, when not 0, ends the search of an arm whose bound has more states
	// than that, or will soon have by the estimate; Sample, when not 0, draws so
	// many schedules of it then.
	Limit  uint64
	Sample int

	// For, when positive, is how long each random exploration of a design may
	// draw, instead of explore.runs of it. The row then has the runs that were
	// drawn, and its control has as many.
	For time.Duration

	Part   Part // of the rows, the zero value for all
	Resume bool // continue the run whose journal is in Out
	// SaveEvery is how often what is known of a row that takes long is saved, 0
	// for never.
	SaveEvery time.Duration
	// Command is the command line and Revision the revision of the sources, for
	// the journal.
	Command, Revision string
	// Notice, when set, is told in a line what the user should know.
	Notice func(line string)

	// Now tells the time for the report; nothing is decided by it.
	Now func() time.Time

	log    *log    // of the run under way, nil for one without a journal
	alikes *alikes // of its rows
}

// An EnvironmentError says that the machine failed, not the design.
type EnvironmentError struct{ Err error }

func (e *EnvironmentError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *EnvironmentError) Unwrap() error { return e.Err }

// Rows explores rows, and leaves the report and the journal in o.Out. When ctx
// ends, the report holds what was done until then and is marked partial. The
// error is an *EnvironmentError, a *scenarios.Error for a row that stands alone
// and makes no sense, or a *JournalError; all come before any work where that
// is possible.
func Rows(ctx context.Context, rows []scenarios.Row, o Options) (*report.Report, int, error) {
	rep := newReport(o.Now())
	plans, err := plan(rows, o.Target)
	if err != nil {
		return nil, ExitUsage, err
	}
	h := o.head(plans)
	if plans = o.Part.of(plans); len(plans) == 0 {
		return nil, ExitUsage, &JournalError{fmt.Sprintf("part %v of %d rows is empty; allowed: as many parts as there are rows", o.Part, h.Rows)}
	}
	out, err := newOutput(o.Out)
	if err != nil {
		return nil, ExitEnvironment, &EnvironmentError{err}
	}
	defer out.close()
	l, err := o.begin(h, plans, out)
	var bad *JournalError
	switch {
	case errors.As(err, &bad):
		return nil, ExitUsage, bad
	case err != nil:
		return nil, ExitEnvironment, &EnvironmentError{err}
	}
	o.log = l
	done, err := o.all(ctx, plans, out, l)
	if err = errors.Join(err, l.Close()); err != nil {
		return nil, ExitEnvironment, &EnvironmentError{err}
	}
	rep.Started, rep.Part = h.Started, h.Part
	code := finish(rep, done, ctx.Err() != nil, o.Suite && o.Part.Of == 0)
	if err := out.writeReport(rep); err != nil {
		return nil, ExitEnvironment, &EnvironmentError{err}
	}
	return rep, code, nil
}

// finish completes a report with the rows that are done, and returns the exit
// code. suite says that they are all of the suite, unless the run is partial.
func finish(rep *report.Report, done []doneRow, partial, suite bool) int {
	code := codes{}
	for i := range done {
		code.add(done[i].code)
		rep.Results = append(rep.Results, *done[i].res)
	}
	if rep.Partial = partial; partial {
		code.add(ExitUnexpected)
	}
	rep.Coverage = coverage(done, rep.Results, suite && !partial)
	return code.worst()
}

// planned is a row and what is known about it before it runs.
type planned struct {
	index    int // of the row among all, from 0
	row      *scenarios.Row
	skip     string
	notBuilt string
	large    bool // the row is one of a large product
}

// largeProduct is the number of rows of one scenario from which on those that
// broke as expected leave no directory.
const largeProduct = 256

// plan checks all rows before the first one runs.
func plan(rows []scenarios.Row, t Target) ([]planned, error) {
	var out []planned
	size := make(map[*scenarios.Scenario]int)
	for i := range rows {
		size[rows[i].Scenario]++
	}
	for i := range rows {
		p := planned{index: i, row: &rows[i], skip: rows[i].Skip, large: size[rows[i].Scenario] >= largeProduct}
		if rows[i].NotBuilt != nil {
			p.notBuilt = rows[i].NotBuilt.Error()
		}
		for _, a := range []*arm{designArm(p.row), controlArm(p.row)} {
			if p.skip != "" || p.notBuilt != "" {
				break
			}
			var nonsense *engine.NonsenseError
			var notBuilt *engine.NotBuiltError
			switch err := t.Check(&a.cfg); {
			case errors.As(err, &nonsense):
				p.skip = nonsense.Reason
			case errors.As(err, &notBuilt):
				p.notBuilt = notBuilt.Error()
			case err != nil:
				return nil, &scenarios.Error{File: p.row.Scenario.File, What: rowTitle(p.row) + ": " + err.Error()}
			}
		}
		if p.skip != "" && p.row.Label == "" {
			return nil, &scenarios.Error{File: p.row.Scenario.File, What: p.skip + "; allowed: a combination that makes sense"}
		}
		out = append(out, p)
	}
	return out, nil
}

func rowTitle(r *scenarios.Row) string {
	if r.Label == "" {
		return r.Scenario.Name
	}
	return r.Scenario.Name + " " + r.Label
}

// codes collects the exit codes of rows.
type codes [5]bool

func (c *codes) add(code int) { c[code] = true }

// worst returns the first code that occurred, in the order 3, 1, 4, 0.
func (c *codes) worst() int {
	for _, code := range []int{ExitEnvironment, ExitUnexpected, ExitNotBuilt} {
		if c[code] {
			return code
		}
	}
	return ExitOK
}

func newReport(now time.Time) *report.Report {
	return &report.Report{Schema: report.Schema, Tool: "untorn", Version: Version, Engine: EngineVersion,
		Host:    report.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()},
		Started: timeText(now), Results: []report.Result{}}
}

func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Version is untorn's own, and EngineVersion that of the model of the kernel:
// it changes whenever the same scenario may give other counts.
const (
	Version       = "0.1.0"
	EngineVersion = "3"
)

// row runs one row.
func (o *Options) row(ctx context.Context, p *planned, shared *controls, out *output) doneRow {
	r := p.row
	res := newResult(r)
	switch {
	case p.skip != "":
		res.Verdict, res.Reason, res.AsExpected = "skipped", p.skip, true
		return doneRow{res: res, code: ExitOK}
	case p.notBuilt != "":
		res.Verdict, res.Reason, res.NotBuilt = "not-checked", p.notBuilt, true
		return doneRow{res: res, code: ExitNotBuilt}
	}
	start := o.Now()
	design := designArm(r)
	if err := o.explainDesign(ctx, r, design); err != nil {
		return doneRow{err: err}
	}
	control, err := shared.of(o, ctx, r, design, &res.Work)
	if err != nil {
		return doneRow{err: err}
	}
	o.fill(res, r, design, control)
	done := doneRow{res: res, reached: design.res.Reached, code: ExitOK}
	if done.dir, err = o.write(res, p, design, control, out); err != nil {
		return doneRow{err: fmt.Errorf("%s: %w", out.root, err)}
	}
	if err := o.shrinkRow(ctx, &done, filepath.Join(out.root, resultDir(res)), rowTitle(r)); err != nil {
		return doneRow{err: fmt.Errorf("%s: %w", rowTitle(r), err)}
	}
	if res.Work.NoReduce = o.NoReduce.Names(); o.NoReduce.Has(reduce.Cells) {
		res.Equivalence = model.EquivalenceApart
	}
	res.Work.Workers, res.Work.Seconds = o.Workers, o.Now().Sub(start).Seconds()
	if !res.AsExpected {
		done.code = ExitUnexpected
	}
	return done
}
