package run

import (
	"fmt"
	"math"
	"sync"
	"time"

	"untorn/scenarios"
)

// pace is how fast the rows of a run get done. What the others will take is
// estimated by scenario: rows of one product are more alike than those of two.
type pace struct {
	now   func() time.Time
	tell  func(line string) // the progress, nil for none
	start time.Time

	mu    sync.Mutex
	rows  int
	done  int
	told  time.Time
	names map[*scenarios.Scenario]*share
}

// share are the rows of one scenario.
type share struct {
	rows, done int
	seconds    float64 // that those which are done took
}

// Bounds of what is told.
const (
	tellEvery = time.Second / 10
	// fewRows is how many rows of a scenario tell what others take, or all of
	// them, and firstSeconds how long a run has to go on before anything is told.
	fewRows      = 10
	firstSeconds = 10
	// below and above widen the estimate. Rows of a product come in an order, and
	// those that are done are no sample of it: docs/long-runs.md has how far the
	// means alone are off.
	below, above = 2.5, 1.75
	// tooWide is the ratio of both ends from which on a range says nothing.
	tooWide = 10
)

func newPace(plans []planned, now func() time.Time, tell func(string)) *pace {
	p := &pace{now: now, tell: tell, start: now(), rows: len(plans), names: make(map[*scenarios.Scenario]*share)}
	for i := range plans {
		s := p.names[plans[i].row.Scenario]
		if s == nil {
			s = &share{}
			p.names[plans[i].row.Scenario] = s
		}
		s.rows++
	}
	return p
}

// add notes a row that is done, and what it took when rows beside it took as
// long.
func (p *pace) add(of *scenarios.Scenario, seconds float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.names[of]
	p.done++
	s.done++
	s.seconds += seconds
	if now := p.now(); p.tell != nil && now.Sub(p.told) >= tellEvery {
		p.told = now
		p.tell(p.text())
	}
}

// with tells what a row under way does.
func (p *pace) with(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = p.now()
	p.tell(p.text() + ": " + line)
}

// text says how many rows are done, in what time, and how long the rest may
// take.
func (p *pace) text() string {
	gone := p.now().Sub(p.start)
	s := fmt.Sprintf("%d of %d rows, %v", p.done, p.rows, gone.Round(time.Second))
	low, high := p.left()
	if gone.Seconds() < firstSeconds || low == 0 || high > tooWide*low || high > maxSeconds {
		return s
	}
	span := func(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
	return s + ", " + between(span(low), span(high)) + " left"
}

// left is the least and the most time, in seconds, that the rows to come may
// take, 0 when nobody knows. Of a scenario that has hardly begun only the means
// of others are known, and one other says nothing.
func (p *pace) left() (low, high float64) {
	known, hidden := 0, 0.0
	least, most := math.Inf(1), 0.0
	for _, s := range p.names {
		n := float64(s.rows - s.done)
		if !s.known() {
			hidden += n
			continue
		}
		known++
		mean := s.seconds / float64(s.done)
		least, most = min(least, mean), max(most, mean)
		low, high = low+n*mean, high+n*mean
	}
	switch {
	case hidden > 0 && known < 2:
		return 0, 0
	case hidden > 0:
		low, high = low+hidden*least, high+hidden*most
	}
	return low / below, high * above
}

func (s *share) known() bool { return s.done >= min(fewRows, s.rows) }

// between prints a range of times in the unit of the longer one.
func between(low, high time.Duration) string {
	u := largest(high)
	return fmt.Sprintf("%.0f to %.0f %s", math.Floor(float64(low)/float64(u.size)), math.Ceil(float64(high)/float64(u.size)), u.name)
}
