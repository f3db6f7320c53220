package model

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/engine"
	"untorn/internal/blk"
	"untorn/internal/key"
	"untorn/scenarios"
	"untorn/verifier"
	"untorn/workloads"
)

// way is one answer at one state.
type way struct {
	state  key.Key
	option crashsim.Option
}

// follows is what comes after a way until the machine asks again.
type follows struct {
	state   key.Key // where it asks, or how the run ended; without what power loss leaves
	options key.Key // what it offers there
	events  key.Key // what the device and the caller saw on the way
	run     uint64  // the first run that took the way
}

// walker runs schedules at random and remembers what followed each answer at
// each state. Its keys leave the budget out, and it gives so much of it that
// it decides nothing: more runs meet in one state.
type walker struct {
	*program
	ways  map[way]follows
	again int // ways taken a second time

	run        uint64
	rng        *rand.Rand
	calm, free int    // one answer in so many is drawn, at a step and where a wait forces a choice
	begun      uint64 // tasks that announced a step
	at         way
	events     key.Hasher

	// differ are two runs in which different things followed until, the zero
	// value for none.
	differ [2]uint64
	until  way
}

func newWalker(t testing.TB, c *Config) *walker {
	require.NoError(t, c.Check())
	p, err := newProgram(c, NewShared(true))
	require.NoError(t, err)
	w := &walker{program: p, ways: map[way]follows{}}
	w.kernel.Device().OnEvent = func(e *blk.Event) {
		w.fold(e)
		p.event(e)
	}
	return w
}

// fold notes an event. The numbers of commands and of steps count from the
// beginning of the run and are no part of a state.
func (w *walker) fold(e *blk.Event) {
	h := &w.events
	h.Word(uint64(e.Kind) | uint64(uint32(e.Op))<<8)
	h.Word(uint64(uint32(e.Result)))
	h.Word(uint64(uint32(e.Range.Start)) | uint64(uint32(e.Range.Len))<<32)
	h.Bool(e.FUA)
	for _, x := range e.Payload {
		h.Key(w.interner.Content(x))
	}
}

// walk does schedules, each of which its number decides, and reports whether
// the same always followed the same.
func (w *walker) walk(runs uint64) bool {
	for run := range runs {
		if w.one(run); w.until != (way{}) {
			return false
		}
	}
	return true
}

func (w *walker) one(run uint64) {
	w.run, w.rng = run, rand.New(rand.NewPCG(run, 1))
	w.calm, w.free = 3<<w.rng.IntN(6), 1+w.rng.IntN(4)
	w.begun, w.at, w.events = 0, way{}, key.Hasher{}
	const plenty = 1 << 14
	out := w.Run(w, crashsim.Budget{Faults: plenty, Preemptions: plenty, Total: 2 * plenty})
	if out.Kind != crashsim.Stopped {
		w.arrive(follows{state: key.Key{uint64(out.Kind)}})
	}
}

// Choose implements crashsim.Chooser.
func (w *walker) Choose(p *crashsim.Point) int {
	all := w.kernel.OnHash
	w.kernel.OnHash = w.history.Hash
	next := follows{state: w.state(p), options: options(p)}
	w.kernel.OnHash = all
	if !w.arrive(next) {
		return crashsim.Stop
	}
	choice, once := 0, w.calm
	if p.Free() {
		once = w.free
	}
	if w.rng.IntN(once) == 0 {
		choice = w.rng.IntN(p.Len())
	}
	w.at = way{w.state(p), p.Options()[choice]}
	return choice
}

// state is Machine.Key without the budget.
func (w *walker) state(p *crashsim.Point) key.Key {
	var h key.Hasher
	if p.TaskID() >= 0 {
		w.begun |= 1 << p.TaskID()
	}
	h.Word(w.begun)
	h.Int(p.TaskID())
	for _, t := range w.Machine().Tasks() {
		h.Word(uint64(t.At()) | uint64(t.Waits().Kind)<<8 | uint64(uint32(t.Waits().Arg))<<16)
	}
	w.kernel.Hash(&h)
	return h.Sum()
}

// options is a fingerprint of what a point offers.
func options(p *crashsim.Point) key.Key {
	var h key.Hasher
	for _, o := range p.Options() {
		h.Word(uint64(o.Kind) | uint64(uint32(o.Index))<<8)
		h.Word(uint64(o.Fault.Kind) | uint64(o.Fault.Form)<<8 | uint64(uint32(o.Fault.A))<<16)
		h.Word(uint64(uint32(o.Fault.B)))
	}
	return h.Sum()
}

// arrive compares what followed the last answer with what did before, and
// reports whether the run is to go on.
func (w *walker) arrive(f follows) bool {
	if w.at == w.until && w.at != (way{}) {
		return false // the story of a run ends here
	}
	f.events, f.run = w.events.Sum(), w.run
	w.events = key.Hasher{}
	before, ok := w.ways[w.at]
	if !ok {
		w.ways[w.at] = f
		return true
	}
	w.again++
	if f.run = before.run; f == before {
		return true
	}
	w.differ, w.until = [2]uint64{before.run, w.run}, w.at
	return false
}

// story tells what a run did up to where two runs differ.
func (w *walker) story(t testing.TB, run uint64) string {
	x := newWalker(t, w.config)
	defer x.Close()
	var lines []string
	x.Machine().Trace = func(e crashsim.TraceEvent) {
		lines = append(lines, fmt.Sprintf("%5d %-10s %-3s %s", e.Step, e.Task, e.Num, e.Text))
	}
	x.until = w.until
	x.one(run)
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}

// alwaysFollows fails when a state of the configuration leads to two things,
// and returns how often a run took a way that one before had taken.
func alwaysFollows(t *testing.T, c *Config, runs uint64) int {
	w := newWalker(t, c)
	defer w.Close()
	if !w.walk(runs) {
		t.Errorf("at the end of runs %d and %d the state is the same, and what follows is not:\n%s\n\n%s",
			w.differ[0], w.differ[1], w.story(t, w.differ[0]), w.story(t, w.differ[1]))
	}
	return w.again
}

// TestKeyTellsWhatFollows: what comes after a state is a function of its key.
// A local of the engine that lives across a step and is not in the frame, or
// a wait that does not say in which of two places it is, makes one key lead to
// two things, and the exploration leaves one of them out.
func TestKeyTellsWhatFollows(t *testing.T) {
	for name, c := range racing() {
		t.Run(name, func(t *testing.T) {
			require.Greater(t, alwaysFollows(t, c, 4000), 50_000, "too few runs met in a state")
		})
	}
	for _, name := range append(scenarios.List(scenarios.Main), scenarios.List(scenarios.Races)...) {
		t.Run(name, func(t *testing.T) {
			sc, err := scenarios.Embedded(name)
			require.NoError(t, err)
			rows := sc.Rows()
			for i := range rows {
				r := &rows[i]
				c := &Config{Design: r.Design, Device: r.Device, Workload: r.Workload, Faults: r.Faults, Contract: verifier.Untorn}
				if r.Skip == "" && r.NotBuilt == nil {
					require.Positive(t, alwaysFollows(t, c, 20), r.Label)
				}
			}
		})
	}
}

// racing are small configurations in which one task changes what another one,
// in the middle of its operation, has looked at already.
func racing() map[string]*Config {
	const k = 1 << 10
	op := func(task string, kind workloads.Kind, from, n int64) workloads.Op {
		return workloads.Op{Task: task, Kind: kind, Offset: from, Length: n}
	}
	all := map[string]*Config{}
	add := func(name string, change func(c *Config), ops ...workloads.Op) {
		c := plain(small())
		c.Workload.Ops = ops
		change(c)
		all[name] = c
	}
	direct, dsync, appends := op("a", workloads.Pwrite, 0, 8*k), op("a", workloads.Pwrite, 0, 8*k), op("a", workloads.Pwrite, 5*k, 3*k)
	direct.Direct, dsync.Dsync, appends.Append = true, true, true
	clone := op("b", workloads.Clone, k, k)
	clone.From = 2 * k

	add("a write is short, and overwritten before it syncs", func(c *Config) { c.Faults.Kinds[crashsim.PageGone] = true },
		dsync, op("b", workloads.Pwrite, 4*k, 4*k))
	add("a sync fails", func(c *Config) { c.Faults.Kinds[crashsim.IOError] = true },
		op("a", workloads.Pwrite, 0, 8*k), op("a", workloads.Fsync, 0, 0), op("b", workloads.Fsync, 0, 0))
	add("the file grows while it is written back", func(c *Config) { c.Workload.File, c.Workload.Layout = 6*k, workloads.Fragmented },
		op("a", workloads.Pwrite, 0, 6*k), op("b", workloads.Truncate, 16*k, 0))
	add("the size is logged while a growth waits", func(c *Config) { c.Workload.File = 2 * k },
		op("a", workloads.Pwrite, 0, 10*k), op("b", workloads.Truncate, 16*k, 0))
	add("blocks are converted below a store", func(c *Config) { c.Workload.Layout = workloads.Unwritten },
		direct, op("b", workloads.Store, 0, 8*k), op("c", workloads.SyncFileRange, 0, 8*k))
	add("a commit writes ordered data", func(c *Config) {
		c.Design.Filesystem, c.Workload.File = engine.Ext4, 5*k
		c.Faults.Kinds[crashsim.LogForce] = true
	}, appends, op("b", workloads.Fsync, 0, 0), op("c", workloads.Fsync, 0, 0))
	add("a clone writes one page back twice", func(c *Config) { c.Design.Block = k },
		op("a", workloads.Pwrite, 0, 4*k), clone, op("c", workloads.Store, 0, 4*k))
	add("a collapse writes one page back twice", func(c *Config) {
		c.Design.Filesystem, c.Design.Block, c.Design.Cluster, c.Workload.File = engine.Ext4, k, k, 4*k
	}, op("a", workloads.Pwrite, 0, 4*k), op("b", workloads.Collapse, k, k), op("c", workloads.Store, 0, 4*k))
	return all
}
