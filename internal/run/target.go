package run

import (
	"context"
	"io"

	"untorn/crashsim/explore"
	"untorn/engine"
	"untorn/internal/blk"
	"untorn/internal/cost"
	"untorn/internal/reduce"
	"untorn/internal/stamp"
	"untorn/internal/tape"
	"untorn/internal/target/model"
)

// Target is where operations run. Model is the one that needs no hardware.
type Target interface {
	// Check refuses a configuration with *engine.NonsenseError,
	// *engine.NotBuiltError or another error.
	Check(c *model.Config) error
	// Explore walks the schedules of c, or draws cfg.Runs of them.
	Explore(ctx context.Context, c *model.Config, cfg explore.Config) (*Explored, error)
	// Cost runs the quiet schedule of c and says what it took.
	Cost(c *model.Config) (*cost.Figures, error)
	// ReplayFinding runs the schedule of a finding again.
	ReplayFinding(c *model.Config, f *explore.Finding) (*model.Replay, error)
	// ReplayStuck runs the schedule that did not end again.
	ReplayStuck(c *model.Config, r *explore.Result) (*model.Replay, error)
	// ReplayTape runs the schedule of a tape.
	ReplayTape(c *model.Config, t tape.Tape) (*model.Replay, error)
	// Number turns the tape of a schedule into numbers, and Name numbers into a
	// tape. What does not fit is an error.
	Number(c *model.Config, t tape.Tape) (model.Numbered, error)
	Name(c *model.Config, n model.Numbered) (tape.Tape, error)
}

// Explored is what exploring one arm gave.
type Explored struct {
	explore.Result
	Counts        model.Counts
	Distinct      uint64
	DistinctExact bool
	Judged        uint64 // work
	Saved         reduce.Saved
	// Alike are designs that would have given the same, among Config.Others and
	// its own; none where that is not known.
	Alike engine.Alike
}

// Model is the target that simulates everything.
type Model struct{}

// Check implements Target.
func (Model) Check(c *model.Config) error { return c.Check() }

// Explore implements Target.
func (Model) Explore(ctx context.Context, c *model.Config, cfg explore.Config) (*Explored, error) {
	shared := model.NewShared(false)
	if !c.NoReduce.Has(reduce.Levels) {
		cfg.Restart = shared.Restart
	}
	// Whether a program can be built depends on c alone, so one attempt
	// answers for all workers.
	trial, err := model.NewProgram(c, shared)
	if err != nil {
		return nil, err
	}
	trial.Close()
	if c := cfg.Checkpoint; c != nil {
		own := *c
		own.Load = shared.Load
		own.Save = func(known func(io.Writer) error) {
			c.Save(func(w io.Writer) error {
				if err := known(w); err != nil {
					return err
				}
				return shared.Save(w)
			})
		}
		cfg.Checkpoint = &own
	}
	walk := explore.Run
	if cfg.Runs > 0 {
		walk = explore.RunRandom
	}
	res, err := walk(ctx, func() explore.Program {
		p, err := model.NewProgram(c, shared)
		if err != nil {
			panic(err)
		}
		return p
	}, cfg)
	if err != nil {
		return nil, err
	}
	e := &Explored{Result: *res, Counts: *model.CountsOf(&res.Tally), Judged: shared.Judged()}
	e.Distinct, e.DistinctExact = shared.Distinct()
	e.Saved = shared.Saved()
	if cfg.Checkpoint == nil || cfg.Checkpoint.From == nil {
		e.Alike = shared.Alike() // what was loaded does not say what was asked
	}
	e.Saved[reduce.Commute].AddWord(res.Commuted)
	e.Saved[reduce.States].AddWord(res.CacheHits)
	e.Saved[reduce.Levels].AddWord(res.Skipped)
	return e, nil
}

// Cost implements Target.
func (Model) Cost(c *model.Config) (*cost.Figures, error) { return model.Cost(c) }

// ReplayFinding implements Target.
func (Model) ReplayFinding(c *model.Config, f *explore.Finding) (*model.Replay, error) {
	return model.ReplayFinding(c, f)
}

// ReplayStuck implements Target.
func (Model) ReplayStuck(c *model.Config, r *explore.Result) (*model.Replay, error) {
	return model.ReplayStuck(c, r)
}

// ReplayTape implements Target.
func (Model) ReplayTape(c *model.Config, t tape.Tape) (*model.Replay, error) {
	return model.ReplayTape(c, t)
}

// Number implements Target.
func (Model) Number(c *model.Config, t tape.Tape) (model.Numbered, error) { return model.Number(c, t) }

// Name implements Target.
func (Model) Name(c *model.Config, n model.Numbered) (tape.Tape, error) { return model.Name(c, n) }

// sectorBytes returns the bytes of a handle of a replay's log.
func sectorBytes(in *blk.Interner) func(blk.Handle) []byte {
	return func(h blk.Handle) []byte {
		switch {
		case h.IsMeta():
			return in.Bytes(h)
		case h.IsData():
			b := stamp.Encode(h.Write(), h.Place())
			return b[:]
		case h == blk.Garbage:
			b := stamp.Garbage()
			return b[:]
		}
		return make([]byte, blk.SectorSize)
	}
}
