package run

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/internal/tape"
	"untorn/scenarios"
	"untorn/verifier"
	"untorn/workloads"
)

// longRun leaves a run directory of a counterexample of more than 200 steps.
func longRun(t *testing.T) string {
	t.Helper()
	r := lateWriter(t, 2, 3)
	r.Explore.Strategy, r.Explore.Runs = "pct", 300
	o := options(t, Model{})
	rep, _, err := Rows(context.Background(), []scenarios.Row{*r}, o)
	require.NoError(t, err)
	require.Equal(t, "torn", rep.Results[0].Verdict)
	require.Greater(t, rep.Results[0].Counterexample.Steps, 200)
	return filepath.Join(o.Out, "late", "single")
}

func shrunk(t *testing.T, ctx context.Context, dir, out string) (code int, text string) {
	t.Helper()
	var b bytes.Buffer
	code, err := Shrink(ctx, &b, dir, ShrinkOptions{Out: out, Now: time.Now})
	require.NoError(t, err)
	return code, b.String()
}

// A long counterexample becomes the two writes that it is about, a run
// directory that replays and explores to the same verdict, and the same one
// every time.
func TestShrink(t *testing.T) {
	dir := longRun(t)
	// Of the bound together pct takes no notice. For what becomes of the case it is raised.
	scenario := filepath.Join(dir, "scenario.yaml")
	data, err := os.ReadFile(scenario)
	require.NoError(t, err)
	bounded := strings.Replace(string(data), "together: 32", "together: 0", 1)
	require.NotEqual(t, string(data), bounded)
	require.NoError(t, os.WriteFile(scenario, []byte(bounded), 0o600))
	out := filepath.Join(t.TempDir(), "small")
	code, text := shrunk(t, context.Background(), dir, out)
	require.Equal(t, ExitOK, code)
	require.Contains(t, text, "1-minimal: no single reduction of it fails")
	require.Contains(t, text, " 0 cut short", "the check is a proof")
	require.Contains(t, text, "untorn replay "+out)

	ops, err := os.ReadFile(filepath.Join(out, "ops.txt"))
	require.NoError(t, err)
	require.Len(t, strings.Split(strings.TrimSpace(string(ops)), "\n"), 2, "%s", ops)
	x := onlyResult(t, out).Counterexample
	require.Equal(t, [2]int{0, 1}, [2]int{x.Faults, x.Preemptions})
	require.Less(t, x.Steps, 100)
	code, err = Replay(&bytes.Buffer{}, Model{}, out)
	require.NoError(t, err)
	require.Equal(t, ExitOK, code)

	s, err := scenarios.Load(filepath.Join(out, "scenario.yaml"))
	require.NoError(t, err)
	require.Equal(t, 1, s.Rows()[0].Explore.Together)
	require.False(t, s.Rows()[0].Explore.Random, "what is left can be explored as a whole")
	rep, _, err := Rows(context.Background(), s.Rows(), options(t, Model{}))
	require.NoError(t, err)
	require.Equal(t, "torn", rep.Results[0].Verdict)
	require.Equal(t, x.Steps, rep.Results[0].Counterexample.Steps, "the cheapest there is")

	again := filepath.Join(t.TempDir(), "again")
	_, second := shrunk(t, context.Background(), dir, again)
	require.Equal(t, text, strings.ReplaceAll(second, again, out))
	sameRun(t, out, again)

	// What is shrunk stays as it is.
	third := filepath.Join(t.TempDir(), "third")
	shrunk(t, context.Background(), out, third)
	sameRun(t, out, third)
}

// shrinkerOf returns a shrinker and the case of a run directory.
func shrinkerOf(t *testing.T, dir string) (*shrinker, smallCase) {
	t.Helper()
	k, _, err := readRun(Model{}, dir)
	require.NoError(t, err)
	v, _ := verifier.ParseVerdict(k.verdict)
	s := &shrinker{verdict: v, limit: ShrinkSteps}
	c, err := s.begin(k)
	require.NoError(t, err)
	s.best = c
	return s, c
}

// The check of a minimum finds what is left to take away: in the long run, and
// in a shrunk one that gets anything back.
func TestShrinkCheckFails(t *testing.T) {
	dir := longRun(t)
	s, _ := shrinkerOf(t, dir)
	_, minimal, _ := s.prove(context.Background())
	require.False(t, minimal)

	out := filepath.Join(t.TempDir(), "small")
	shrunk(t, context.Background(), dir, out)
	s, c := shrinkerOf(t, out)
	_, minimal, whole := s.prove(context.Background())
	require.True(t, minimal && whole)
	k := &s.check
	require.Empty(t, k.cut)
	require.Equal(t, k.reductions, k.senseless+k.played+k.searched, "each reduction was decided")
	for name, change := range map[string]func(*smallCase){
		"an operation": func(c *smallCase) {
			c.row.Workload.Ops = append(c.row.Workload.Ops, workloads.Op{Task: "late", Kind: workloads.Fsync})
		},
		"a task": func(c *smallCase) {
			c.row.Workload.Ops = append(c.row.Workload.Ops, workloads.Op{Task: "new", Kind: workloads.Fsync})
		},
		"a larger file": func(c *smallCase) { c.row.Workload.File += 64 << 10 },
		"a kind":        func(c *smallCase) { c.row.Faults.Kinds[1] = true },
		"larger units":  func(c *smallCase) { c.row.Workload.Ops[0].Length, c.row.Workload.Ops[1].Length = 16<<10, 16<<10 },
		"another choice": func(c *smallCase) {
			c.schedule = append(slices.Clone(c.schedule), tape.Entry{Task: "late", Site: "copy", Visit: 1, Option: "run busy0"})
		},
	} {
		more := c.with(func(*workloads.Workload) {})
		change(&more)
		ok, err := s.play(&more)
		require.NoError(t, err)
		if !ok {
			ok, _ = s.search(context.Background(), &more)
		}
		require.True(t, ok, name)
		s.best = more
		_, minimal, _ := s.prove(context.Background())
		assert.False(t, minimal, name)
	}
}

// The check may take more steps than the search, and says which reductions that
// was not enough for.
func TestShrinkCheckGoesFurther(t *testing.T) {
	out := filepath.Join(t.TempDir(), "small")
	shrunk(t, context.Background(), longRun(t), out)
	cut := func(steps int64) int {
		s, _ := shrinkerOf(t, out)
		s.o.Steps = steps
		_, minimal, whole := s.prove(context.Background())
		require.True(t, minimal && whole)
		if len(s.check.cut) > 0 {
			s.minimal = true
			require.Contains(t, strings.Join(s.result(), "\n"), "for smaller units or file")
		}
		return len(s.check.cut)
	}
	short := func(limit int64) (n int) {
		s, c := shrinkerOf(t, out)
		s.limit = limit
		for one := range c.smaller() {
			if s.sound(&one) && one.try != byTape {
				if _, whole := s.search(context.Background(), &one); !whole {
					n++
				}
			}
		}
		return n
	}
	require.Positive(t, short(1000))
	require.Zero(t, cut(1000))
	require.Positive(t, cut(100))
}

// A search that ends at another way to fail is no proof that there is none.
func TestShrinkSearchEndsElsewhere(t *testing.T) {
	s, c := shrinkerOf(t, stuckRun(t))
	require.Equal(t, verifier.Stuck, s.verdict)
	ok, _ := s.search(context.Background(), &c)
	require.True(t, ok)
	s.end = "deadlock"
	ok, whole := s.search(context.Background(), &c)
	require.False(t, ok, "the panic is not the deadlock that was asked for")
	require.False(t, whole)
}

// stuckRun leaves a run directory of a schedule that panics.
func stuckRun(t *testing.T) string {
	t.Helper()
	s := embedded(t, "sub-folio", "mutant=stable-cleared-early", "explore.mode=random", "explore.strategy=pct", "explore.runs=100", "expect=stuck")
	o := options(t, Model{})
	rep, _, err := Rows(context.Background(), s.Rows(), o)
	require.NoError(t, err)
	require.Equal(t, "stuck", rep.Results[0].Verdict)
	return filepath.Join(o.Out, "sub-folio", "single")
}

// A schedule that is stuck becomes smaller as others do, and panics where it did.
func TestShrinkStuck(t *testing.T) {
	dir := stuckRun(t)
	before := onlyResult(t, dir).Counterexample
	require.Equal(t, 2, before.Faults+before.Preemptions)
	out := filepath.Join(t.TempDir(), "small")
	code, text := shrunk(t, context.Background(), dir, out)
	require.Equal(t, ExitOK, code, text)
	require.Contains(t, text, " 0 cut short")
	x := onlyResult(t, out).Counterexample
	require.Equal(t, "stuck", x.Verdict)
	require.Equal(t, [2]int{1, 0}, [2]int{x.Faults, x.Preemptions}, "another schedule, which a search has to find")
	require.Less(t, x.Steps, before.Steps)
	ops, err := os.ReadFile(filepath.Join(out, "ops.txt"))
	require.NoError(t, err)
	require.Len(t, strings.Split(strings.TrimSpace(string(ops)), "\n"), 2, "%s", ops)
	code, err = Replay(&bytes.Buffer{}, Model{}, out)
	require.NoError(t, err)
	require.Equal(t, ExitOK, code)

	s, err := scenarios.Load(filepath.Join(out, "scenario.yaml"))
	require.NoError(t, err)
	require.False(t, s.Rows()[0].Explore.Random)
	rep, _, err := Rows(context.Background(), s.Rows(), options(t, Model{}))
	require.NoError(t, err)
	require.Equal(t, "stuck", rep.Results[0].Verdict)
}

// Ways to be stuck are told apart; a cycle is played until the step cap.
func TestEndOf(t *testing.T) {
	panicAt := func(where string) *crashsim.Outcome {
		return &crashsim.Outcome{Kind: crashsim.Panicked, Detail: "task a: index out of\nrange\n\tengine.set " + where + "\n\tengine.remap ioend.go:362\n"}
	}
	require.Equal(t, "panic in engine.set alloc.go:42", endOf(panicAt("alloc.go:42")))
	require.NotEqual(t, endOf(panicAt("alloc.go:42")), endOf(panicAt("alloc.go:43")))
	ends := map[string]bool{}
	for _, k := range []crashsim.ResultKind{crashsim.Deadlock, crashsim.StepCap, crashsim.Panicked} {
		ends[endOf(&crashsim.Outcome{Kind: k})] = true
	}
	require.Len(t, ends, 3)
	require.Equal(t, endOf(&crashsim.Outcome{Kind: crashsim.StepCap}), endOf(&crashsim.Outcome{Kind: crashsim.Cycle}))
}

// Ctrl-C leaves the best so far, whole, and says so.
func TestShrinkEndsEarly(t *testing.T) {
	dir := longRun(t)
	for _, after := range []int{0, 9} {
		out := filepath.Join(t.TempDir(), "small")
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		var b bytes.Buffer
		if after == 0 {
			cancel()
		}
		code, err := Shrink(ctx, &b, dir, ShrinkOptions{Out: out, Now: time.Now, Progress: func(string) {
			if n++; n == after {
				cancel()
			}
		}})
		cancel()
		require.NoError(t, err)
		require.Equal(t, ExitUnexpected, code)
		require.Contains(t, b.String(), "PARTIAL: ended early; this is the best so far")
		code, err = Replay(&bytes.Buffer{}, Model{}, out)
		require.NoError(t, err)
		require.Equal(t, ExitOK, code)
	}
}

func TestShrinkRefuses(t *testing.T) {
	s := embedded(t, "no-pin", "design.copy=pin", "expect=held")
	o := options(t, Model{})
	o.Keep = true
	_, _, err := Rows(context.Background(), s.Rows(), o)
	require.NoError(t, err)
	held := filepath.Join(o.Out, "no-pin", "single")
	broke := filepath.Join(held, "control")
	full, x := t.TempDir(), filepath.Join(t.TempDir(), "x")
	require.NoError(t, os.WriteFile(filepath.Join(full, "mine"), nil, 0o600))
	for _, tc := range []struct{ dir, out, want string }{
		{"nowhere", x, "no such file"},
		{held, x, "the verdict on record is held; allowed: a run that broke"},
		{broke, full, "exists and is no run directory"},
		{broke, filepath.Join(full, "mine"), "exists and is no run directory"},
	} {
		code, err := Shrink(context.Background(), &bytes.Buffer{}, tc.dir, ShrinkOptions{Out: tc.out, Now: time.Now})
		assert.ErrorContains(t, err, tc.want)
		assert.Equal(t, ExitUsage, code)
	}
	assert.FileExists(t, filepath.Join(full, "mine"))
	assert.NoDirExists(t, x)

	tapeFile := filepath.Join(broke, "tape.txt")
	require.NoError(t, os.WriteFile(tapeFile, []byte("what is this\n"), 0o600))
	_, err = Shrink(context.Background(), &bytes.Buffer{}, broke, ShrinkOptions{Out: x, Now: time.Now})
	assert.ErrorContains(t, err, "tape.txt: line 1")
	assert.NoDirExists(t, x)
}

// A row printed with its own workload, faults and bounds is that row.
func TestReduceTo(t *testing.T) {
	for _, name := range scenarios.List(scenarios.Main) {
		for _, r := range embedded(t, name).Rows() {
			if r.Skip != "" || r.NotBuilt != nil {
				continue
			}
			s, err := scenarios.Decode("x.yaml", []byte(r.ReduceTo(&r.Workload, &r.Faults, &r.Explore)))
			require.NoError(t, err, name)
			require.Len(t, s.Rows(), 1)
			one := s.Rows()[0]
			assert.Equal(t, fingerprint(&designArm(&r).cfg), fingerprint(&designArm(&one).cfg), name)
			assert.Equal(t, r.Explore, one.Explore, name)
			assert.Equal(t, r.Faults, one.Faults, name)
		}
	}
}
