package explore

import (
	"slices"

	"untorn/crashsim"
	"untorn/internal/tape"
)

// pct draws schedules by priorities, after Burckhardt, Kothari, Musuvathi and
// Nagarakatte, "A randomized scheduler with probabilistic guarantees of finding
// bugs" (ASPLOS 2010). Tasks and commands in flight are its runners: each has a
// random priority, and whenever the machine asks, the highest of those that can
// run does. At depth-1 random places the highest is put below all others.
//
// Faults are further choices at random places: how many is drawn from 0 up to
// the budget, then for each a place, and there one of those on offer. With a
// rate, each place draws for itself.
type pct struct {
	seed    uint64
	depth   int
	budget  int // faults
	rate    Ratio
	places  int // in a run, as the trial runs have it
	streams *tape.Sampler

	asked    int
	tasks    []uint64 // priorities
	commands []uint64 // of those in flight, as far as they were seen
	runners  int      // tasks and commands so far
	changes  []int    // the i-th place makes i the priority of the highest
	faults   []int    // places
}

// trials is how many schedules without changes and faults tell how many
// places and runners a run has.
const trials = 64

// preemptionsOfPCT takes the place of the bound: a runner of a higher priority
// takes over at once, however often.
const preemptionsOfPCT = maxBudget / 2

func newPCT(cfg *Config, m *crashsim.Machine) *pct {
	c := &pct{seed: cfg.Seed, depth: cfg.Depth, budget: cfg.Bound.Faults, rate: cfg.FaultRate, streams: tape.NewSampler(0)}
	c.tasks = make([]uint64, len(m.Tasks()))
	m.OnComplete = func(i int) {
		if i < len(c.commands) {
			c.commands = slices.Delete(c.commands, i, i+1)
		}
	}
	return c
}

// measure runs trials and returns what they saw, and the steps they took.
func measure(cfg *Config, prog Program) (sample Sample, steps uint64) {
	quiet := *cfg
	quiet.Depth, quiet.Bound.Faults, quiet.FaultRate = 1, 0, Ratio{}
	trial := newPCT(&quiet, prog.Machine())
	prog.Judge(false)
	for i := range uint64(trials) {
		trial.begin(^i) // numbers that no schedule of the sample has
		out := prog.Run(&chooseWith{trial}, cfg.Bound)
		sample.Places = max(sample.Places, trial.asked)
		sample.Runners = max(sample.Runners, trial.runners)
		steps += uint64(out.Steps)
	}
	return sample, steps
}

// chooseWith makes a Chooser of a drawer.
type chooseWith struct{ drawer }

func (c *chooseWith) Choose(p *crashsim.Point) int { return c.choose(p) }

func (c *pct) begin(number uint64) {
	c.streams.Seed(tape.Derive(c.seed, number))
	c.asked, c.commands = 0, c.commands[:0]
	c.runners = len(c.tasks)
	for i := range c.tasks {
		c.tasks[i] = c.priority("task")
	}
	c.changes, c.faults = c.changes[:0], c.faults[:0]
	for range c.depth - 1 {
		c.changes = append(c.changes, c.streams.Draw("change", c.places))
	}
	if c.budget > 0 && c.rate.Den == 0 {
		for range c.streams.Draw("faults", c.budget+1) {
			c.faults = append(c.faults, c.streams.Draw("fault place", c.places))
		}
	}
}

// priority draws one above those of changes. Two alike are as rare as draws of
// 62 bits are.
func (c *pct) priority(site string) uint64 { return 1<<62 + uint64(c.streams.Draw(site, 1<<62)) }

func (c *pct) choose(p *crashsim.Point) int {
	place := c.asked
	c.asked++
	opts := p.Options()
	if f := c.strikes(place, opts); f > 0 {
		return f
	}
	highest := c.highest(p, opts)
	for i, at := range c.changes {
		if at == place {
			*c.runner(p, opts[highest]) = uint64(i)
			highest = c.highest(p, opts)
		}
	}
	return highest
}

// strikes returns the option of the fault that strikes here, or 0.
func (c *pct) strikes(place int, opts []crashsim.Option) int {
	if c.rate.Den > 0 {
		return c.rate.strikes(c.streams, opts)
	}
	for _, at := range c.faults {
		if at != place {
			continue
		}
		if first, n := faults(opts); n > 0 {
			return first + c.streams.Draw("fault", n)
		}
	}
	return 0
}

// highest returns the option that lets the runner of the highest priority run.
func (c *pct) highest(p *crashsim.Point, opts []crashsim.Option) int {
	best, top := 0, uint64(0)
	for i, o := range opts {
		if r := c.runner(p, o); r != nil && (i == 0 || *r > top) {
			best, top = i, *r
		}
	}
	return best
}

// runner returns the priority of who runs with an option, nil for a fault.
func (c *pct) runner(p *crashsim.Point, o crashsim.Option) *uint64 {
	switch o.Kind {
	case crashsim.GoOn:
		return &c.tasks[p.TaskID()]
	case crashsim.SwitchTo:
		return &c.tasks[o.Index]
	case crashsim.CompleteCmd:
		for len(c.commands) <= int(o.Index) {
			c.commands = append(c.commands, c.priority("command"))
			c.runners++
		}
		return &c.commands[o.Index]
	}
	return nil
}
