package run

import (
	"context"
	"fmt"
	"sync"

	"untorn/engine"
	"untorn/internal/count"
	"untorn/internal/reduce"
	"untorn/internal/target/model"
	"untorn/scenarios"
	"untorn/verifier"
)

// alikes are the designs of rows that were explored. Rows of a product often
// differ in what makes no difference: while one is explored, the engine notes
// which of the other designs would have answered alike whenever it asked, and
// their rows take over what was counted and found.
type alikes struct {
	mu      sync.Mutex
	classes map[string]*alikeRows
}

// alikeRows are rows that differ in nothing but their designs on the axes of
// engine.Alike.
type alikeRows struct {
	all  engine.Alike // values that occur
	rows int
	done []*Explored
}

func newAlikes(plans []planned) *alikes {
	x := &alikes{classes: map[string]*alikeRows{}}
	for i := range plans {
		p := &plans[i]
		if p.skip != "" || p.notBuilt != "" {
			continue
		}
		a := designArm(p.row)
		k := alikeKey(a, p.row)
		c := x.classes[k]
		if c == nil {
			c = &alikeRows{}
			x.classes[k] = c
		}
		c.all, c.rows = c.all.With(&a.cfg.Design), c.rows+1
	}
	return x
}

// alikeKey names all that decides what an arm does, but for its design on those
// axes.
func alikeKey(a *arm, r *scenarios.Row) string {
	cfg := a.cfg
	cfg.Design.Copy, cfg.Design.Track, cfg.Design.Writeback, cfg.Design.Stable = 0, 0, 0, 0
	cfg.Faults.Name = ""
	return fmt.Sprintf("%+v %+v", cfg, r.Explore)
}

// exploreDesign explores the design of a row, or takes what it would find from
// a row whose design is alike.
func (o *Options) exploreDesign(ctx context.Context, a *arm, r *scenarios.Row) error {
	class := o.alikes.class(a, r)
	if class == nil || o.NoCache || r.Explore.Random || a.cfg.Faults.RecoveryPowerLoss > 0 || a.cfg.Design.Mutant != "" ||
		o.NoReduce.Has(reduce.Designs) {
		return o.explore(ctx, a, r, model.ClassOf(verifier.Stale), "design")
	}
	o.alikes.mu.Lock()
	for _, e := range class.done {
		if e.Alike.Has(&a.cfg.Design) {
			a.res = e.taken()
			o.alikes.mu.Unlock()
			return nil
		}
	}
	o.alikes.mu.Unlock()
	a.cfg.Others = class.all
	err := o.explore(ctx, a, r, model.ClassOf(verifier.Stale), "design")
	a.cfg.Others = engine.Alike{}
	if err != nil || a.res.Partial || a.limited != "" { // a sample says nothing about other designs
		return err
	}
	o.alikes.mu.Lock()
	defer o.alikes.mu.Unlock()
	class.done = append(class.done, a.res)
	return nil
}

// class returns the rows that may be alike to a row, nil if there are none.
func (x *alikes) class(a *arm, r *scenarios.Row) *alikeRows {
	if x == nil {
		return nil
	}
	if c := x.classes[alikeKey(a, r)]; c != nil && c.rows > 1 {
		return c
	}
	return nil
}

// taken returns e as what another row took over, without any work.
func (e *Explored) taken() *Explored {
	t := *e
	t.Executed, t.Steps, t.CacheHits, t.States, t.Judged = 0, 0, 0, 0, 0
	t.Saved = reduce.Saved{reduce.Designs: count.Of(1)}
	return &t
}
