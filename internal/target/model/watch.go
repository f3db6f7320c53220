package model

import (
	"context"
	"fmt"
	"slices"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/ondisk"
	"untorn/verifier"
)

// Watcher is told what a configuration does, for comparing it with a real
// kernel.
type Watcher struct {
	// Units is told what the units hold in each image that is looked at, as
	// Verifier.Units prints it. Groups of units are varied one by one, so that only
	// for a workload of one group is that all that a loss of power may leave.
	Units func(text string)
	// Log is told of the block log of each schedule that ended. It belongs to the
	// callee.
	Log func(l *blk.Log, super *ondisk.Super)
}

// Watch runs every schedule of a configuration within a bound.
func Watch(c *Config, bound crashsim.Budget, w Watcher) error {
	res, err := explore.Run(context.Background(), func() explore.Program {
		p, err := newProgram(c, NewShared(true))
		if err != nil {
			panic(err) // whoever asks has checked the configuration
		}
		x := &watched{program: p, w: w}
		p.sink = &overShoulder{p.judge, w.Units}
		p.onCut = func(*verifier.Result, uint32) {}
		p.kernel.Device().OnEvent = func(e *blk.Event) {
			own := *e
			own.Payload = slices.Clone(e.Payload)
			x.log.Append(own)
			p.event(e)
		}
		return x
	}, explore.Config{Bound: bound, Workers: 1, NoCache: true, StopAt: -1})
	if err == nil && res.Stuck != nil {
		err = fmt.Errorf("a schedule ended with: %v", res.Stuck.Kind)
	}
	return err
}

// watched is a program whose log is kept.
type watched struct {
	*program
	w   Watcher
	log blk.Log
}

// Run executes one schedule.
func (x *watched) Run(c crashsim.Chooser, b crashsim.Budget) crashsim.Outcome {
	x.log = blk.Log{}
	out := x.program.Run(c, b)
	if out.Kind == crashsim.Done {
		l := x.log
		x.w.Log(&l, x.kernel.Super())
	}
	return out
}

// overShoulder passes every image on to the judge and looks at its units.
type overShoulder struct {
	*verifier.Verifier
	units func(string)
}

// Leaf implements blk.Sink.
func (o *overShoulder) Leaf(group int, weight *count.Count) {
	o.Verifier.Leaf(group, weight)
	o.units(o.Units())
}
