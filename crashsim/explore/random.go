package explore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"untorn/crashsim"
)

// RunRandom executes cfg.Runs schedules drawn from cfg.Seed, each within the bound;
// PCT bounds preemptions by its depth instead. Schedules and Tally are then those
// of the sample, in which a schedule may occur more than once; Level stays -1 and
// Exhausted false. A Finding is the cheapest of the sample. The i-th schedule is a
// function of seed and i, and with Coverage of the rounds before its own, so that
// the result does not depend on the number of workers.
func RunRandom(ctx context.Context, newProgram func() Program, cfg Config) (*Result, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := cfg.checkRandom(); err != nil {
		return nil, err
	}
	if cfg.Strategy == PCT {
		cfg.Bound.Preemptions = preemptionsOfPCT
		cfg.Bound.Total = cfg.Bound.Faults + cfg.Bound.Preemptions
		if err := cfg.check(); err != nil {
			return nil, err
		}
	}
	cfg.NoCache = true
	x := newExploration(ctx, newProgram, cfg)
	defer x.close()
	return x.sample()
}

// sample draws the schedules of RunRandom.
func (x *exploration) sample() (*Result, error) {
	cfg := &x.cfg
	r := &sampling{x: x, pool: newPool(nil), size: cfg.Runs}
	r.pool.branches.Store(int64(cfg.Runs))
	x.now.Store(r.pool)
	x.at.Store(int64(cfg.Bound.Total))
	if cfg.Strategy == Coverage {
		r.size, r.corpus, r.runs = round, &corpus{}, make([]taken, round)
	}
	if cfg.Strategy == PCT {
		var steps uint64
		r.drawn, steps = measure(cfg, x.workers[0].prog)
		x.res.Executed, x.res.Steps = trials, steps
	}
	for _, w := range x.workers {
		r.samplers = append(r.samplers, newSampler(w.prog, cfg.Bound, r.pool, r.drawer(w.m)))
	}
	whole := true
	for int(r.drawn.Runs) < cfg.Runs && whole {
		n := min(r.size, cfg.Runs-int(r.drawn.Runs))
		var err error
		if whole, err = r.draw(n); err != nil {
			return nil, err
		}
	}
	return r.result(), nil
}

// sampling is the state of one RunRandom.
type sampling struct {
	x        *exploration
	pool     *pool
	size     int // of a round
	samplers []*sampler
	drawn    Sample
	corpus   *corpus // of Coverage
	runs     []taken // of its round
}

// drawer returns what draws for one worker.
func (r *sampling) drawer(m *crashsim.Machine) drawer {
	cfg := &r.x.cfg
	switch cfg.Strategy {
	case PCT:
		c := newPCT(cfg, m)
		c.places = max(1, r.drawn.Places)
		return c
	case Coverage:
		return newMutator(cfg, r.corpus, r.runs)
	}
	return newUniform(cfg)
}

// draw executes the next n schedules and reports whether that were all of
// them. Those that were are the first ones, whenever it was told to stop.
func (r *sampling) draw(n int) (whole bool, err error) {
	base := r.drawn.Runs
	var next atomic.Int64
	var all sync.WaitGroup
	for _, s := range r.samplers {
		all.Go(func() {
			for s.err == nil && !r.ended() {
				i := next.Add(1) - 1
				if i >= int64(n) {
					return
				}
				s.run(base + uint64(i))
				r.pool.done.Add(1)
			}
		})
	}
	all.Wait()
	for _, s := range r.samplers {
		if s.err != nil {
			return false, s.err
		}
	}
	done := min(int(next.Load()), n)
	r.drawn.Runs += uint64(done)
	if r.corpus != nil {
		r.corpus.learn(r.runs[:done])
		r.drawn.Kept = len(r.corpus.kept)
	}
	return done == n, nil
}

// ended reports whether no further schedule is to be begun.
func (r *sampling) ended() bool {
	x := r.x
	return x.ctx.Err() != nil || x.cfg.Enough != nil && x.cfg.Enough()
}

// result adds up what the samplers saw.
func (r *sampling) result() *Result {
	x, total := r.x, &sums{}
	total.reset()
	var best [Classes + 1]draw
	first := never()
	res := x.res
	for _, s := range r.samplers {
		total.add(&s.total)
		res.Executed += s.executed
		res.Steps += s.steps
		res.Reached.Union(s.m.Reached())
		for c := range best {
			first[c] = min(first[c], s.first[c])
			if s.best[c].better(&best[c]) {
				best[c] = s.best[c]
			}
		}
	}
	res.Sample = &r.drawn
	res.Partial = int(r.drawn.Runs) < x.cfg.Runs && x.ctx.Err() != nil
	res.Schedules, res.Tally = total.schedules, total.tally()
	for c := range best {
		d := &best[c]
		switch {
		case !d.found:
		case c == stuck:
			res.Stuck, res.StuckChoices, res.StuckBound = &d.outcome, choices(d.answers), x.cfg.Bound
		default:
			res.Findings = append(res.Findings, Finding{Class: c, Steps: int(d.steps), Bound: x.cfg.Bound, Run: first[c],
				Faults: d.outcome.Faults, Preemptions: d.outcome.Preemptions, Choices: choices(d.answers)})
		}
	}
	return res
}

// never is the number of the first schedule that found a class, for each class
// that none did.
func never() (first [Classes + 1]uint64) {
	for c := range first {
		first[c] = ^uint64(0)
	}
	return first
}

// draw is the best finding of a class in a sample. Of its outcome faults and
// preemptions are those up to the finding.
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

// sampler executes schedules of a sample and adds up what they count.
type sampler struct {
	prog    Program
	m       *crashsim.Machine
	bound   crashsim.Budget
	pool    *pool
	from    drawer
	answers []uint16

	scratch Tally
	edge    sums
	total   sums
	seen    uint32 // classes of this run
	number  uint64 // of this run
	first   [Classes + 1]uint64
	best    [Classes + 1]draw
	err     error

	executed, steps uint64
}

func newSampler(prog Program, bound crashsim.Budget, p *pool, from drawer) *sampler {
	s := &sampler{prog: prog, m: prog.Machine(), bound: bound, pool: p, from: from, scratch: emptyTally(), first: never()}
	s.total.reset()
	s.edge.reset()
	return s
}

// Choose draws an answer.
func (s *sampler) Choose(p *crashsim.Point) int {
	a := s.from.choose(p)
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
	s.first[class] = min(s.first[class], s.number)
	d := draw{candidate{found: true, steps: uint32(out.Steps), answers: s.answers, outcome: out}}
	for len(d.answers) > 0 && d.answers[len(d.answers)-1] == 0 {
		d.answers = d.answers[:len(d.answers)-1]
	}
	if d.better(&s.best[class]) {
		d.answers = slices.Clone(d.answers)
		s.best[class] = d
	}
}

// run executes the schedule with a number.
func (s *sampler) run(number uint64) {
	s.number = number
	s.from.begin(number)
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
