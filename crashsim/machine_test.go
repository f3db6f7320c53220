package crashsim

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/key"
	"untorn/internal/tape"
)

func twoWriters() *toy {
	k := newToy()
	k.m.AddTask("x", false, k.writer("a"))
	k.m.AddTask("y", false, k.writer("b"))
	k.faults = func(t *Task, s Step) []Fault {
		if s == stepB {
			return []Fault{{Kind: Reclaim, A: 1}, {Kind: ShortCopy, A: 2}}
		}
		return nil
	}
	return k
}

var wide = Budget{Faults: 2, Preemptions: 2, Total: 4}

func TestSchedules(t *testing.T) {
	for name, c := range map[string]struct {
		chooser func() Chooser
		want    string
		out     Outcome
	}{
		"defaults": {func() Chooser { return defaults },
			"x1 y1 done:a x2 done:b y2", Outcome{Kind: Done, Steps: 4}},
		"preempted before its step": {func() Chooser { return named("x", "first", "run y") },
			"y1 x1 done:b y2 done:a x2", Outcome{Kind: Done, Steps: 4, Preemptions: 1}},
		"first fault": {func() Chooser { return named("y", "second", "reclaim 1") },
			"x1 y1 done:a x2 done:b reclaim 1@y y2", Outcome{Kind: Done, Steps: 4, Faults: 1}},
		"second fault": {func() Chooser { return named("y", "second", "short_copy 2") },
			"x1 y1 done:a x2 done:b short_copy 2@y y2", Outcome{Kind: Done, Steps: 4, Faults: 1}},
		"completion at a step": {func() Chooser { return named("y", "first", "complete a") },
			"x1 done:a y1 x2 done:b y2", Outcome{Kind: Done, Steps: 4, Preemptions: 1}},
		"completion out of order": {func() Chooser { return named("machine", "pick", "complete b") },
			"x1 y1 done:b y2 done:a x2", Outcome{Kind: Done, Steps: 4}},
		"other task first": {func() Chooser { return named("machine", "pick", "run y") },
			"y1 x1 done:b y2 done:a x2", Outcome{Kind: Done, Steps: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			k := twoWriters()
			defer k.m.Close()
			for range 2 { // a machine is used again
				out, log := k.run(c.chooser(), wide)
				require.Equal(t, c.want, log)
				require.Equal(t, c.out, out)
			}
		})
	}
}

// What the budget does not pay for is no option.
func TestBudget(t *testing.T) {
	offered := func(b Budget) string {
		k := twoWriters()
		defer k.m.Close()
		kinds := map[OptionKind]bool{}
		k.run(chooseFunc(func(p *Point) int {
			if !p.Free() {
				for _, o := range p.Options() {
					kinds[o.Kind] = true
				}
			}
			return 0
		}), b)
		s := ""
		for kind, name := range []string{"", "", "fault ", "switch ", "complete "} {
			if kinds[OptionKind(kind)] {
				s += name
			}
		}
		return s
	}
	require.Equal(t, "", offered(Budget{}))
	require.Equal(t, "", offered(Budget{Faults: 1, Preemptions: 1}))
	require.Equal(t, "fault ", offered(Budget{Faults: 1, Total: 1}))
	require.Equal(t, "switch complete ", offered(Budget{Preemptions: 1, Total: 1}))
	require.Equal(t, "fault switch complete ", offered(Budget{Faults: 1, Preemptions: 1, Total: 1}))

	k := twoWriters()
	defer k.m.Close()
	out, _ := k.run(chooseFunc(func(p *Point) int { return p.Len() - 1 }), Budget{Faults: 2, Preemptions: 3, Total: 3})
	require.Equal(t, 3, out.Faults+out.Preemptions)
	require.Equal(t, Budget{Faults: 2 - out.Faults, Preemptions: 3 - out.Preemptions}, k.m.Left())
}

func TestStuck(t *testing.T) {
	for name, c := range map[string]struct {
		body func(k *toy, t *Task)
		want ResultKind
	}{
		"deadlock": {func(k *toy, t *Task) { t.Block(Wait{Kind: waitNever}) }, Deadlock},
		"step cap": {func(k *toy, t *Task) {
			for {
				t.Step(stepA)
			}
		}, StepCap},
		"turns without a step": {func(k *toy, t *Task) {
			for {
				k.flags[0] = false
				k.submit("a")
				t.Block(Wait{waitFlag, 0})
			}
		}, StepCap},
		"panic of a task": {func(k *toy, t *Task) { t.Step(stepA); panic("boom") }, Panicked},
		"panic of the kernel": {func(k *toy, t *Task) {
			asked := 0
			k.ready = func() {
				if asked++; asked > 1 { // not by Block, which runs in the task
					panic("boom")
				}
			}
			t.Block(Wait{waitFlag, 1})
		}, Panicked},
		"a near miss": {func(k *toy, t *Task) { t.Block(Wait{waitFlag, 1}) }, Done},
	} {
		t.Run(name, func(t *testing.T) {
			k := newToy()
			defer k.m.Close()
			k.m.AddTask("x", false, func(t *Task) { c.body(k, t) })
			k.m.AddTask("y", false, func(t *Task) { t.Step(stepA); k.submit("b"); t.Step(stepB) })
			var first Outcome
			for i := range 2 {
				k.ready = nil
				out, _ := k.run(defaults, wide)
				require.Equal(t, c.want, out.Kind)
				if out.Kind == Panicked {
					require.True(t, strings.Contains(out.Detail, "boom") && strings.Contains(out.Detail, "machine_test.go"), out.Detail)
					require.NotContains(t, out.Detail, "0x", "addresses differ from run to run")
				}
				if i == 1 {
					require.Equal(t, first, out)
				}
				first = out
			}
		})
	}
}

// The kernel starts what it does in its own time when all else is done, and a
// background task may wait for ever.
func TestDrain(t *testing.T) {
	k := newToy()
	defer k.m.Close()
	k.m.AddTask("x", false, func(t *Task) { t.Step(stepA); k.note("x", "") })
	k.m.AddTask("flusher", true, func(t *Task) {
		for {
			t.Block(Wait{waitFlag, 7})
			k.flags[7] = false
			t.Step(stepB)
			k.note("flush", "")
		}
	})
	k.drains = 2
	out, log := k.run(defaults, wide)
	require.Equal(t, Outcome{Kind: Done, Steps: 3}, out)
	require.Equal(t, "x flush flush", log)
}

func TestKey(t *testing.T) {
	keys := func(b Budget, c Chooser) (all []key.Key) {
		k := twoWriters()
		defer k.m.Close()
		k.run(chooseFunc(func(p *Point) int {
			all = append(all, p.Machine().Key())
			return c.Choose(p)
		}), b)
		return all
	}
	one := Budget{Faults: 1, Preemptions: 1, Total: 1}
	a := keys(one, defaults)
	require.Equal(t, a, keys(one, defaults), "a function of the answers")
	seen := map[key.Key]bool{}
	for _, k := range a {
		require.False(t, seen[k], "each point has a key of its own")
		seen[k] = true
	}
	require.Equal(t, a, keys(Budget{Faults: 5, Preemptions: 1, Total: 1}, defaults), "no more is left than the sum allows")
	require.NotEqual(t, a[0], keys(Budget{Faults: 1, Preemptions: 1, Total: 2}, defaults)[0])
	require.NotEqual(t, a[0], keys(Budget{Faults: 1, Total: 1}, defaults)[0])
	require.NotEqual(t, a[0], keys(Budget{Preemptions: 1, Total: 1}, defaults)[0])

	// After a fault and without one, equal budgets left: the kernel's state tells.
	b := keys(Budget{Faults: 1, Total: 1}, named("x", "second", "reclaim 1"))
	c := keys(Budget{}, defaults)
	require.NotEqual(t, b[len(b)-1], c[len(c)-1])
}

// All tapes of a small program, recorded and replayed, lead to the same end.
func TestTapes(t *testing.T) {
	k := twoWriters()
	defer k.m.Close()
	e := &tape.Enumerator{}
	ends := map[string]bool{}
	n := 0
	for more := true; more; more = e.Next() {
		r := &tape.Recorder{From: e}
		want, log := k.run(FromTape(r), Budget{Faults: 1, Preemptions: 1, Total: 2})
		text := r.Tape.String()
		require.False(t, ends[text], "each tape once")
		ends[text] = true
		read, err := tape.Parse(text)
		require.NoError(t, err)
		p, err := tape.NewReplayer(read)
		require.NoError(t, err)
		got, again := k.run(FromTape(p), Budget{Faults: 1, Preemptions: 1, Total: 2})
		require.NoError(t, p.Err())
		require.Equal(t, want, got)
		require.Equal(t, log, again)
		n++
	}
	require.NoError(t, e.Err())
	require.Greater(t, n, 100)

	r := &tape.Recorder{From: ToTape(named("y", "second", "reclaim 1"))}
	k.run(FromTape(r), wide)
	require.Equal(t, "y second 0 \"reclaim 1\"\n", r.Tape.String())
}

func TestTrace(t *testing.T) {
	k := twoWriters()
	defer k.m.Close()
	var lines []string
	k.m.Trace = func(e TraceEvent) {
		lines = append(lines, strings.TrimSpace(strings.Join([]string{e.Task, e.Num, e.Text}, " ")))
	}
	struck := 0
	k.m.OnFault = func(f Fault) { struck++ }
	k.run(named("x", "second", "reclaim 1"), wide)
	require.Equal(t, []string{"x 1 first", "y 1 first", "device 31 completes a", "x 2 second", "x  fault: reclaim 1",
		"device 31 completes b", "y 2 second"}, lines)
	require.Equal(t, 1, struck)
}
