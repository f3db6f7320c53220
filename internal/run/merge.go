package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"untorn/internal/journal"
	"untorn/internal/report"
)

// piece is one part of a run that is to be joined with others.
type piece struct {
	dir  string
	head *head
	part Part
	done map[int]*record
}

// Merge joins the directories that the parts of a run left into out: the report
// and the directories of rows that one machine would have left there. The code is
// that of the whole run. The error is a *JournalError when parts do not fit
// together, are missing or are not finished, and an *EnvironmentError when files
// cannot be read or written. The directories of the parts are only read.
func Merge(dirs []string, out string, now func() time.Time) (*report.Report, int, error) {
	rep, code, err := merge(dirs, out, now)
	var bad *JournalError
	switch {
	case errors.As(err, &bad):
		return nil, ExitUsage, bad
	case err != nil:
		return nil, ExitEnvironment, &EnvironmentError{err}
	}
	return rep, code, nil
}

func merge(dirs []string, out string, now func() time.Time) (*report.Report, int, error) {
	var pieces []*piece
	for _, dir := range dirs {
		p, err := readPiece(dir)
		if err != nil {
			return nil, 0, err
		}
		if sameFolder(dir, out) {
			return nil, 0, &JournalError{fmt.Sprintf("--out %s is one of the parts; allowed: another directory", out)}
		}
		pieces = append(pieces, p)
	}
	if err := fit(pieces); err != nil {
		return nil, 0, err
	}
	o, err := newOutput(out)
	if err != nil {
		return nil, 0, err
	}
	defer o.close()
	h := *pieces[0].head
	h.Part = ""
	for _, p := range pieces {
		h.Started = min(h.Started, p.head.Started)
	}
	l, err := (&Options{Now: now}).begin(&h, nil, o)
	if err != nil {
		return nil, 0, err
	}
	done, err := join(pieces, h.Rows, o, l)
	if err = errors.Join(err, l.Close()); err != nil {
		return nil, 0, err
	}
	rep := newReport(now())
	rep.Started = h.Started
	code := finish(rep, done, false, h.Suite)
	return rep, code, o.writeReport(rep)
}

// sameFolder reports whether both paths lead to one directory.
func sameFolder(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// readPiece reads one part and sees that it is whole.
func readPiece(dir string) (*piece, error) {
	file := filepath.Join(dir, journalFile)
	c, err := journal.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &JournalError{fmt.Sprintf("%s: no such file; allowed: what \"untorn run --shard i/n --out DIR\" left in DIR", file)}
	}
	var bad *journal.DamagedError
	if errors.As(err, &bad) {
		return nil, &JournalError{fmt.Sprintf("%v; allowed: to run this part again", bad)}
	}
	if err != nil {
		return nil, err
	}
	p := &piece{dir: dir}
	if p.head, p.done, _, err = readRecords(file, c); err != nil {
		return nil, err
	}
	if p.part, err = ParsePart(p.head.Part); err != nil {
		p.part = Part{1, 1}
	}
	return p, nil
}

// fit sees that the pieces are all parts of one run, each once and finished.
func fit(pieces []*piece) error {
	say := func(format string, args ...any) error { return &JournalError{fmt.Sprintf(format, args...)} }
	first := pieces[0]
	at := make(map[int]*piece)
	for _, p := range pieces {
		if what := first.head.differs(p.head); what != "" {
			return say("%s is not of the run that %s is a part of: %s", p.dir, first.dir, what)
		}
		if p.part.Of != first.part.Of {
			return say("%s is one of %d parts, and %s of %d; allowed: parts of one run", p.dir, p.part.Of, first.dir, first.part.Of)
		}
		if other := at[p.part.Index]; other != nil {
			return say("%s and %s are both part %v; allowed: each once", other.dir, p.dir, p.part)
		}
		at[p.part.Index] = p
	}
	for i := 1; i <= first.part.Of; i++ {
		p := at[i]
		if p == nil {
			return say("part %d/%d is missing; allowed: all parts at once", i, first.part.Of)
		}
		if n := p.head.rows(); len(p.done) < n {
			return say("%s is not finished: %d of %d rows are done; allowed: to continue it with %q and --resume", p.dir, len(p.done), n, p.head.Command)
		}
		for row := range first.head.Rows {
			if rec := p.done[row]; rec != nil && rec.changed(p.dir) != "" {
				return say("%s is lost or was changed; allowed: to continue that part with %q and --resume", rec.changed(p.dir), p.head.Command)
			}
		}
	}
	return nil
}

// join copies the rows of all pieces, in order.
func join(pieces []*piece, rows int, o *output, l *log) ([]doneRow, error) {
	byPart := make(map[int]*piece)
	for _, p := range pieces {
		byPart[p.part.Index] = p
	}
	var done []doneRow
	for row := range rows {
		p := byPart[row%pieces[0].part.Of+1]
		rec := p.done[row]
		if rec.Dir != "" {
			dir := resultDir(rec.Result)
			if err := copyRow(filepath.Join(p.dir, dir), filepath.Join(o.root, dir)); err != nil {
				return nil, err
			}
			if rec.Shrunk != "" {
				if err := copyRow(shrunkDir(filepath.Join(p.dir, dir)), shrunkDir(filepath.Join(o.root, dir))); err != nil {
					return nil, err
				}
			}
		}
		rec.replayFrom(o.root)
		d := rec.doneRow()
		if err := l.add(row, &d); err != nil {
			return nil, err
		}
		done = append(done, d)
	}
	return done, nil
}

// copyRow copies the directory of a row. Its reports name the new place.
func copyRow(from, to string) error {
	return atomically(to, func(tmp string) error {
		if err := os.CopyFS(tmp, os.DirFS(from)); err != nil {
			return err
		}
		for _, sub := range []string{".", "control"} {
			file := filepath.Join(tmp, sub, reportFile)
			rep, err := ReadReport(file)
			if sub != "." && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			if err := os.Remove(file); err != nil {
				return err
			}
			for i := range rep.Results {
				res := &rep.Results[i]
				nameReplays(res, to)
				if sub != "." {
					res.Counterexample.Replay = replayCommand(filepath.Join(to, sub))
				}
			}
			if err := (&output{filepath.Join(tmp, sub)}).writeReport(rep); err != nil {
				return err
			}
		}
		return nil
	})
}
