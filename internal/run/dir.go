package run

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"untorn/crashsim/explore"
	"untorn/internal/blk/logwrites"
	"untorn/internal/report"
	"untorn/internal/target/model"
	"untorn/internal/temp"
	"untorn/scenarios"
	"untorn/verifier"
)

// output is where run directories go.
type output struct{ root string }

// newOutput makes sure that directories can be made under root, and removes what
// runs that were killed left there unfinished.
func newOutput(root string) (*output, error) {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return nil, err
	}
	probe, err := temp.New(root)
	if err != nil {
		return nil, err
	}
	scenarios, err := os.ReadDir(root)
	for _, e := range scenarios {
		if e.IsDir() {
			temp.Sweep(filepath.Join(root, e.Name()))
		}
	}
	return &output{root}, errors.Join(err, probe.Remove())
}

// close removes the root again when nothing was written.
func (o *output) close() { _ = os.Remove(o.root) }

// reportFile is the name of the JSON form of a report, of one row in its run
// directory and of a whole run beside these.
const reportFile = "report.json"

// writeReport leaves the report of a whole run, whole or not at all.
func (o *output) writeReport(rep *report.Report) error {
	var b bytes.Buffer
	if err := report.WriteJSON(&b, rep); err != nil {
		return err
	}
	tmp, err := temp.New(o.root)
	if err != nil {
		return err
	}
	defer tmp.Remove()
	file := filepath.Join(tmp.Path, reportFile)
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(file, filepath.Join(o.root, reportFile))
}

// write leaves a directory for a row whose design broke, and with Keep for
// every row, and reports whether it did. It sets the replay commands. Of a
// large product only rows that are not as expected get one, and the others tell
// how to have theirs.
func (o *Options) write(res *report.Result, p *planned, design, control *arm, out *output) (left bool, err error) {
	r := p.row
	if p.large && res.AsExpected && !o.Keep {
		shorten(res, r)
		return false, nil
	}
	if design.example == nil && !o.Keep {
		return false, nil
	}
	if design.example == nil {
		replay, err := o.Target.ReplayTape(&design.cfg, nil)
		if err != nil {
			return false, fmt.Errorf("the default schedule cannot be run again: %w", err)
		}
		design.example = &example{finding: explore.Finding{Class: -1, Steps: replay.Outcome.Steps}, verdict: replay.Verdict, replay: replay}
		if err := design.nameExample(o.Target); err != nil {
			return false, err
		}
	}
	dir := filepath.Join(out.root, r.Scenario.Name, r.ID())
	command := replayCommand(dir)
	if res.Counterexample != nil {
		res.Counterexample.Replay = command
	}
	withControl := o.Keep && control.example != nil && res.Control != nil
	if withControl {
		res.Control.Counterexample.Replay = replayCommand(filepath.Join(dir, "control"))
	}
	return true, atomically(dir, func(tmp string) error {
		own := *res
		own.Counterexample = counterexample(design)
		own.Counterexample.Replay = command
		if err := o.writeArm(tmp, &own, r.Reduce(), design); err != nil || !withControl {
			return err
		}
		sub := filepath.Join(tmp, "control")
		if err := os.Mkdir(sub, 0o755); err != nil {
			return err
		}
		own.Counterexample, own.Mutant = res.Control.Counterexample, control.cfg.Design.Mutant
		own.Verdict, own.Expect = res.Control.Verdict, r.Control.Breaks
		own.AsExpected = own.Verdict == own.Expect
		return o.writeArm(sub, &own, r.ReduceControl(), control)
	})
}

// shorten takes the traces out of the result of a row that leaves no directory,
// and makes it tell how to have one.
func shorten(res *report.Result, r *scenarios.Row) {
	if c := res.Control; c != nil && c.Counterexample != nil {
		c.Counterexample.Trace = []string{}
	}
	if res.Counterexample == nil {
		return
	}
	res.Counterexample.Replay = "untorn run"
	for _, arg := range append(r.Scenario.Source(), "--row", r.Label, "--keep") {
		res.Counterexample.Replay += " " + ShellWord(arg)
	}
	res.Counterexample.Trace = []string{}
}

// atomically makes a directory that is whole or absent, replacing an old one.
func atomically(dir string, fill func(tmp string) error) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := temp.New(parent)
	if err != nil {
		return err
	}
	defer tmp.Remove()
	whole := filepath.Join(tmp.Path, "row")
	if err := os.Mkdir(whole, 0o755); err != nil {
		return err
	}
	if err := fill(whole); err != nil {
		return err
	}
	// A rename does not replace a directory that has entries, so the old one
	// steps aside first, into the directory that is removed at the end.
	if err := os.Rename(dir, filepath.Join(tmp.Path, "old")); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.Rename(whole, dir)
}

// writeArm writes the files of one schedule.
func (o *Options) writeArm(dir string, res *report.Result, scenario string, a *arm) error {
	p := a.example.replay
	head := fmt.Sprintf("# untorn %s, engine %s\n", Version, EngineVersion)
	rep := newReport(o.Now())
	rep.Results = []report.Result{*res}
	var js, log bytes.Buffer
	if err := report.WriteJSON(&js, rep); err != nil {
		return err
	}
	if err := logwrites.Write(&log, logwrites.FromLog(p.Log, sectorBytes(p.Interner))); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"scenario.yaml", []byte(head + scenario)},
		{"ops.txt", []byte(opsText(&a.cfg))},
		{"tape.txt", []byte(p.Tape.String())},
		{"history.txt", []byte(p.History.String())},
		{"trace.txt", []byte(traceText(p))},
		{"log.bin", log.Bytes()},
		{"image.raw", p.Image},
		{reportFile, js.Bytes()},
	} {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func opsText(c *model.Config) string {
	var b strings.Builder
	for i := range c.Workload.Ops {
		fmt.Fprintln(&b, c.Workload.Ops[i].String())
	}
	return b.String()
}

// traceText is the trace of a schedule and what became of it.
func traceText(p *model.Replay) string {
	var b strings.Builder
	for _, l := range traceLines(p) {
		fmt.Fprintln(&b, l)
	}
	if p.Verdict == verifier.Stuck && p.Outcome.Detail != "" {
		fmt.Fprintln(&b, p.Outcome.Detail)
	}
	fmt.Fprintf(&b, "%v", p.Verdict)
	if p.Reason != "" {
		fmt.Fprintf(&b, ": %s", p.Reason)
	}
	b.WriteByte('\n')
	return b.String()
}

// ShellWord quotes a path for a shell when it has to be.
func ShellWord(s string) string {
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("/._-=,+:@%", c)) {
			return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	return s
}
