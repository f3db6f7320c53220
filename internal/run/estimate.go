package run

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"untorn/crashsim/explore"
	"untorn/internal/count"
)

// Estimate says how many states all levels up to the last one will have, from
// those that each level had so far, states[0] being those of level 0. It
// continues the power law of the last two levels: a level adds one more choice
// at any place of a schedule, so that states grow like a polynomial of the
// level, and not like an exponential. It returns 0 when there is nothing to go
// by yet. docs/performance.md has it beside the truth.
func Estimate(states []uint64, last int) float64 {
	k := len(states) - 1
	if k < 2 || states[k-1] == 0 || states[k] <= states[k-1] {
		return 0
	}
	now, before := float64(states[k]), float64(states[k-1])
	slope := math.Log(now/before) / math.Log(float64(k)/float64(k-1))
	return now * math.Pow(float64(last)/float64(k), slope)
}

// Large is the number of states from which on an exploration is announced as a
// long one: that many take a minute or more.
const Large = 1_000_000

// soon is the part of a limit that the next level alone has to reach for an
// exploration to count as too large. Levels below are explored first, because
// they are quick and make the estimate better.
const soon = 16

// sizer watches an exploration grow.
type sizer struct {
	o     *Options
	title string
	last  int // level
	start time.Time

	mu     sync.Mutex // of what the progress looks at
	states []uint64
	total  float64       // estimated, 0 when nobody knows
	spent  time.Duration // until the last level that is finished
	said   bool
	full   bool
}

// grown takes note of a level and says how to go on. Only a search that will
// not take long may leave levels out, because those find what is cheap.
func (s *sizer) grown(g explore.Grown) explore.Next {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = append(s.states[:g.Level], g.States) // a search may begin anew
	s.full = s.full || g.Full
	s.spent = s.o.Now().Sub(s.start)
	next := Estimate(s.states, len(s.states))
	s.total = Estimate(s.states, s.last)
	if !s.said && s.above(Large, next) {
		s.said = true
		s.o.notice(s.title + ": " + s.text() + s.time() + "; --limit ends such a row at once, and --sample draws schedules of it instead")
	}
	limit := float64(s.o.Limit)
	switch {
	case limit > 0 && s.above(limit, next):
		return explore.Enough
	case s.full || s.total > Large || limit > 0 && s.total > limit:
		return explore.Deeper
	}
	return explore.AtOnce
}

// above reports whether there are more states than limit, or will be soon.
func (s *sizer) above(limit, next float64) bool {
	now := float64(s.states[len(s.states)-1])
	return s.full || now > limit || s.total > limit && next > limit/soon
}

// text says what is known and what is estimated; it depends on the space alone.
func (s *sizer) text() string {
	level := len(s.states) - 1
	now := s.states[level]
	known := fmt.Sprintf("levels up to %d of %d have %s states", level, s.last, short(float64(now)))
	if s.full || s.total == 0 {
		return known + ", and nobody knows how many all have"
	}
	return fmt.Sprintf("%s, all may have about %s", known, short(s.total))
}

// all is how long the search may take if all states cost alike, 0 when nobody
// knows.
func (s *sizer) all() time.Duration {
	if s.total == 0 || s.full {
		return 0
	}
	seconds := s.spent.Seconds() * s.total / float64(s.states[len(s.states)-1])
	return time.Duration(min(seconds, maxSeconds) * float64(time.Second))
}

// maxSeconds is what a Duration has room for.
const maxSeconds = 9e9

// time says how long all of it may take.
func (s *sizer) time() string {
	if s.all() == 0 {
		return ""
	}
	return " and take " + roughly(s.all())
}

// eta says how long the rest may take, for the progress.
func (s *sizer) eta() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.all() - s.o.Now().Sub(s.start)
	if left <= 0 {
		return ""
	}
	return ", about " + roughly(left) + " left"
}

// short prints a large number as the tables do.
func short(n float64) string {
	const most = 1e19 // below 2^64
	if n > most {
		return strings.Replace(fmt.Sprintf("%.1e", n), "e+", "e", 1)
	}
	return count.Of(uint64(n)).Short()
}

// unit is a unit of time.
type unit struct {
	name string
	size time.Duration
}

// largest returns the largest unit of which a time has two or more.
func largest(d time.Duration) unit {
	for _, u := range []unit{{"years", 365 * 24 * time.Hour}, {"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}} {
		if d >= 2*u.size {
			return u
		}
	}
	return unit{"seconds", time.Second}
}

// roughly prints a time in its largest unit.
func roughly(d time.Duration) string {
	u := largest(d)
	return fmt.Sprintf("%.0f %s", float64(d)/float64(u.size), u.name)
}

func (o *Options) notice(line string) {
	if o.Notice != nil {
		o.Notice(line)
	}
}
