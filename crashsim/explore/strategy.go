package explore

import (
	"fmt"

	"untorn/crashsim"
	"untorn/internal/tape"
)

// Strategy says how a random exploration draws its schedules. The zero value
// is Uniform.
type Strategy uint8

// The strategies.
const (
	// Uniform takes the options of a pick alike, and answers other than the
	// default rarely elsewhere.
	Uniform Strategy = iota
	// PCT runs whoever has the highest of random priorities, and lowers the
	// highest at Depth-1 random places.
	PCT
	// Coverage changes earlier schedules that took a step, or a pair of steps,
	// that none before had taken.
	Coverage
	numStrategies
)

// Ratio is a chance in whole numbers, Num in Den.
type Ratio struct{ Num, Den int }

// Sample is what a random exploration drew.
type Sample struct {
	Runs uint64 // schedules; the same sample is drawn again with as many Runs
	// Runners and Places are what PCT's chance depends on: the most tasks and
	// commands in one of its trial runs, and the most places where it was asked.
	Runners, Places int
	// Kept is how many schedules Coverage changed others of.
	Kept int
}

// drawer answers the questions of one worker's random schedules.
type drawer interface {
	// begin readies it for the schedule with this number.
	begin(number uint64)
	choose(p *crashsim.Point) int
}

// checkRandom refuses what makes no sense for RunRandom.
func (cfg *Config) checkRandom() error {
	r := cfg.FaultRate
	switch {
	case cfg.Strategy >= numStrategies:
		return fmt.Errorf("explore: strategy %d; there are %d", cfg.Strategy, numStrategies)
	case cfg.Strategy == PCT && cfg.Depth < 1:
		return fmt.Errorf("explore: depth %d; at least 1 is needed", cfg.Depth)
	case r != Ratio{} && (r.Den < 1 || r.Num < 0 || r.Num > r.Den):
		return fmt.Errorf("explore: fault rate %d/%d; from 0 to 1", r.Num, r.Den)
	}
	return nil
}

// isFault reports whether an option is a fault.
func isFault(o crashsim.Option) bool {
	return o.Kind == crashsim.StrikeFault || o.Kind == crashsim.FailCmd
}

// faults counts the faults among options; they are neighbours, and first is
// where they begin.
func faults(opts []crashsim.Option) (first, n int) {
	for i := range opts {
		if isFault(opts[i]) {
			if n == 0 {
				first = i
			}
			n++
		}
	}
	return first, n
}

// strikes draws whether a fault strikes at a place where some may, and which:
// the number of its option, or 0.
func (r Ratio) strikes(streams *tape.Sampler, opts []crashsim.Option) int {
	first, n := faults(opts)
	if n == 0 || streams.Draw("fault rate", r.Den) >= r.Num {
		return 0
	}
	return first + streams.Draw("fault", n)
}

// uniform draws without looking at what came before. Where a wait forces a
// choice all options are alike. Elsewhere most answers are the default, or the
// budget would be spent within the first steps: how rare others are is drawn
// anew for each schedule.
type uniform struct {
	seed    uint64
	rate    Ratio
	streams *tape.Sampler
	rare    int
}

func newUniform(cfg *Config) *uniform {
	return &uniform{seed: cfg.Seed, rate: cfg.FaultRate, streams: tape.NewSampler(0)}
}

func (u *uniform) begin(number uint64) {
	u.streams.Seed(tape.Derive(u.seed, number))
	u.rare = 2 << u.streams.Draw("rare", 8)
}

func (u *uniform) choose(p *crashsim.Point) int {
	if u.rate.Den > 0 {
		return u.rated(p)
	}
	switch {
	case p.Free():
		return u.streams.Draw(p.Site(), p.Len())
	case p.Machine().Left().Total == 0 || u.streams.Draw(p.Site(), u.rare) != 0:
	case p.Len() > 1:
		return 1 + u.streams.Draw(p.Site(), p.Len()-1)
	}
	return 0
}

// rated draws faults at the rate that was asked for, and what is no fault as
// choose does.
func (u *uniform) rated(p *crashsim.Point) int {
	opts := p.Options()
	if f := u.rate.strikes(u.streams, opts); f > 0 {
		return f
	}
	if p.Free() {
		_, n := faults(opts)
		return u.streams.Draw(p.Site(), len(opts)-n) // faults come last
	}
	if u.streams.Draw(p.Site(), u.rare) != 0 {
		return 0
	}
	return other(u.streams, p)
}

// other draws an option that is neither the default nor a fault, if there is
// one.
func other(streams *tape.Sampler, p *crashsim.Point) int {
	opts := p.Options()
	first, n := faults(opts)
	if len(opts)-n < 2 {
		return 0
	}
	i := 1 + streams.Draw(p.Site(), len(opts)-n-1)
	if n > 0 && i >= first {
		i += n
	}
	return i
}
