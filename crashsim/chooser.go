package crashsim

import "untorn/internal/tape"

var _ tape.Point = (*Point)(nil)

// FromTape makes a Chooser of one that knows only the names of options: a
// tape.Recorder, a tape.Replayer, a tape.Sampler or a tape.Enumerator.
func FromTape(c tape.Chooser) Chooser { return fromTape{c} }

type fromTape struct{ tape.Chooser }

func (c fromTape) Choose(p *Point) int { return c.Chooser.Choose(p) }

// ToTape is the inverse of FromTape: it lets a tape.Recorder write down what
// c answers. It panics at a point that is not a *Point.
func ToTape(c Chooser) tape.Chooser { return toTape{c} }

type toTape struct{ Chooser }

func (c toTape) Choose(p tape.Point) int { return c.Chooser.Choose(p.(*Point)) }
