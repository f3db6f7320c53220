package model

import (
	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/internal/count"
	"untorn/verifier"
)

// Slots of an explore.Tally.
const (
	slotCovered  = 0
	slotCuts     = 1
	slotAccepted = 2
	slotVerdicts = 3
	slotBehind   = slotVerdicts + int(verifier.NumImageVerdicts)
	slotFired    = slotBehind + verifier.BehindMax + 1
	slotRecut    = slotFired // no fault has kind 0
	slotEnd      = slotFired + int(crashsim.NumFaultKinds)
)

// The slots and the bad verdicts have to fit.
var (
	_ [explore.Slots - slotEnd]struct{}
	_ [explore.Classes - int(verifier.Stale)]struct{}
)

// Counts is a tally in words. All of them count the whole bounded space:
// sums over every schedule.
type Counts struct {
	Covered  count.Count                            // crash images
	Verdicts [verifier.NumImageVerdicts]count.Count // of those, by verdict
	Behind   [verifier.BehindMax + 1]count.Count    // visible units by versions behind the newest; the last one is "or more"
	Cuts     count.Count                            // losses of power
	Fired    [crashsim.NumFaultKinds]count.Count    // faults that struck
	Recut    count.Count                            // crash images left by mounts that were cut
	Accepted count.Count                            // atomic writes that returned success
}

// CountsOf reads a tally.
func CountsOf(t *explore.Tally) *Counts {
	c := &Counts{Covered: t.Counts[slotCovered], Cuts: t.Counts[slotCuts], Accepted: t.Counts[slotAccepted]}
	copy(c.Verdicts[:], t.Counts[slotVerdicts:])
	copy(c.Behind[:], t.Counts[slotBehind:])
	copy(c.Fired[1:], t.Counts[slotFired+1:])
	c.Recut = t.Counts[slotRecut]
	return c
}

// VerdictOf returns the verdict that a class of finding stands for. Classes
// are the bad verdicts, worst first.
func VerdictOf(class int) verifier.Verdict { return verifier.Corrupt + verifier.Verdict(class) }

// ClassOf is the inverse of VerdictOf; -1 for a verdict that is no finding.
func ClassOf(v verifier.Verdict) int {
	if v < verifier.Corrupt || v > verifier.Stale {
		return -1
	}
	return int(v - verifier.Corrupt)
}
