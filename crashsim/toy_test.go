package crashsim

import (
	"fmt"
	"strings"

	"untorn/internal/key"
)

// The steps of the toy kernel.
const (
	stepA Step = iota
	stepB
	stepC
	stepDevice
)

var toySteps = []StepInfo{{Num: "1", Name: "first"}, {Num: "2", Name: "second"}, {Num: "R1", Name: "third"},
	{Num: "31", Name: "device", Device: true}}

// The waits of the toy kernel.
const (
	waitFlag uint8 = 1 + iota // flag Arg is set
	waitNever
)

// toy is a kernel whose tasks a test writes down. What happens goes to log.
type toy struct {
	m       *Machine
	flags   [8]bool
	queue   []string
	faults  func(t *Task, s Step) []Fault
	struck  int
	failsIO bool
	drains  int // how often Drain starts something, by setting flag 7
	ready   func()
	log     []string
	logging bool
}

func newToy() *toy {
	k := &toy{logging: true}
	k.m = NewMachine(k, k, toySteps)
	return k
}

func (k *toy) note(who, what string) {
	if k.logging {
		k.log = append(k.log, who+what)
	}
}

// run runs once and returns what happened.
func (k *toy) run(c Chooser, b Budget) (Outcome, string) {
	k.log = nil
	out := k.m.Run(c, b)
	return out, strings.Join(k.log, " ")
}

func (k *toy) Reset() {
	k.flags = [8]bool{}
	k.queue = k.queue[:0]
	k.struck = 0
}

func (k *toy) Ready(w Wait) bool {
	if k.ready != nil {
		k.ready()
	}
	return w.Kind == waitFlag && k.flags[w.Arg]
}

func (k *toy) Faults(buf []Fault, t *Task, s Step) []Fault {
	if k.faults != nil {
		buf = append(buf, k.faults(t, s)...)
	}
	return buf
}

func (k *toy) Strike(f Fault, t *Task) {
	k.struck++
	if k.logging {
		k.note(k.FaultText(f)+"@", t.Name())
	}
}

func (k *toy) FaultText(f Fault) string { return fmt.Sprintf("%s %d", f.Kind, f.A) }

func (k *toy) Drain() bool {
	if k.drains == 0 {
		return false
	}
	k.drains--
	k.flags[7] = true
	return true
}

func (k *toy) Hash(h *key.Hasher) {
	for _, f := range k.flags {
		h.Bool(f)
	}
	h.Int(len(k.queue))
	for _, q := range k.queue {
		h.Bytes([]byte(q))
	}
	h.Int(k.struck)
}

func (k *toy) submit(name string) { k.queue = append(k.queue, name) }

func (k *toy) Inflight() int { return len(k.queue) }

func (k *toy) FailsIO() bool { return k.failsIO }

func (k *toy) Fail(i int) { k.queue = append(k.queue[:i:i], k.queue[i+1:]...) }

func (k *toy) Complete(i int) {
	k.note("done:", k.queue[i])
	k.flags[k.queue[i][0]-'a'] = true
	k.queue = append(k.queue[:i], k.queue[i+1:]...)
}

func (k *toy) CommandText(i int) string { return k.queue[i] }

// writer is a task of two steps that submits a command and waits for it.
func (k *toy) writer(command string) func(*Task) {
	return func(t *Task) {
		t.Step(stepA)
		k.note(t.Name(), "1")
		k.submit(command)
		t.Block(Wait{waitFlag, int32(command[0] - 'a')})
		t.Step(stepB)
		k.note(t.Name(), "2")
	}
}

// chooseFunc is a Chooser.
type chooseFunc func(p *Point) int

func (f chooseFunc) Choose(p *Point) int { return f(p) }

// named answers with the option of a name at one task and site, once, and
// with the default elsewhere.
func named(task, site, option string) Chooser {
	done := false
	return chooseFunc(func(p *Point) int {
		if !done && p.Task() == task && p.Site() == site {
			for i := range p.Len() {
				if p.Option(i) == option {
					done = true
					return i
				}
			}
		}
		return 0
	})
}

var defaults = chooseFunc(func(*Point) int { return 0 })
