package explore

import (
	"fmt"
	"slices"

	"untorn/crashsim"
)

// candidate is the best way to a class that one worker knows: fewest steps,
// then first in the order of the options. It is open when the answers lead to
// a known state, somewhere behind which the finding is.
type candidate struct {
	found   bool
	open    bool
	steps   uint32
	answers []uint16
	outcome crashsim.Outcome // of a schedule that is stuck
}

// better reports whether a goes before b. The ways that workers know end at
// different branches of the tree, so that comparing them as far as they are
// known is comparing them.
func (a *candidate) better(b *candidate) bool {
	if !a.found || !b.found {
		return a.found
	}
	if a.steps != b.steps {
		return a.steps < b.steps
	}
	return slices.Compare(a.answers, b.answers) < 0
}

// consider takes note of a finding on the present path and reports whether it
// is the best of its class so far.
func (w *worker) consider(class int, steps uint32, open bool) bool {
	best := &w.best[class]
	if !w.wanted[class] || best.found && steps > best.steps {
		return false
	}
	answers := w.answers
	for !open && len(answers) > 0 && answers[len(answers)-1] == 0 {
		answers = answers[:len(answers)-1]
	}
	if c := (candidate{found: true, steps: steps, answers: answers}); !c.better(best) {
		return false
	}
	if w.pool.leaping {
		w.pool.found.Store(true)
		w.pool.end()
	}
	best.found, best.open, best.steps = true, open, steps
	best.answers = append(best.answers[:0], answers...)
	return true
}

// look makes w look for the classes in wanted, and forget what it found.
func (w *worker) look(wanted [Classes + 1]bool) {
	w.wanted = wanted
	for c := range w.best {
		w.best[c] = candidate{}
	}
}

// resolve turns an open candidate into a schedule: it walks the known state
// at its end once more, but not the known states behind that, as often as the
// finding is still behind one. It reports false when the pool was stopped.
func (w *worker) resolve(class int, c candidate) (candidate, bool) {
	var wanted [Classes + 1]bool
	wanted[class] = true
	for c.open {
		w.look(wanted)
		w.at = nil
		w.depth = 0
		base := w.push()
		base.steps, base.n, base.tried = 0, 0, 0
		w.path.reset()
		w.answers = append(w.answers[:0], c.answers...)
		w.expand = true
		if !w.walk() {
			return c, false
		}
		next := w.best[class]
		if !next.found || next.steps != c.steps {
			w.err = ErrNotRepeatable
			return c, false
		}
		c = next
	}
	return c, true
}

// replay runs the schedule of a finding and checks that it is made.
func (w *worker) replay(class int, c candidate) (f Finding, err error) {
	f = Finding{Class: class, Steps: int(c.steps), Bound: w.budget, Choices: choices(c.answers)}
	w.prog.Judge(true)
	out := w.prog.Run(Replay(f.Choices), w.budget)
	t := emptyTally()
	w.prog.Take(&t)
	if t.First[class] != c.steps {
		return f, fmt.Errorf("%w: the finding of class %d after %d steps is not made again", ErrNotRepeatable, class, c.steps)
	}
	f.Faults, f.Preemptions = out.Faults, out.Preemptions
	return f, nil
}

func choices(answers []uint16) []int {
	c := make([]int, len(answers))
	for i, a := range answers {
		c[i] = int(a)
	}
	return c
}

func sortFindings(f []Finding) {
	slices.SortFunc(f, func(a, b Finding) int { return a.Class - b.Class })
}
