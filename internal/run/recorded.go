package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"untorn/crashsim"
	"untorn/crashsim/nvme"
	"untorn/engine"
	"untorn/internal/disk"
	"untorn/internal/loopfs"
	"untorn/internal/report"
	"untorn/internal/target/file"
	"untorn/internal/target/recorded"
	"untorn/scenarios"
	"untorn/verifier"
	"untorn/workloads"
)

// Recorded says how rows run on a recorded disk.
type Recorded struct {
	Server []string    // the command that serves a disk
	Faults disk.Faults // of the disk, in both arms
}

// ServeDisk is the process of a recorded disk, see disk.Serve.
func ServeDisk(in io.Reader, out io.Writer) error { return disk.Serve(in, out) }

// RecordedTarget is the name of the target in reports.
const RecordedTarget = "recorded"

// maxRecordedImages bounds the different images of one arm that are mounted,
// where the scenario does not: each takes a mount.
const maxRecordedImages = 1000

// RecordedRows runs rows on the running kernel, above a disk that keeps a log,
// and mounts what a loss of power may leave of it. An error that is an
// *EnvironmentError says that the machine failed, a *loopfs.MissingError that
// it lacks something; when rows were done before there is a report of these.
func RecordedRows(ctx context.Context, rows []scenarios.Row, o Options, c Recorded) (*report.Report, int, error) {
	for i := range rows {
		if rows[i].Skip == "" && recordedNonsense(&rows[i]) == "" {
			if err := recorded.Missing(rows[i].Design.Filesystem.String()); err != nil {
				return nil, recordedExit(err), err
			}
		}
	}
	out, err := newOutput(o.Out)
	if err != nil {
		return nil, ExitEnvironment, &EnvironmentError{err}
	}
	defer out.close()
	rep := newReport(o.Now())
	for i := range rows {
		if ctx.Err() != nil {
			break
		}
		x := recordedRow{o: &o, c: c, r: &rows[i], res: recordedResult(&rows[i])}
		if c.Faults != (disk.Faults{}) {
			x.res.Assumptions = append(x.res.Assumptions, "faults asked of the disk: "+c.Faults.String())
		}
		if err := x.run(ctx, out); err != nil {
			return endedBy(&EnvironmentError{fmt.Errorf("%s: %w", rowTitle(&rows[i]), err)}, recordedExit(err), rep, out)
		}
		rep.Results = append(rep.Results, *x.res)
	}
	return finishLive(ctx, rep, out)
}

// recordedExit returns the exit code of an error.
func recordedExit(err error) int {
	if missing := (*loopfs.MissingError)(nil); errors.As(err, &missing) {
		return ExitNotBuilt
	}
	return ExitEnvironment
}

// recordedNonsense says why a row makes no sense on the running kernel, which
// has one design and no planted defects, or "".
func recordedNonsense(r *scenarios.Row) string {
	d := &r.Design
	switch {
	case d.Mutant != "":
		return "a mutant belongs to the model"
	case r.Workload.Files() > 1:
		return "a workload of two files, and a recorded disk has one; allowed: --target model or file"
	case r.Control.Design.Mutant != "":
		return "its control is a mutant, and the running kernel has none; allowed: a control with atomic: false"
	case d.Submit != engine.SubmitDirect && d.Submit != engine.SubmitWriteback:
		return fmt.Sprintf("design.submit %s belongs to the model; the running kernel has direct and writeback", d.Submit)
	case d.Submit == engine.SubmitDirect && d.Filesystem == engine.XFS && d.Writeback == engine.WritebackAtomic:
		return "design.writeback atomic: a loop device has no atomic limit, so that XFS writes to new blocks; allowed: cow, cow-or-atomic"
	case r.Faults.RecoveryPowerLoss > 0 && d.Filesystem == engine.BlockDevice:
		return "faults.recovery_power_loss: a device without a file system is not mounted"
	case !r.Faults.PowerLoss:
		return "faults.power_loss is off, and a recorded disk is there to lose power"
	}
	for k := crashsim.Reclaim; k < crashsim.NumFaultKinds; k++ {
		if r.Named[k] && k != crashsim.LogForce {
			return fmt.Sprintf("faults.%s is named, and strikes in the model only; allowed: power_loss, log_force", k)
		}
	}
	return ""
}

// recordedConfig is an arm of a row.
func recordedConfig(r *scenarios.Row, w *workloads.Workload, c Recorded) *recorded.Config {
	v := &r.Device
	return &recorded.Config{Workload: w, Contract: contracts[r.Contract], Filesystem: r.Design.Filesystem.String(),
		Block: r.Design.Block, Cluster: r.Design.Cluster, MaxAtomicWrite: r.Design.MaxAtomicWrite,
		Device: recorded.Device{LBA: v.LBA, NAWUPF: v.NAWUPF, Boundary: v.Boundary, BoundaryOffset: v.BoundaryOffset,
			PartitionOffset: v.PartitionOffset, Protected: v.Protected, CachedLBA: v.CachedAtomicity == nvme.LBAUnit, Garbage: v.Tear == nvme.TearGarbage, FlushLies: v.FlushLies},
		Remounts: r.Faults.RecoveryPowerLoss, Faults: c.Faults, ForceLog: r.Faults.Kinds[crashsim.LogForce], Server: c.Server}
}

func recordedResult(r *scenarios.Row) *report.Result {
	return &report.Result{
		Scenario: r.Scenario.Name, Row: r.Label, Design: fields(r, "design"), Device: fields(r, "device"), Faults: fields(r, "faults"),
		Contract: r.Contract, Target: RecordedTarget, Seed: r.Explore.Seed, Expect: r.Expect,
		Equivalence: "none: an image is judged at each cut that may leave it, and mounted once",
		Assumptions: recordedAssumptions(r),
		Schedules:   "0", Covered: "0", Distinct: "0", DistinctExact: true,
		Verdicts: report.Fields{}, VersionsBehind: report.Fields{}, Fired: report.Fields{}, Steps: []string{},
	}
}

// recordedAssumptions says what the crash rule takes for granted here. The
// schedule is whatever the kernel did in one run.
func recordedAssumptions(r *scenarios.Row) []string {
	return append(assumptions(r),
		"one run of the running kernel: neither all schedules nor, by the seed, the same one again",
		"writes that overlap and were in flight together are tried in both orders, all others in the order in which the disk took them",
		"a loop device has no FUA: a write with it is followed by a flush")
}

// recordedRow is a row under way.
type recordedRow struct {
	o   *Options
	c   Recorded
	r   *scenarios.Row
	res *report.Result
}

// recordedArm is one arm of it, recorded and judged.
type recordedArm struct {
	cfg     *recorded.Config
	res     *recorded.Result
	verdict verifier.Verdict
	reason  string
	example *recorded.Example
}

func (x *recordedRow) run(ctx context.Context, out *output) error {
	r, res := x.r, x.res
	nonsense := recordedNonsense(r)
	if r.Skip != "" {
		nonsense = r.Skip
	}
	if nonsense != "" {
		res.Verdict, res.Reason, res.AsExpected = verifier.Skipped.String(), nonsense, true
		return nil
	}
	start := x.o.Now()
	design, recordings, err := x.design(ctx)
	var unsupported *file.UnsupportedError
	if errors.As(err, &unsupported) {
		res.Verdict, res.Reason, res.NotBuilt = verifier.NotChecked.String(), unsupported.What, true
		return nil
	}
	if err != nil || design == nil {
		return err
	}
	want, _ := verifier.ParseVerdict(r.Control.Breaks)
	var control *recordedArm
	controls := 0
	if design.verdict == verifier.Held {
		if control, controls, err = x.control(ctx, want); err != nil {
			return fmt.Errorf("control: %w", err)
		}
	}
	verdict, reason := design.verdict, design.reason
	switch {
	case verdict != verifier.Held:
	case design.res.Partial || control == nil || control.res.Partial:
		verdict, reason = verifier.Inconclusive, "ended early: what was looked at until then held"
	default:
		if control.verdict != want {
			verdict = verifier.Inconclusive
			reason = fmt.Sprintf("the control has to earn %v, and earned %v: this test was not seen to fail", want, control.verdict)
		} else if r.Named[crashsim.LogForce] && design.res.Recording.Forced+control.res.Recording.Forced == 0 {
			verdict, reason = verifier.Inconclusive, "the scenario names log_force, which struck in neither arm"
		} else if r.NamedRecovery && design.res.Again+control.res.Again == 0 {
			verdict, reason = verifier.Inconclusive, "the scenario names recovery_power_loss, and no mount left an image of its own when power was lost in it"
		} else if silent := silentDisk(x.c.Faults, design.res.Recording); silent != "" {
			verdict, reason = verifier.Inconclusive, silent
		}
	}
	x.fill(design, control, verdict, reason)
	res.Schedules = strconv.Itoa(recordings)
	res.Work.Executed += uint64(recordings + controls)
	res.Work.Workers, res.Work.Seconds = x.o.Workers, x.o.Now().Sub(start).Seconds()
	return x.write(design, control, out)
}

// maxRecordings bounds how often a row is recorded that is expected to break.
const maxRecordings = 40

// design records and judges the design: once, or, where the scenario expects it
// to break, until it does. What a running kernel does depends on its timing, and
// that cannot be asked for.
func (x *recordedRow) design(ctx context.Context) (a *recordedArm, recordings int, err error) {
	want, _ := verifier.ParseVerdict(x.r.Expect)
	for {
		next, err := x.arm(ctx, "design", &x.r.Workload)
		if err != nil || next == nil || next.res.Judged == 0 && a != nil {
			return a, recordings, err
		}
		a = next
		recordings++
		a.judgeDesign()
		if !want.Bad() || a.verdict == want || a.verdict != verifier.Held || recordings == maxRecordings {
			return a, recordings, nil
		}
		x.res.Work.Judged += uint64(a.res.Mounted)
	}
}

// maxControlRecordings bounds how often a control is recorded that does not break.
const maxControlRecordings = 8

// control records and judges the control: once, or until it breaks, since two tasks
// of it that happen to write at once excuse each other.
func (x *recordedRow) control(ctx context.Context, want verifier.Verdict) (a *recordedArm, recordings int, err error) {
	for recordings < maxControlRecordings && ctx.Err() == nil {
		next, err := x.arm(ctx, "control", &x.r.Control.Workload)
		if err != nil || next == nil {
			return a, recordings, err
		}
		if a != nil {
			x.res.Work.Judged += uint64(a.res.Mounted)
		}
		a = next
		recordings++
		if a.judgeControl(want); a.verdict == want || a.res.Partial {
			break
		}
	}
	return a, recordings, nil
}

// arm records and judges one arm. nil when ctx ended before there was anything
// to judge.
func (x *recordedRow) arm(ctx context.Context, name string, w *workloads.Workload) (*recordedArm, error) {
	a := &recordedArm{cfg: recordedConfig(x.r, w, x.c)}
	rec, err := recorded.Record(ctx, a.cfg)
	if ctx.Err() != nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	limit := maxRecordedImages
	if x.r.Explore.Random {
		limit = int(min(x.r.Explore.Runs, int64(limit)))
	}
	// A mount waits more than it works.
	b := recorded.Bounds{Images: limit, Seed: uint64(x.r.Explore.Seed), Workers: 2 * x.o.Workers}
	if x.o.Progress != nil {
		b.Done = func(done, all int) {
			x.o.Progress(fmt.Sprintf("%s: %s: image %d of %d mounted", rowTitle(x.r), name, done, all))
		}
	}
	a.res, err = a.cfg.Judge(ctx, rec, b)
	return a, err
}

// judgeDesign gives the design its own verdict, in the order of the contract.
func (a *recordedArm) judgeDesign() {
	switch {
	case a.res.Judged == 0:
		a.verdict, a.reason = verifier.NotChecked, "no image was judged"
		return
	case a.res.Accepted == 0:
		a.verdict, a.reason = verifier.Refused, refusedBy(a.res.Recording.Limits)
		return
	}
	a.verdict = a.res.Worst()
	if a.verdict.Bad() {
		a.example = a.res.First[a.verdict]
		a.reason = a.example.Reason
	}
}

// judgeControl gives the control the verdict under test when an image earned
// it: that is what proves the test.
func (a *recordedArm) judgeControl(want verifier.Verdict) {
	a.verdict = a.res.Worst()
	if a.res.Verdicts[want] > 0 {
		a.verdict = want
	}
	if a.verdict.Bad() {
		a.example = a.res.First[a.verdict]
	}
}

// fill turns both arms into the result.
func (x *recordedRow) fill(design, control *recordedArm, verdict verifier.Verdict, reason string) {
	res, d := x.res, design.res
	res.Verdict, res.Reason = verdict.String(), reason
	res.AsExpected = res.Verdict == res.Expect
	res.Covered, res.Distinct = strconv.Itoa(d.Judged), strconv.Itoa(d.Mounted)
	for v, n := range d.Verdicts {
		if n > 0 {
			res.Verdicts = res.Verdicts.Text(verifier.Verdict(v).String(), strconv.Itoa(n))
		}
	}
	res.Fired = res.Fired.Text("power_loss", strconv.Itoa(d.Space.Cuts))
	if x.r.Faults.RecoveryPowerLoss > 0 {
		res.Fired = res.Fired.Text("recovery_power_loss", strconv.Itoa(d.Again))
	}
	if x.r.Faults.Kinds[crashsim.LogForce] {
		res.Fired = res.Fired.Text(crashsim.LogForce.String(), strconv.Itoa(d.Recording.Forced))
	}
	limits := d.Recording.Limits
	path := "buffered"
	if x.r.Design.Submit == engine.SubmitDirect {
		path = "direct"
	}
	size := workloads.FormatSize
	res.Device = res.Device.Text(report.FieldKernel, limits.Kernel).Text(report.FieldUnitMin, size(limits.UnitMin)).
		Text(report.FieldUnitMax, size(limits.UnitMax)).Text(report.FieldPath, path).Text(report.FieldPowerFail, size(x.r.Device.NAWUPF))
	if d.Space.Swaps > 0 {
		res.Fired = res.Fired.Text("other_order", strconv.Itoa(d.Space.Swaps))
	}
	res.Fired = firedDisk(res.Fired, x.c.Faults, d.Recording)
	if free := d.Recording.Free; free != nil {
		res.Assumptions = append(res.Assumptions, fmt.Sprintf("free space was fragmented by a file that fills the file system and gave every second block back: "+
			"%d runs of at most %s were free before the first call, said GETFSMAP; XFS's hint for copies is one block", free.Runs, size(free.Longest)))
	}
	res.Counterexample = recordedExample(design)
	res.Work.Judged += uint64(d.Mounted)
	if control == nil {
		return
	}
	c := control.res
	res.Work.Judged += uint64(c.Mounted)
	res.Control = &report.Control{Verdict: control.verdict.String(), Covered: strconv.Itoa(c.Judged), Distinct: strconv.Itoa(c.Mounted),
		Fired: firedDisk(report.Fields{}.Text("power_loss", strconv.Itoa(c.Space.Cuts)), x.c.Faults, c.Recording), Counterexample: recordedExample(control)}
}

func recordedExample(a *recordedArm) *report.Counterexample {
	if a.example == nil {
		return nil
	}
	return &report.Counterexample{Verdict: a.example.Verdict.String(), Steps: a.example.Found.Cut,
		Trace: shortTrace(a.cfg.Trace(a.res.Recording, &a.example.Found))}
}
