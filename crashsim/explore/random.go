package explore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

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
	r := &sampling{x: x, pool: newPool(nil), size: batch, begun: time.Now()}
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
	if err := r.load(); err != nil {
		return nil, err
	}
	saves := r.saves()
	whole := true
	for int(r.drawn.Runs) < cfg.Runs && whole {
		n := min(r.size, cfg.Runs-int(r.drawn.Runs))
		var err error
		if whole, err = r.draw(n); err != nil {
			return nil, err
		}
		saves(false)
	}
	saves(true)
	return r.result(), nil
}

// batch is how many schedules are drawn between two moments at which a sample may
// be saved.
const batch = 1 << 10

// sampling is the state of one RunRandom.
type sampling struct {
	x        *exploration
	pool     *pool
	size     int // of a round, or a batch
	samplers []*sampler
	drawn    Sample
	begun    time.Time
	spent    time.Duration // before that, by the sample that is continued
	corpus   *corpus       // of Coverage
	runs     []taken       // of its round
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
			for s.err == nil && !r.ended(base+uint64(next.Load()), base) {
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

// ended reports whether no further schedule is to be begun, when so many were, and
// so many before the round. A round of Coverage that may be saved is not ended
// within, because what comes after it depends on all of it.
func (r *sampling) ended(drawn, before uint64) bool {
	x := r.x
	switch {
	case r.corpus != nil && x.cfg.Checkpoint != nil && drawn > before:
		return false
	case x.ctx.Err() != nil:
		return true
	case x.cfg.For > 0 && drawn > 0 && r.took() >= x.cfg.For:
		return true
	}
	return x.cfg.Enough != nil && x.cfg.Enough()
}

// took is for how long the sample was drawn.
func (r *sampling) took() time.Duration { return r.spent + time.Since(r.begun) }

// seen is what the samplers saw, added up.
type seen struct {
	total sums
	first [Classes + 1]uint64
	best  [Classes + 1]draw
}

func (r *sampling) seen() *seen {
	all := &seen{first: never()}
	all.total.reset()
	for _, s := range r.samplers {
		all.total.add(&s.total)
		for c := range all.best {
			all.first[c] = min(all.first[c], s.first[c])
			if s.best[c].better(&all.best[c]) {
				all.best[c] = s.best[c]
			}
		}
	}
	return all
}

// reached are the steps that were taken in the sample.
func (r *sampling) reached() crashsim.StepSet {
	steps := r.x.ledger.reached
	for _, s := range r.samplers {
		steps.Union(s.m.Reached())
	}
	return steps
}

// result is what a sample comes to.
func (r *sampling) result() *Result {
	x, res, all := r.x, r.x.res, r.seen()
	for _, s := range r.samplers {
		res.Executed += s.executed
		res.Steps += s.steps
	}
	res.Reached = r.reached()
	res.Sample = &r.drawn
	res.Partial = int(r.drawn.Runs) < x.cfg.Runs && x.ctx.Err() != nil
	res.Schedules, res.Tally = all.total.schedules, all.total.tally()
	for c := range all.best {
		d := &all.best[c]
		switch {
		case !d.found:
		case c == stuck:
			res.Stuck, res.StuckChoices, res.StuckBound = &d.outcome, choices(d.answers), x.cfg.Bound
		default:
			res.Findings = append(res.Findings, Finding{Class: c, Steps: int(d.steps), Bound: x.cfg.Bound, Run: all.first[c],
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
