package run

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"untorn/internal/target/model"
	"untorn/verifier"
	"untorn/workloads"
)

// ShrinkOptions say where a shrunk run goes and who is told.
type ShrinkOptions struct {
	Out      string // the run directory to make
	Steps    int64  // that one search for a smaller case may take, 0 for ShrinkSteps
	Progress func(line string)
	Now      func() time.Time
}

// Shrink makes the counterexample of a run directory smaller while it earns the
// same verdict, leaves a new run directory in o.Out, and tells w what became of
// it. Of what is there in o.Out only a run directory is replaced. When ctx ends,
// the best so far is left and the code is ExitUnexpected.
func Shrink(ctx context.Context, w io.Writer, dir string, o ShrinkOptions) (int, error) {
	if err := replaceable(o.Out); err != nil {
		return ExitUsage, err
	}
	s, code, err := shrinkDir(ctx, dir, o)
	if err != nil {
		return code, err
	}
	tellShrunk(w, &s.start, &s.best)
	fmt.Fprintf(w, "\n%s\n\nReplay with:\n  %s\n", strings.Join(s.result(), "\n"), replayCommand(o.Out))
	return code, nil
}

// shrinkDir shrinks what is in dir, and leaves what it came to in o.Out.
func shrinkDir(ctx context.Context, dir string, o ShrinkOptions) (*shrinker, int, error) {
	kept, code, err := readRun(Model{}, dir)
	if err != nil {
		return nil, code, err
	}
	v, _ := verifier.ParseVerdict(kept.verdict)
	if v != verifier.Stuck && model.ClassOf(v) < 0 {
		return nil, ExitUsage, fmt.Errorf("%s: the verdict on record is %s; allowed: a run that broke", dir, kept.verdict)
	}
	s := &shrinker{o: o, verdict: v}
	if s.start, err = s.begin(kept); err != nil {
		return nil, ExitUnexpected, fmt.Errorf("%s: %w%s", filepath.Join(dir, "tape.txt"), err, otherEngine(kept.engine))
	}
	if s.minimize(ctx); s.err != nil {
		return nil, ExitEnvironment, &EnvironmentError{s.err}
	}
	if err := s.leave(&s.best); err != nil {
		return nil, ExitEnvironment, &EnvironmentError{err}
	}
	if !s.minimal {
		return s, ExitUnexpected, nil
	}
	return s, ExitOK, nil
}

// result says in lines what the result is worth.
func (s *shrinker) result() []string {
	if !s.minimal {
		return []string{fmt.Sprintf("PARTIAL: ended early; this is the best so far (%d tried)", s.tried)}
	}
	c := &s.check
	out := []string{
		fmt.Sprintf("1-minimal: no single reduction of it fails (%d tried)", s.tried),
		fmt.Sprintf("All %d were tried again at the end: %d searched to the end of their bounds,", c.reductions, c.searched),
		fmt.Sprintf("%d played, %d make no sense, %d cut short", c.played, c.senseless, len(c.cut)),
	}
	slices.Sort(c.cut)
	for i, n := 0, 0; i < len(c.cut); i += n {
		for n = 1; i+n < len(c.cut) && c.cut[i+n] == c.cut[i]; n++ {
		}
		out = append(out, fmt.Sprintf("cut short: %d for %s", n, c.cut[i]))
	}
	return out
}

// replaceable refuses an output that is there and that no run has left.
func replaceable(dir string) error {
	st, err := os.Lstat(dir)
	if err != nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "tape.txt")); err != nil || !st.IsDir() {
		return fmt.Errorf("%s: exists and is no run directory; allowed: the name of a directory to make", dir)
	}
	return nil
}

// leave writes the run directory of a case.
func (s *shrinker) leave(c *smallCase) error {
	row, err := s.row(c)
	if err != nil {
		return err
	}
	a := designArm(row)
	tp := slices.Concat(c.schedule, c.cut)
	p, err := model.ReplayTape(&a.cfg, tp)
	if err != nil {
		return err
	}
	if p.Verdict != s.verdict {
		return fmt.Errorf("the shrunk schedule gives %v when it is run again, not %v", p.Verdict, s.verdict)
	}
	if s.id, err = replayID(Model{}, &a.cfg, tp); err != nil {
		return err
	}
	return leaveReplay(s.o.Out, row, a, false, p, s.id, s.o.Now)
}

// tellShrunk prints what there was and what is left.
func tellShrunk(w io.Writer, before, after *smallCase) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tbefore\tafter\t")
	line := func(name string, value func(c *smallCase) any) {
		fmt.Fprintf(t, "%s\t%v\t%v\t\n", name, value(before), value(after))
	}
	line("operations", func(c *smallCase) any { return len(c.row.Workload.Ops) })
	line("tasks", func(c *smallCase) any { return tasksOf(&c.row.Workload) })
	line("largest", func(c *smallCase) any { return workloads.FormatSize(unitOf(&c.row.Workload)) })
	line("file", func(c *smallCase) any { return workloads.FormatSize(c.row.Workload.File) })
	line("faults", func(c *smallCase) any { return c.faults })
	line("preemptions", func(c *smallCase) any { return c.switches })
	line("choices", func(c *smallCase) any { return len(c.schedule) })
	line("steps", func(c *smallCase) any { return c.steps })
	t.Flush()
}
