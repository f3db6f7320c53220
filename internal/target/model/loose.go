package model

import (
	"untorn/crashsim"
	"untorn/internal/tape"
	"untorn/verifier"
)

// Played is a schedule that earned a verdict.
type Played struct {
	Tape    tape.Tape // with the cut
	Steps   int       // up to the cut
	Outcome crashsim.Outcome
}

// PlayLoose plays what fits of a schedule, without its cut, and reports whether
// some image on the way earns v, or whether the schedule is stuck when v is
// Stuck. The first such image is the cut.
func PlayLoose(c *Config, schedule tape.Tape, v verifier.Verdict) (Played, bool, error) {
	p, err := newPlayer(c)
	if err != nil {
		return Played{}, false, err
	}
	defer p.Close()
	p.quiet = true
	p.Judge(v != verifier.Stuck) // of a schedule that is stuck, images tell nothing
	p.wanted = func(event int, _ uint32, r *verifier.Result) verifier.Verdict {
		if event > 0 && v < verifier.NumImageVerdicts && !r.Verdicts[v].IsZero() {
			return v
		}
		return verifier.NotChecked
	}
	n := len(schedule)
	r, err := p.play(crashsim.FromTape(tape.NewLoose(schedule)), crashsim.Budget{Faults: n, Preemptions: n, Total: n})
	if err == errNoImage {
		return Played{}, false, nil
	}
	if err != nil {
		return Played{}, false, err
	}
	out := Played{Tape: r.Tape, Steps: r.Steps, Outcome: r.Outcome}
	return out, r.Verdict == v, nil
}

// Schedule is a tape without its cut. An entry that looks like a cut and is none
// is an error.
func Schedule(t tape.Tape) (tape.Tape, error) {
	rest, _, _, err := splitCut(t)
	return rest, err
}
