// Package explore walks the space of schedules of a machine: every answer to
// every choice within a budget, cheapest first, on all cores, with equal
// counts whatever the number of workers and whether or not states already
// explored are explored again.
package explore

import (
	"time"

	"untorn/crashsim"
	"untorn/internal/count"
)

// Slots is the number of counts in a Tally; what each means is up to the Program.
const Slots = 40

// Classes is the number of kinds of finding a Program may report.
const Classes = 8

// Never is the step of a finding that was not made.
const Never = ^uint32(0)

// Tally is what the Program counted over some part of the space: sums over
// schedules, and for each class of finding the fewest steps after which it
// was seen, counted from the start of the run.
type Tally struct {
	Counts [Slots]count.Count
	First  [Classes]uint32
}

// Program is one instance of a machine under exploration and of the judge
// that looks at what it leaves. Each worker has its own, and all of them
// behave alike: equal answers lead to equal states, of equal keys.
type Program interface {
	// Run executes one schedule.
	Run(c crashsim.Chooser, b crashsim.Budget) crashsim.Outcome
	// Machine returns the machine that Run uses.
	Machine() *crashsim.Machine
	// Judge turns the judging of cuts and the counting of faults on or off.
	// It is off while a prefix that was judged before is run again, and
	// comes on before the answer that leaves the prefix is carried out.
	Judge(on bool)
	// Take adds what was counted since the last Take to t (First: the
	// minimum of both) and forgets it. It is called at points and after Run.
	// What is counted between two points is a function of the state at the
	// first, apart from the number of steps that First starts with.
	Take(t *Tally)
	// Commute reports whether it leaves the same, now and for all that
	// follows, in which order the i-th and the j-th command in flight complete,
	// one right after the other. False is always right.
	Commute(i, j int) bool
	// Close ends the instance.
	Close()
}

// Config bounds an exploration.
type Config struct {
	Bound   crashsim.Budget // Total is Faults + Preemptions
	Workers int             // at least 1
	NoCache bool            // explore known states again
	// NoCommute walks both orders of completions that commute.
	NoCommute bool
	// CacheBytes caps the memory of known states, for all workers together.
	CacheBytes int64
	// Runs and Seed are for RunRandom: how many schedules, drawn from what.
	Runs int
	Seed uint64
	// Strategy says how RunRandom draws, Depth is that of PCT, at least 1.
	Strategy Strategy
	Depth    int
	// FaultRate is the chance of a fault at a place where one may strike. Zero
	// leaves it to the strategy.
	FaultRate Ratio
	// For, when positive, ends the sample of RunRandom after one schedule at least
	// when it was drawn for so long, in this process and in those that it
	// continues. The result is that of as many Runs.
	For time.Duration
	// Enough, when set, is asked before each schedule of RunRandom is begun; true
	// ends the sample there. The result is that of as many Runs.
	Enough func() bool
	// StopAt ends the deepening after the first level at which a finding of
	// this class, or of a class with a lower number, was made; -1 for never.
	// A schedule that is stuck ends it as well, whatever StopAt is.
	StopAt int
	// Grown, when set, is called with each level that was finished and has
	// another one after it, and says how to go on.
	Grown func(Grown) Next
	// Restart, when set, allows the levels between the second and the last to
	// be left out. It is called when the last one shows that this was wrong,
	// and makes the programs to come forget what those before shared.
	Restart func()
	// Checkpoint, when set, saves what is known and begins with what was. It does
	// nothing for Run without the cache.
	Checkpoint *Checkpoint
	// Progress, when set, is called now and then with what was done so far,
	// from a goroutine of its own, never twice at the same time and not after
	// Run has returned.
	Progress func(Progress)
}

// Grown is how large an exploration has become.
type Grown struct {
	Level  int
	States uint64 // known after the level; see Result
	Full   bool   // the table of states is, so that States says nothing
}

// Next is how to go on after a level.
type Next int

// Ways to go on.
const (
	Deeper Next = iota + 1 // with the next level
	AtOnce                 // with the last level, when Restart allows it
	Enough                 // not at all: the result is Limited
)

// Progress is how far an exploration is.
type Progress struct {
	Level    int // the budget being explored
	Levels   int // the last one
	Executed uint64
	Done     int // branches of the root that are done, of Branches
	Branches int
}

// Finding is the cheapest way to one class of finding: the schedule with the
// fewest faults and preemptions, then the fewest steps, then the first in the
// order of the options.
type Finding struct {
	Class       int
	Steps       int
	Faults      int
	Preemptions int
	Bound       crashsim.Budget // under which the options of Choices were numbered
	// Choices has an answer for every call of Choose, points with a single
	// option included, up to the last answer before the finding that is not
	// the default. Defaults follow; Replay plays them.
	Choices []int
	// Run is, of a random exploration, the number of the first schedule of the
	// sample in which a finding of this class was made, counted from 0.
	Run uint64
}

// Result is what an exploration found.
type Result struct {
	Level     int  // the last level that was finished, faults plus preemptions; -1 for none
	Exhausted bool // the whole bound was explored
	Partial   bool // it was ended early by its context
	Limited   bool // it was ended early by Grown
	// Schedules and Tally are those of the last finished level, which
	// contains the levels below it. When not even level 0 was finished, they
	// are sums over what was.
	Schedules count.Count
	Tally     Tally
	// Findings is by class, for each class that was found. One that was made
	// in a level that the context cut off is real, but cheaper ones may exist.
	Findings []Finding
	// Stuck is the cheapest schedule that did not end, if there is one, in
	// the order of Finding. A Cycle ends where the state came back.
	Stuck        *crashsim.Outcome
	StuckChoices []int
	StuckBound   crashsim.Budget
	// Sample is what a random exploration drew, nil for another.
	Sample *Sample
	// Reached are the steps taken in any schedule, whole levels or the sample:
	// a state that is known adds none, since whoever explored it took them. Of
	// a level that the context cut off it holds what was executed until then.
	Reached crashsim.StepSet

	// What this run did; it depends on workers and cache.
	Executed  uint64 // schedules executed, whole or in part
	Steps     uint64
	CacheHits uint64
	Commuted  uint64 // not executed, since another order of completions was
	Skipped   uint64 // levels that were left out
	CacheFull bool
	// States are the states with more than one way on whose every continuation
	// was explored, each with what was left of the budget there. Unless the
	// cache is full or the run was cut off, they do not depend on workers.
	States uint64
}

// Replay returns a Chooser that gives the answers of a Finding, then
// defaults. It is for one run.
func Replay(choices []int) crashsim.Chooser { return &replayer{rest: choices} }

type replayer struct{ rest []int }

func (r *replayer) Choose(*crashsim.Point) int {
	if len(r.rest) == 0 {
		return 0
	}
	c := r.rest[0]
	r.rest = r.rest[1:]
	return c
}
