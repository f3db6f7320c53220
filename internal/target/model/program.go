package model

import (
	"math/bits"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/crashsim/powerloss"
	"untorn/engine"
	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/key"
	"untorn/internal/reduce"
	"untorn/verifier"
	"untorn/workloads"
)

// program is the engine of one worker with the judge that looks at each cut
// of its log.
type program struct {
	config   *Config
	shared   *Shared
	interner *blk.Interner
	kernel   *engine.Kernel
	history  *workloads.History
	loss     *powerloss.State
	judge    *verifier.Verifier
	sink     blk.Sink // the judge, or who looks over its shoulder
	// remounter is nil when nothing cuts a mount.
	remounter *remounter

	judging bool
	tally   explore.Tally
	touched uint64 // slots of tally that are not zero
	cuts    cutCache
	known   uint64 // cuts that were judged before

	// onCut, when set, sees each cut after it was judged.
	onCut func(r *verifier.Result, step uint32)
}

// NewProgram returns an instance for one worker.
func NewProgram(c *Config, s *Shared) (explore.Program, error) { return newProgram(c, s) }

func newProgram(c *Config, s *Shared) (*program, error) {
	p := &program{config: c, shared: s, interner: blk.NewInterner()}
	p.kernel = engine.New(&engine.Config{Design: c.Design, Device: c.Device, Workload: &c.Workload, Faults: c.Faults.Kinds,
		Interner: p.interner, Others: c.Others})
	p.history = workloads.NewHistory(&c.Workload)
	p.loss = powerloss.New(c.rules(), p.kernel.Initial())
	p.loss.NoCells, p.loss.NoGroups = c.NoReduce.Has(reduce.Cells), c.NoReduce.Has(reduce.Groups)
	cfg := verifier.Config{Workload: &c.Workload, Contract: c.Contract, Super: *p.kernel.Super(), Interner: p.interner, Distinct: s.set, Classes: s.classes}
	if n := c.Faults.RecoveryPowerLoss; n > 0 {
		p.remounter = newRemounter(p)
		cfg.Remount = func(meta []blk.Handle) []verifier.Remounted { return p.remounter.remount(meta, n) }
	}
	judge, err := verifier.New(cfg)
	if err != nil {
		return nil, err
	}
	p.judge, p.sink = judge, judge
	p.kernel.Device().OnEvent = p.event
	p.kernel.OnHash = func(h *key.Hasher) {
		p.loss.Hash(h, p.interner.Content)
		p.history.Hash(h)
	}
	p.kernel.Machine().OnFault = func(f crashsim.Fault) {
		if p.judging {
			p.count(slotFired + int(f.Kind))
		}
	}
	p.clearFirst()
	return p, nil
}

// Machine returns the machine that Run uses.
func (p *program) Machine() *crashsim.Machine { return p.kernel.Machine() }

// Close ends the instance.
func (p *program) Close() {
	p.kernel.Machine().Close()
	s := reduce.Saved{reduce.Cuts: count.Of(p.known), reduce.Cells: p.loss.SavedCells, reduce.Groups: p.loss.SavedGroups}
	p.shared.mu.Lock()
	defer p.shared.mu.Unlock()
	p.shared.saved.Add(&s)
	alike := p.kernel.Alike()
	if p.shared.closed++; p.shared.closed > 1 {
		alike = alike.Both(p.shared.alike)
	}
	p.shared.alike = alike
}

// Run executes one schedule. What is on the disk before the first step is
// one more cut.
func (p *program) Run(c crashsim.Chooser, b crashsim.Budget) crashsim.Outcome {
	p.loss.Reset()
	p.history.Reset()
	if p.judging {
		p.cut(0)
	}
	return p.kernel.Machine().Run(c, b)
}

// Judge turns the judging of cuts and the counting of faults on or off.
func (p *program) Judge(on bool) { p.judging = on }

func (p *program) clearFirst() {
	for i := range p.tally.First {
		p.tally.First[i] = explore.Never
	}
}

// Take adds what was counted since the last Take to t and forgets it.
func (p *program) Take(t *explore.Tally) {
	for m := p.touched; m != 0; m &= m - 1 {
		i := bits.TrailingZeros64(m)
		t.Counts[i].Add(&p.tally.Counts[i])
		p.tally.Counts[i] = count.Count{}
	}
	p.touched = 0
	for i, first := range p.tally.First {
		t.First[i] = min(t.First[i], first)
	}
	p.clearFirst()
}

// Commute reports whether the i-th and the j-th command in flight may complete
// in either order: both are writes, and neither shares a sector with any write
// that is open. Then each hardens nothing but itself, and a completion without
// an error only counts down what its own submitter waits for.
func (p *program) Commute(i, j int) bool {
	a, b := p.kernel.Device().Command(i), p.kernel.Device().Command(j)
	return p.loss.Alone(a) && p.loss.Alone(b)
}

func (p *program) count(slot int) {
	p.tally.Counts[slot].AddWord(1)
	p.touched |= 1 << slot
}

func (p *program) add(slot int, n *count.Count) {
	p.tally.Counts[slot].Add(n)
	p.touched |= 1 << slot
}

// event follows the block log; the moment after each event is a cut.
func (p *program) event(e *blk.Event) {
	switch e.Kind {
	case blk.Call:
		p.history.Call(int(e.Op))
	case blk.Saw:
		if v := p.judge.JudgeRead(p.history, int(e.Op), e.Range.Start, e.Payload, p.kernel.LostData()); v.Bad() {
			p.history.SetMisread(workloads.Misread{Op: int(e.Op), Verdict: uint8(v)})
		}
	case blk.Return:
		p.history.Return(int(e.Op), workloads.Result(e.Result))
		if op := p.history.Op(int(e.Op)); p.judging && op.Atomic && e.Result > 0 {
			p.count(slotAccepted)
		}
	default:
		p.loss.Apply(e)
	}
	if p.judging {
		p.cut(e.Step)
	}
}

// cut judges every image that a loss of power may leave now.
func (p *program) cut(step uint32) {
	if !p.config.Faults.PowerLoss {
		return
	}
	p.count(slotCuts)
	if p.onCut != nil {
		r := p.judgeCut()
		p.onCut(&r, step)
		return
	}
	var h key.Hasher
	p.loss.Hash(&h, p.interner.Content)
	p.history.Hash(&h)
	k := h.Sum()
	seen, ok := p.cuts.get(k)
	if ok && !p.shared.noCache && !p.config.NoReduce.Has(reduce.Cuts) {
		p.known++
	} else {
		r := p.judgeCut()
		p.shared.judged.Add(r.Judged)
		seen = p.cuts.put(k, &r)
	}
	seen.addTo(p, step)
}

func (p *program) judgeCut() verifier.Result {
	p.judge.Begin(p.history)
	p.loss.Images(p.sink, p.judge.Partition())
	return p.judge.Result()
}
