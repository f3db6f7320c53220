package model

import (
	"untorn/crashsim"
	"untorn/internal/tape"
	"untorn/verifier"
)

// Numbered is the schedule of a tape by the numbers of its choices, and its
// cut: after which event of the log power is lost, 0 for none, and what the
// image earns. It means the same to every program of an equal Config.
type Numbered struct {
	Answers []tape.Answer
	Event   int
	Verdict verifier.Verdict
}

// Number runs the schedule of a tape and numbers its choices. A tape that does
// not fit is an error that names the entry.
func Number(c *Config, t tape.Tape) (Numbered, error) {
	schedule, event, v, err := splitCut(t)
	if err != nil {
		return Numbered{}, err
	}
	from, err := tape.NewReplayer(schedule)
	if err != nil {
		return Numbered{}, err
	}
	n := &tape.Numberer{From: from}
	if err := unjudged(c, n, len(schedule)); err != nil {
		return Numbered{}, err
	}
	return Numbered{n.Answers, event, v}, from.Err()
}

// Name is the inverse of Number. Choices that the program does not offer are
// an error.
func Name(c *Config, n Numbered) (tape.Tape, error) {
	from := tape.NewByNumber(n.Answers)
	r := &tape.Recorder{From: from}
	if err := unjudged(c, r, len(n.Answers)); err != nil {
		return nil, err
	}
	if err := from.Err(); err != nil {
		return nil, err
	}
	if n.Event > 0 {
		r.Tape = append(r.Tape, cutEntry(n.Event, n.Verdict))
	}
	return r.Tape, nil
}

// unjudged runs one schedule of n choices and looks at no image.
func unjudged(c *Config, from tape.Chooser, n int) error {
	p, err := newProgram(c, NewShared(true))
	if err != nil {
		return err
	}
	defer p.Close()
	p.Run(crashsim.FromTape(from), crashsim.Budget{Faults: n, Preemptions: n, Total: n})
	return nil
}
