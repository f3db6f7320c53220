package tape

import "fmt"

// Enumerator walks all tapes of a program depth first, with no knowledge of
// states: the reference for anything cleverer. Run the program once with it
// as the Chooser, then again as long as Next says so.
type Enumerator struct {
	path []branch
	next int
	err  error
}

type branch struct{ at, options int }

// Choose answers with the present tape.
func (e *Enumerator) Choose(p Point) int {
	n := p.Len()
	if e.next == len(e.path) {
		e.path = append(e.path, branch{0, n})
	}
	b := e.path[e.next]
	if b.options != n && e.err == nil {
		e.err = fmt.Errorf("%s %s %d has %d options, before it had %d: the program is no function of its answers",
			p.Task(), p.Site(), p.Visit(), n, b.options)
	}
	if e.err != nil {
		return Stop
	}
	e.next++
	return b.at
}

// Next goes to the next tape and reports whether there is one.
func (e *Enumerator) Next() bool {
	if e.err == nil && e.next < len(e.path) {
		e.err = fmt.Errorf("the run ended after %d choices, before it made %d: the program is no function of its answers",
			e.next, len(e.path))
	}
	e.next = 0
	for len(e.path) > 0 && e.err == nil {
		last := &e.path[len(e.path)-1]
		if last.at++; last.at < last.options {
			return true
		}
		e.path = e.path[:len(e.path)-1]
	}
	return false
}

// Err returns what stopped the walk early: a program that made other choices
// when its answers were the same.
func (e *Enumerator) Err() error { return e.err }
