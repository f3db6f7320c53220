package crashsim

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStepSet(t *testing.T) {
	var s, o StepSet
	for _, l := range []Step{0, 63, 64, maxLabels - 1} {
		require.False(t, s.Has(l))
		s.Add(l)
		require.True(t, s.Has(l))
	}
	require.False(t, s.Has(1) || s.Has(65))
	o.Add(65)
	s.Union(o)
	require.True(t, s.Has(65) && s.Has(64) && s.Has(63))
	require.False(t, o.Has(64))
}

// Reached adds up over runs: the steps that were announced, and the device's
// once a command completes or fails.
func TestReached(t *testing.T) {
	k := newToy()
	defer k.m.Close()
	k.m.AddTask("x", false, func(t *Task) {
		t.Step(stepA)
		if k.struck > 0 {
			t.Step(stepB)
		}
	})
	k.faults = func(*Task, Step) []Fault { return []Fault{{Kind: Reclaim, A: 1}} }
	var want StepSet
	require.Equal(t, want, k.m.Reached())
	k.run(defaults, wide)
	want.Add(stepA)
	require.Equal(t, want, k.m.Reached())
	k.run(named("x", "first", "reclaim 1"), wide)
	k.run(defaults, wide)
	want.Add(stepB)
	require.Equal(t, want, k.m.Reached(), "earlier runs count")

	var other StepSet
	other.Add(stepC)
	k.m.AlsoReached(other)
	want.Add(stepC)
	require.Equal(t, want, k.m.Reached())

	for _, fail := range []string{"", "fail a"} {
		k := newToy()
		k.m.AddTask("x", false, func(*Task) { k.submit("a") })
		k.failsIO = fail != ""
		k.run(chooseFunc(func(p *Point) int {
			for i := range p.Len() {
				if p.Option(i) == fail {
					return i
				}
			}
			return 0
		}), wide)
		reached := k.m.Reached()
		require.True(t, reached.Has(stepDevice), "%q", fail)
		k.m.Close()
	}
}

// Labels that do not fit and a table without the device are defects of a
// kernel.
func TestStepTableIsChecked(t *testing.T) {
	k := newToy()
	defer k.m.Close()
	require.Panics(t, func() { NewMachine(k, k, toySteps[:stepDevice]) })
	require.Panics(t, func() { NewMachine(k, k, append(make([]StepInfo, maxLabels), StepInfo{Device: true})) })
	require.NotPanics(t, func() { NewMachine(k, k, append(make([]StepInfo, maxLabels-1), StepInfo{Device: true})) })
}
