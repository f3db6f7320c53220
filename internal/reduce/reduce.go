// Package reduce names the rules by which an exploration leaves work out. None
// of them is a sample: what a rule leaves out is counted as if it had been
// done, and a test holds each to that.
package reduce

import (
	"fmt"
	"slices"
	"strings"

	"untorn/internal/count"
)

// Rule is one way to leave work out.
type Rule uint8

// The rules. The comment says what is left out, and what Saved counts.
const (
	// Cuts judges equal cuts once: equal in the device and in what the callers
	// saw. Saved: cuts.
	Cuts Rule = iota
	// Cells judges one of the images that differ in pieces of a command which
	// no verdict can tell apart. Saved: images that another one stood for.
	Cells
	// Groups judges units apart that share no decision. Saved: units that would
	// have been judged in images which differ elsewhere.
	Groups
	// Commute takes the second of two orders of completions that change nothing
	// for each other from the first. Saved: runs.
	Commute
	// States does not explore a state again that is known. Saved: runs that
	// ended at one.
	States
	// Levels explores the last level at once where the first ones find
	// nothing, and begins anew if that finds something. Saved: levels.
	Levels
	// Designs, the last one and the only one that works on rows, takes the result
	// of a row from another one whose design answered alike whenever the engine
	// asked. Saved: rows.
	Designs
	NumRules
)

var names = [NumRules]string{"cuts", "cells", "groups", "commute", "states", "levels", "designs"}

func (r Rule) String() string { return names[r] }

// Names lists the rules.
func Names() []string { return slices.Clone(names[:]) }

// Set is a set of rules.
type Set uint8

// Has reports whether a rule is in the set.
func (s Set) Has(r Rule) bool { return s>>r&1 != 0 }

// Names lists the rules of the set.
func (s Set) Names() (list []string) {
	for r := range NumRules {
		if s.Has(r) {
			list = append(list, r.String())
		}
	}
	return list
}

// Of returns the set of some rules.
func Of(rules ...Rule) (s Set) {
	for _, r := range rules {
		s |= 1 << r
	}
	return s
}

// Parse returns the set of the rules that are named.
func Parse(list []string) (s Set, err error) {
	for _, name := range list {
		i := slices.Index(names[:], name)
		if i < 0 {
			return 0, fmt.Errorf("%q is no rule of reduction; allowed: %s", name, strings.Join(names[:], ", "))
		}
		s |= 1 << i
	}
	return s, nil
}

// Saved counts what each rule left out. It is work, not space: it depends on
// workers and memory.
type Saved [NumRules]count.Count

// Add adds what another part of the work left out.
func (s *Saved) Add(o *Saved) {
	for i := range s {
		s[i].Add(&o[i])
	}
}
