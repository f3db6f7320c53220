package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"untorn/internal/reduce"
	"untorn/internal/report"
	"untorn/internal/run"
	"untorn/scenarios"
)

// maxWorkers bounds --workers: each worker has a machine of its own.
const maxWorkers = 1024

type runFlags struct {
	suite   string
	format  string
	workers int
	seed    int64
	out     string
	keep    bool
	// shrink and shrinkAll ask for smaller counterexamples.
	shrink, shrinkAll bool
	timeout           time.Duration
	forTime           time.Duration
	rows              []string
	sets              []string
	bounds            scenarios.Bounds
	noCache           bool
	noRules           []string
	resume            bool
	save              time.Duration
	limit             uint64
	sample            int
	shard             string
	// coverage asks for the tables of steps and faults.
	coverage bool
	target   string
	faults   []string // of the recorded disk
	live     liveFlags
}

// targets are where rows can run.
var targets = []string{"model", "file", run.RecordedTarget}

func runCommand(s *streams) *cobra.Command {
	f := &runFlags{suite: scenarios.Main}
	c := &cobra.Command{
		Use:   "run [NAME | FILE.yaml]...",
		Short: "Run scenarios and print what became of each row",
		Long: `Run explores every row of the scenarios, all of a suite when none is named,
and prints a table. A row that breaks leaves a directory under --out, and the
table ends with the commands that replay them. The line of coverage counts the
steps of the kernel and the kinds of fault that the rows took; what is missing
is told for a run of the whole suite. With --target file the operations run on
a file or block device of this machine, which loses its content; no power is
lost, so that this checks limits, errors and concurrent behaviour only. With --target recorded the
running kernel loses power: as root, a file system is made above a disk that keeps a log, and what
may be left of it is mounted and judged. --out also keeps report.json, from which
"untorn report" makes the other formats later, and journal.txt, which has each
row that is done.

With --shrink the counterexample of a row that breaks and was not expected to
is made smaller at once, as "untorn shrink" does, which takes seconds: what is left of it goes to a
directory of the same name with -shrunk, and the table ends with the command
that replays it. --shrink-all does that for rows that are expected to break, too.
After Ctrl-C the best so far is left.

A run that ended early, by Ctrl-C, a timeout, a kill or a loss of power, is
continued by the same command with --resume: rows that are done are taken from
the journal, what was found out about the rows under way from what was saved
every minute (--save-every), and the report is that of a run that was never interrupted. With
--shard i/n each of n machines runs a part of the rows, and "untorn merge" joins
the parts.

Bounds that have a million states or more by the estimate are told of on the
standard error, and explored. With --limit a row over that many states is ended
when that is seen, which takes seconds: it is inconclusive (exit code 1), unless
it broke before. With --sample it is judged by so many random schedules then.`,
		Example: `  untorn run
  untorn run cow-or-atomic --row nawupf=4KiB
  untorn run cow-fork --set explore.preemptions=1 --set copy=plain --set expect=held
  untorn run my.yaml --format json > report.json
  untorn run no-pin boundary --format junit > junit.xml
  untorn run --format ktap --timeout 10m
  untorn run cow-fork --set explore.preemptions=1 --no-reduce cuts,commute
  untorn run random --set explore.strategy=coverage --for 30s
  untorn run --suite debate --resume             # again and again until it is done
  untorn run my.yaml --limit 1000000 --sample 100000
  untorn run --suite debate --shard 2/3 --out part-2
  untorn run --suite debate --faults 3 --preemptions 2 --together 4
  untorn run my.yaml --shrink
  untorn run no-pin retry-dirty --shrink-all
  untorn run direct-cow --target file --on /mnt/xfs/scratch
  untorn run --suite real --target recorded
  untorn run real-cow --target recorded --disk-fault eio=12,flush=1ms`,
		RunE: func(c *cobra.Command, args []string) error {
			return runScenarios(c.Context(), s, f, args, c.Flags().Changed("seed"))
		},
	}
	suiteFlag(c, &f.suite, scenarios.Tortured())
	formatFlag(c, &f.format)
	f.workers, f.seed, f.save = runtime.NumCPU(), 1, time.Minute
	numberFlag(c, &f.workers, "workers", 1, maxWorkers, "workers; the counts do not depend on it")
	numberFlag(c, &f.seed, "seed", 0, unbounded, "seed of random explorations")
	c.Flags().StringVar(&f.out, "out", "runs", "where report.json and the directories of rows that broke go")
	c.Flags().BoolVar(&f.keep, "keep", false, "leave a directory for every row")
	c.Flags().BoolVar(&f.shrink, "shrink", false, "make the counterexample of each row smaller that breaks and was not expected to")
	c.Flags().BoolVar(&f.shrinkAll, "shrink-all", false, "make that of each row smaller that breaks and leaves a directory")
	spanFlag(c, &f.forTime, "for", "time for each random exploration of a design, in place of explore.runs; the report\nsays how many runs that were, and with as many explore.runs they are the same")
	spanFlag(c, &f.timeout, "timeout", "end after this time with what is done so far, 0 for never")
	c.Flags().StringArrayVar(&f.rows, "row", nil, `rows to run: fields of a row's label, "nawupf=4KiB writeback=cow"; may be repeated`)
	c.Flags().StringArrayVar(&f.sets, "set", nil, "override a field: design.copy=plain; may be repeated")
	numberFlag(c, &f.bounds.Faults, "faults", 0, scenarios.MaxBound, "raise the budget of rows that have faults to this many")
	numberFlag(c, &f.bounds.Preemptions, "preemptions", 0, scenarios.MaxBound, "raise the preemptions of every row to this many")
	numberFlag(c, &f.bounds.Together, "together", 0, 2*scenarios.MaxBound, "allow at most this many faults and preemptions together in one run; 0 for explore.together. pct has no such bound")
	c.Flags().BoolVar(&f.noCache, "no-cache", false, "check mode: explore known states again too, and fail unless every count is the same")
	c.Flags().StringSliceVar(&f.noRules, "no-reduce", nil, "rules by which no work is left out: "+strings.Join(reduce.Names(), ", ")+"; may be repeated. Slower, and the same counts; without cells, distinct counts more")
	completeWords(c, "no-reduce", reduce.Names())
	c.Flags().StringVar(&f.target, "target", "model", "where rows run: "+strings.Join(targets, ", ")+"; file is the running kernel, and takes --on; recorded is the running kernel above a disk that loses power")
	c.Flags().StringSliceVar(&f.faults, "disk-fault", nil, "with --target recorded: eio=N fails the N-th command, short=N cuts the first write from it on, flush=2ms slows flushes; commands count from the mount, and a row that is not struck is inconclusive")
	f.live.add(c)
	completeWords(c, "target", targets)
	numberFlag(c, &f.limit, "limit", 0, unbounded, "end a row whose bounds have more states than this, or by the estimate soon will; 0 for never; rows explored at random have explore.runs instead")
	numberFlag(c, &f.sample, "sample", 0, math.MaxInt32, "with --limit: draw so many schedules of such a row instead")
	c.Flags().BoolVar(&f.resume, "resume", false, "continue the run whose journal is in --out; without a journal, begin")
	spanFlag(c, &f.save, "save-every", "how often to save what is known of a row that takes long, for --resume; 0 for never")
	c.Flags().StringVar(&f.shard, "shard", "", "run part i of n parts of the rows, i/n, for untorn merge")
	completeWords(c, "shard", nil)
	c.Flags().BoolVar(&f.coverage, "coverage", false, "also print the tables of steps and faults; json has them in any case")
	return c
}

func runScenarios(ctx context.Context, s *streams, f *runFlags, args []string, seeded bool) error {
	format, err := formatOf(f.format)
	switch {
	case err != nil:
		return usage(err)
	case f.out == "":
		return usage(errors.New(`--out ""; allowed: a directory`))
	case !slices.Contains(targets, f.target):
		return usage(fmt.Errorf("--target %q; allowed: %s", f.target, strings.Join(targets, ", ")))
	}
	if err := f.live.check(f.target == "file"); err != nil {
		return usage(err)
	}
	faults, err := run.ParseDiskFaults(f.faults)
	if err != nil {
		return usage(fmt.Errorf("--disk-fault %w", err))
	}
	if len(f.faults) > 0 && f.target != run.RecordedTarget {
		return usage(fmt.Errorf("--disk-fault with --target %s; allowed: --target %s", f.target, run.RecordedTarget))
	}
	if f.target != "model" && (f.shrink || f.shrinkAll) {
		return usage(fmt.Errorf("--target %s with --shrink; allowed: --target model", f.target))
	}
	if f.target != "model" && f.bounds != (scenarios.Bounds{}) {
		return usage(fmt.Errorf("--target %s with --faults, --preemptions or --together; allowed: --target model", f.target))
	}
	if f.target != "model" && (f.resume || f.shard != "") {
		return usage(fmt.Errorf("--target %s with --resume or --shard; allowed: --target model", f.target))
	}
	switch {
	case f.sample > 0 && f.limit == 0:
		return usage(errors.New("--sample without --limit; allowed: both, or explore.mode: random to sample every row"))
	case f.limit > 0 && f.noCache:
		return usage(errors.New("--limit with --no-cache; allowed: one of both"))
	}
	off, err := reduce.Parse(f.noRules)
	switch {
	case err != nil:
		return usage(fmt.Errorf("--no-reduce: %w", err))
	case off != 0 && f.target != "model":
		return usage(fmt.Errorf("--target %s with --no-reduce; allowed: --target model", f.target))
	case off.Has(reduce.States) && (f.noCache || f.limit > 0):
		return usage(errors.New("--no-reduce states with --no-cache or --limit; allowed: one of them"))
	}
	var part run.Part
	if f.shard != "" {
		if part, err = run.ParsePart(f.shard); err != nil {
			return usage(fmt.Errorf("--shard %w", err))
		}
	}
	sets := f.sets
	if seeded {
		sets = append(sets, fmt.Sprintf("explore.seed=%d", f.seed))
	}
	if err := checkSuite(f.suite, scenarios.Tortured()); err != nil {
		return usage(err)
	}
	suite := len(args) == 0 && len(f.rows) == 0 && f.suite == scenarios.Main
	if len(args) == 0 {
		args = scenarios.List(f.suite)
	}
	rows, err := pickRows(args, sets, f.rows, f.bounds)
	if err != nil {
		return usage(err)
	}
	if f.forTime > 0 && !slices.ContainsFunc(rows, func(r scenarios.Row) bool { return r.Explore.Random }) {
		return usage(errors.New("--for: no row is explored at random; allowed: with --set explore.mode=random"))
	}
	if f.limit > 0 && !slices.ContainsFunc(rows, func(r scenarios.Row) bool { return !r.Explore.Random }) {
		return usage(errors.New("--limit: every row is explored at random, and has no more schedules than explore.runs; allowed: --set explore.runs=N or --for, or --set explore.mode=exhaustive"))
	}
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
		defer cancel()
	}
	o := run.Options{Target: run.Model{}, Out: f.out, Keep: f.keep, For: f.forTime, Workers: f.workers, NoCache: f.noCache, NoReduce: off, Suite: suite, Now: time.Now,
		Part: part, Resume: f.resume, Command: commandLine(s.args), Revision: sourceRevision(), Limit: f.limit, Sample: f.sample, SaveEvery: f.save}
	switch {
	case f.shrinkAll:
		o.Shrink = run.ShrinkAll
	case f.shrink:
		o.Shrink = run.ShrinkUnexpected
	}
	line := newProgress(s.err)
	o.Progress = line.set
	o.Notice = func(text string) {
		line.clear()
		fmt.Fprintf(s.err, "untorn: %s\n", text)
	}
	var rep *report.Report
	var code int
	switch f.target {
	case "file":
		rep, code, err = run.LiveRows(ctx, rows, o, f.live.Live)
	case run.RecordedTarget:
		rep, code, err = run.RecordedRows(ctx, rows, o, run.Recorded{Server: diskCommand(), Faults: faults})
	default:
		rep, code, err = run.Rows(ctx, rows, o)
	}
	line.clear()
	if rep == nil {
		return &exitError{code, err}
	}
	if rep.Partial && !f.resume && f.target == "model" {
		o.Notice("to continue: " + o.Command + " --resume")
	}
	bad := format.Write(s.out, rep)
	if bad == nil && f.coverage && f.format == "text" {
		bad = report.WriteCoverage(s.out, rep)
	}
	switch {
	case err != nil: // after the rows that were done before
		return &exitError{code, err}
	case bad != nil:
		return &exitError{run.ExitEnvironment, bad}
	case code != run.ExitOK:
		return &exitError{code, nil}
	}
	return nil
}

// commandLine prints a command line as a shell takes it.
func commandLine(args []string) string {
	words := []string{"untorn"}
	for _, arg := range args {
		words = append(words, run.ShellWord(arg))
	}
	return strings.Join(words, " ")
}

// pickRows loads scenarios, changes their bounds and selects rows.
func pickRows(names, sets, picks []string, b scenarios.Bounds) ([]scenarios.Row, error) {
	var rows []scenarios.Row
	from := make(map[string]string) // the argument that a scenario's name came from
	for _, name := range names {
		sc, err := load(name, sets)
		if err != nil {
			return nil, err
		}
		if other, ok := from[sc.Name]; ok {
			return nil, fmt.Errorf("%s and %s are both named %s; allowed: scenarios with names of their own", other, name, sc.Name)
		}
		from[sc.Name] = name
		sc.Bound(b)
		rows = append(rows, sc.Rows()...)
	}
	if len(picks) == 0 {
		return rows, nil
	}
	var out []scenarios.Row
	var terms []string
	used := make([]bool, len(picks))
	for _, r := range rows {
		for _, term := range strings.Fields(r.Label) {
			if !slices.Contains(terms, term) {
				terms = append(terms, term)
			}
		}
		picked := false
		for i, pick := range picks {
			if matches(r.Label, pick) {
				picked, used[i] = true, true
			}
		}
		if picked {
			out = append(out, r)
		}
	}
	for i, pick := range picks {
		if !used[i] {
			if len(terms) == 0 {
				return nil, fmt.Errorf("--row %q: these scenarios have one row each; allowed: no --row", pick)
			}
			return nil, fmt.Errorf("--row %q: no such row; allowed: %s", pick, strings.Join(terms, ", "))
		}
	}
	return out, nil
}

// matches reports whether a row's label has all the fields that pick names.
func matches(label, pick string) bool {
	terms := strings.FieldsFunc(pick, func(c rune) bool { return c == ' ' || c == ',' })
	for _, term := range terms {
		found := false
		for _, t := range strings.Split(label, " ") {
			found = found || t == term
		}
		if !found {
			return false
		}
	}
	return len(terms) > 0
}

// progress is one line on a terminal that is written over and over. On
// anything else it stays silent.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	width int // of the terminal, 0 for none
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.width = 78
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 1 {
			p.width = n - 1
		}
	}
	return p
}

func (p *progress) set(line string) {
	if p.width == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(line) > p.width {
		line = line[:p.width]
	}
	fmt.Fprintf(p.w, "\r%-*s", p.width, line)
}

func (p *progress) clear() {
	if p.width > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.width, "")
	}
}
