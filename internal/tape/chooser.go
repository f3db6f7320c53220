package tape

import "fmt"

// Stop is the answer of a Chooser that wants the run to end.
const Stop = -1

// Chooser answers at every point of a run.
type Chooser interface {
	// Choose returns the number of an option of p, 0 for the default, or Stop.
	Choose(p Point) int
}

// Default is the Chooser that always takes the default.
type Default struct{}

// Choose returns 0.
func (Default) Choose(Point) int { return 0 }

// Recorder passes every question on and writes down the answers that are not
// the default.
type Recorder struct {
	From Chooser
	Tape Tape
}

// Choose asks From.
func (r *Recorder) Choose(p Point) int {
	i := r.From.Choose(p)
	if i > 0 {
		r.Tape = append(r.Tape, Entry{p.Task(), p.Site(), p.Visit(), p.Option(i)})
	}
	return i
}

// Replayer answers from a tape, and with the default where the tape has no
// entry. A tape that does not fit the run is an error, never a guess.
type Replayer struct {
	tape    Tape
	entries map[place]int
	reached []bool
	err     error
}

type place struct {
	task, site string
	visit      int
}

// NewReplayer returns a Chooser that plays t once. Two entries for one point
// are an error.
func NewReplayer(t Tape) (*Replayer, error) {
	r := &Replayer{tape: t, entries: make(map[place]int, len(t)), reached: make([]bool, len(t))}
	for i, e := range t {
		at := place{e.Task, e.Site, e.Visit}
		if before, twice := r.entries[at]; twice {
			return nil, fmt.Errorf("entries %d and %d are for the same point: %s", before+1, i+1, e)
		}
		r.entries[at] = i
	}
	return r, nil
}

// Choose returns what the tape says, and Stop once it does not fit.
func (r *Replayer) Choose(p Point) int {
	if r.err != nil {
		return Stop
	}
	at, ok := r.entries[place{p.Task(), p.Site(), p.Visit()}]
	if !ok {
		return 0
	}
	e := r.tape[at]
	if r.reached[at] {
		r.err = fmt.Errorf("entry %d: its point came twice: %s", at+1, e)
		return Stop
	}
	r.reached[at] = true
	found := Stop
	for i := range p.Len() {
		if p.Option(i) != e.Option {
			continue
		}
		if found != Stop {
			r.err = fmt.Errorf("entry %d: two options have its name: %s", at+1, e)
			return Stop
		}
		found = i
	}
	if found == Stop {
		r.err = fmt.Errorf("entry %d: its point has no such option: %s", at+1, e)
	}
	return found
}

// Err returns, after a run, the first entry that did not fit, or the first
// one whose point never came.
func (r *Replayer) Err() error {
	if r.err != nil {
		return r.err
	}
	for i, ok := range r.reached {
		if !ok {
			return fmt.Errorf("entry %d: its point was never reached: %s", i+1, r.tape[i])
		}
	}
	return nil
}
