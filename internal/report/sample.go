package report

import (
	"fmt"
	"strings"
)

// Sample is what a random exploration drew. With explore.runs of Runs the same
// sample is drawn again.
type Sample struct {
	Strategy  string `json:"strategy"`
	Runs      uint64 `json:"runs"`
	FaultRate string `json:"fault_rate,omitempty"` // N/M
	Depth     int    `json:"depth,omitempty"`      // of pct
	Runners   int    `json:"runners,omitempty"`    // tasks and commands, of pct
	Places    int    `json:"places,omitempty"`     // where a schedule was asked, of pct
	// OneIn is the reciprocal of the chance that pct promises of one schedule for
	// a bug of that depth that needs no fault.
	OneIn string `json:"one_in,omitempty"`
	Kept  int    `json:"kept,omitempty"` // schedules that took something new, of coverage
}

// text prints the bounds: faults+preemptions, and what they may come to
// together, or faults+d and the depth.
func (b *Bounds) text() string {
	if b.Depth > 0 {
		return fmt.Sprintf("%d+d%d", b.Budget, b.Depth)
	}
	if b.Together > 0 {
		return fmt.Sprintf("%d+%d<=%d", b.Budget, b.Preemptions, b.Together)
	}
	return fmt.Sprintf("%d+%d", b.Budget, b.Preemptions)
}

// samples says of each row that was sampled what was drawn.
func samples(r *Report) []string {
	var out []string
	for _, res := range r.listed() {
		s := res.Sample
		if s == nil {
			continue
		}
		text := s.Strategy
		if s.Depth > 0 {
			text = fmt.Sprintf("%s, depth %d", text, s.Depth)
		}
		if s.OneIn != "" {
			text += ": 1 in " + short(s.OneIn) + " finds a bug of it"
		}
		if s.FaultRate != "" {
			text += ", faults " + s.FaultRate
		}
		out = append(out, fmt.Sprintf("sampled %s: explore.runs=%d (%s)", strings.TrimSpace(res.Scenario+" "+res.Row), s.Runs, text))
	}
	return out
}
