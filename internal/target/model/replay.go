package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/internal/blk"
	"untorn/internal/tape"
	"untorn/verifier"
	"untorn/workloads"
)

// Replay is one schedule run again, with everything it left.
type Replay struct {
	Outcome  crashsim.Outcome // of the whole schedule
	Verdict  verifier.Verdict // of the image at the cut
	Reason   string           // in one sentence: which unit, which sectors
	Steps    int              // up to the cut
	Tape     tape.Tape        // schedule, cut and image
	Trace    []TraceLine      // up to the cut
	Log      *blk.Log         // up to the cut
	Interner *blk.Interner    // of the metadata in Log
	History  *workloads.History
	Image    []byte // the image, bytes as on the medium
}

// TraceLine is one line of a trace: what happens, and for each unit of the
// workload the versions of its sectors before that, in the cache and on the
// disk as the extent map in memory has it: 8x1 is eight sectors of operation 1,
// 0 is the content before the run, z zeros, - nothing.
type TraceLine struct {
	crashsim.TraceEvent
	Units string
}

// The entry of a tape that says where the power was lost and which of the
// images that may leave is meant.
const (
	cutTask   = "machine"
	cutSite   = "power loss"
	cutOption = "after event %d, the first image that is %s"
)

func cutEntry(event int, v verifier.Verdict) tape.Entry {
	return tape.Entry{Task: cutTask, Site: cutSite, Option: fmt.Sprintf(cutOption, event, v)}
}

// splitCut takes the cut off a tape. event is 0 when there is none.
func splitCut(t tape.Tape) (rest tape.Tape, event int, v verifier.Verdict, err error) {
	for i, e := range t {
		if e.Task != cutTask || e.Site != cutSite {
			rest = append(rest, e)
			continue
		}
		var name string
		if _, err := fmt.Sscanf(e.Option, cutOption, &event, &name); err != nil || event < 1 {
			return nil, 0, 0, fmt.Errorf("entry %d: not a cut: %s", i+1, e)
		}
		var ok bool
		if v, ok = verifier.ParseVerdict(name); !ok {
			return nil, 0, 0, fmt.Errorf("entry %d: no verdict: %s", i+1, e)
		}
	}
	return rest, event, v, nil
}

// ReplayFinding runs the schedule of a finding again and returns it with the
// first image that earns its verdict.
func ReplayFinding(c *Config, f *explore.Finding) (*Replay, error) {
	v := VerdictOf(f.Class)
	p, err := newPlayer(c)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	p.wanted = func(_ int, step uint32, r *verifier.Result) verifier.Verdict {
		if int(step) == f.Steps && !r.Verdicts[v].IsZero() {
			return v
		}
		return verifier.NotChecked
	}
	return p.play(explore.Replay(f.Choices), f.Bound)
}

// ReplayStuck runs the schedule that did not end again. Its replay has no image.
func ReplayStuck(c *Config, r *explore.Result) (*Replay, error) {
	p, err := newPlayer(c)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.play(explore.Replay(r.StuckChoices), r.StuckBound)
}

// ReplayTape runs the schedule of a tape and judges the image at its cut. A
// tape without a cut is judged by the worst image of all cuts; a schedule that
// is stuck has none, and its verdict is that. A tape that does not fit is an
// error that names the entry.
func ReplayTape(c *Config, t tape.Tape) (*Replay, error) {
	schedule, event, v, err := splitCut(t)
	if err != nil {
		return nil, err
	}
	if event == 0 {
		if event, v, err = worstCut(c, schedule); err != nil {
			return nil, err
		}
	}
	p, err := newPlayer(c)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	p.wanted = func(at int, _ uint32, r *verifier.Result) verifier.Verdict {
		if event > 0 && at == event && !r.Verdicts[v].IsZero() {
			return v
		}
		return verifier.NotChecked
	}
	return p.playTape(schedule)
}

// worstCut finds the first cut of a schedule whose images earn the worst
// verdict, and the last cut of one that held throughout, so that all of it is
// shown. event is 0 for a schedule that is stuck.
func worstCut(c *Config, schedule tape.Tape) (event int, v verifier.Verdict, err error) {
	p, err := newPlayer(c)
	if err != nil {
		return 0, v, err
	}
	defer p.Close()
	v = verifier.NumImageVerdicts
	p.wanted = func(at int, _ uint32, r *verifier.Result) verifier.Verdict {
		if at > 0 && (r.Worst < v || v == verifier.Held && r.Worst == v) {
			event, v = at, r.Worst
		}
		return verifier.NotChecked
	}
	if _, err = p.playTape(schedule); err != nil && err != errNoImage {
		return 0, v, err
	}
	if p.replay.Verdict == verifier.Stuck {
		event = 0
	}
	return event, v, nil
}

// errNoImage says that no cut of a schedule was the wanted one.
var errNoImage = errors.New("no image of this schedule is the one that was kept: the tape belongs to another version")

// player runs one schedule and watches every cut until one of them is the
// wanted one.
type player struct {
	*program
	recorder tape.Recorder
	// wanted returns the verdict whose first image is kept, NotChecked to go on.
	wanted func(event int, step uint32, r *verifier.Result) verifier.Verdict
	done   bool
	quiet  bool // without a trace
	// replay outlives the program, and keeps nothing of it alive.
	replay *Replay
}

func newPlayer(c *Config) (*player, error) {
	p, err := newProgram(c, NewShared(true))
	if err != nil {
		return nil, err
	}
	p.Judge(true)
	return &player{program: p, replay: &Replay{}, wanted: func(int, uint32, *verifier.Result) verifier.Verdict { return verifier.NotChecked }}, nil
}

// Choose asks the recorder, and stops the run at the wanted cut.
func (p *player) Choose(at tape.Point) int {
	if p.done {
		return tape.Stop
	}
	return p.recorder.Choose(at)
}

func (p *player) playTape(schedule tape.Tape) (*Replay, error) {
	from, err := tape.NewReplayer(schedule)
	if err != nil {
		return nil, err
	}
	// How much a tape may do is up to the tape.
	n := len(schedule)
	r, err := p.play(crashsim.FromTape(from), crashsim.Budget{Faults: n, Preemptions: n, Total: n})
	if bad := from.Err(); bad != nil {
		return nil, bad
	}
	return r, err
}

func (p *player) play(c crashsim.Chooser, b crashsim.Budget) (*Replay, error) {
	p.recorder.From = crashsim.ToTape(c)
	p.onCut = p.look
	if !p.quiet {
		p.Machine().Trace = p.line
	}
	p.kernel.Device().OnEvent = func(e *blk.Event) {
		switch e.Kind {
		case blk.SubmitWrite, blk.SubmitFlush, blk.Alter:
			p.Machine().Tracef("device", "takes %v", e)
		case blk.Return:
			p.Machine().Tracef("caller", "op %d returns %v", e.Op, workloads.Result(e.Result))
		}
		p.event(e)
	}
	out := p.Run(crashsim.FromTape(p), b)
	r := p.replay
	r.Outcome = out
	if p.done {
		return r, nil
	}
	if out.Kind == crashsim.Done || out.Kind == crashsim.Stopped {
		return nil, errNoImage
	}
	r.Verdict, r.Reason, r.Steps = verifier.Stuck, fmt.Sprintf("%v after %d steps", out.Kind, out.Steps), out.Steps
	p.leave(0)
	return r, nil
}

// line takes one line of the trace.
func (p *player) line(e crashsim.TraceEvent) {
	if !p.done {
		p.replay.Trace = append(p.replay.Trace, TraceLine{TraceEvent: e, Units: p.units()})
	}
}

// look is told of every cut; at the wanted one it keeps everything.
func (p *player) look(r *verifier.Result, step uint32) {
	if p.done {
		return
	}
	event := len(p.kernel.Device().Log.Events)
	v := p.wanted(event, step, r)
	if v == verifier.NotChecked {
		return
	}
	p.line(crashsim.TraceEvent{Step: p.Machine().Steps(), Task: "power", Text: "is lost", Fault: true})
	p.done = true
	p.replay.Steps = int(step)
	var cut, meta []blk.Handle
	p.judge.OnVerdict = func(got verifier.Verdict) {
		if got == v {
			p.replay.Image = verifier.Bytes(p.judge.Image(), p.interner)
			p.replay.Verdict, p.replay.Reason = p.judge.JudgeImage()
			cut = slices.Clone(p.judge.Cut())
			meta = slices.Clone(p.judge.Image()[:p.kernel.Super().Data.Start])
		}
	}
	p.judgeCut()
	p.judge.OnVerdict = nil
	if cut != nil {
		p.tellRemount(cut, meta)
	}
	p.leave(event)
	p.replay.Tape = append(p.replay.Tape, cutEntry(event, v))
}

// tellRemount adds to the trace how mounts that were cut made meta of what the
// loss of power left.
func (p *player) tellRemount(cut, meta []blk.Handle) {
	for n := 1; n <= p.config.Faults.RecoveryPowerLoss; n++ {
		lines, ok := p.remounter.story(cut, meta, n)
		if !ok {
			continue
		}
		for _, e := range lines {
			e.Step += p.replay.Steps
			p.replay.Trace = append(p.replay.Trace, TraceLine{TraceEvent: e})
		}
		return
	}
	panic("model: metadata that no cut of a mount leaves")
}

// leave keeps what the run left up to now.
func (p *player) leave(event int) {
	r := p.replay
	r.Tape = slices.Clone(p.recorder.Tape)
	r.Log = &blk.Log{Events: slices.Clone(p.kernel.Device().Log.Events)}
	for i := range r.Log.Events {
		r.Log.Events[i].Payload = slices.Clone(r.Log.Events[i].Payload)
	}
	r.Interner = p.interner
	r.History = p.history.Clone()
	r.History.Contract, r.History.Cut = p.config.Contract.String(), event
}

// units prints, for each range that an atomic write covers, the versions of
// its sectors in the cache and on the disk, as runs.
func (p *player) units() string {
	var b strings.Builder
	ops := p.config.Workload.Ops
	for i := range ops {
		op := &ops[i]
		if !op.Atomic || slices.ContainsFunc(ops[:i], func(o workloads.Op) bool {
			return o.Atomic && o.File == op.File && o.Offset == op.Offset && o.Length == op.Length
		}) {
			continue
		}
		var cache, disk runs
		p.kernel.View(op, func(c blk.Handle, cached bool, d blk.Handle, onDisk bool) {
			cache.add(version(c, cached))
			disk.add(version(d, onDisk))
		})
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		if op.File != 0 {
			fmt.Fprintf(&b, "file %d ", op.File)
		}
		fmt.Fprintf(&b, "[%s,%s) cache %s, disk %s", workloads.FormatSize(op.Offset), workloads.FormatSize(op.Offset+op.Length), cache.String(), disk.String())
	}
	return b.String()
}

// version names what a sector holds: the number of an operation, "-" for
// nothing.
func version(h blk.Handle, there bool) string {
	switch {
	case !there:
		return "-"
	case h == blk.Zero:
		return "z"
	case h.IsData() && h.Write() <= blk.MaxWrite:
		return fmt.Sprint(h.Write())
	}
	return "?"
}

// runs gathers equal neighbours: 8x1 24x0.
type runs struct {
	b    strings.Builder
	last string
	n    int
}

func (r *runs) add(s string) {
	if r.n > 0 && s != r.last {
		r.flush()
	}
	r.last = s
	r.n++
}

func (r *runs) flush() {
	if r.b.Len() > 0 {
		r.b.WriteByte(' ')
	}
	fmt.Fprintf(&r.b, "%dx%s", r.n, r.last)
	r.n = 0
}

func (r *runs) String() string {
	if r.n > 0 {
		r.flush()
	}
	return r.b.String()
}
