package explore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/internal/tape"
)

func bound(faults, preemptions int) crashsim.Budget {
	return crashsim.Budget{Faults: faults, Preemptions: preemptions, Total: faults + preemptions}
}

func explore(t testing.TB, c toyConfig, cfg Config) *Result {
	t.Helper()
	if cfg.Workers == 0 {
		cfg.Workers = 1
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = 64 << 20
	}
	r, err := Run(context.Background(), newToy(c), cfg)
	require.NoError(t, err)
	return r
}

// promised is the part of a result that is a function of the space.
func promised(r *Result) Result {
	p := *r
	p.Executed, p.Steps, p.CacheHits, p.CacheFull, p.States, p.Commuted, p.Skipped = 0, 0, 0, false, 0, 0, 0
	return p
}

// bruteForce enumerates all tapes of one level with no knowledge of states.
func bruteForce(t *testing.T, c toyConfig, b crashsim.Budget) *Result {
	t.Helper()
	p := newToy(c)()
	defer p.Close()
	r := &Result{Tally: emptyTally()}
	e := &tape.Enumerator{}
	for more := true; more; more = e.Next() {
		p.Judge(true)
		out := p.Run(crashsim.FromTape(e), b)
		require.NoError(t, e.Err())
		require.Equal(t, crashsim.Done, out.Kind)
		p.Take(&r.Tally)
		r.Schedules.AddWord(1)
	}
	require.NoError(t, e.Err())
	return r
}

func TestBruteForce(t *testing.T) {
	for _, tasks := range []int{1, 2, 3} {
		for _, b := range []crashsim.Budget{bound(0, 0), bound(1, 0), bound(0, 1), bound(1, 1), bound(0, 2), {Faults: 2, Preemptions: 2, Total: 2}} {
			if tasks == 3 && b.Total > 0 || tasks == 2 && testing.Short() && b.Total > 1 {
				continue
			}
			t.Run(fmt.Sprint(tasks, " tasks ", b), func(t *testing.T) {
				c := toyConfig{tasks: tasks}
				want := bruteForce(t, c, b)
				for _, noCache := range []bool{false, true} {
					got := explore(t, c, Config{Bound: b, NoCache: noCache, StopAt: -1})
					require.Equal(t, want.Schedules.String(), got.Schedules.String())
					require.Equal(t, want.Tally, got.Tally)
					require.True(t, got.Exhausted)
					require.Equal(t, b.Total, got.Level)
				}
			})
		}
	}
}

// What is promised does not depend on the cache, its size, or the workers.
func TestSameResult(t *testing.T) {
	c := toyConfig{tasks: 2}
	want := explore(t, c, Config{Bound: bound(1, 1), NoCache: true, StopAt: -1})
	require.Zero(t, want.CacheHits)
	require.NotEmpty(t, want.Findings)
	for _, workers := range []int{1, 2, 5} {
		for _, bytes := range []int64{1, 40 << 10, 1 << 20, 64 << 20} {
			got := explore(t, c, Config{Bound: bound(1, 1), Workers: workers, CacheBytes: bytes, StopAt: -1})
			require.Equal(t, promised(want), promised(got), "%d workers, %d bytes", workers, bytes)
			require.Equal(t, bytes <= 1<<16, got.CacheFull, "%d workers, %d bytes", workers, bytes)
		}
		got := explore(t, c, Config{Bound: bound(1, 1), Workers: workers, NoCache: true, StopAt: -1})
		require.Equal(t, promised(want), promised(got), "%d workers, no cache", workers)
		require.Equal(t, want.Executed, got.Executed, "each schedule once")
	}
}

func TestCachePrunes(t *testing.T) {
	c := toyConfig{tasks: 2}
	all := explore(t, c, Config{Bound: bound(1, 1), NoCache: true, StopAt: -1})
	pruned := explore(t, c, Config{Bound: bound(1, 1), StopAt: -1})
	require.Greater(t, all.Executed, 4*pruned.Executed)
	require.Positive(t, pruned.CacheHits)
}

// A key that misses a part of the state makes the counts differ: the check
// mode would notice.
func TestBlindKeyIsNoticed(t *testing.T) {
	for part, toldByOthers := range map[string]bool{"x": false, "tmp": false, "flushed": false, "queue": true, "acked": true, "order": true} {
		t.Run(part, func(t *testing.T) {
			c := toyConfig{tasks: 2, blindTo: part}
			full := explore(t, c, Config{Bound: bound(1, 1), NoCache: true, StopAt: -1})
			pruned := explore(t, c, Config{Bound: bound(1, 1), StopAt: -1})
			if toldByOthers { // a near miss: the rest of the state tells it
				require.Equal(t, promised(full), promised(pruned))
				return
			}
			require.NotEqual(t, promised(full), promised(pruned))
		})
	}
}

func TestFindings(t *testing.T) {
	c := toyConfig{tasks: 2}
	r := explore(t, c, Config{Bound: bound(2, 2), StopAt: -1})
	require.Equal(t, []int{0, 2, 3}, classes(r))
	p := newToy(c)()
	defer p.Close()
	for _, f := range r.Findings {
		cost := f.Faults + f.Preemptions
		p.Judge(true)
		require.Equal(t, crashsim.Budget{Faults: 2, Preemptions: 2, Total: cost}, f.Bound)
		out := p.Run(Replay(f.Choices), f.Bound)
		require.Equal(t, cost, out.Faults+out.Preemptions)
		got := emptyTally()
		p.Take(&got)
		require.Equal(t, uint32(f.Steps), got.First[f.Class])
		f.Bound = crashsim.Budget{}
		require.Equal(t, firstByBruteForce(t, c, f.Class, cost), f, "class %d", f.Class)
	}
}

func classes(r *Result) (c []int) {
	for _, f := range r.Findings {
		c = append(c, f.Class)
	}
	return c
}

// firstByBruteForce returns the finding of a class with the fewest steps that
// comes first in the order of the options, among the schedules of one level.
func firstByBruteForce(t *testing.T, c toyConfig, class, level int) (best Finding) {
	t.Helper()
	p := newToy(c)()
	defer p.Close()
	b := crashsim.Budget{Faults: min(2, level), Preemptions: min(2, level), Total: level}
	e := &tape.Enumerator{}
	best.Steps = int(Never)
	for more := true; more; more = e.Next() {
		s := &spy{from: crashsim.FromTape(e), p: p.(*toy), class: class}
		p.Judge(true)
		out := p.Run(s, b)
		got := emptyTally()
		p.Take(&got)
		if f := got.First[class]; f != Never && int(f) < best.Steps {
			best = Finding{Class: class, Steps: int(f), Faults: out.Faults, Preemptions: out.Preemptions, Choices: trim(s.before)}
			if s.before == nil {
				best.Choices = trim(s.answers)
			}
		}
	}
	require.NoError(t, e.Err())
	return best
}

// spy writes down the answers that were given before a finding.
type spy struct {
	from            crashsim.Chooser
	p               *toy
	class           int
	answers, before []int
}

func (s *spy) Choose(p *crashsim.Point) int {
	if s.before == nil && s.p.tally.First[s.class] != Never {
		s.before = append([]int{}, s.answers...)
	}
	a := s.from.Choose(p)
	s.answers = append(s.answers, a)
	return a
}

func trim(a []int) []int {
	for len(a) > 0 && a[len(a)-1] == 0 {
		a = a[:len(a)-1]
	}
	return slices.Clone(a)
}

func TestStopAt(t *testing.T) {
	c := toyConfig{tasks: 2}
	for _, test := range []struct {
		bound         crashsim.Budget
		stopAt, level int
	}{
		{bound(2, 2), -1, 4}, {bound(2, 2), 3, 1}, {bound(2, 2), 2, 1}, {bound(2, 2), 0, 1},
		{bound(0, 2), 3, 1}, {bound(0, 2), 2, 1}, {bound(0, 2), 1, 2}, // class 0 needs a fault
	} {
		r := explore(t, c, Config{Bound: test.bound, StopAt: test.stopAt})
		require.Equal(t, test.level, r.Level, "stop at %d", test.stopAt)
		require.Equal(t, test.level == test.bound.Total, r.Exhausted)
		require.False(t, r.Partial)
	}
}

func TestStuck(t *testing.T) {
	for name, kind := range map[string]crashsim.ResultKind{"deadlock": crashsim.Deadlock, "panic": crashsim.Panicked,
		"spin": crashsim.Cycle, "step cap": crashsim.StepCap} {
		t.Run(name, func(t *testing.T) {
			c := toyConfig{tasks: 2, stuck: name}
			var want *Result
			for _, workers := range []int{1, 2, 5} {
				for _, noCache := range []bool{true, false} {
					r := explore(t, c, Config{Bound: bound(0, 2), Workers: workers, NoCache: noCache, StopAt: -1})
					require.NotNil(t, r.Stuck)
					require.Equal(t, kind, r.Stuck.Kind)
					require.Equal(t, 1, r.Stuck.Preemptions)
					require.Equal(t, 1, r.Level, "a stuck schedule ends the deepening")
					require.False(t, r.Exhausted)
					if want == nil {
						want = r
					}
					require.Equal(t, promised(want), promised(r))
				}
			}
			p := newToy(c)()
			defer p.Close()
			if out := p.Run(Replay(want.StuckChoices), bound(0, 2)); kind != crashsim.Cycle {
				require.Equal(t, *want.Stuck, out)
			} else {
				require.Equal(t, crashsim.StepCap, out.Kind)
			}
		})
	}
}

func TestNotRepeatable(t *testing.T) {
	for _, workers := range []int{1, 2} {
		_, err := Run(context.Background(), newToy(toyConfig{tasks: 2, notReset: true}),
			Config{Bound: bound(1, 1), Workers: workers, CacheBytes: 1 << 20, StopAt: -1})
		require.ErrorIs(t, err, ErrNotRepeatable)
	}
	_, err := Run(context.Background(), newToy(toyConfig{tasks: 2, early: true}),
		Config{Bound: bound(1, 1), Workers: 1, CacheBytes: 1 << 20, StopAt: -1})
	require.ErrorContains(t, err, "after 0 steps, told of after step")
}

func TestBadBound(t *testing.T) {
	for _, cfg := range []Config{{}, {Workers: 1, Bound: bound(-1, 0)}, {Workers: 1, Bound: bound(0, 1<<16)},
		{Workers: 1, Bound: crashsim.Budget{Total: -1}}} {
		_, err := Run(context.Background(), newToy(toyConfig{tasks: 1}), cfg)
		require.Error(t, err)
	}
}

func TestCancel(t *testing.T) {
	done, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := Run(done, newToy(toyConfig{tasks: 2}), Config{Bound: bound(1, 1), Workers: 2, CacheBytes: 1 << 20, StopAt: -1})
	require.NoError(t, err)
	require.True(t, r.Partial)
	require.False(t, r.Exhausted)
	require.Equal(t, -1, r.Level)

	for _, after := range []int{1, 50, 2000} {
		for _, workers := range []int{1, 3} {
			ctx := &lateContext{Context: context.Background(), end: make(chan struct{}), left: after}
			r, err = Run(ctx, func() Program { return &counted{newToy(toyConfig{tasks: 3})(), ctx} },
				Config{Bound: bound(2, 2), Workers: workers, NoCache: true, StopAt: -1})
			require.NoError(t, err)
			require.True(t, r.Partial)
			require.Less(t, r.Level, 4)
			if r.Level >= 0 {
				b := crashsim.Budget{Faults: min(2, r.Level), Preemptions: min(2, r.Level), Total: r.Level}
				whole := explore(t, toyConfig{tasks: 3}, Config{Bound: b, StopAt: -1})
				require.Equal(t, whole.Schedules, r.Schedules)
				require.Equal(t, whole.Tally, r.Tally)
			}
		}
	}
}

// lateContext ends after a number of schedules.
type lateContext struct {
	context.Context
	mu   sync.Mutex
	left int
	end  chan struct{}
}

func (c *lateContext) Done() <-chan struct{} { return c.end }

func (c *lateContext) Err() error {
	select {
	case <-c.end:
		return context.Canceled
	default:
		return nil
	}
}

func (c *lateContext) step() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left == 0 {
		close(c.end)
	}
}

type counted struct {
	Program
	ctx *lateContext
}

func (c *counted) Run(ch crashsim.Chooser, b crashsim.Budget) crashsim.Outcome {
	c.ctx.step()
	return c.Program.Run(ch, b)
}

// Progress comes while the exploration runs: it ends this one, which would
// take days.
func TestProgress(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var last Progress
	r, err := Run(ctx, newToy(toyConfig{tasks: 4}), Config{Bound: bound(2, 2), NoCache: true, Workers: 2, StopAt: -1,
		Progress: func(p Progress) {
			last = p
			cancel()
		}})
	require.NoError(t, err)
	require.True(t, r.Partial)
	require.Equal(t, -1, r.Level)
	require.Equal(t, 4, last.Levels)
	require.Equal(t, 4, last.Branches, "who begins")
	require.Less(t, last.Done, last.Branches)
	require.Positive(t, last.Executed)
	require.LessOrEqual(t, last.Executed, r.Executed)
	n, ok := r.Schedules.Uint64()
	require.True(t, ok)
	require.Equal(t, r.Executed, n, "without a table each run is one schedule")
}
