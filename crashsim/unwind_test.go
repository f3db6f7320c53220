package crashsim

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"untorn/internal/key"
)

// stopAt stops at the n-th question.
func stopAt(n int) Chooser {
	return chooseFunc(func(p *Point) int {
		if n--; n <= 0 {
			return Stop
		}
		return 0
	})
}

// A run may be stopped at any question. Bodies that had begun are ended,
// others are not entered, and the next run is whole.
func TestStopAnywhere(t *testing.T) {
	k := newToy()
	defer k.m.Close()
	entered, left := 0, 0
	for _, command := range []string{"a", "b", "c"} {
		write := k.writer(command)
		k.m.AddTask("task "+command, false, func(t *Task) {
			entered++
			defer func() { left++ }()
			write(t)
		})
	}
	for n := 1; ; n++ {
		entered, left = 0, 0
		out, _ := k.run(stopAt(n), wide)
		require.Equal(t, entered, left)
		if n <= 2 {
			require.Equal(t, n-1, entered, "the first question is who begins")
		}
		whole, log := k.run(defaults, wide)
		require.Equal(t, Outcome{Kind: Done, Steps: 6}, whole)
		require.NotEmpty(t, log)
		if out.Kind == Done {
			require.Greater(t, n, 8)
			return
		}
		require.Equal(t, Stopped, out.Kind)
	}
}

// A body that is being ended asks nothing and changes nothing of the outcome,
// whatever its deferred calls do.
func TestUnwindAsksNothing(t *testing.T) {
	for name, deferred := range map[string]func(*Task){
		"step":  func(t *Task) { t.Step(stepC) },
		"block": func(t *Task) { t.Block(Wait{Kind: waitNever}) },
		"panic": func(t *Task) { panic("while it is ended") },
	} {
		t.Run(name, func(t *testing.T) {
			k := newToy()
			defer k.m.Close()
			k.m.AddTask("x", false, func(t *Task) {
				defer deferred(t)
				t.Step(stepA)
				t.Block(Wait{Kind: 255})
			})
			asked := 0
			for range 3 {
				out, _ := k.run(chooseFunc(func(*Point) int { asked++; return Stop }), wide)
				require.Equal(t, Outcome{Kind: Stopped, Steps: 1}, out)
			}
			require.Equal(t, 3, asked)
			out, _ := k.run(defaults, wide)
			require.Equal(t, Deadlock, out.Kind)
		})
	}
}

func TestCloseLeaksNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	for n := range 20 {
		k := twoWriters()
		if n > 0 { // coroutines that never began end as well
			k.run(stopAt(n), wide)
		}
		k.m.Close()
		k.m.Close()
	}
	for wait := time.Millisecond; runtime.NumGoroutine() > before && wait < time.Second; wait *= 2 {
		time.Sleep(wait) // a coroutine that ends is a goroutine for a moment longer
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}

func TestNoAllocations(t *testing.T) {
	k := twoWriters()
	defer k.m.Close()
	k.logging = false
	faults := []Fault{{Kind: Reclaim, A: 1}, {Kind: ShortCopy, A: 2}}
	k.faults = func(*Task, Step) []Fault { return faults }
	r := &replay{answers: []int{1, 0, 2, 1, 0, 3, 0, 1}}
	run := func() {
		r.next = 0
		k.m.Run(r, wide)
	}
	run()
	require.Zero(t, testing.AllocsPerRun(1000, run))
	stopped := &replay{answers: []int{0, 0, 1, Stop}}
	run = func() {
		stopped.next = 0
		require.Equal(t, Stopped, k.m.Run(stopped, wide).Kind)
	}
	run()
	require.Zero(t, testing.AllocsPerRun(1000, run))
}

// replay answers from a list, as far as an option exists.
type replay struct {
	answers []int
	next    int
	key     key.Key
}

func (r *replay) Choose(p *Point) int {
	if r.next == len(r.answers) {
		return 0
	}
	a := r.answers[r.next]
	r.next++
	r.key = p.Machine().Key()
	return min(a, p.Len()-1)
}

// BenchmarkStep is the cost of a step at which nothing switches.
func BenchmarkStep(b *testing.B) {
	k := newToy()
	defer k.m.Close()
	const steps = 10000
	k.m.AddTask("x", false, func(t *Task) {
		for range steps {
			t.Step(stepA)
		}
	})
	c := &replay{}
	b.ReportAllocs()
	for b.Loop() {
		k.m.Run(c, wide)
	}
	b.ReportMetric(float64(b.N)*steps/b.Elapsed().Seconds(), "steps/s")
}

// BenchmarkSwitch is the cost of handing over from one task to another.
func BenchmarkSwitch(b *testing.B) {
	k := newToy()
	defer k.m.Close()
	const rounds = 1000
	for i := range int32(2) {
		k.m.AddTask("x", false, func(t *Task) {
			for range rounds {
				k.flags[1-i], k.flags[i] = true, false
				t.Step(stepA)
				t.Block(Wait{waitFlag, i})
			}
			k.flags[1-i] = true
		})
	}
	c := &replay{}
	switches := 0
	b.ReportAllocs()
	for b.Loop() {
		k.m.Run(c, wide)
		switches += 2 * rounds
	}
	b.ReportMetric(float64(switches)/b.Elapsed().Seconds(), "switches/s")
}

// BenchmarkSchedule is a whole run of two tasks of two steps each, once to
// its end and once stopped with both tasks suspended.
func BenchmarkSchedule(b *testing.B) {
	for name, c := range map[string]*replay{"done": {}, "stopped": {answers: []int{0, 0, 0, 0, 0, Stop}}} {
		b.Run(name, func(b *testing.B) {
			k := twoWriters()
			defer k.m.Close()
			k.logging = false
			b.ReportAllocs()
			for b.Loop() {
				c.next = 0
				k.m.Run(c, wide)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "schedules/s")
		})
	}
}
