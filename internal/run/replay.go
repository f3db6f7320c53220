package run

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"untorn/engine"
	"untorn/internal/report"
	"untorn/internal/tape"
	"untorn/internal/target/file"
	"untorn/internal/target/model"
	"untorn/scenarios"
	"untorn/verifier"
	"untorn/workloads"
)

// Replay runs the schedule of a run directory again, prints its trace and
// compares its verdict with the one on record. The code is ExitOK when they
// are the same. A directory that is damaged is an error with ExitUsage. One of
// another engine may reproduce what it has on record; if it does not, the error
// names both engines.
func Replay(w io.Writer, t Target, dir string) (int, error) {
	if onRecord(dir) {
		return replayRecorded(w, dir)
	}
	kept, code, err := readRun(t, dir)
	if err != nil {
		return code, err
	}
	p, err := t.ReplayTape(&designArm(&kept.row).cfg, kept.tape)
	if err != nil {
		return ExitUnexpected, fmt.Errorf("%s: %w%s", filepath.Join(dir, "tape.txt"), err, otherEngine(kept.engine))
	}
	if _, err := io.WriteString(w, traceText(p)); err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	if p.Verdict.String() != kept.verdict {
		return ExitUnexpected, fmt.Errorf("%s: the verdict on record is %s, this replay gave %v%s", dir, kept.verdict, p.Verdict, otherEngine(kept.engine))
	}
	return ExitOK, nil
}

// keptRun is what a run directory has of a schedule.
type keptRun struct {
	row     scenarios.Row
	tape    tape.Tape
	verdict string
	engine  string // that recorded it
}

// readRun reads a run directory whose row t can run. The code is that of the
// error.
func readRun(t Target, dir string) (k keptRun, code int, err error) {
	s, err := scenarios.Load(filepath.Join(dir, "scenario.yaml"))
	if err != nil {
		return k, ExitUsage, err
	}
	rows := s.Rows()
	if len(rows) != 1 {
		return k, ExitUsage, &scenarios.Error{File: s.File, What: fmt.Sprintf("%d rows; allowed: one", len(rows))}
	}
	k.row = rows[0]
	if k.verdict, k.engine, err = recordedVerdict(dir); err != nil {
		return k, ExitUsage, err
	}
	text, err := readSmall(filepath.Join(dir, "tape.txt"))
	if err != nil {
		return k, ExitUsage, err
	}
	if k.tape, err = tape.Parse(string(text)); err != nil {
		return k, ExitUsage, fmt.Errorf("%s: %w", filepath.Join(dir, "tape.txt"), err)
	}
	var notBuilt *engine.NotBuiltError
	switch err := checkRow(&k.row, t, &designArm(&k.row).cfg); {
	case errors.As(err, &notBuilt):
		return k, ExitNotBuilt, fmt.Errorf("%s: %w", s.File, err)
	case err != nil:
		return k, ExitUsage, fmt.Errorf("%s: %w", s.File, err)
	}
	return k, ExitOK, nil
}

func checkRow(r *scenarios.Row, t Target, c *model.Config) error {
	if r.NotBuilt != nil {
		return r.NotBuilt
	}
	return t.Check(c)
}

// recordedVerdict reads the verdict that a run directory was written for, and
// the engine that wrote it.
func recordedVerdict(dir string) (verdict, by string, err error) {
	file := filepath.Join(dir, reportFile)
	rep, err := ReadReport(file)
	if err != nil {
		return "", "", err
	}
	if len(rep.Results) != 1 || rep.Results[0].Counterexample == nil {
		return "", "", fmt.Errorf("%s: no schedule on record; allowed: the report of one row", file)
	}
	return rep.Results[0].Counterexample.Verdict, rep.Engine, nil
}

// otherEngine says that a directory is of another engine, "" if it is not.
func otherEngine(by string) string {
	if by == EngineVersion {
		return ""
	}
	return fmt.Sprintf("; the directory is of engine %s, and this is engine %s, which may take other steps: replay it with the untorn that wrote it, or run the scenario again", by, EngineVersion)
}

// ReadReport reads a report, or the report.json of a directory. The error
// names the file and the place in it.
func ReadReport(path string) (*report.Report, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		path = filepath.Join(path, reportFile)
	}
	data, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	rep, err := report.ReadJSON(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rep, nil
}

// MaxFileBytes bounds the files that Replay, Verify and ReadReport read.
const MaxFileBytes = 1 << 30

// readSmall reads a regular file of at most MaxFileBytes.
func readSmall(file string) ([]byte, error) {
	st, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", file, errors.Unwrap(err))
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", file)
	case st.Size() > MaxFileBytes:
		return nil, fmt.Errorf("%s: %d bytes; allowed: up to %d", file, st.Size(), MaxFileBytes)
	}
	return os.ReadFile(file)
}

// Verify judges an image on disk by a history, and prints the verdict. The
// code is ExitUnexpected unless the image held or is app-torn. An image or a
// history that is damaged is an error with ExitUsage.
func Verify(w io.Writer, imageFile, historyFile string) (int, error) {
	h, err := ReadHistory(historyFile)
	if err != nil {
		return ExitUsage, err
	}
	image, err := readSmall(imageFile)
	if err != nil {
		return ExitUsage, err
	}
	rep, err := verifier.JudgeBytes(image, h)
	if err != nil {
		return ExitUsage, fmt.Errorf("%s: %w", imageFile, err)
	}
	return tell(w, rep.Verdict, rep.Reason)
}

// VerifyFile judges a file as a reader finds it, or the first size bytes of a
// device when size is not negative, in the way of Verify; the verdict is refused
// where the history has no atomic write that was accepted. second is the second
// file, for a history of two. epoch is that of the stamps, 0 but for a round
// that a witness knows.
func VerifyFile(w io.Writer, path, second string, size int64, epoch file.Epoch, h *workloads.History) (int, error) {
	contract, ok := verifier.ParseContract(h.Contract)
	if !ok {
		return ExitUsage, fmt.Errorf("history: %q is no contract; allowed: untorn, old-or-new", h.Contract)
	}
	v, err := verifier.NewFiles(h.Workload(), contract)
	if errors.Is(err, verifier.ErrNotJudged) {
		return ExitNotBuilt, err
	}
	if err != nil {
		return ExitUsage, err
	}
	paths := []string{path}
	if h.Workload().Files() == 2 {
		if paths = append(paths, second); second == "" {
			return ExitUsage, errors.New("the history is of two files, and one is given; allowed: --second, or --on-second, FILE")
		}
	}
	var files []verifier.File
	others := 0
	for _, path := range paths {
		f, n, err := file.ReadFile(path, size, epoch)
		if err != nil {
			return ExitUsage, err
		}
		files = append(files, *f)
		others += n
	}
	if others > 0 {
		if _, err := fmt.Fprintf(w, "%d sectors hold what another round or run wrote, and are garbage in this one\n", others); err != nil {
			return ExitEnvironment, &EnvironmentError{err}
		}
	}
	rep, err := v.JudgeFiles(files, h)
	if err != nil {
		return ExitUsage, err
	}
	calls := countAtomic(h, files)
	if _, err := io.WriteString(w, calls.partly()); err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	verdict, reason := calls.afterLoss(rep)
	return tell(w, verdict, reason)
}

// ReadHistory reads the text form of a history.
func ReadHistory(path string) (*workloads.History, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	h, err := workloads.ParseHistory(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// tell prints a verdict and returns its exit code.
func tell(w io.Writer, verdict verifier.Verdict, reason string) (int, error) {
	line := verdict.String()
	if reason != "" {
		line += ": " + reason
	}
	if _, err := fmt.Fprintln(w, line); err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	if verdict != verifier.Held && verdict != verifier.AppTorn {
		return ExitUnexpected, nil
	}
	return ExitOK, nil
}
