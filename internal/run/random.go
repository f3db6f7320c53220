package run

import (
	"fmt"
	"math"
	"math/big"

	"untorn/crashsim/explore"
	"untorn/internal/report"
	"untorn/scenarios"
)

var strategies = map[string]explore.Strategy{"uniform": explore.Uniform, "pct": explore.PCT, "coverage": explore.Coverage}

// random makes cfg one of a random exploration.
func (o *Options) random(cfg *explore.Config, r *scenarios.Row, name string) {
	drawn(cfg, r, int(r.Explore.Runs))
	if o.For > 0 && name == "design" {
		cfg.Runs, cfg.For = math.MaxInt, o.For
	}
}

// drawn makes cfg draw runs as the row says.
func drawn(cfg *explore.Config, r *scenarios.Row, runs int) {
	e := &r.Explore
	cfg.Runs, cfg.Seed = runs, uint64(e.Seed)
	cfg.Strategy, cfg.Depth = strategies[e.Strategy], e.Depth
	cfg.FaultRate = explore.Ratio{Num: int(e.FaultNum), Den: int(e.FaultDen)}
}

// sampleOf describes what a random exploration of a row drew.
func sampleOf(r *scenarios.Row, s *explore.Sample) *report.Sample {
	if s == nil {
		return nil
	}
	e := &r.Explore
	out := &report.Sample{Strategy: e.Strategy, Runs: s.Runs, Kept: s.Kept}
	if e.FaultDen > 0 {
		out.FaultRate = fmt.Sprintf("%d/%d", e.FaultNum, e.FaultDen)
	}
	if e.Strategy != "pct" {
		return out
	}
	out.Depth, out.Runners, out.Places = e.Depth, s.Runners, s.Places
	if e.FaultDen == 0 {
		n := big.NewInt(int64(s.Runners) * int64(r.Faults.Budget+1))
		k := big.NewInt(int64(s.Places))
		out.OneIn = n.Mul(n, k.Exp(k, big.NewInt(int64(e.Depth-1)), nil)).String()
	}
	return out
}
