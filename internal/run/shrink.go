package run

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/internal/shrink"
	"untorn/internal/target/model"
	"untorn/scenarios"
	"untorn/verifier"
	"untorn/workloads"
)

// How long one smaller case is searched for a schedule that earns the verdict:
// first so many random schedules, then every schedule within the faults and
// preemptions of the case before, as far as so many steps go.
const (
	shrinkRuns  = 100
	shrinkSteps = 400_000
)

// ShrinkOptions say where a shrunk run goes and who is told.
type ShrinkOptions struct {
	Out      string // the run directory to make; one that exists has to be a run directory
	Progress func(line string)
	Now      func() time.Time
}

// Shrink makes the counterexample of a run directory smaller while it earns the
// same verdict, leaves a new run directory in o.Out, and tells w what became of
// it. When ctx ends, the best so far is left and the code is ExitUnexpected.
func Shrink(ctx context.Context, w io.Writer, dir string, o ShrinkOptions) (int, error) {
	kept, code, err := readRun(Model{}, dir)
	if err != nil {
		return code, err
	}
	v, _ := verifier.ParseVerdict(kept.verdict)
	if v != verifier.Stuck && model.ClassOf(v) < 0 {
		return ExitUsage, fmt.Errorf("%s: the verdict on record is %s; allowed: a run that broke", dir, kept.verdict)
	}
	if err := replaceable(o.Out); err != nil {
		return ExitUsage, err
	}
	s := &shrinker{o: o, verdict: v}
	start, err := s.start(kept)
	if err != nil {
		return ExitUnexpected, fmt.Errorf("%s: %w%s", filepath.Join(dir, "tape.txt"), err, otherEngine(kept.engine))
	}
	s.best = start
	p := s.problem()
	best, whole := p.Minimize(ctx, start)
	if s.err != nil {
		return ExitEnvironment, &EnvironmentError{s.err}
	}
	best.row.Faults.Budget, best.row.Explore.Preemptions = best.faults, best.switches
	best.row.Explore.Random = !s.explorable(ctx, best)
	if err := s.leave(&best); err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	verdictOfCheck := "1-minimal: no single reduction of it fails"
	if !whole {
		verdictOfCheck = "PARTIAL: ended early; this is the best so far"
	} else if left, minimal, checked := s.problem().Check(ctx, best); !checked {
		verdictOfCheck, whole = "PARTIAL: ended early; whether it is 1-minimal was not checked", false
	} else if !minimal {
		return ExitUnexpected, fmt.Errorf("not 1-minimal: %v still fails: a defect of untorn", left.size())
	}
	tellShrunk(w, &start, &best)
	fmt.Fprintf(w, "\n%s (%d tried, %d searched to the end of their bounds, %d cut short)\n\nReplay with:\n  untorn replay %s\n",
		verdictOfCheck, s.tried, s.exhausted, s.cut, ShellWord(o.Out))
	if !whole {
		return ExitUnexpected, nil
	}
	return ExitOK, nil
}

// maxSmallPreemptions is the most that a scenario may bound.
const maxSmallPreemptions = 16

// replaceable refuses an output that is there and that no run has left.
func replaceable(dir string) error {
	st, err := os.Lstat(dir)
	if err != nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "tape.txt")); err != nil || !st.IsDir() {
		return fmt.Errorf("%s: exists and is no run directory; allowed: the name of a directory to make", dir)
	}
	return nil
}

// shrinker tries smaller cases.
type shrinker struct {
	o       ShrinkOptions
	verdict verifier.Verdict
	err     error

	best           smallCase
	tried          int
	exhausted, cut int // searches that came to their end, and that did not
}

// start is the case on record, played up to the first image of its verdict.
func (s *shrinker) start(k keptRun) (smallCase, error) {
	schedule, err := model.Schedule(k.tape)
	if err != nil {
		return smallCase{}, err
	}
	c := smallCase{row: k.row, schedule: schedule}
	ok, err := s.play(&c)
	if err == nil && !ok {
		err = fmt.Errorf("the schedule does not earn %v, the verdict on record", s.verdict)
	}
	return c, err
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
	if s.o.Progress != nil && s.best.row.Scenario != nil {
		w := &s.best.row.Workload
		s.o.Progress(fmt.Sprintf("shrink: %d operations, %d tasks, %d steps, %d faults, %d preemptions; %d tried", len(w.Ops), tasksOf(w),
			s.best.steps, s.best.faults, s.best.switches, s.tried))
	}
}

// fails looks for a schedule of c that earns the verdict, and puts it into c.
func (s *shrinker) fails(ctx context.Context, c *smallCase) bool {
	if !s.sound(c) {
		return false
	}
	if c.try != byBudget {
		if ok, err := s.play(c); err != nil || ok {
			return ok
		}
	}
	if c.try == byTape || s.verdict == verifier.Stuck {
		return false
	}
	return c.try == bySearch && s.draw(ctx, c) || s.search(ctx, c)
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
	if ok {
		err = s.take(c, &played)
	}
	return ok && err == nil, err
}

func (s *shrinker) take(c *smallCase, p *model.Played) (err error) {
	c.schedule, err = model.Schedule(p.Tape)
	c.cut = p.Tape[len(c.schedule):]
	c.steps, c.faults, c.switches = p.Steps, p.Faults, p.Preemptions
	return err
}

// explorable reports whether every schedule within the bounds of a case can be
// explored, and one earns the verdict.
func (s *shrinker) explorable(ctx context.Context, c smallCase) bool {
	return c.switches <= maxSmallPreemptions && s.verdict != verifier.Stuck && s.search(ctx, &c)
}

// draw looks for the verdict by random priorities.
func (s *shrinker) draw(ctx context.Context, c *smallCase) bool {
	var found atomic.Bool
	cfg := explore.Config{Bound: crashsim.Budget{Faults: c.faults, Total: c.faults}, Workers: 1, Runs: shrinkRuns, Seed: 1,
		Strategy: explore.PCT, Depth: 3, Enough: found.Load}
	return s.explored(ctx, c, explore.RunRandom, cfg, func(p *counted) { found.Store(found.Load() || p.saw) })
}

// search looks for the cheapest schedule that earns the verdict.
func (s *shrinker) search(ctx context.Context, c *smallCase) bool {
	bound := crashsim.Budget{Faults: c.faults, Preemptions: c.switches, Total: c.faults + c.switches}
	cfg := explore.Config{Bound: bound, Workers: 1, CacheBytes: CacheBytes, StopAt: model.ClassOf(s.verdict)}
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	over := false
	ok := s.explored(limited, c, explore.Run, cfg, func(p *counted) {
		if p.steps > shrinkSteps {
			over = true
			cancel()
		}
	})
	if over {
		s.cut++
		return false // whether it was found before the end depends on when that was noticed
	}
	s.exhausted++
	return ok
}

// walk is explore.Run or explore.RunRandom.
type walk func(context.Context, func() explore.Program, explore.Config) (*explore.Result, error)

// explored walks schedules of c, tells after after each, and takes the cheapest
// that earns the verdict.
func (s *shrinker) explored(ctx context.Context, c *smallCase, walk walk, cfg explore.Config, after func(*counted)) bool {
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
		return false
	}
	for i := range res.Findings {
		if f := &res.Findings[i]; f.Class == class {
			p, err := model.ReplayFinding(config, f)
			if err != nil {
				s.err = err
				return false
			}
			out := model.Played{Tape: p.Tape, Steps: p.Steps, Faults: p.Outcome.Faults, Preemptions: p.Outcome.Preemptions}
			return s.take(c, &out) == nil
		}
	}
	return false
}

// counted is a program that knows how many steps it took and whether it saw a
// class of finding.
type counted struct {
	explore.Program
	class int
	after func(*counted)
	steps int
	saw   bool
}

// Run implements explore.Program.
func (p *counted) Run(c crashsim.Chooser, b crashsim.Budget) crashsim.Outcome {
	out := p.Program.Run(c, b)
	p.steps += out.Steps
	p.after(p)
	return out
}

// Take implements explore.Program.
func (p *counted) Take(t *explore.Tally) {
	p.Program.Take(t)
	if t.First[p.class] != explore.Never {
		p.saw = true
		p.after(p)
	}
}

// leave writes the run directory of a case.
func (s *shrinker) leave(c *smallCase) error {
	row, err := s.row(c)
	if err != nil {
		return err
	}
	a := designArm(row)
	tp := slices.Concat(c.schedule, c.cut)
	p, err := model.ReplayTape(&a.cfg, tp)
	if err != nil {
		return err
	}
	if p.Verdict != s.verdict {
		return fmt.Errorf("the shrunk schedule gives %v when it is run again, not %v", p.Verdict, s.verdict)
	}
	id, err := replayID(Model{}, &a.cfg, tp)
	if err != nil {
		return err
	}
	return leaveReplay(s.o.Out, row, a, false, p, id, s.o.Now)
}

// tellShrunk prints what there was and what is left.
func tellShrunk(w io.Writer, before, after *smallCase) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tbefore\tafter\t")
	line := func(name string, value func(c *smallCase) any) {
		fmt.Fprintf(t, "%s\t%v\t%v\t\n", name, value(before), value(after))
	}
	line("operations", func(c *smallCase) any { return len(c.row.Workload.Ops) })
	line("tasks", func(c *smallCase) any { return tasksOf(&c.row.Workload) })
	line("largest", func(c *smallCase) any { return workloads.FormatSize(unitOf(&c.row.Workload)) })
	line("file", func(c *smallCase) any { return workloads.FormatSize(c.row.Workload.File) })
	line("faults", func(c *smallCase) any { return c.faults })
	line("preemptions", func(c *smallCase) any { return c.switches })
	line("choices", func(c *smallCase) any { return len(c.schedule) })
	line("steps", func(c *smallCase) any { return c.steps })
	t.Flush()
}
