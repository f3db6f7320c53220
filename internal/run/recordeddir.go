package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"untorn/internal/blk/logwrites"
	"untorn/internal/report"
	"untorn/internal/target/recorded"
	"untorn/scenarios"
)

// write leaves a directory for a row whose design broke, and with Keep for every
// row that has an image to show.
func (x *recordedRow) write(design, control *recordedArm, out *output) error {
	res := x.res
	withControl := x.o.Keep && control != nil && control.example != nil
	if design.example == nil && x.o.Keep {
		design.example = design.res.Best()
	}
	if design.example == nil || res.Counterexample == nil && !x.o.Keep {
		return nil
	}
	dir := filepath.Join(out.root, x.r.Scenario.Name, x.r.ID())
	command := "untorn replay " + ShellWord(dir)
	if res.Counterexample != nil {
		res.Counterexample.Replay = command
	}
	if withControl {
		res.Control.Counterexample.Replay = "untorn replay " + ShellWord(filepath.Join(dir, "control"))
	}
	return atomically(dir, func(tmp string) error {
		own := *res
		own.Counterexample = recordedExample(design)
		own.Counterexample.Replay = command
		if err := x.writeArm(tmp, &own, x.r.Reduce(), design); err != nil || !withControl {
			return err
		}
		sub := filepath.Join(tmp, "control")
		if err := os.Mkdir(sub, 0o755); err != nil {
			return err
		}
		own.Counterexample = res.Control.Counterexample
		own.Verdict, own.Expect = res.Control.Verdict, x.r.Control.Breaks
		own.AsExpected = own.Verdict == own.Expect
		return x.writeArm(sub, &own, x.r.ReduceControl(), control)
	})
}

func (x *recordedRow) writeArm(dir string, res *report.Result, scenario string, a *recordedArm) error {
	rep := newReport(x.o.Now())
	rep.Results = []report.Result{*res}
	var js, log, ops bytes.Buffer
	if err := report.WriteJSON(&js, rep); err != nil {
		return err
	}
	if err := logwrites.Write(&log, a.res.Recording.Log()); err != nil {
		return err
	}
	for i, entries := range a.example.Found.Mounts {
		var mount bytes.Buffer
		if err := logwrites.Write(&mount, entries); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, mountLog(i)), mount.Bytes(), 0o644); err != nil {
			return err
		}
	}
	for i := range a.cfg.Workload.Ops {
		fmt.Fprintln(&ops, a.cfg.Workload.Ops[i])
	}
	head := fmt.Sprintf("# untorn %s, engine %s\n", Version, EngineVersion)
	for name, data := range map[string][]byte{
		"scenario.yaml": []byte(head + scenario), "ops.txt": ops.Bytes(), "tape.txt": []byte(a.example.Found.Text()),
		"history.txt": []byte(a.example.History.String()), "trace.txt": []byte(recordedTrace(a.cfg, a.res.Recording, a.example)),
		"log.bin": log.Bytes(), reportFile: js.Bytes(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return writeMedium(filepath.Join(dir, "image.raw"), a)
}

// mountLog names the log of the i-th mount in which power was lost.
func mountLog(i int) string { return fmt.Sprintf("mount-%d.bin", i+1) }

// writeMedium writes the offending image, with holes where it is zeros.
func writeMedium(file string, a *recordedArm) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(a.cfg.Size()); err != nil {
		return err
	}
	return a.cfg.Medium(a.res.Recording, &a.example.Found, func(b []byte, offset int64) error {
		_, err := f.WriteAt(b, offset)
		return err
	})
}

// recordedTrace is the log up to the cut and what became of it.
func recordedTrace(c *recorded.Config, r *recorded.Recording, e *recorded.Example) string {
	return strings.Join(c.Trace(r, &e.Found), "\n") + "\n" + fmt.Sprintf("%v: %s\n", e.Verdict, e.Reason)
}

// onRecord reports whether a run directory is that of a recorded disk.
func onRecord(dir string) bool {
	rep, err := ReadReport(filepath.Join(dir, reportFile))
	return err == nil && len(rep.Results) == 1 && rep.Results[0].Target == RecordedTarget
}

// replayRecorded lets the running kernel recover the image of a run directory
// again and judges it by the saved log.
func replayRecorded(w io.Writer, dir string) (int, error) {
	s, err := scenarios.Load(filepath.Join(dir, "scenario.yaml"))
	if err != nil {
		return ExitUsage, err
	}
	rows := s.Rows()
	if len(rows) != 1 {
		return ExitUsage, &scenarios.Error{File: s.File, What: fmt.Sprintf("%d rows; allowed: one", len(rows))}
	}
	verdict, _, err := recordedVerdict(dir)
	if err != nil {
		return ExitUsage, err
	}

	c := recordedConfig(&rows[0], &rows[0].Workload, Recorded{})
	rec, found, err := readRecorded(dir, c)
	if err != nil {
		return ExitUsage, err
	}
	if err := recorded.Missing(c.Filesystem); err != nil {
		return recordedExit(err), err
	}
	e, err := c.Rejudge(context.Background(), rec, found)
	if err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	if _, err := io.WriteString(w, recordedTrace(c, rec, e)); err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	if e.Verdict.String() != verdict {
		return ExitUnexpected, fmt.Errorf("%s: the verdict on record is %s, this replay gave %v", dir, verdict, e.Verdict)
	}
	return ExitOK, nil
}

// readRecorded reads the log and the cut of a run directory.
func readRecorded(dir string, c *recorded.Config) (*recorded.Recording, *recorded.Found, error) {
	log, err := readLog(filepath.Join(dir, "log.bin"))
	if err != nil {
		return nil, nil, err
	}
	rec, err := recorded.Load(c, log)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", filepath.Join(dir, "log.bin"), err)
	}
	name := filepath.Join(dir, "tape.txt")
	data, err := readSmall(name)
	if err != nil {
		return nil, nil, err
	}
	found, err := recorded.ParseFound(string(data))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	for i := range found.Again {
		mount, err := readLog(filepath.Join(dir, mountLog(i)))
		if err != nil {
			return nil, nil, err
		}
		found.Mounts = append(found.Mounts, mount)
	}
	return rec, found, nil
}

func readLog(name string) ([]logwrites.Entry, error) {
	data, err := readSmall(name)
	if err != nil {
		return nil, err
	}
	log, err := logwrites.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return log, nil
}
