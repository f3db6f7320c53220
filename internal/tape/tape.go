// Package tape records every nondeterministic choice of a run. A choice is
// made among named options at a named point; the first option is the default
// and is not written, so that a tape stays short and survives shrinking.
package tape

// Entry is one choice that was not the default.
type Entry struct {
	Task   string // who was asked: a task, or "machine"
	Site   string // where: the name of a step, "pick", "power loss"
	Visit  int    // how often this task was asked at this site before
	Option string // what was chosen
}

// Tape is the choices of a run in the order in which they were made.
type Tape []Entry

// Point is a place where a choice is made.
type Point interface {
	Task() string
	Site() string
	Visit() int
	Len() int            // number of options
	Option(i int) string // name of the i-th; 0 is the default
}
