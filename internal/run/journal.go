package run

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"untorn/internal/journal"
	"untorn/internal/report"
	"untorn/scenarios"
)

// journalFile keeps what a run has done, row by row; oldJournalFile is that of
// a run that was not finished when another one began.
const (
	journalFile    = "journal.txt"
	oldJournalFile = "journal.old.txt"
)

// journalFormat is the version of the records.
const journalFormat = 2

// head says which run a journal belongs to.
type head struct {
	Journal   int         `json:"journal"`
	Version   string      `json:"untorn"`
	Engine    string      `json:"engine"`
	Revision  string      `json:"revision,omitempty"` // of the sources, when the binary knows
	Command   string      `json:"command"`            // that began it; decides nothing
	Started   string      `json:"started"`
	Part      string      `json:"part,omitempty"`
	Keep      bool        `json:"keep"`
	NoCache   bool        `json:"no_cache"`
	NoReduce  []string    `json:"no_reduce,omitempty"`
	Limit     uint64      `json:"limit,omitempty"`
	Sample    int         `json:"sample,omitempty"`
	For       string      `json:"for,omitempty"`
	Shrink    ShrinkRows  `json:"shrink,omitempty"`
	Suite     bool        `json:"suite"`
	Rows      int         `json:"rows"` // of all parts
	Scenarios []fileprint `json:"scenarios"`
}

// fileprint is the fingerprint of the rows of one scenario: everything that
// decides what becomes of them, bounds and overrides included.
type fileprint struct {
	Name   string `json:"name"`
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"`
}

// A JournalError says why a journal cannot be used, and what to do. Nothing was
// changed.
type JournalError struct{ What string }

func (e *JournalError) Error() string { return e.What }

// head describes a run of these plans, of all parts.
func (o *Options) head(plans []planned) *head {
	h := &head{Journal: journalFormat, Version: Version, Engine: EngineVersion, Revision: o.Revision, Command: o.Command,
		Part: o.Part.String(), Keep: o.Keep, NoCache: o.NoCache, NoReduce: o.NoReduce.Names(), Limit: o.Limit, Sample: o.Sample, Shrink: o.Shrink, Suite: o.Suite, Rows: len(plans)}
	if o.For > 0 {
		h.For = o.For.String()
	}
	for first := 0; first < len(plans); {
		sum := sha256.New()
		n := 0
		for ; first+n < len(plans) && plans[first+n].row.Scenario == plans[first].row.Scenario; n++ {
			p := &plans[first+n]
			r := p.row
			fmt.Fprintf(sum, "%q %q %q %+v %+v %+v %+v %+v %q %+v %q %v %v %v\n", r.Label, p.skip, p.notBuilt, r.Design, r.Device, r.Workload,
				r.Faults, r.Explore, r.Contract, r.Control, r.Expect, r.Named, r.NamedPowerLoss, r.NamedRecovery)
		}
		h.Scenarios = append(h.Scenarios, fileprint{plans[first].row.Scenario.Name, n, hex.EncodeToString(sum.Sum(nil))})
		first += n
	}
	return h
}

// differs says in what the run of a journal is another one than h, "" for
// nothing. Parts are not compared.
func (h *head) differs(of *head) string {
	switch {
	case of.Journal != h.Journal:
		return fmt.Sprintf("its format is %d, and this untorn's %d", of.Journal, h.Journal)
	case of.Version != h.Version || of.Engine != h.Engine:
		return fmt.Sprintf("it is of untorn %s, engine %s, and not of untorn %s, engine %s", of.Version, of.Engine, h.Version, h.Engine)
	case of.Revision != h.Revision && of.Revision != "" && h.Revision != "":
		return fmt.Sprintf("it is of revision %s, and not of %s", of.Revision, h.Revision)
	case of.Keep != h.Keep:
		return "one of both has --keep"
	case of.NoCache != h.NoCache:
		return "one of both has --no-cache"
	case !slices.Equal(of.NoReduce, h.NoReduce):
		return "--no-reduce is not the same"
	case of.Limit != h.Limit || of.Sample != h.Sample:
		return "--limit or --sample are not the same"
	case of.For != h.For:
		return "--for is not the same"
	case of.Shrink != h.Shrink:
		return "--shrink or --shrink-all is not the same"
	}
	for i := range max(len(h.Scenarios), len(of.Scenarios)) {
		switch {
		case i >= len(h.Scenarios):
			return fmt.Sprintf("it also has scenario %s", of.Scenarios[i].Name)
		case i >= len(of.Scenarios):
			return fmt.Sprintf("it does not have scenario %s", h.Scenarios[i].Name)
		case of.Scenarios[i].Name != h.Scenarios[i].Name:
			return fmt.Sprintf("it has scenario %s where this one has %s", of.Scenarios[i].Name, h.Scenarios[i].Name)
		case of.Scenarios[i].Rows != h.Scenarios[i].Rows:
			return fmt.Sprintf("it has %d rows of scenario %s, and not %d", of.Scenarios[i].Rows, h.Scenarios[i].Name, h.Scenarios[i].Rows)
		case of.Scenarios[i] != h.Scenarios[i]:
			return fmt.Sprintf("scenario %s is not the same: its text, its bounds or what --set and --seed change", h.Scenarios[i].Name)
		}
	}
	if of.Suite != h.Suite { // the rows of a whole suite may be named one by one as well
		return "one of both names no scenarios, and is the whole suite"
	}
	return ""
}

// log is the journal of a run under way.
type log struct {
	*journal.Writer
	root string
	head *head
	rows map[*scenarios.Row]int
	done map[int]*record // rows that were done before
	said *said
}

func newLog(w *journal.Writer, root string, h *head, plans []planned, done map[int]*record, said *said) *log {
	l := &log{Writer: w, root: root, head: h, rows: make(map[*scenarios.Row]int), done: done, said: said}
	for i := range plans {
		l.rows[plans[i].row] = plans[i].index
	}
	return l
}

// begin makes the journal of a run, or takes up the one that is there. It tells
// by o.Notice what it found.
func (o *Options) begin(h *head, plans []planned, out *output) (*log, error) {
	file := filepath.Join(out.root, journalFile)
	old, err := journal.Take(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, journal.ErrBusy):
		return nil, &JournalError{fmt.Sprintf("%s: another run is at work there; allowed: another --out, or waiting for its end", out.root)}
	case err != nil && o.Resume:
		return nil, damaged(file, err)
	case err != nil: // of no use to a run that begins anew, but to its owner
		if err := setAside(file); err != nil {
			return nil, err
		}
	case o.Resume && old.Head != nil:
		l, err := o.takeUp(h, plans, out, old)
		if err != nil {
			return nil, errors.Join(err, old.Release())
		}
		return l, nil
	default:
		if err := o.replace(file, old); err != nil {
			return nil, err
		}
	}
	h.Started = timeText(o.Now())
	w, err := journal.Create(file, h)
	if err != nil {
		return nil, err
	}
	l := newLog(w, out.root, h, plans, nil, newSaid())
	if err := l.forget(func(int) bool { return true }); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return l, nil
}

// damaged explains an error of reading a journal.
func damaged(file string, err error) error {
	var bad *journal.DamagedError
	if !errors.As(err, &bad) {
		return err
	}
	return &JournalError{fmt.Sprintf("%v; allowed: to cut the file off before that line and resume, or to begin anew without --resume, which keeps the file as %s",
		bad, filepath.Join(filepath.Dir(file), oldJournalFile))}
}

// setAside gives a journal the other name.
func setAside(file string) error {
	return os.Rename(file, filepath.Join(filepath.Dir(file), oldJournalFile))
}

// replace makes room for a new journal. One that is not finished is kept.
func (o *Options) replace(file string, old *journal.Contents) error {
	defer old.Release()
	h, done, _, err := readRecords(file, old)
	if err == nil && (old.Head == nil || len(done) == 0 && h.Journal == journalFormat || len(done) == h.rows()) {
		return os.Remove(file)
	}
	if err == nil {
		o.notice(fmt.Sprintf("%s: a run that was not finished, %d of %d rows, is kept as %s; --resume would have continued it", file, len(done), h.rows(), oldJournalFile))
	}
	return setAside(file)
}

// rows is how many rows the part has.
func (h *head) rows() int {
	p, err := ParsePart(h.Part)
	if err != nil {
		return h.Rows
	}
	return (h.Rows - p.Index + p.Of) / p.Of
}

// takeUp continues the run of a journal.
func (o *Options) takeUp(h *head, plans []planned, out *output, old *journal.Contents) (*log, error) {
	file := filepath.Join(out.root, journalFile)
	of, done, said, err := readRecords(file, old)
	if err != nil {
		return nil, err
	}
	what := h.differs(of)
	if what == "" && of.Part != h.Part {
		what = fmt.Sprintf("it is of part %q, and not of %q", of.Part, h.Part)
	}
	if what != "" {
		return nil, &JournalError{fmt.Sprintf("%s: the journal of another run: %s; it was begun by %q; allowed: that command with --resume, another --out, or no --resume, which keeps the journal as %s",
			file, what, of.Command, oldJournalFile)}
	}
	h.Started = of.Started
	for i := range plans {
		rec := done[plans[i].index]
		if rec == nil {
			continue
		}
		// A directory that is lost or changed is made again with its row.
		if rec.changed(out.root) != "" {
			delete(done, rec.Row)
			continue
		}
		rec.replayFrom(out.root)
	}
	o.notice(fmt.Sprintf("%s: continued, %d of %d rows are done", file, len(done), len(plans)))
	w, err := old.Open(file)
	if err != nil {
		return nil, err
	}
	l := newLog(w, out.root, h, plans, done, said)
	// A run that was killed right after it noted a row has left its states.
	if err := l.forget(func(row int) bool { return done[row] != nil }); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return l, nil
}

// globQuote makes a pattern that matches a path only.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// resultDir is the directory of a row below that of the run.
func resultDir(res *report.Result) string {
	return filepath.Join(res.Scenario, scenarios.RowID(res.Row))
}

// replayFrom makes the commands of a row name its directory below root.
func (r *record) replayFrom(root string) {
	if r.Dir != "" {
		nameReplays(r.Result, filepath.Join(root, resultDir(r.Result)))
	}
}

// nameReplays makes the commands of a result name its directory.
func nameReplays(res *report.Result, dir string) {
	if res.Counterexample != nil {
		res.Counterexample.Replay = replayCommand(dir)
		if x := res.Counterexample.Shrunk; x != nil {
			x.Replay = replayCommand(shrunkDir(dir))
		}
	}
	if c := res.Control; c != nil && c.Counterexample != nil && c.Counterexample.Replay != "" {
		c.Counterexample.Replay = replayCommand(filepath.Join(dir, "control"))
	}
}

func replayCommand(dir string) string { return "untorn replay " + ShellWord(dir) }

// digest is the checksum of all files of a directory, "" when it cannot be
// read.
func digest(dir string) string {
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(sum, "%q %d\n", filepath.ToSlash(name), len(data))
		sum.Write(data)
		return err
	})
	if err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}
