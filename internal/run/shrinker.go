package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/internal/shrink"
	"untorn/internal/target/model"
	"untorn/scenarios"
	"untorn/verifier"
)

// How long one smaller case is searched for a schedule that earns the verdict:
// first so many random schedules, then every schedule within the faults and
// preemptions of the case before, as far as so many steps go.
const (
	shrinkRuns  = 100
	ShrinkSteps = 400_000
)

// proofSearches is how many searches' worth of steps the check of a minimum may
// take, beyond the one that each reduction has of its own: the check is a proof
// only where the search came to its end.
const proofSearches = 100

// shrinker makes one counterexample smaller.
type shrinker struct {
	o       ShrinkOptions
	verdict verifier.Verdict
	end     string // how a schedule that is stuck ends
	err     error

	start, best smallCase
	minimal     bool   // best was checked to be
	id          string // of the schedule that was left

	tried  int
	steps  int64 // of all searches
	limit  int64 // of the search to come
	check  checked
	during *checked // the check under way, nil during the search for smaller cases
}

// checked is what the check of a minimum did with its single reductions.
type checked struct {
	reductions int
	done       int
	senseless  int      // make no scenario that makes sense
	played     int      // only leave choices out: there is one schedule to try
	searched   int      // whose every schedule within bounds was explored
	cut        []string // what the others reduce
}

// begin is the case on record, played up to the first image of its verdict.
func (s *shrinker) begin(k keptRun) (smallCase, error) {
	schedule, err := model.Schedule(k.tape)
	if err != nil {
		return smallCase{}, err
	}
	c := smallCase{row: k.row, schedule: schedule}
	played, ok, err := model.PlayLoose(&designArm(&c.row).cfg, c.schedule, s.verdict)
	switch {
	case err != nil:
		return c, err
	case !ok:
		return c, fmt.Errorf("the schedule does not earn %v, the verdict on record", s.verdict)
	}
	s.end = endOf(&played.Outcome)
	return c, s.take(&c, &played)
}

// minimize makes the best case of the first one. What the check finds with more
// steps than the search had is where the search goes on.
func (s *shrinker) minimize(ctx context.Context) {
	p := s.problem()
	s.best, s.limit = s.start, s.o.steps()
	for s.err == nil {
		var whole bool
		if s.best, whole = p.Minimize(ctx, s.best); s.err != nil {
			return
		}
		best := s.best
		best.row.Faults.Budget, best.row.Explore.Preemptions = best.faults, best.switches
		best.row.Explore.Together = max(best.row.Explore.Together, best.faults+best.switches)
		best.row.Explore.Random = !s.explorable(ctx, best)
		s.best = best
		if !whole {
			return
		}
		left, minimal, whole := s.prove(ctx)
		if s.minimal = minimal && whole && s.err == nil; s.minimal || !whole {
			return
		}
		s.best = left
	}
}

// prove tries every single reduction of the best case once more. Each may take
// as many steps as in the search, and its share of what the check has beyond
// that and the ones before it left.
func (s *shrinker) prove(ctx context.Context) (left smallCase, minimal, whole bool) {
	s.check = checked{}
	for range s.best.smaller() {
		s.check.reductions++
	}
	s.during = &s.check
	defer func() { s.during, s.limit = nil, s.o.steps() }()
	p := s.problem()
	own := s.o.steps()
	pool := proofSearches * own
	fails := p.Fails
	p.Fails = func(ctx context.Context, c smallCase) (smallCase, bool) {
		s.limit = own + pool/int64(s.check.reductions-s.check.done)
		before := s.steps
		got, ok := fails(ctx, c)
		pool -= max(0, min(s.steps-before, s.limit)-own)
		s.check.done++
		return got, ok
	}
	return p.Check(ctx, s.best)
}

func (o *ShrinkOptions) steps() int64 {
	if o.Steps > 0 {
		return o.Steps
	}
	return ShrinkSteps
}

func (s *shrinker) problem() *shrink.Problem[smallCase] {
	return &shrink.Problem[smallCase]{
		Smaller: smallCase.smaller,
		Less:    smallCase.less,
		Fails: func(ctx context.Context, c smallCase) (smallCase, bool) {
			ok := s.fails(ctx, &c)
			return c, ok
		},
		Kept:  func(c smallCase) { s.best = c; s.progress() },
		Tried: func() { s.tried++; s.progress() },
	}
}

func (s *shrinker) progress() {
	if s.o.Progress == nil {
		return
	}
	if c := s.during; c != nil {
		s.o.Progress(fmt.Sprintf("check that it is minimal: %d of %d reductions, %d steps", c.done, c.reductions, s.steps))
		return
	}
	w := &s.best.row.Workload
	s.o.Progress(fmt.Sprintf("shrink: %d operations, %d tasks, %d+%d/%d; %d tried, %d steps", len(w.Ops), tasksOf(w),
		s.best.faults, s.best.switches, s.best.steps, s.tried, s.steps))
}

// fails looks for a schedule of c that earns the verdict and makes it smaller
// than the best case, and puts it into c.
func (s *shrinker) fails(ctx context.Context, c *smallCase) bool {
	note := s.during
	if note == nil {
		note = &checked{}
	}
	if !s.sound(c) {
		note.senseless++
		return false
	}
	// A schedule that is at hand may cost more than the case is smaller.
	smaller := func(found bool, of smallCase) bool {
		if found = found && of.less(s.best); found {
			*c = of
		}
		return found
	}
	if c.try != byBudget {
		one := *c
		switch ok, err := s.play(&one); {
		case err != nil:
			note.senseless++
			return false
		case smaller(ok, one):
			return true
		}
	}
	if c.try == byTape {
		note.played++
		return false
	}
	if c.try == bySearch {
		one := *c
		if ok := s.draw(ctx, &one); smaller(ok, one) {
			return true
		}
	}
	one := *c
	ok, whole := s.search(ctx, &one)
	switch {
	case smaller(ok, one):
		return true
	case ok || whole:
		note.searched++
	default:
		note.cut = append(note.cut, c.what)
	}
	return false
}

// sound reports whether a case can be written as a scenario that makes sense
// and is that very case.
func (s *shrinker) sound(c *smallCase) bool {
	cfg := &designArm(&c.row).cfg
	if cfg.Check() != nil {
		return false
	}
	row, err := s.row(c)
	return err == nil && row.Skip == "" && row.NotBuilt == nil && fingerprint(&designArm(row).cfg) == fingerprint(cfg) &&
		controlArm(row).cfg.Check() == nil
}

// row is the case as a scenario of its own.
func (s *shrinker) row(c *smallCase) (*scenarios.Row, error) {
	sc, err := scenarios.Decode("scenario.yaml", []byte(c.text()))
	if err != nil {
		return nil, err
	}
	rows := sc.Rows()
	if len(rows) != 1 {
		return nil, fmt.Errorf("scenario.yaml: %d rows", len(rows))
	}
	return &rows[0], nil
}

func (c *smallCase) text() string {
	return c.row.ReduceTo(&c.row.Workload, &c.row.Faults, &c.row.Explore)
}

// play plays what fits of the schedule of c.
func (s *shrinker) play(c *smallCase) (bool, error) {
	played, ok, err := model.PlayLoose(&designArm(&c.row).cfg, c.schedule, s.verdict)
	if ok = ok && s.same(&played); ok {
		err = s.take(c, &played)
	}
	return ok && err == nil, err
}

// same reports whether a schedule that is stuck is so in the way of the first one.
func (s *shrinker) same(p *model.Played) bool {
	return s.verdict != verifier.Stuck || endOf(&p.Outcome) == s.end
}

func (s *shrinker) take(c *smallCase, p *model.Played) (err error) {
	c.schedule, err = model.Schedule(p.Tape)
	c.cut = p.Tape[len(c.schedule):]
	c.steps, c.faults, c.switches = p.Steps, p.Outcome.Faults, p.Outcome.Preemptions
	return err
}

// explorable reports whether every schedule within the bounds of a case can be
// explored, and one earns the verdict.
func (s *shrinker) explorable(ctx context.Context, c smallCase) bool {
	if c.switches > scenarios.MaxBound {
		return false
	}
	ok, _ := s.search(ctx, &c)
	return ok
}

// draw looks for the verdict by random priorities.
func (s *shrinker) draw(ctx context.Context, c *smallCase) bool {
	var found atomic.Bool
	cfg := explore.Config{Bound: crashsim.Budget{Faults: c.faults, Total: c.faults}, Workers: 1, Runs: shrinkRuns, Seed: 1,
		Strategy: explore.PCT, Depth: 3, Enough: found.Load}
	_, ok := s.explored(ctx, c, explore.RunRandom, cfg, func(p *counted) { found.Store(found.Load() || p.saw) })
	return ok
}

// search looks for the cheapest schedule that earns the verdict. whole says that
// no answer is one: every schedule within the bounds of c was explored.
func (s *shrinker) search(ctx context.Context, c *smallCase) (ok, whole bool) {
	bound := crashsim.Budget{Faults: c.faults, Preemptions: c.switches, Total: c.faults + c.switches}
	cfg := explore.Config{Bound: bound, Workers: 1, CacheBytes: CacheBytes, StopAt: model.ClassOf(s.verdict)}
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	before, told := s.steps, int64(0)
	res, ok := s.explored(limited, c, explore.Run, cfg, func(p *counted) {
		if s.steps = before + p.steps; p.steps > s.limit {
			cancel()
		}
		if p.steps-told > progressSteps {
			told = p.steps
			s.progress()
		}
	})
	if s.steps-before > s.limit {
		// Whether it was found before the end depends on when that was noticed.
		s.steps = before + s.limit
		return false, false
	}
	// Of schedules that are stuck an exploration tells of the cheapest only.
	return ok, res != nil && res.Exhausted && (s.verdict != verifier.Stuck || res.Stuck == nil)
}

// progressSteps is how many steps of one search pass between two lines of
// progress.
const progressSteps = 200_000

// walk is explore.Run or explore.RunRandom.
type walk func(context.Context, func() explore.Program, explore.Config) (*explore.Result, error)

// explored walks schedules of c, tells after after each, and takes the cheapest
// that earns the verdict.
func (s *shrinker) explored(ctx context.Context, c *smallCase, walk walk, cfg explore.Config, after func(*counted)) (*explore.Result, bool) {
	config := &designArm(&c.row).cfg
	shared := model.NewShared(false)
	class := model.ClassOf(s.verdict)
	res, err := walk(ctx, func() explore.Program {
		p, err := model.NewProgram(config, shared)
		if err != nil {
			panic(err) // the configuration was checked
		}
		return &counted{Program: p, class: class, after: after}
	}, cfg)
	if err != nil {
		s.err = err
		return nil, false
	}
	p, err := cheapest(config, res, class)
	if err == nil && p != nil && s.same(p) {
		return res, s.take(c, p) == nil
	}
	s.err = errors.Join(s.err, err)
	return res, false
}

// cheapest plays the finding of a class again, or the schedule that is stuck
// when class is -1. It returns nil when there is none.
func cheapest(c *model.Config, res *explore.Result, class int) (*model.Played, error) {
	var p *model.Replay
	var err error
	if class < 0 && res.Stuck != nil {
		p, err = model.ReplayStuck(c, res)
	}
	for i := range res.Findings {
		if f := &res.Findings[i]; f.Class == class {
			p, err = model.ReplayFinding(c, f)
		}
	}
	if p == nil || err != nil {
		return nil, err
	}
	return &model.Played{Tape: p.Tape, Steps: p.Steps, Outcome: p.Outcome}, nil
}

// counted is a program that knows how many steps it took and whether it saw a
// class of finding, or of class -1 a schedule that is stuck.
type counted struct {
	explore.Program
	class int
	after func(*counted)
	steps int64
	saw   bool
}

// Run implements explore.Program.
func (p *counted) Run(c crashsim.Chooser, b crashsim.Budget) crashsim.Outcome {
	out := p.Program.Run(c, b)
	p.steps += int64(out.Steps)
	p.saw = p.saw || p.class < 0 && out.Kind != crashsim.Done && out.Kind != crashsim.Stopped
	p.after(p)
	return out
}

// Take implements explore.Program.
func (p *counted) Take(t *explore.Tally) {
	p.Program.Take(t)
	if p.class >= 0 && t.First[p.class] != explore.Never {
		p.saw = true
		p.after(p)
	}
}

// endOf says how a schedule that is stuck ends, and where when it panics: two
// panics may be two defects. A schedule that goes round for ever runs into the
// step cap when it is played.
func endOf(o *crashsim.Outcome) string {
	switch o.Kind {
	case crashsim.Panicked:
		_, stack, _ := strings.Cut(o.Detail, "\n\t")
		where, _, _ := strings.Cut(stack, "\n")
		return "panic in " + where
	case crashsim.Cycle:
		return crashsim.StepCap.String()
	}
	return o.Kind.String()
}
