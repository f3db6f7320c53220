package crashsim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/key"
)

// noStep is a step that no task announces.
const noStep = Step(255)

// TestIdle: a background task that is idle when a run ends is there for the
// next one, in the same state; where it is not, it begins anew.
func TestIdle(t *testing.T) {
	k := newToy()
	defer k.m.Close()
	begins := 0
	k.m.AddTask("user", false, func(u *Task) {
		u.Step(stepA)
		k.flags[0] = true
		u.Step(stepB)
	})
	k.m.AddTask("worker", true, func(w *Task) {
		begins++
		for {
			w.Idle(Wait{waitFlag, 0})
			w.Step(stepC)
			k.flags[0] = false
			k.note("worked", "")
		}
	})
	keys := map[key.Key]bool{}
	choose := func(stopAt Step) Chooser {
		return chooseFunc(func(p *Point) int {
			if p.task != nil && p.site == stopAt {
				return Stop
			}
			if p.task != nil && p.site == stepA {
				keys[k.m.Key()] = true
			}
			return 0
		})
	}
	for range 3 {
		out, log := k.run(choose(noStep), Budget{})
		require.Equal(t, Done, out.Kind)
		require.Equal(t, "worked", log)
	}
	require.Equal(t, 1, begins, "the body goes on from run to run")
	out, log := k.run(choose(stepC), Budget{})
	require.Equal(t, Stopped, out.Kind)
	require.Empty(t, log)
	out, log = k.run(choose(noStep), Budget{})
	require.Equal(t, Done, out.Kind)
	require.Equal(t, "worked", log)
	require.Equal(t, 2, begins, "a body that was cut off begins anew")
	require.Len(t, keys, 1, "the state does not depend on the run before")
}
