package run

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"

	"untorn/crashsim"
	"untorn/internal/journal"
	"untorn/internal/report"
)

// record is one row that is done.
type record struct {
	Row     int              `json:"row"` // counted from 0 over all parts
	Code    int              `json:"code"`
	Reached crashsim.StepSet `json:"reached"`
	Dir     string           `json:"dir,omitempty"`    // digest of its directory, if it has one
	Shrunk  string           `json:"shrunk,omitempty"` // that of the one beside it
	Result  *report.Result   `json:"-"`
}

// written is a record as the journal has it. Rows of a product have most of
// their values in common, so that one which was in a record before is told by
// its number.
type written struct {
	record
	Result report.Fields `json:"result"` // values that are in this record alone
	// New are values that are numbered, on from those of the records before, and
	// Same says which of these the other fields of the result have.
	New  []json.RawMessage `json:"new,omitempty"`
	Same map[string]int    `json:"same,omitempty"`
}

// shortest is the length of the values that are numbered: a shorter one takes
// no more than its number does.
const shortest = 24

// unlike are the fields that no two rows have in common.
var unlike = map[string]bool{"row": true, "work": true, "counterexample": true}

// said are the values that a journal has.
type said struct {
	mu      sync.Mutex // numbers are in the order of the file
	numbers map[[sha256.Size]byte]int
	values  []json.RawMessage // by number, for who reads
}

func newSaid() *said { return &said{numbers: make(map[[sha256.Size]byte]int)} }

// pack makes a record what is to be written.
func (s *said) pack(rec *record) (*written, error) {
	text, err := json.Marshal(rec.Result)
	if err != nil {
		return nil, err
	}
	var fields report.Fields
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	w := &written{record: *rec, Same: map[string]int{}}
	for _, f := range fields {
		if len(f.Value) < shortest || unlike[f.Name] {
			w.Result = append(w.Result, f)
			continue
		}
		sum := sha256.Sum256(f.Value)
		n, ok := s.numbers[sum]
		if !ok {
			n = len(s.numbers)
			s.numbers[sum] = n
			w.New = append(w.New, f.Value)
		}
		w.Same[f.Name] = n
	}
	return w, nil
}

// unpack reads the next record of a journal.
func (s *said) unpack(text []byte) (*record, error) {
	w := &written{}
	w.Row = -1
	if err := json.Unmarshal(text, w); err != nil {
		return nil, err
	}
	for _, v := range w.New {
		s.numbers[sha256.Sum256(v)] = len(s.values)
		s.values = append(s.values, v)
	}
	for name, n := range w.Same {
		if n < 0 || n >= len(s.values) {
			return nil, fmt.Errorf("%s is value %d of %d", name, n, len(s.values))
		}
		w.Result = append(w.Result, report.Field{Name: name, Value: s.values[n]})
	}
	whole, err := w.Result.MarshalJSON()
	if err != nil {
		return nil, err
	}
	rec := &w.record
	return rec, json.Unmarshal(whole, &rec.Result)
}

// readRecords decodes a journal. Of a row that occurs twice the later one counts.
func readRecords(file string, c *journal.Contents) (*head, map[int]*record, *said, error) {
	h, s := &head{}, newSaid()
	if c.Head == nil {
		return h, nil, s, nil
	}
	if err := json.Unmarshal(c.Head, h); err != nil || h.Journal == 0 {
		return nil, nil, nil, &JournalError{fmt.Sprintf("%s: line 1 is not the head of a journal of untorn", file)}
	}
	if h.Journal != journalFormat {
		return h, nil, s, nil // its records may be anything
	}
	part, _ := ParsePart(h.Part)
	done := make(map[int]*record)
	for i, text := range c.Records {
		rec, err := s.unpack(text)
		if err != nil || rec.Row < 0 || rec.Row >= h.Rows || !part.has(rec.Row) {
			return nil, nil, nil, &JournalError{fmt.Sprintf("%s: line %d is no row of this run", file, i+2)}
		}
		done[rec.Row] = rec
	}
	return h, done, s, nil
}

// add notes that a row is done.
func (l *log) add(row int, d *doneRow) error {
	rec := record{Row: row, Code: d.code, Reached: d.reached, Result: d.res}
	if dir := filepath.Join(l.root, resultDir(d.res)); d.dir {
		rec.Dir = digest(dir)
		if d.res.Counterexample != nil && d.res.Counterexample.Shrunk != nil {
			rec.Shrunk = digest(shrunkDir(dir))
		}
	}
	l.said.mu.Lock()
	w, err := l.said.pack(&rec)
	if err == nil {
		err = l.Add(w)
	}
	l.said.mu.Unlock()
	if err != nil {
		return err
	}
	return l.forget(func(r int) bool { return r == row })
}

// doneRow returns the row as it was when it was noted.
func (r *record) doneRow() doneRow {
	return doneRow{res: r.Result, reached: r.Reached, code: r.Code, dir: r.Dir != ""}
}

// changed names the directory of the row below root that is lost or not what it
// was, "" when there is none.
func (r *record) changed(root string) string {
	dir := filepath.Join(root, resultDir(r.Result))
	if r.Dir != "" && r.Dir != digest(dir) {
		return dir
	}
	if r.Shrunk != "" && r.Shrunk != digest(shrunkDir(dir)) {
		return shrunkDir(dir)
	}
	return ""
}
