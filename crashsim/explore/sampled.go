package explore

import (
	"bufio"
	"encoding/gob"
	"fmt"
	"io"
	"time"

	"untorn/crashsim"
)

// sampled is what a sample has to remember to go on in another process: how many
// schedules were drawn, what they came to, and what Coverage learned from them. All
// of it is known between two rounds, when nobody draws.
type sampled struct {
	Runs    uint64
	Spent   time.Duration
	Sums    []byte // as the table has them
	Reached crashsim.StepSet
	First   [Classes + 1]uint64
	Best    []sampledDraw
	Known   []int // features of Coverage
	Kept    [][]sampledPlay
}

type sampledDraw struct {
	Class   int
	Steps   uint32
	Answers []uint16
	Outcome crashsim.Outcome
}

type sampledPlay struct {
	Place, Option int
	Fault         bool
}

// saves returns what saves the sample when it is time to; last says that the
// sample ends. One that its time ended is saved then, too, because a search after
// it may draw as many.
func (r *sampling) saves() func(last bool) {
	c := r.x.cfg.Checkpoint
	if c == nil {
		return func(bool) {}
	}
	next := time.Now().Add(c.Every)
	return func(last bool) {
		begun := time.Now()
		if last && r.x.ctx.Err() == nil && r.x.cfg.For == 0 || !last && begun.Before(next) {
			return
		}
		c.Save(r.save)
		next = time.Now().Add(max(c.Every, rarely*time.Since(begun)))
	}
}

// save writes the sample so far.
func (r *sampling) save(w io.Writer) error {
	all := r.seen()
	out := &sampled{Runs: r.drawn.Runs, Spent: r.took(), Sums: encode(nil, 0, &all.total), Reached: r.reached(), First: all.first}
	for c := range all.best {
		if d := &all.best[c]; d.found {
			out.Best = append(out.Best, sampledDraw{c, d.steps, d.answers, d.outcome})
		}
	}
	if r.corpus != nil {
		for f, known := range r.corpus.seen {
			if known {
				out.Known = append(out.Known, f)
			}
		}
		for _, plays := range r.corpus.kept {
			kept := make([]sampledPlay, len(plays))
			for i, p := range plays {
				kept[i] = sampledPlay{p.place, p.option, p.fault}
			}
			out.Kept = append(out.Kept, kept)
		}
	}
	return gob.NewEncoder(w).Encode(out)
}

// load continues the sample that was saved, if one was.
func (r *sampling) load() error {
	c := r.x.cfg.Checkpoint
	if c == nil || c.From == nil {
		return nil
	}
	from := bufio.NewReader(c.From)
	in := &sampled{}
	err := gob.NewDecoder(from).Decode(in)
	if err == nil && in.Runs > uint64(r.x.cfg.Runs) {
		err = fmt.Errorf("%d schedules of %d", in.Runs, r.x.cfg.Runs)
	}
	if err == nil && c.Load != nil {
		err = c.Load(from)
	}
	if err != nil {
		return fmt.Errorf("explore: what was saved cannot be read: %w", err)
	}
	r.drawn.Runs, r.spent = in.Runs, in.Spent
	r.pool.done.Store(int64(in.Runs))
	r.x.ledger.reached.Union(in.Reached)
	s := r.samplers[0] // who saw it decides nothing
	decode(in.Sums, 0, &s.total)
	s.first = in.First
	for _, d := range in.Best {
		s.best[d.Class] = draw{candidate{found: true, steps: d.Steps, answers: d.Answers, outcome: d.Outcome}}
	}
	for _, f := range in.Known {
		r.corpus.seen[f] = true
	}
	for _, plays := range in.Kept {
		kept := make([]play, len(plays))
		for i, p := range plays {
			kept[i] = play{p.Place, p.Option, p.Fault}
		}
		r.corpus.kept = append(r.corpus.kept, kept)
	}
	if r.corpus != nil {
		r.drawn.Kept = len(r.corpus.kept)
	}
	return nil
}
