package witness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"untorn/internal/temp"
	"untorn/workloads"
)

// Round is what a witness holds of one round of a run.
type Round struct {
	Run    string // names the run
	Number int    // of the round, from 1
	Boot   string // names the boot of the writer's kernel
	// Places are those of the files, as file.Place has them.
	Places []string
	// Prepared: version 0 was durable. Before that nothing can be judged.
	Prepared bool
	History  *workloads.History
}

// magic is the first line of a record.
const magic = "untorn witness 2"

// head returns the text of a round before anything happened.
func head(r *Round) string {
	text := r.History.String()
	return fmt.Sprintf("%s\nrun %s\nround %d\nboot %s\nplaces %q\n%s", magic, r.Run, r.Number, r.Boot, r.Places, text[:strings.LastIndex(text, "cut ")])
}

// parseRound reads the text of a record. A last line that is not whole was never
// acknowledged and is left out.
func parseRound(text string) (*Round, error) {
	text = text[:strings.LastIndexByte(text, '\n')+1]
	lines := strings.SplitN(text, "\n", 6)
	if len(lines) < 6 || lines[0] != magic {
		return nil, errors.New("no record of a witness")
	}
	r := &Round{}
	var err error
	var ok [4]bool
	r.Run, ok[0] = strings.CutPrefix(lines[1], "run ")
	number, k := strings.CutPrefix(lines[2], "round ")
	r.Boot, ok[2] = strings.CutPrefix(lines[3], "boot ")
	if r.Number, err = strconv.Atoi(number); err == nil && r.Number > 0 {
		ok[1] = k
	}
	r.Places, ok[3] = parsePlaces(lines[4])
	if ok != [4]bool{true, true, true, true} || !validName(r.Run) || !validName(r.Boot) {
		return nil, errors.New("a damaged record of a witness")
	}
	body := strings.Replace(lines[5], "prepared\n", "", 1)
	r.Prepared = body != lines[5]
	if r.History, err = workloads.ParseHistory(body + "cut 0\n"); err != nil {
		return nil, err
	}
	if len(r.Places) != r.History.Workload().Files() {
		return nil, errors.New("not one place for each file")
	}
	return r, nil
}

// parsePlaces reads the line of the places.
func parsePlaces(line string) (places []string, ok bool) {
	list, ok := strings.CutPrefix(line, "places [")
	for first := true; ok && list != "]"; first = false {
		if !first {
			if list, ok = strings.CutPrefix(list, " "); !ok {
				return nil, false
			}
		}
		quoted, err := strconv.QuotedPrefix(list)
		if err != nil {
			return nil, false
		}
		place, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, false
		}
		places, list = append(places, place), list[len(quoted):]
	}
	return places, ok
}

// validName reports whether a name can be that of a file.
func validName(s string) bool {
	for _, c := range s {
		if !(c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 64
}

// record is a round on the witness's disk.
type record struct {
	f     *os.File
	round *Round
}

// maxRuns bounds the runs that a directory may hold.
const maxRuns = 10_000

func recordFile(dir, run string) string { return filepath.Join(dir, run+".txt") }

// begin puts the record of a round in the place of that of the round before.
func begin(dir, text string) (*record, error) {
	round, err := parseRound(text)
	switch {
	case err != nil:
		return nil, err
	case round.Prepared || len(round.History.Marks()) > 0:
		return nil, errors.New("a round that has begun before")
	}
	if old, err := load(dir, round.Run); err == nil && old.Number >= round.Number {
		return nil, fmt.Errorf("round %d of run %s is known", old.Number, round.Run)
	} else if err != nil {
		runs, err := os.ReadDir(dir)
		if err == nil && len(runs) >= maxRuns {
			err = fmt.Errorf("%d runs are kept here; at most %d are possible", len(runs), maxRuns)
		}
		if err != nil {
			return nil, err
		}
	}
	tmp, err := temp.New(dir)
	if err != nil {
		return nil, err
	}
	defer tmp.Remove()
	f, err := os.OpenFile(filepath.Join(tmp.Path, "begin"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), recordFile(dir, round.Run))
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &record{f, round}, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// add appends a line that the history takes, durably.
func (r *record) add(line string) error {
	if err := r.take(line); err != nil {
		return err
	}
	if _, err := r.f.WriteString(line + "\n"); err != nil {
		return err
	}
	return r.f.Sync()
}

// take checks a line against what is held, and adds it to that.
func (r *record) take(line string) error {
	h := r.round.History
	word, rest := cutWord(line)
	num, result := cutWord(rest)
	n, err := strconv.Atoi(num)
	valid := err == nil && n >= 1 && n <= len(h.Workload().Ops)
	switch {
	case line == "prepared" && !r.round.Prepared:
		r.round.Prepared = true
	case word == "call" && r.round.Prepared && valid && result == "" && h.Called()>>n&1 == 0:
		h.Call(n)
	case word == "return" && valid && h.Called()>>n&1 == 1:
		res, err := workloads.ParseResult(result)
		if _, done := h.Result(n); err != nil || done || int64(res) > h.Op(n).Length {
			return fmt.Errorf("%q does not follow from what came before", line)
		}
		h.Return(n, res)
	default:
		return fmt.Errorf("%q does not follow from what came before", line)
	}
	return nil
}

// load reads the record of a run.
func load(dir, run string) (*Round, error) {
	text, err := loadText(dir, run)
	if err != nil {
		return nil, err
	}
	return parseRound(text)
}

func loadText(dir, run string) (string, error) {
	if !validName(run) {
		return "", fmt.Errorf("%q is no name of a run", run)
	}
	b, err := os.ReadFile(recordFile(dir, run))
	if os.IsNotExist(err) {
		return "", fmt.Errorf("run %s is not known", run)
	}
	return string(b), err
}

// last returns the run whose record was written last.
func last(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	best := ""
	var when int64
	for _, e := range entries {
		run, ok := strings.CutSuffix(e.Name(), ".txt")
		if !ok || !validName(run) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return "", err
		}
		if t := info.ModTime().UnixNano(); best == "" || t > when {
			best, when = run, t
		}
	}
	if best == "" {
		return "", errors.New("no run is known")
	}
	return best, nil
}
