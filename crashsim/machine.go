// Package crashsim is the simulated machine: tasks that run as coroutines and
// announce numbered steps, a scheduler that may switch between them at every
// step, and a fault injector that may strike there. It knows nothing of file
// systems: the program under test is a Kernel, its disk a Device.
//
// A run is a function of the answers of a Chooser. The machine uses no clock,
// no randomness and no goroutine but its coroutines.
package crashsim

import (
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"

	"untorn/internal/key"
	"untorn/internal/tape"
)

// Step is the label of one place in the program where the machine may switch
// tasks and strike with faults: an index into the table of steps that the
// kernel gives. Every call of Task.Step has a label of its own.
type Step uint8

// StepInfo describes a step to people.
type StepInfo struct {
	Num  string // the number of the step list: "12", "R1"
	Name string // "copy"
	// Device marks the one step that no task announces: the device executes a
	// command.
	Device bool
}

// Wait is what a blocked task waits for, in terms of the kernel. The zero
// value means that the task does not wait.
type Wait struct {
	Kind uint8
	Arg  int32
}

// Kernel is the program under test. All its state is reset by Reset, and all
// of it that can decide the future goes into Hash.
type Kernel interface {
	// Reset brings the state to where it was before the first step.
	Reset()
	// Ready reports whether what w waits for has happened.
	Ready(w Wait) bool
	// Faults appends the faults that may strike now, as t announces s.
	Faults(buf []Fault, t *Task, s Step) []Fault
	// FailsIO reports whether commands of the device may fail (IOError).
	FailsIO() bool
	// Strike lets a fault happen.
	Strike(f Fault, t *Task)
	// FaultText names a fault; equal faults have equal texts, others not.
	FaultText(f Fault) string
	// Drain is called when all foreground tasks have ended and nothing else
	// can run. It starts what the system does in its own time and reports
	// whether it started anything.
	Drain() bool
	// Hash folds the state, the device's and the history's included.
	Hash(h *key.Hasher)
}

// Device has commands in flight, which the scheduler completes in any order.
type Device interface {
	// Inflight returns how many commands may complete now, oldest first.
	Inflight() int
	// Complete lets the i-th of them complete, Fail with an I/O error.
	Complete(i int)
	Fail(i int)
	// CommandText names the i-th of them.
	CommandText(i int) string
}

// Budget bounds one run.
type Budget struct {
	Faults      int // faults, power loss not counted
	Preemptions int // switches between tasks that no wait forces
	Total       int // faults and preemptions together
}

// OptionKind says what an option does.
type OptionKind uint8

const (
	_ OptionKind = iota
	// GoOn lets the task go on: the default at a step.
	GoOn
	// StrikeFault lets Fault happen; the machine asks again at the same step.
	StrikeFault
	// SwitchTo runs task Index.
	SwitchTo
	// CompleteCmd completes command Index of the device.
	CompleteCmd
	// FailCmd completes it with an error: a fault.
	FailCmd
)

// Option is one answer at a point.
type Option struct {
	Kind  OptionKind
	Index int32
	Fault Fault
}

// Stop is the answer of a Chooser that ends the run.
const Stop = tape.Stop

// Chooser answers at every point of a run. Answer 0 is the default.
type Chooser interface {
	// Choose returns the number of an option of p, or Stop.
	Choose(p *Point) int
}

// ResultKind says how a run ended. The zero value is invalid.
type ResultKind uint8

// The ends of a run. All but Done and Stopped are defects of the program
// under test (the verdict "stuck").
const (
	_        ResultKind = iota
	Done                // all tasks ended, flusher and device drained
	Stopped             // the Chooser said Stop
	Deadlock            // no task can go on
	StepCap             // the run took MaxSteps steps, or more turns than that without a step
	Panicked            // a task panicked
	Cycle               // a state came back; only package explore sees that
)

var resultNames = [...]string{"invalid", "done", "stopped", "deadlock", "step cap", "panic", "cycle"}

func (k ResultKind) String() string { return resultNames[k] }

// Outcome is how a run ended and what it used.
type Outcome struct {
	Kind        ResultKind
	Steps       int
	Faults      int
	Preemptions int
	Detail      string // for a panic, its text and stack
}

// MaxSteps is the number of steps after which a run is taken for stuck.
const MaxSteps = 50000

// TraceEvent is one line of a trace: a step, or something else that happened.
type TraceEvent struct {
	Step   int    // steps announced so far
	Task   string // who; "device" and "machine" are not tasks
	Num    string // number of the step, if it is one
	Text   string
	Fault  bool // a fault struck
	Switch bool // the scheduler made a choice
}

// Machine runs a kernel. It is used by one goroutine at a time and reused for
// any number of runs.
type Machine struct {
	kernel Kernel
	device Device
	steps  []StepInfo
	tasks  []*Task

	execute Step // the label of the device's step
	reached StepSet

	// Trace, when set, receives each step and each choice.
	Trace func(TraceEvent)
	// OnFault, when set, is told of each fault that strikes.
	OnFault func(Fault)
	// OnComplete, when set, is told before the i-th command in flight, oldest
	// first, completes or fails.
	OnComplete func(i int)

	chooser Chooser
	point   Point
	left    Budget
	used    Outcome
	nsteps  int
	turns   int // since the last step
	visits  [][]uint32
	picks   uint32
	next    *Task // who runs after the present task yields, nil to pick
	end     ResultKind
	detail  string
	unwind  bool
	hasher  key.Hasher
}

// NewMachine returns a machine without tasks. steps describes the labels, one
// of them the device's.
func NewMachine(k Kernel, d Device, steps []StepInfo) *Machine {
	if len(steps) > maxLabels {
		panic(fmt.Sprintf("crashsim: %d labels of steps; there is room for %d", len(steps), maxLabels))
	}
	execute := slices.IndexFunc(steps, func(s StepInfo) bool { return s.Device })
	if execute < 0 {
		panic("crashsim: no label for the step of the device")
	}
	m := &Machine{kernel: k, device: d, steps: steps, execute: Step(execute)}
	m.point.m = m
	return m
}

// Tasks returns the tasks in the order in which they were added.
func (m *Machine) Tasks() []*Task { return m.tasks }

// Steps returns how many steps were announced so far in this run.
func (m *Machine) Steps() int { return m.nsteps }

// Reached returns the labels of all steps that were taken since the machine
// was made, in any of its runs.
func (m *Machine) Reached() StepSet { return m.reached }

// AlsoReached adds steps that another machine with the same labels took on
// behalf of this one, such as a mount of what a run left.
func (m *Machine) AlsoReached(s StepSet) { m.reached.Union(s) }

// Left returns what is left of the budget.
func (m *Machine) Left() Budget { return m.left }

// StepInfo describes a label.
func (m *Machine) StepInfo(s Step) StepInfo { return m.steps[s] }

// Close ends the coroutines. The machine cannot run again.
func (m *Machine) Close() {
	m.unwind = true
	for _, t := range m.tasks {
		t.close()
	}
}

// Run runs the kernel once, every choice answered by c.
func (m *Machine) Run(c Chooser, b Budget) Outcome {
	m.chooser, m.left = c, b
	m.used = Outcome{}
	m.nsteps, m.picks, m.turns = 0, 0, 0
	m.end, m.detail, m.next = 0, "", nil
	for i := range m.visits {
		clear(m.visits[i])
	}
	for _, t := range m.tasks {
		t.begin()
	}
	m.kernel.Reset()
	m.schedule()
	m.unwindAll()
	m.used.Kind, m.used.Steps, m.used.Detail = m.end, m.nsteps, m.detail
	return m.used
}

// schedule runs one task after the other until the run ends, or until the
// kernel or the device panics outside of a task. Background tasks first run
// to where they wait for work.
func (m *Machine) schedule() {
	defer func() {
		if v := recover(); v != nil {
			m.fail("machine", v)
		}
	}()
	for _, t := range m.tasks {
		if t.background && t.state == fresh && m.end == 0 {
			t.resume()
		}
	}
	for m.end == 0 {
		if m.turns++; m.turns > MaxSteps {
			m.end = StepCap
			return
		}
		t := m.next
		if t == nil {
			if t = m.pick(); t == nil {
				continue
			}
		}
		m.next = nil
		t.wait = Wait{}
		t.resume()
	}
}

// unwindAll ends the bodies that a run left suspended.
func (m *Machine) unwindAll() {
	m.unwind = true
	for _, t := range m.tasks {
		if t.state == suspended && !t.idle {
			t.resume()
		}
	}
	m.unwind = false
}

// pick decides who runs when the present task cannot: every ready task and
// every command in flight is an option, and none costs anything but a command
// that fails. It returns nil when a command completed or the run ended.
func (m *Machine) pick() *Task {
	p := &m.point
	p.task, p.visit = nil, m.picks
	p.opts = p.opts[:0]
	for i, t := range m.tasks {
		if t.state != ended && (t.wait.Kind == 0 || m.kernel.Ready(t.wait)) {
			p.opts = append(p.opts, Option{Kind: SwitchTo, Index: int32(i)})
		}
	}
	for i := range m.device.Inflight() {
		p.opts = append(p.opts, Option{Kind: CompleteCmd, Index: int32(i)})
	}
	if m.left.Faults > 0 && m.left.Total > 0 && m.kernel.FailsIO() {
		for i := range m.device.Inflight() {
			p.opts = append(p.opts, Option{Kind: FailCmd, Index: int32(i)})
		}
	}
	p.listed = true
	if len(p.opts) == 0 {
		m.idle()
		return nil
	}
	// A pick that is not asked counts all the same: how many options there are
	// depends on the budget, and a tape is played with another one.
	m.picks++
	choice := 0
	if len(p.opts) > 1 {
		if choice = m.chooser.Choose(p); choice == Stop {
			m.end = Stopped
			return nil
		}
		if choice != 0 && m.Trace != nil {
			m.trace(TraceEvent{Task: "machine", Text: "next: " + p.Option(choice), Switch: true})
		}
	}
	o := p.opts[choice]
	switch o.Kind {
	case CompleteCmd:
		m.complete(o)
		return nil
	case FailCmd:
		m.failCmd(o)
		return nil
	}
	return m.tasks[o.Index]
}

// idle ends the run, unless the system has something to do in its own time.
func (m *Machine) idle() {
	for _, t := range m.tasks {
		if !t.background && t.state != ended {
			m.end = Deadlock
			return
		}
	}
	if !m.kernel.Drain() {
		m.end = Done
	}
}

func (m *Machine) complete(o Option) {
	m.reached.Add(m.execute)
	if m.Trace != nil {
		m.trace(TraceEvent{Task: "device", Num: m.steps[m.execute].Num, Text: "completes " + m.device.CommandText(int(o.Index))})
	}
	if m.OnComplete != nil {
		m.OnComplete(int(o.Index))
	}
	m.device.Complete(int(o.Index))
}

// failCmd lets a command complete with an error.
func (m *Machine) failCmd(o Option) {
	m.left.Faults--
	m.left.Total--
	m.used.Faults++
	m.reached.Add(m.execute)
	if m.Trace != nil {
		m.trace(TraceEvent{Task: "device", Num: m.steps[m.execute].Num, Text: "fails " + m.device.CommandText(int(o.Index)), Fault: true})
	}
	if m.OnFault != nil {
		m.OnFault(Fault{Kind: IOError})
	}
	if m.OnComplete != nil {
		m.OnComplete(int(o.Index))
	}
	m.device.Fail(int(o.Index))
}

func (m *Machine) trace(e TraceEvent) {
	e.Step = m.nsteps
	m.Trace(e)
}

// Tracef adds a line to the trace, if there is one. It must not be called on
// a hot path without asking Tracing first.
func (m *Machine) Tracef(task, format string, args ...any) {
	if m.Trace != nil {
		m.trace(TraceEvent{Task: task, Text: fmt.Sprintf(format, args...)})
	}
}

// Tracing reports whether a trace is being taken.
func (m *Machine) Tracing() bool { return m.Trace != nil }

// Key returns the fingerprint of everything that decides the rest of the run:
// the kernel's state, where each task stands, who runs, and the budget left.
func (m *Machine) Key() key.Key {
	m.hasher = key.Hasher{} // not a local one, which Hash would move to the heap
	h := &m.hasher
	for _, t := range m.tasks {
		h.Word(uint64(t.state) | uint64(t.at)<<8 | uint64(t.wait.Kind)<<16 | uint64(uint32(t.wait.Arg))<<32)
	}
	run := -1
	if m.point.task != nil {
		run = m.point.task.id
	}
	// No more faults or preemptions are left than their sum allows, so that
	// budgets which differ only beyond it are one.
	left := max(m.left.Total, 0)
	h.Word(uint64(run+1) | uint64(min(m.left.Faults, left))<<16 | uint64(min(m.left.Preemptions, left))<<32 |
		uint64(left)<<48)
	m.kernel.Hash(h)
	return h.Sum()
}

// fail ends the run because of a panic. What a body does while it is being
// ended decides nothing any more.
func (m *Machine) fail(who string, v any) {
	if m.unwind {
		return
	}
	m.end = Panicked
	m.detail = fmt.Sprintf("%s: %v\n%s", who, v, panicStack())
}

// panicStack lists the functions that a panic went through, innermost first,
// without anything that differs from run to run.
func panicStack() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	var b strings.Builder
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, ".(*Task).runBody") || strings.HasSuffix(f.Function, ".(*Machine).schedule") {
			return b.String()
		}
		if !strings.HasPrefix(f.Function, "runtime.") && !strings.Contains(f.Function, ".runBody.func") &&
			!strings.Contains(f.Function, ".schedule.func") {
			fmt.Fprintf(&b, "\t%s %s:%d\n", f.Function, path.Base(f.File), f.Line)
		}
		if !more {
			return b.String()
		}
	}
}
