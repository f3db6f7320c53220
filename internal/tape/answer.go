package tape

import "fmt"

// Answer is one choice that was not the default, told by its place in the
// order of questions instead of by names. It is short, and it means something
// to the very program that was asked and to no other.
type Answer struct {
	Skip   int // questions since the answer before it, all answered with the default
	Option int // the number of the option, at least 1
}

// Numberer passes every question on and writes down the answers that are not
// the default.
type Numberer struct {
	From    Chooser
	Answers []Answer
	skipped int
}

// Choose asks From.
func (n *Numberer) Choose(p Point) int {
	i := n.From.Choose(p)
	if i > 0 {
		n.Answers = append(n.Answers, Answer{n.skipped, i})
		n.skipped = 0
	} else {
		n.skipped++
	}
	return i
}

// ByNumber answers from a list, and says Stop when the list is used up or
// does not fit.
type ByNumber struct {
	rest    []Answer
	skipped int
	done    int
	err     error
}

// NewByNumber returns a Chooser that plays a list once.
func NewByNumber(answers []Answer) *ByNumber { return &ByNumber{rest: answers} }

// Choose returns what the list says.
func (b *ByNumber) Choose(p Point) int {
	if len(b.rest) == 0 || b.err != nil {
		return Stop
	}
	next := b.rest[0]
	if b.skipped < next.Skip {
		b.skipped++
		return 0
	}
	if n := p.Len(); next.Option < 1 || next.Option >= n {
		b.err = fmt.Errorf("answer %d: option %d at a point with %d options: %s %s %d", b.done+1, next.Option, n, p.Task(), p.Site(), p.Visit())
		return Stop
	}
	b.rest, b.skipped, b.done = b.rest[1:], 0, b.done+1
	return next.Option
}

// Err returns, after a run, the answer that did not fit, or the first one
// whose question was never asked.
func (b *ByNumber) Err() error {
	if b.err == nil && len(b.rest) > 0 {
		return fmt.Errorf("answer %d: its question was never asked", b.done+1)
	}
	return b.err
}
