package explore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Run explores all schedules of the program within the bound, one level of
// faults plus preemptions after the other. newProgram is called once for each
// worker. When ctx ends, Run returns what is done so far with Partial set.
// An error says that the bound makes no sense, or that the program is not
// repeatable (ErrNotRepeatable); a defect of the program under test is none.
func Run(ctx context.Context, newProgram func() Program, cfg Config) (*Result, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	x := newExploration(ctx, newProgram, cfg)
	defer func() { x.close() }()
	for {
		quit, err := x.checkpoints()
		if err != nil {
			return nil, err
		}
		err = x.levels()
		quit(err == nil && x.res.Partial)
		if err != nil {
			return nil, err
		}
		if !x.again {
			return x.finish(), nil
		}
		x = x.anew()
	}
}

// levels explores one level after the other.
func (x *exploration) levels() (err error) {
	for level, more := 0, true; more && level <= x.cfg.Bound.Total; level = x.after(level) {
		if more, err = x.level(level); err != nil {
			return err
		}
	}
	return nil
}

func (cfg *Config) check() error {
	b := cfg.Bound
	if cfg.Workers < 1 {
		return fmt.Errorf("explore: %d workers; at least 1 is needed", cfg.Workers)
	}
	if b.Faults < 0 || b.Preemptions < 0 || b.Total < 0 || b.Faults+b.Preemptions > maxBudget || b.Total > maxBudget {
		return fmt.Errorf("explore: bound of %d faults, %d preemptions, %d in all; each is from 0 to %d",
			b.Faults, b.Preemptions, b.Total, maxBudget)
	}
	return nil
}

// maxBudget is what a machine's key has room for.
const maxBudget = 1<<16 - 1

// exploration is the state of one Run.
type exploration struct {
	ctx     context.Context
	cfg     Config
	table   *table
	workers []*worker
	res     *Result
	wanted  [Classes + 1]bool // classes not found yet
	ledger  ledger

	newProgram func() Program
	gradual    bool // no level may be left out because there is much to do
	leaping    bool // some levels were left out
	again      bool // and they must not be

	now      atomic.Pointer[pool] // for the progress
	at       atomic.Int64
	executed atomic.Uint64 // by the levels before
	quit     func()
}

func newExploration(ctx context.Context, newProgram func() Program, cfg Config) *exploration {
	x := &exploration{ctx: ctx, cfg: cfg, newProgram: newProgram, res: &Result{Level: -1, Tally: emptyTally()}}
	if !cfg.NoCache {
		x.table = newTable(cfg.CacheBytes)
	}
	for i := range cfg.Workers {
		w := newWorker(i, newProgram(), x.table)
		w.noCommute = cfg.NoCommute
		x.workers = append(x.workers, w)
	}
	for c := range x.wanted {
		x.wanted[c] = true
	}
	x.quit = x.report()
	return x
}

func (x *exploration) close() {
	x.quit()
	for _, w := range x.workers {
		w.prog.Close()
	}
}

// level explores all schedules that cost at most total, and reports whether
// the next level is worth a look.
func (x *exploration) level(total int) (more bool, err error) {
	if x.ctx.Err() != nil {
		x.res.Partial = true
		return false, nil
	}
	b := x.cfg.Bound
	b.Total = total
	p := newPool(x.table)
	p.leaping = x.leaping
	x.now.Store(p)
	x.at.Store(int64(total))
	unwatch := context.AfterFunc(x.ctx, p.end)
	defer unwatch()
	var all sync.WaitGroup
	for _, w := range x.workers {
		w.pool, w.budget, w.ledger = p, b, &x.ledger
		w.look(x.wanted)
		all.Go(func() { p.work(w) })
	}
	all.Wait()
	for _, w := range x.workers {
		if w.err != nil {
			return false, w.err
		}
	}
	sums, finished := p.total()
	x.executed.Add(p.executed.Swap(0))
	if x.again = p.found.Load(); x.again {
		return false, nil
	}
	if finished || x.res.Level < 0 {
		x.res.Schedules, x.res.Tally = sums.schedules, sums.tally()
	}
	if finished {
		x.res.Level = total
	}
	stop, whole, err := x.collect()
	x.res.Partial = !finished || !whole
	more = !stop && !x.res.Partial && err == nil
	if more && total < x.cfg.Bound.Total && x.cfg.Grown != nil {
		next := x.cfg.Grown(Grown{total, x.ledger.grown(total, x.table.states()), x.table != nil && x.table.full.Load()})
		x.res.Limited, x.gradual = next == Enough, next == Deeper
	}
	return more && !x.res.Limited, err
}

// collect turns the best candidates of all workers into findings. It reports
// whether one of them ends the deepening, and whether there was time for all.
func (x *exploration) collect() (stop, whole bool, err error) {
	whole = true
	var best [Classes + 1]candidate
	for _, w := range x.workers {
		for c := range best {
			if w.best[c].better(&best[c]) {
				best[c] = w.best[c]
			}
		}
	}
	w := x.workers[0]
	for class, c := range best {
		if !c.found {
			continue
		}
		c, ok := w.resolve(class, c)
		if w.err != nil {
			return false, false, w.err
		}
		if !ok {
			whole = false
			continue
		}
		x.wanted[class] = false
		if class == stuck {
			x.res.Stuck, x.res.StuckChoices, x.res.StuckBound = &c.outcome, choices(c.answers), w.budget
			stop = true
			continue
		}
		f, err := w.replay(class, c)
		if err != nil {
			return false, false, err
		}
		x.res.Findings = append(x.res.Findings, f)
		stop = stop || class <= x.cfg.StopAt
	}
	return stop, whole, nil
}

// finish completes the result.
func (x *exploration) finish() *Result {
	r := x.res
	r.Exhausted = r.Level == x.cfg.Bound.Total
	sortFindings(r.Findings)
	for _, w := range x.workers {
		r.Executed += w.executed
		r.Steps += w.steps
		r.CacheHits += w.hits
		r.Commuted += w.saved
		r.Skipped = x.skipped()
		r.Reached.Union(w.m.Reached())
	}
	r.Reached.Union(x.ledger.reached)
	r.CacheFull = x.table != nil && x.table.full.Load()
	r.States = x.table.states()
	return r
}

// report calls Progress from time to time until the function that it returns
// is called.
func (x *exploration) report() (quit func()) {
	if x.cfg.Progress == nil {
		return func() {}
	}
	stop := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(time.Second / 10)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if p := x.now.Load(); p != nil {
				x.cfg.Progress(Progress{
					Level:    int(x.at.Load()),
					Levels:   x.cfg.Bound.Total,
					Executed: x.executed.Load() + p.executed.Load(),
					Done:     int(p.done.Load()),
					Branches: int(p.branches.Load()),
				})
			}
		}
	})
	return func() {
		close(stop)
		ended.Wait()
	}
}
