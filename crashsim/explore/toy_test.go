package explore

import (
	"fmt"

	"untorn/crashsim"
	"untorn/internal/count"
	"untorn/internal/key"
)

// toy is a small kernel with everything that the explorer meets: tasks that
// race for a counter, commands that complete in any order, two kinds of
// faults, waits, and a flusher that the end of the others starts.
type toy struct {
	toyConfig
	m *crashsim.Machine

	x       int    // the counter that all tasks raise
	tmp     [4]int // what each task read
	queue   []int  // commands in flight, by task
	acked   int    // tasks whose command completed, a bit each
	order   int    // the order of completion, in digits
	flushed int
	gate    int
	faults  int // that struck, as far as it matters
	foreign int // survives Reset when notReset is set

	judging bool
	tally   Tally
}

type toyConfig struct {
	tasks    int
	blindTo  string // a part of the state that Hash leaves out
	stuck    string // how a lost update ends the run: deadlock, panic, spin, step cap
	notReset bool
	early    bool // reports findings before they were made

	unordered bool // nothing depends on the order of completions
	commutes  bool // it says that nothing does
	deep      int  // a command that completes after so many faults is a finding, 0 for never
}

const (
	stepLoad crashsim.Step = iota
	stepStore
	stepEnd
	stepFlush
	stepSpin
	stepDevice
)

var toySteps = []crashsim.StepInfo{{Num: "1", Name: "load"}, {Num: "2", Name: "store"}, {Num: "3", Name: "end"}, {Num: "4", Name: "flush"}, {Num: "5", Name: "spin"},
	{Num: "6", Name: "device", Device: true}}

const (
	waitAck uint8 = 1 + iota
	waitAll
	waitDirty
	waitGate
	waitNever
)

func newToy(c toyConfig) func() Program {
	return func() Program {
		k := &toy{toyConfig: c, tally: emptyTally()}
		k.m = crashsim.NewMachine(k, k, toySteps)
		k.m.OnFault = func(crashsim.Fault) { k.count(2, 1); k.faults++ }
		for i := range c.tasks {
			k.m.AddTask(fmt.Sprintf("t%d", i), false, k.task)
		}
		k.m.AddTask("flusher", true, k.flusher)
		return k
	}
}

func (k *toy) task(t *crashsim.Task) {
	id := t.ID()
	t.Step(stepLoad)
	k.tmp[id] = k.x
	t.Step(stepStore)
	k.x = k.tmp[id] + 1
	k.queue = append(k.queue, id)
	t.Block(crashsim.Wait{Kind: waitAck, Arg: int32(id)})
	t.Step(stepEnd)
	t.Block(crashsim.Wait{Kind: waitAll})
	if k.x < k.tasks {
		k.misbehave(t)
	}
}

func (k *toy) misbehave(t *crashsim.Task) {
	switch k.stuck {
	case "deadlock":
		t.Block(crashsim.Wait{Kind: waitNever})
	case "panic":
		panic("lost an update")
	case "step cap":
		for {
			t.Step(stepSpin)
		}
	case "spin":
		for { // task 0 opens the gate for all others and the flusher, who open it for task 0
			t.Block(crashsim.Wait{Kind: waitGate, Arg: int32(min(t.ID(), 1))})
			t.Step(stepSpin)
			k.gate = 1 - k.gate
		}
	}
}

func (k *toy) flusher(t *crashsim.Task) {
	for {
		t.Block(crashsim.Wait{Kind: waitDirty})
		t.Step(stepFlush)
		k.flushed = k.x
		k.gate = 0
		k.count(3, uint64(k.x))
		if k.x == 0 {
			k.find(0)
		}
	}
}

func (k *toy) Reset() {
	k.faults = 0
	k.x, k.acked, k.order, k.flushed, k.gate = 0, 0, 0, -1, 0
	k.tmp = [4]int{}
	k.queue = k.queue[:0]
	if k.notReset {
		k.foreign++
	}
}

func (k *toy) Ready(w crashsim.Wait) bool {
	all := 1<<k.tasks - 1
	switch w.Kind {
	case waitAck:
		return k.acked&(1<<w.Arg) != 0
	case waitAll:
		return k.acked == all
	case waitDirty:
		return k.acked == all && (k.flushed != k.x || k.gate == 1)
	case waitGate:
		return k.gate == int(w.Arg)
	}
	return false
}

func (k *toy) Faults(buf []crashsim.Fault, t *crashsim.Task, s crashsim.Step) []crashsim.Fault {
	if s == stepStore {
		buf = append(buf, crashsim.Fault{Kind: crashsim.ShortCopy})
	}
	if k.x > 0 {
		buf = append(buf, crashsim.Fault{Kind: crashsim.Reclaim, A: 1}, crashsim.Fault{Kind: crashsim.Reclaim, A: 2})
	}
	return buf
}

func (k *toy) Strike(f crashsim.Fault, t *crashsim.Task) {
	if f.Kind == crashsim.ShortCopy {
		k.tmp[t.ID()]--
	} else {
		k.x = max(0, k.x-int(f.A))
	}
}

func (k *toy) FaultText(f crashsim.Fault) string { return fmt.Sprint(f.Kind, " ", f.A) }

func (k *toy) FailsIO() bool { return false }

func (k *toy) Fail(int) {}

func (k *toy) Drain() bool { return false }

func (k *toy) Hash(h *key.Hasher) {
	part := func(name string, v int) {
		if name != k.blindTo {
			h.Int(v)
		}
	}
	part("x", k.x)
	for _, v := range k.tmp {
		part("tmp", v)
	}
	part("queue", len(k.queue))
	for _, v := range k.queue {
		part("queue", v)
	}
	part("acked", k.acked)
	part("order", k.order)
	part("flushed", k.flushed)
	part("gate", k.gate)
	h.Int(k.foreign)
	if k.deep > 0 {
		h.Int(k.faults)
	}
}

func (k *toy) Inflight() int { return len(k.queue) }

func (k *toy) Complete(i int) {
	k.acked |= 1 << k.queue[i]
	if !k.unordered {
		k.order = k.order*10 + k.queue[i] + 1
	}
	k.queue = append(k.queue[:i], k.queue[i+1:]...)
	if k.deep > 0 && k.faults >= k.deep {
		k.find(1)
	}
	k.count(0, 1)
	k.count(1, 1<<len(k.queue))
	if k.order == 21 && k.x == 1 {
		k.find(2) // the second completed first, after a lost update
	}
	if k.acked == 1<<k.tasks-1 && k.x < k.tasks {
		k.find(3) // a lost update: one preemption or one fault
	}
}

func (k *toy) CommandText(i int) string { return fmt.Sprint("command of t", k.queue[i]) }

func (k *toy) count(slot int, n uint64) {
	if k.judging {
		c := count.Of(n)
		k.tally.Counts[slot].Add(&c)
	}
}

func (k *toy) find(class int) {
	if k.judging {
		k.count(4+class, 1)
		steps := uint32(k.m.Steps())
		if k.early {
			steps = 0
		}
		k.tally.First[class] = min(k.tally.First[class], steps)
	}
}

// Run is part of Program.
func (k *toy) Run(c crashsim.Chooser, b crashsim.Budget) crashsim.Outcome { return k.m.Run(c, b) }

func (k *toy) Machine() *crashsim.Machine { return k.m }

func (k *toy) Judge(on bool) { k.judging = on }

func (k *toy) Take(t *Tally) {
	for i := range k.tally.Counts {
		t.Counts[i].Add(&k.tally.Counts[i])
	}
	for c, first := range k.tally.First {
		t.First[c] = min(t.First[c], first)
	}
	k.tally = emptyTally()
}

func (k *toy) Commute(_, _ int) bool { return k.commutes }

func (k *toy) Close() { k.m.Close() }
