package explore

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/internal/key"
)

// ladder is a program whose only bug needs events in one order: each rung is a
// step of one of the tasks, or the completion of the command that the first
// task submits, and the bug is made when all rungs came in order.
type ladder struct {
	toy
	rungs []rung
	tasks int
	steps int
	at    int  // rungs that came
	sends bool // the first task submits a command
	sent  bool
	done  bool
	hit   bool // a fault struck where the bug needs one
}

type rung struct {
	task  int // -1 for the command
	step  int
	fault bool
}

func newLadder(tasks, steps int, rungs ...rung) func() Program {
	return func() Program {
		k := &ladder{rungs: rungs, tasks: tasks, steps: steps}
		k.tally = emptyTally()
		k.sends = slices.ContainsFunc(rungs, func(r rung) bool { return r.task < 0 })
		var infos []crashsim.StepInfo
		for i := range steps + 1 {
			infos = append(infos, crashsim.StepInfo{Num: fmt.Sprint(i), Name: fmt.Sprint("s", i), Device: i == steps})
		}
		k.m = crashsim.NewMachine(k, k, infos)
		for i := range tasks {
			k.m.AddTask(fmt.Sprint("t", i), false, k.body)
		}
		return k
	}
}

func (k *ladder) body(t *crashsim.Task) {
	for s := range k.steps {
		k.hit = false
		t.Step(crashsim.Step(s))
		k.climb(t.ID(), s)
		k.sent = k.sent || k.sends && t.ID() == 0 && s == 1
	}
}

func (k *ladder) climb(task, step int) {
	if k.at < len(k.rungs) && k.rungs[k.at].task == task && (task < 0 || k.rungs[k.at].step == step) && (!k.rungs[k.at].fault || k.hit) {
		if k.at++; k.at == len(k.rungs) {
			k.find(0)
		}
	}
}

func (k *ladder) Reset() { k.at, k.sent, k.done, k.hit = 0, false, false, false }

func (k *ladder) Ready(crashsim.Wait) bool { return true }

func (k *ladder) Faults(buf []crashsim.Fault, t *crashsim.Task, s crashsim.Step) []crashsim.Fault {
	return append(buf, crashsim.Fault{Kind: crashsim.Reclaim, A: 1}, crashsim.Fault{Kind: crashsim.Reclaim, A: 2})
}

func (k *ladder) Strike(f crashsim.Fault, _ *crashsim.Task) { k.hit = f.A == 2 }

func (k *ladder) Hash(h *key.Hasher) { h.Int(k.at) }

func (k *ladder) Inflight() int {
	if k.sent && !k.done {
		return 1
	}
	return 0
}

func (k *ladder) Complete(int) {
	k.done = true
	k.climb(-1, 0)
}

func (k *ladder) CommandText(int) string { return "command" }

// A bug of depth d is found by one schedule of PCT with a chance of at least
// 1/(n k^(d-1)), and with f faults by that over (F+1) (k m)^f, where F is the
// budget and m the most faults on offer at a place.
func TestPCTGuarantee(t *testing.T) {
	const runs = 60000
	ordered := []rung{{task: 1, step: 2}, {task: 0, step: 0}}
	atomicity := []rung{{task: 0, step: 2}, {task: 1, step: 3}, {task: 0, step: 3}}
	twice := append(atomicity[:3:3], rung{task: 1, step: 4})
	command := []rung{{task: 0, step: 2}, {task: -1}, {task: 0, step: 3}}
	faulty := []rung{{task: 0, step: 2}, {task: 1, step: 3, fault: true}, {task: 0, step: 3}}
	for name, tc := range map[string]struct {
		rungs  []rung
		depth  int
		faults int
		less   bool // a lower depth never finds it
	}{
		"order":     {ordered, 1, 0, false},
		"atomicity": {atomicity, 2, 0, true},
		"twice":     {twice, 3, 0, true},
		"command":   {command, 2, 0, true},
		"fault":     {faulty, 2, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			measure := func(depth int) (hits float64, s *Sample) {
				p := newLadder(3, 6, tc.rungs...)
				r, err := RunRandom(context.Background(), p, Config{Bound: bound(tc.faults, 0), Workers: 1, Runs: runs, Seed: 1, Strategy: PCT, Depth: depth})
				require.NoError(t, err)
				n, ok := r.Tally.Counts[4].Uint64()
				require.True(t, ok)
				return float64(n), r.Sample
			}
			hits, s := measure(tc.depth)
			n, k := float64(s.Runners), float64(s.Places)
			chance := 1 / (n * math.Pow(k, float64(tc.depth-1)))
			if tc.faults > 0 {
				chance /= float64(tc.faults+1) * math.Pow(k*2, float64(tc.faults))
			}
			t.Logf("n %v, k %v: found by 1 schedule in %.0f, promised 1 in %.0f", n, k, runs/hits, 1/chance)
			require.GreaterOrEqual(t, hits, runs*chance)
			require.Greater(t, runs*chance, 3.0, "a promise that this sample can put to the test")
			if tc.less {
				lower, _ := measure(tc.depth - 1)
				require.Zero(t, lower, "the bug is not of a lower depth")
			}
		})
	}
}
