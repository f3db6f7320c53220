package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"untorn/internal/report"
	"untorn/internal/target/file"
	"untorn/scenarios"
	"untorn/verifier"
	"untorn/workloads"
)

// Live says where rows run on the running kernel.
type Live struct {
	Path, Second string // a file that does not exist, or a block device; the file of a second
	Existing     bool   // the file may exist, and loses its content
	Destroy      string // serial number or size of the block device
	Depth        int    // of io_uring, 0 for pwritev2
	Repeat       int    // runs of each row
}

// LiveAssumption is what every row of a live target says.
const LiveAssumption = "no power was lost: limits, errors and concurrent behaviour were checked, and nothing is said of atomicity under power loss"

// LiveRows runs rows on a file or device. Such a target chooses neither design
// nor device nor faults, so that of rows with the same operations only the first
// runs. Without a loss of power no control can break: the best that a row earns
// is inconclusive, and that is what is expected of it, or refused where the
// limits of the file allow none of its atomic writes. With an error there is a
// report of the rows that were done before, if any.
func LiveRows(ctx context.Context, rows []scenarios.Row, o Options, l Live) (rep *report.Report, exit int, err error) {
	if err = file.Claim(l.Path, l.Destroy); err != nil {
		return nil, LiveExit(err), err
	}
	out, err := newOutput(o.Out)
	if err != nil {
		return nil, ExitEnvironment, &EnvironmentError{err}
	}
	defer out.close()
	rep = newReport(o.Now())
	first := map[string]string{}
	created := false
	defer func() {
		if !created {
			return
		}
		if gone := errors.Join(remove(l.Path), remove(l.Second)); gone != nil && err == nil {
			rep, exit, err = nil, ExitEnvironment, &EnvironmentError{gone}
		}
	}()
	for i := range rows {
		r := &rows[i]
		if ctx.Err() != nil {
			break
		}
		res := liveResult(r)
		k := fmt.Sprintf("%+v %s", r.Workload, r.Contract)
		other, seen := first[k]
		switch {
		case r.Skip != "":
			res.skip(r.Skip)
		case seen:
			res.skip("the same operations as row " + other + ", and a live target chooses nothing else")
		default:
			first[k] = r.Label
			x := live{o: o, l: l, r: r, res: res}
			x.l.Existing = l.Existing || created
			err := x.run(ctx)
			created = created || x.created
			if code := LiveExit(err); err != nil && code != ExitNotBuilt {
				return endedBy(fmt.Errorf("%s: %w", rowTitle(r), err), code, rep, out)
			} else if err != nil {
				res.Verdict, res.Reason, res.NotBuilt = "not-checked", err.Error(), true
			}
			if x.broke {
				if err := x.write(out); err != nil {
					return nil, ExitEnvironment, &EnvironmentError{fmt.Errorf("%s: %w", out.root, err)}
				}
			}
		}
		rep.Results = append(rep.Results, *res.Result)
	}
	return finishLive(ctx, rep, out)
}

// finishLive completes and writes the report of rows that ran on a kernel, and
// returns it with the exit code.
func finishLive(ctx context.Context, rep *report.Report, out *output) (*report.Report, int, error) {
	code := codes{}
	for i := range rep.Results {
		switch res := &rep.Results[i]; {
		case res.NotBuilt:
			code.add(ExitNotBuilt)
		case !res.AsExpected:
			code.add(ExitUnexpected)
		}
	}
	if rep.Partial = ctx.Err() != nil; rep.Partial {
		code.add(ExitUnexpected)
	}
	if err := out.writeReport(rep); err != nil {
		return nil, ExitEnvironment, &EnvironmentError{err}
	}
	return rep, code.worst(), nil
}

// endedBy returns the error that ended a run, with its code. The rows that were done
// before are kept as a partial report, which is nil when there is none.
func endedBy(err error, code int, rep *report.Report, out *output) (*report.Report, int, error) {
	if len(rep.Results) == 0 {
		return nil, code, err
	}
	rep.Partial = true
	return rep, code, errors.Join(err, out.writeReport(rep))
}

// remove takes a file away that a run created, "" for none.
func remove(path string) error {
	if path == "" {
		return nil
	}
	if err := os.Remove(path); !os.IsNotExist(err) {
		return err
	}
	return nil
}

// LiveExit returns the exit code of an error of a live target.
func LiveExit(err error) int {
	var unsupported *file.UnsupportedError
	var refused *file.RefusedError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &unsupported), errors.Is(err, errors.ErrUnsupported):
		return ExitNotBuilt
	case errors.As(err, &refused):
		return ExitUsage
	}
	return ExitEnvironment
}

// liveRow is the result of a row of a live target.
type liveRow struct{ *report.Result }

func liveResult(r *scenarios.Row) liveRow {
	return liveRow{&report.Result{
		Scenario: r.Scenario.Name, Row: r.Label, Design: report.Fields{}, Device: report.Fields{}, Faults: report.Fields{},
		Contract: r.Contract, Target: "file", Expect: verifier.Inconclusive.String(), Equivalence: "none: every run is looked at",
		Assumptions: []string{LiveAssumption}, Schedules: "0", Covered: "0", Distinct: "0", DistinctExact: true,
		Verdicts: report.Fields{}, VersionsBehind: report.Fields{}, Fired: report.Fields{}, Steps: []string{},
	}}
}

func (r liveRow) skip(why string) {
	r.Verdict, r.Reason, r.AsExpected = verifier.Skipped.String(), why, true
}

// live runs one row.
type live struct {
	o       Options
	l       Live
	r       *scenarios.Row
	res     liveRow
	created bool // the file is of this run
	broke   bool
	history string          // of the worst run
	content []verifier.File // of the worst run
}

// run runs a row as often as asked for and takes the worst verdict.
func (x *live) run(ctx context.Context) error {
	start := x.o.Now()
	var counts [verifier.NumImageVerdicts]int
	var limits *file.Limits
	worst, reason := verifier.Held, ""
	accepted, runs := false, 0
	distinct := map[string]bool{}
	var wrong []string
	for range max(1, x.l.Repeat) {
		one, err := x.once(ctx)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		runs++
		x.l.Existing, limits = true, one.limits
		counts[one.report.Verdict]++
		distinct[fmt.Sprint(one.files)] = true
		if one.report.Verdict < worst || runs == 1 {
			worst, reason = one.report.Verdict, one.report.Reason
			x.history, x.content = one.history.String(), one.files
		}
		calls := countAtomic(one.history, nil)
		accepted = accepted || !calls.none()
		for _, w := range one.limits.Differences(one.history) {
			if len(wrong) < 4 {
				wrong = append(wrong, w)
			}
		}
	}
	res := x.res
	n := strconv.Itoa(runs)
	res.Schedules, res.Covered, res.Distinct = n, n, strconv.Itoa(len(distinct))
	for v, n := range counts {
		if n > 0 {
			res.Verdicts = res.Verdicts.Text(verifier.Verdict(v).String(), strconv.Itoa(n))
		}
	}
	res.Work = report.Work{Executed: uint64(runs), Judged: uint64(runs), Workers: len(x.r.Workload.Tasks()), Seconds: x.o.Now().Sub(start).Seconds()}
	if runs == 0 {
		res.Verdict, res.Reason = verifier.Inconclusive.String(), "ended early"
		return nil
	}
	size := func(n int64) json.RawMessage { return json.RawMessage(strconv.FormatInt(n, 10)) }
	res.Device = append(res.Device.Text("path", x.l.Path).Text("filesystem", limits.Filesystem).Text("kernel", limits.Kernel),
		report.Field{Name: "unit_min", Value: size(limits.UnitMin)}, report.Field{Name: "unit_max", Value: size(limits.UnitMax)})
	if !accepted && !limits.Allow(&x.r.Workload) {
		res.Expect = verifier.Refused.String()
	}
	switch {
	case worst.Bad():
		x.broke = true
		res.Verdict, res.Reason = worst.String(), reason
	case !accepted:
		res.Verdict, res.Reason = verifier.Refused.String(), refusedBy(limits)
	default:
		res.Verdict, res.Reason = verifier.Inconclusive.String(), LiveAssumption
	}
	res.AsExpected = res.Verdict == res.Expect
	if len(wrong) > 0 && !worst.Bad() {
		res.AsExpected, res.Reason = false, strings.Join(wrong, "; ")
	}
	return nil
}

// oneRun is what one run left.
type oneRun struct {
	history *workloads.History
	files   []verifier.File
	report  *verifier.Report
	limits  *file.Limits
}

func (x *live) once(ctx context.Context) (one oneRun, err error) {
	_, statErr := os.Lstat(x.l.Path)
	t, err := file.Open(file.Config{Workload: &x.r.Workload, Path: x.l.Path, Second: x.l.Second, Existing: x.l.Existing, Depth: x.l.Depth})
	if err != nil {
		return one, err
	}
	x.created = x.created || os.IsNotExist(statErr)
	defer func() { err = errors.Join(err, t.Close()) }()
	if err := t.Prepare(); err != nil {
		return one, err
	}
	if one.limits, err = t.Limits(); err != nil {
		return one, err
	}
	if one.history, err = t.Run(ctx); err != nil {
		if ctx.Err() != nil {
			err = nil
		}
		return one, err
	}
	one.history.Contract = x.r.Contract
	if one.files, err = t.Read(); err != nil {
		return one, err
	}
	v, err := verifier.NewFiles(&x.r.Workload, contracts[x.r.Contract])
	if err != nil {
		return one, err
	}
	one.report, err = v.JudgeFiles(one.files, one.history)
	return one, err
}

// write leaves a directory for a row that broke.
func (x *live) write(out *output) error {
	dir := filepath.Join(out.root, x.r.Scenario.Name, x.r.ID())
	image, history := filepath.Join(dir, "file.raw"), filepath.Join(dir, "history.txt")
	command := "untorn verify --file " + ShellWord(image) + " --history " + ShellWord(history)
	leave := map[string]string{"history.txt": x.history, "file.raw": string(verifier.Bytes(x.content[0].Sectors, nil))}
	if len(x.content) > 1 {
		second := filepath.Join(dir, "second.raw")
		command += " --second " + ShellWord(second)
		leave["second.raw"] = string(verifier.Bytes(x.content[1].Sectors, nil))
	}
	x.res.Counterexample = &report.Counterexample{Verdict: x.res.Verdict, Trace: []string{}, Replay: command}
	rep := newReport(x.o.Now())
	rep.Results = []report.Result{*x.res.Result}
	var js strings.Builder
	if err := report.WriteJSON(&js, rep); err != nil {
		return err
	}
	leave[reportFile] = js.String()
	leave["scenario.yaml"] = fmt.Sprintf("# untorn %s, engine %s\n", Version, EngineVersion) + x.r.Reduce()
	return atomically(dir, func(tmp string) error {
		for name, data := range leave {
			if err := os.WriteFile(filepath.Join(tmp, name), []byte(data), 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}
