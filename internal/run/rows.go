package run

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"untorn/crashsim"
	"untorn/internal/report"
	"untorn/scenarios"
	"untorn/verifier"
)

// manyRows is how many rows to do a worker must have to itself for rows to run side
// by side: then no worker has to wait for others to share the work of one row.
const manyRows = 4

// doneRow is a row that was run.
type doneRow struct {
	res     *report.Result
	reached crashsim.StepSet // by the design
	code    int
	dir     bool // it left a directory
	err     error
}

// all runs the rows that l does not have until ctx ends, adds them to l, and
// returns those that are done, in order.
func (o *Options) all(ctx context.Context, plans []planned, out *output, l *log) ([]doneRow, error) {
	done := make([]doneRow, len(plans))
	shared := &controls{at: map[string]*sharedControl{}}
	one := *o
	one.alikes = newAlikes(plans)
	beside := 1 // rows at a time
	if len(plans)-len(l.done) >= manyRows*o.Workers {
		beside, one.Workers = o.Workers, 1
	}
	pace := newPace(plans, o.Now, o.Progress)
	if o.Progress != nil {
		one.Progress = pace.with
	}
	var next atomic.Int64
	var failed atomic.Bool
	var wg sync.WaitGroup
	for range beside {
		wg.Go(func() {
			for !failed.Load() && ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(plans) {
					return
				}
				d, p := &done[i], &plans[i]
				if rec := l.done[p.index]; rec != nil {
					*d = rec.doneRow()
					pace.add(p.row.Scenario, d.res.Work.Seconds)
					continue
				}
				if *d = one.row(ctx, p, shared, out); d.err == nil {
					d.res.Work.Workers *= beside
					d.res.Work.Seconds /= float64(beside)
				}
				if d.err == nil && ctx.Err() == nil { // or it may have ended early
					d.err = l.add(p.index, d)
				}
				if d.err != nil {
					failed.Store(true)
					return
				}
				pace.add(p.row.Scenario, d.res.Work.Seconds)
			}
		})
	}
	wg.Wait()
	for i := range done {
		if done[i].err != nil {
			return nil, done[i].err
		}
		if done[i].res == nil {
			return done[:i], nil
		}
	}
	return done, nil
}

// controls are the controls of rows that ran: rows of a product often have the
// same one.
type controls struct {
	mu    sync.Mutex
	at    map[string]*sharedControl
	order []string
}

// maxControls bounds how many controls are kept.
const maxControls = 256

type sharedControl struct {
	once sync.Once
	arm  *arm
	err  error
}

// of returns the control arm of a row, explored and judged. Work that was done
// for it is added to that of the row. A control breaks as soon as it can; where
// that leaves a fault out that the scenario names, and that cannot strike the
// design, all of the control is explored.
func (c *controls) of(o *Options, ctx context.Context, r *scenarios.Row, design *arm, work *report.Work) (*arm, error) {
	a, err := c.get(o, ctx, r, false, work)
	if err != nil || a.res == nil || a.res.Partial || a.limited != "" || a.res.Exhausted || r.Explore.Random ||
		design.verdict != verifier.Held || len(silentFaults(r, design, a)) == 0 {
		return a, err
	}
	return c.get(o, ctx, r, true, work)
}

func (c *controls) get(o *Options, ctx context.Context, r *scenarios.Row, whole bool, work *report.Work) (*arm, error) {
	control := controlArm(r)
	k := fmt.Sprintf("%+v %+v %s %v", control.cfg, r.Explore, r.Control.Breaks, whole)
	c.mu.Lock()
	s, ok := c.at[k]
	if !ok {
		s = &sharedControl{arm: control}
		c.at[k] = s
		if c.order = append(c.order, k); len(c.order) > maxControls {
			delete(c.at, c.order[0])
			c.order = c.order[1:]
		}
	}
	c.mu.Unlock()
	s.once.Do(func() {
		if s.err = o.explainControl(ctx, r, s.arm, whole); s.err == nil && s.arm.res != nil {
			addWork(work, s.arm.res)
		}
	})
	return s.arm, s.err
}
