package model

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/internal/blk"
	"untorn/workloads"
)

// recorder answers at random and keeps what it answered.
type recorder struct {
	randomly
	answers []int
}

func (r *recorder) Choose(p *crashsim.Point) int {
	a := r.randomly.Choose(p)
	r.answers = append(r.answers, a)
	return a
}

// TestRunsForget: a program that has run other schedules does and judges the
// next one as a fresh program does. Short writes, failures and shifts leave
// something in the judge that has to go.
func TestRunsForget(t *testing.T) {
	c := plain(small())
	write := func(task string, from, n int64, atomic bool) workloads.Op {
		return workloads.Op{Task: task, Kind: workloads.Pwrite, Offset: from << 12, Length: n << 12, Atomic: atomic}
	}
	c.Workload = workloads.Workload{File: 32 << 10, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous, Ops: []workloads.Op{
		write("b", 3, 1, false), {Task: "b", Kind: workloads.Fsync}, write("a", 5, 1, true), write("a", 0, 2, false), {Task: "a", Kind: workloads.Fsync},
		{Task: "b", Kind: workloads.Collapse, Offset: 8 << 10, Length: 16 << 10}}}
	for _, k := range []crashsim.FaultKind{crashsim.Reclaim, crashsim.LogForce, crashsim.NoMemory, crashsim.Signal} {
		c.Faults.Kinds[k] = true
	}
	seen := func(p *program, answers crashsim.Chooser) (events string, tally explore.Tally) {
		p.kernel.Device().OnEvent = func(e *blk.Event) {
			events += fmt.Sprintln(e)
			p.event(e)
		}
		p.Judge(true)
		p.Run(answers, crashsim.Budget{Faults: 3, Preemptions: 3, Total: 6})
		p.clearFirst()
		p.Take(&tally)
		return events, tally
	}
	open := func() *program {
		p, err := newProgram(c, NewShared(true))
		require.NoError(t, err)
		return p
	}
	old := open()
	defer old.Close()
	short := 0
	for seed := range uint64(300) {
		r := &recorder{randomly: randomly{rand.New(rand.NewPCG(seed, 1))}}
		events, tally := seen(old, r)
		fresh := open()
		again, same := seen(fresh, explore.Replay(r.answers))
		fresh.Close()
		require.Equal(t, again, events, "seed %d", seed)
		require.Equal(t, same, tally, "seed %d: what is judged", seed)
		if n, ok := old.history.Result(4); ok && n > 0 && n < 8<<10 {
			short++
		}
	}
	require.Positive(t, short, "no write was short")
}
