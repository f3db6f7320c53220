package run

import (
	"context"

	"untorn/internal/report"
)

// ShrinkRows says which of the rows that leave a counterexample have it made
// smaller.
type ShrinkRows string

// The rows that are shrunk.
const (
	ShrinkNone       ShrinkRows = ""
	ShrinkUnexpected ShrinkRows = "unexpected" // those that break and were not expected to, or in another way
	ShrinkAll        ShrinkRows = "all"
)

// shrunkDir is where the smaller counterexample of a row's directory goes.
func shrunkDir(dir string) string { return dir + "-shrunk" }

// shrinkRow shrinks the counterexample that a row left in dir, if it is to be. When
// ctx ends, the best so far is left, and nothing when it has ended before.
func (o *Options) shrinkRow(ctx context.Context, d *doneRow, dir, title string) error {
	x := d.res.Counterexample
	if o.Shrink == ShrinkNone || o.Shrink == ShrinkUnexpected && d.res.AsExpected || x == nil || !d.dir || ctx.Err() != nil {
		return nil
	}
	so := ShrinkOptions{Out: shrunkDir(dir), Now: o.Now}
	if o.Progress != nil {
		so.Progress = func(line string) { o.Progress(title + ": " + line) }
	}
	s, _, err := shrinkDir(ctx, dir, so)
	if err != nil {
		return err
	}
	w := &s.best.row.Workload
	x.Shrunk = &report.Shrunk{Minimal: s.minimal, Operations: len(w.Ops), Tasks: tasksOf(w), Faults: s.best.faults, Preemptions: s.best.switches,
		Steps: s.best.steps, Replay: replayCommand(so.Out), ID: s.id}
	return nil
}
