package explore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"untorn/crashsim"
	"untorn/internal/tape"
)

// RunRandom executes cfg.Runs schedules drawn from cfg.Seed, each within the bound.
// Schedules and Tally are then those of the sample, in which a schedule may
// occur more than once; Level stays -1 and Exhausted false. A Finding is the
// cheapest of the sample. The i-th schedule is a function of seed and i alone,
// so that the result does not depend on the number of workers.
func RunRandom(ctx context.Context, newProgram func() Program, cfg Config) (*Result, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.NoCache = true
	x := newExploration(ctx, newProgram, cfg)
	defer x.close()
	p := newPool(nil)
	p.branches.Store(int64(cfg.Runs))
	x.now.Store(p)
	x.at.Store(int64(cfg.Bound.Total))
	var next atomic.Int64
	var all sync.WaitGroup
	samplers := make([]*sampler, len(x.workers))
	for i, w := range x.workers {
		s := newSampler(w.prog, cfg.Bound, p)
		samplers[i] = s
		all.Go(func() {
			for ctx.Err() == nil && s.err == nil {
				i := next.Add(1) - 1
				if i >= int64(cfg.Runs) {
					return
				}
				s.run(tape.Derive(cfg.Seed, uint64(i)))
				p.done.Add(1)
			}
		})
	}
	all.Wait()
	return x.sampled(samplers, p.done.Load() < int64(cfg.Runs))
}

// sampled adds up what the samplers saw.
func (x *exploration) sampled(samplers []*sampler, partial bool) (*Result, error) {
	total := &sums{}
	total.reset()
	var best [Classes + 1]draw
	r := x.res
	for _, s := range samplers {
		if s.err != nil {
			return nil, s.err
		}
		total.add(&s.total)
		r.Executed += s.executed
		r.Steps += s.steps
		r.Reached.Union(s.m.Reached())
		for c := range best {
			if s.best[c].better(&best[c]) {
				best[c] = s.best[c]
			}
		}
	}
	r.Partial = partial
	r.Schedules, r.Tally = total.schedules, total.tally()
	for c := range best {
		d := &best[c]
		switch {
		case !d.found:
		case c == stuck:
			r.Stuck, r.StuckChoices, r.StuckBound = &d.outcome, choices(d.answers), x.cfg.Bound
		default:
			r.Findings = append(r.Findings, Finding{Class: c, Steps: int(d.steps), Bound: x.cfg.Bound,
				Faults: d.outcome.Faults, Preemptions: d.outcome.Preemptions, Choices: choices(d.answers)})
		}
	}
	return r, nil
}

// draw is a finding of a sample. Of its outcome faults and preemptions are
// those up to the finding.
type draw struct{ candidate }

func (a *draw) better(b *draw) bool {
	if !a.found || !b.found {
		return a.found
	}
	if x, y := a.cost(), b.cost(); x != y {
		return x < y
	}
	return a.candidate.better(&b.candidate)
}

func (a *draw) cost() int { return a.outcome.Faults + a.outcome.Preemptions }

// sampler draws schedules. Where a wait forces a choice all options are
// alike. Elsewhere most answers are the default, or the budget would be spent
// within the first steps: how rare others are is drawn anew for each run.
type sampler struct {
	prog    Program
	m       *crashsim.Machine
	bound   crashsim.Budget
	pool    *pool
	streams *tape.Sampler
	rare    int
	answers []uint16

	scratch Tally
	edge    sums
	total   sums
	seen    uint32 // classes of this run
	best    [Classes + 1]draw
	err     error

	executed, steps uint64
}

func newSampler(prog Program, bound crashsim.Budget, p *pool) *sampler {
	s := &sampler{prog: prog, m: prog.Machine(), bound: bound, pool: p, streams: tape.NewSampler(0), scratch: emptyTally()}
	s.total.reset()
	s.edge.reset()
	return s
}

// Choose draws an answer.
func (s *sampler) Choose(p *crashsim.Point) int {
	a := 0
	switch left := s.m.Left(); {
	case p.Free():
		a = s.streams.Draw(p.Site(), p.Len())
	case left.Total == 0 || s.streams.Draw(p.Site(), s.rare) != 0:
	case p.Len() > 1:
		a = 1 + s.streams.Draw(p.Site(), p.Len()-1)
	}
	if a != 0 {
		s.take()
	}
	s.answers = append(s.answers, uint16(a))
	return a
}

// take adds what was counted since the last answer that was not the default.
func (s *sampler) take() {
	s.prog.Take(&s.scratch)
	s.edge.take(&s.scratch)
	s.total.add(&s.edge)
	for c, first := range s.edge.first {
		if first != Never && s.seen&(1<<c) == 0 {
			left := s.m.Left()
			s.found(c, crashsim.Outcome{Steps: int(first), Faults: s.bound.Faults - left.Faults,
				Preemptions: s.bound.Preemptions - left.Preemptions})
		}
	}
}

func (s *sampler) found(class int, out crashsim.Outcome) {
	s.seen |= 1 << class
	d := draw{candidate{found: true, steps: uint32(out.Steps), answers: s.answers, outcome: out}}
	for len(d.answers) > 0 && d.answers[len(d.answers)-1] == 0 {
		d.answers = d.answers[:len(d.answers)-1]
	}
	if d.better(&s.best[class]) {
		d.answers = slices.Clone(d.answers)
		s.best[class] = d
	}
}

// run executes the schedule of one seed.
func (s *sampler) run(seed uint64) {
	s.streams.Seed(seed)
	s.rare = 2 << s.streams.Draw("rare", 8)
	s.answers, s.seen = s.answers[:0], 0
	s.prog.Judge(true)
	out := s.prog.Run(s, s.bound)
	s.executed++
	s.steps += uint64(out.Steps)
	s.pool.executed.Add(1)
	s.take()
	s.total.schedules.AddWord(1)
	switch out.Kind {
	case crashsim.Done:
	case crashsim.Stopped:
		s.err = errors.New("explore: the program ended a run that was not told to stop")
	default:
		s.found(stuck, out)
	}
}
