package crashsim

import "iter"

type taskState uint8

const (
	fresh     taskState = iota // not begun in this run
	suspended                  // in the middle of its body
	ended
)

// unwound is the panic that ends a suspended body.
type unwound struct{}

// Task is one thread of the kernel: straight-line code on a coroutine that
// lives as long as the machine.
type Task struct {
	m          *Machine
	id         int
	name       string
	background bool
	body       func(*Task)

	state   taskState
	idle    bool // suspended in Idle
	at      Step
	wait    Wait
	closing bool // the coroutine is being ended for good

	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
}

// AddTask adds a task. A background task may wait for ever; a run ends when
// all other tasks have ended and nothing can run. body is called once a run.
func (m *Machine) AddTask(name string, background bool, body func(*Task)) *Task {
	t := &Task{m: m, id: len(m.tasks), name: name, background: background, body: body, state: ended}
	m.tasks = append(m.tasks, t)
	m.visits = append(m.visits, make([]uint32, len(m.steps)))
	t.next, t.stop = iter.Pull(t.loop)
	return t
}

// Name returns the task's name.
func (t *Task) Name() string { return t.name }

// ID returns the task's number, in the order of AddTask.
func (t *Task) ID() int { return t.id }

// At returns the step that the task announced last.
func (t *Task) At() Step { return t.at }

// Waits returns what the task waits for, the zero value when it does not.
func (t *Task) Waits() Wait { return t.wait }

// Machine returns the machine the task belongs to.
func (t *Task) Machine() *Machine { return t.m }

// begin readies the task for a run. One that is idle stays where it is.
func (t *Task) begin() {
	if !t.idle {
		t.state, t.at, t.wait = fresh, 0, Wait{}
	}
}

func (t *Task) close() { t.stop() }

func (t *Task) resume() { t.next() }

// loop is the life of the coroutine: one body after the other.
func (t *Task) loop(yield func(struct{}) bool) {
	t.yield = yield
	for {
		t.state = suspended
		if !t.runBody() {
			return
		}
		t.state = ended
		if !yield(struct{}{}) {
			return
		}
	}
}

// runBody runs the body once and reports whether the coroutine goes on.
func (t *Task) runBody() (live bool) {
	live = true
	defer func() {
		switch v := recover(); v.(type) {
		case nil:
		case unwound:
			live = !t.closing
		default:
			t.m.fail("task "+t.name, v)
		}
	}()
	t.body(t)
	return live
}

// suspend hands control back to the machine.
func (t *Task) suspend() {
	if !t.yield(struct{}{}) {
		t.closing = true
		panic(unwound{})
	}
	if t.m.unwind {
		panic(unwound{})
	}
}

// Step announces a numbered step, before what it stands for is done. Here
// the scheduler may let others run and faults may strike.
func (t *Task) Step(s Step) {
	m := t.m
	if m.unwind { // a deferred call of a body that is being ended
		panic(unwound{})
	}
	t.at = s
	m.reached.Add(s)
	m.nsteps++
	m.turns = 0
	if m.nsteps >= MaxSteps {
		m.end = StepCap
		t.suspend()
	}
	if m.Trace != nil {
		info := m.steps[s]
		m.trace(TraceEvent{Task: t.name, Num: info.Num, Text: info.Name})
	}
	p := &m.point
	for {
		p.task, p.site, p.listed = t, s, false
		p.visit = m.visits[t.id][s]
		m.visits[t.id][s]++
		choice := m.chooser.Choose(p)
		if choice == 0 {
			return
		}
		if choice == Stop {
			m.end = Stopped
			t.suspend()
			return
		}
		if t.take(p.Options()[choice]) {
			return
		}
	}
}

// take carries out an option that is not the default and reports whether the
// task may go on without being asked again.
func (t *Task) take(o Option) bool {
	m := t.m
	switch o.Kind {
	case StrikeFault:
		m.left.Faults--
		m.left.Total--
		m.used.Faults++
		if m.Trace != nil {
			m.trace(TraceEvent{Task: t.name, Text: "fault: " + m.kernel.FaultText(o.Fault), Fault: true})
		}
		if m.OnFault != nil {
			m.OnFault(o.Fault)
		}
		m.kernel.Strike(o.Fault, t)
		return false
	case CompleteCmd:
		m.preempt()
		m.complete(o)
		return false
	case SwitchTo:
		m.preempt()
		m.next = m.tasks[o.Index]
		if m.Trace != nil {
			m.trace(TraceEvent{Task: t.name, Text: "preempted by " + m.next.name, Switch: true})
		}
		t.suspend()
	}
	return true
}

func (m *Machine) preempt() {
	m.left.Preemptions--
	m.left.Total--
	m.used.Preemptions++
}

// Idle is Block for a background task that has nothing left to do: what comes
// after it is the same in every run, so that the end of a run leaves the task
// there for the next one.
func (t *Task) Idle(w Wait) {
	for !t.m.kernel.Ready(w) {
		t.at, t.wait, t.idle = 0, w, true
		t.suspend()
	}
	t.idle = false
}

// Block waits until the kernel says that w is ready. It costs nothing and is
// no step; it returns at once when w is ready already. A task that may block
// in several places after one step needs different waits for them, or a
// difference in the state that the kernel hashes.
func (t *Task) Block(w Wait) {
	if t.m.unwind {
		panic(unwound{})
	}
	for !t.m.kernel.Ready(w) {
		t.wait = w
		t.suspend()
	}
}
