package run

import (
	"context"
	"fmt"
	"reflect"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/internal/reduce"
	"untorn/internal/target/model"
	"untorn/scenarios"
	"untorn/verifier"
)

// arm is one side of a row: the design, or the control without its protection.
type arm struct {
	cfg     model.Config
	res     *Explored
	verdict verifier.Verdict // of this arm alone
	reason  string
	limited string   // why the bound is over the limit
	example *example // of the verdict, nil for an arm that held
}

// example is one schedule that shows a verdict, run again.
type example struct {
	finding explore.Finding
	verdict verifier.Verdict
	replay  *model.Replay
	id      string // of the schedule, for replay --id
}

var contracts = map[string]verifier.Contract{"untorn": verifier.Untorn, "old-or-new": verifier.OldOrNew}

// designArm and controlArm build the configurations of a row.
func designArm(r *scenarios.Row) *arm {
	return &arm{cfg: model.Config{Design: r.Design, Device: r.Device, Workload: r.Workload, Faults: r.Faults, Contract: contracts[r.Contract]}}
}

func controlArm(r *scenarios.Row) *arm {
	a := designArm(r)
	a.cfg.Design, a.cfg.Workload = r.Control.Design, r.Control.Workload
	return a
}

// budget bounds one run of a row.
func budget(r *scenarios.Row) crashsim.Budget {
	both := r.Faults.Budget + r.Explore.Preemptions
	return crashsim.Budget{Faults: r.Faults.Budget, Preemptions: r.Explore.Preemptions, Total: min(both, r.Explore.Together)}
}

// explore walks the arm until a finding of class stopAt or a worse one.
func (o *Options) explore(ctx context.Context, a *arm, r *scenarios.Row, stopAt int, name string) error {
	cfg := explore.Config{Bound: budget(r), Workers: o.Workers, CacheBytes: CacheBytes, StopAt: stopAt,
		NoCache: o.NoReduce.Has(reduce.States), NoCommute: o.NoReduce.Has(reduce.Commute)}
	if a.cfg.NoReduce = o.NoReduce; o.Limit > 0 {
		a.cfg.NoReduce |= reduce.Of(reduce.Levels) // each level tells how large the next one is
	}
	if r.Explore.Random {
		o.random(&cfg, r, name)
	}
	size := &sizer{o: o, title: rowTitle(r) + ": " + name, last: cfg.Bound.Total, start: o.Now()}
	cfg.Grown = size.grown
	if o.Progress != nil {
		cfg.Progress = func(p explore.Progress) {
			o.Progress(fmt.Sprintf("%s: %s: level %d of %d, branch %d of %d, %d schedules%s", rowTitle(r), name, p.Level, p.Levels, p.Done, p.Branches, p.Executed, size.eta()))
		}
	}
	search := func(name string) (*Explored, error) {
		if s := o.states(r, name); s != nil {
			var closed func()
			cfg.Checkpoint, closed = s.checkpoint(o.SaveEvery)
			defer closed()
		}
		return o.Target.Explore(ctx, &a.cfg, cfg)
	}
	res, err := search(name)
	if err == nil && res.Limited {
		a.limited = size.text()
		if o.Sample > 0 {
			drawn(&cfg, r, o.Sample)
			res, err = search(name + "-sample")
		}
	}
	cfg.Checkpoint = nil
	if err != nil {
		return fmt.Errorf("%s: %s arm: %w", rowTitle(r), name, err)
	}
	a.res = res
	if r.Explore.Random && res.Sample != nil && res.Sample.Runs > 0 {
		r.Explore.Runs = int64(res.Sample.Runs)
	}
	if !o.NoCache || res.Partial || r.Explore.Random {
		return nil
	}
	cfg.NoCache, cfg.NoCommute, cfg.Grown = true, true, nil
	each := a.cfg
	each.NoReduce |= reduce.Of(reduce.Cuts, reduce.Levels)
	plain, err := o.Target.Explore(ctx, &each, cfg)
	if err != nil {
		return fmt.Errorf("%s: %s arm without the cache: %w", rowTitle(r), name, err)
	}
	if plain.Partial {
		a.res = plain
		return nil
	}
	a.reason = cacheDiffers(res, plain)
	return nil
}

// cacheDiffers compares an exploration that skips known states with one that
// does not, and says what differs. Anything that does is a defect of untorn.
func cacheDiffers(with, without *Explored) string {
	switch {
	case with.Schedules != without.Schedules:
		return fmt.Sprintf("the cache changes the count of schedules: %v with it, %v without", with.Schedules, without.Schedules)
	case with.Tally != without.Tally:
		return "the cache changes what was counted, though not the number of schedules"
	case with.Reached != without.Reached:
		return "the cache changes which steps were reached"
	case with.Distinct != without.Distinct || with.DistinctExact != without.DistinctExact:
		return fmt.Sprintf("the cache changes the count of distinct images: %d with it, %d without", with.Distinct, without.Distinct)
	case !reflect.DeepEqual(with.Findings, without.Findings):
		return "the cache changes the findings, though not the counts"
	}
	return ""
}

// exploreControl looks for the very verdict that the control has to earn. One
// that is worse ends a search too, so that the search may have to be done
// again without an end. whole asks for that at once.
func (o *Options) exploreControl(ctx context.Context, a *arm, r *scenarios.Row, whole bool) error {
	if whole {
		return o.explore(ctx, a, r, -1, "control")
	}
	want, _ := verifier.ParseVerdict(r.Control.Breaks)
	if err := o.explore(ctx, a, r, model.ClassOf(want), "control"); err != nil {
		return err
	}
	if a.res.Partial || a.limited != "" || a.res.Exhausted || r.Explore.Random || a.finding(want) != nil {
		return nil
	}
	return o.explore(ctx, a, r, -1, "control")
}

// finding returns the cheapest way to a verdict, or nil.
func (a *arm) finding(v verifier.Verdict) *explore.Finding {
	for i := range a.res.Findings {
		if f := &a.res.Findings[i]; model.VerdictOf(f.Class) == v {
			return f
		}
	}
	return nil
}

// judge gives the arm its own verdict, in the order of the contract: not
// checked, stuck, refused, then the worst verdict of its images.
func (a *arm) judge() {
	c := &a.res.Counts
	switch {
	case a.reason != "":
		a.verdict = verifier.NotChecked
		return
	case !c.Verdicts[verifier.NotChecked].IsZero():
		a.verdict, a.reason = verifier.NotChecked, fmt.Sprintf("%v images were not judged", c.Verdicts[verifier.NotChecked])
		return
	case c.Covered.IsZero():
		a.verdict, a.reason = verifier.NotChecked, "no image was judged"
		return
	case a.res.Stuck != nil:
		a.verdict, a.reason = verifier.Stuck, fmt.Sprintf("a schedule ended with: %v", a.res.Stuck.Kind)
		return
	case c.Accepted.IsZero():
		a.verdict, a.reason = verifier.Refused, "no schedule accepted an atomic write"
		if why := model.WhyRefused(&a.cfg); why != "" {
			a.reason += ": " + why
		}
		return
	}
	a.verdict = verifier.Held
	for v := verifier.Corrupt; v.Bad(); v++ {
		if !c.Verdicts[v].IsZero() {
			a.verdict = v
			return
		}
	}
}

// showExample runs the cheapest schedule to verdict v again. An arm that was
// stuck shows the schedule that did not end.
func (o *Options) showExample(a *arm, r *scenarios.Row, v verifier.Verdict) error {
	var f explore.Finding
	var replay *model.Replay
	var err error
	switch found := a.finding(v); {
	case v == verifier.Stuck:
		s := a.res.Stuck
		f = explore.Finding{Class: -1, Steps: s.Steps, Faults: s.Faults, Preemptions: s.Preemptions}
		replay, err = o.Target.ReplayStuck(&a.cfg, &a.res.Result)
	case found != nil:
		f = *found
		replay, err = o.Target.ReplayFinding(&a.cfg, found)
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("the counterexample cannot be run again: %w", err)
	}
	if v != verifier.Stuck && replay.Verdict != v {
		return fmt.Errorf("the counterexample gave %v, and run again %v", v, replay.Verdict)
	}
	a.example = &example{finding: f, verdict: v, replay: replay}
	return a.nameExample(o.Target)
}

// nameExample gives the schedule of the example its replay id.
func (a *arm) nameExample(t Target) (err error) {
	if a.example.id, err = replayID(t, &a.cfg, a.example.replay.Tape); err != nil {
		return fmt.Errorf("the counterexample has no replay id: %w", err)
	}
	return nil
}
