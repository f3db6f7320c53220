// Package report turns results into what people and machines read: tables as
// text, Markdown and CSV, verdicts as JUnit XML and KTAP, and report.json. The
// JSON form is the source; every other form is made from it.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"untorn/internal/cost"
)

// Schema is the version of the JSON form. Field names are a promise within it.
const Schema = 1

// Report is one invocation of untorn run, or one row of it in a run directory.
type Report struct {
	Schema  int    `json:"schema"`
	Tool    string `json:"tool"`
	Version string `json:"version"`
	Engine  string `json:"engine"`
	Host    Host   `json:"host"`
	Started string `json:"started"` // RFC 3339, UTC
	Partial bool   `json:"partial"` // ended early, by a signal or a timeout
	// Part is "2/3" for the second of three parts of a run, and empty for a whole one.
	Part    string   `json:"part,omitempty"`
	Results []Result `json:"results"`
	// Coverage is that of all rows; the report of a run directory has none.
	Coverage *Coverage `json:"coverage,omitempty"`
}

// Host is the machine that ran it. It decides nothing.
type Host struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPUs int    `json:"cpus"`
	Go   string `json:"go"`
}

// Fields is a JSON object that keeps the order of its fields.
type Fields []Field

// Field is one entry of Fields.
type Field struct {
	Name  string
	Value json.RawMessage
}

// MarshalJSON prints the fields in their order.
func (f Fields) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", e.Name)
		b.Write(e.Value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads an object and keeps the order of its fields.
func (f *Fields) UnmarshalJSON(p []byte) error {
	dec := json.NewDecoder(bytes.NewReader(p))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return &json.UnmarshalTypeError{Value: fmt.Sprintf("%.20s", p), Type: reflect.TypeFor[Fields]()}
	}
	*f = nil
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		e := Field{Name: t.(string)}
		if err := dec.Decode(&e.Value); err != nil {
			return err
		}
		*f = append(*f, e)
	}
	return nil
}

// Text appends a field whose value is a string.
func (f Fields) Text(name, value string) Fields {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return append(f, Field{name, b})
}

// Get returns the value of a field that Text appended, "" if there is none.
func (f Fields) Get(name string) string {
	for _, e := range f {
		var s string
		if e.Name == name && json.Unmarshal(e.Value, &s) == nil {
			return s
		}
	}
	return ""
}

// Result is one row. Counts of the space are decimal strings, since they pass
// 2^64; work depends on workers and caches, nothing else does.
type Result struct {
	Scenario string `json:"scenario"`
	Row      string `json:"row"`
	Design   Fields `json:"design"`
	Device   Fields `json:"device"`
	Faults   Fields `json:"faults"`
	Contract string `json:"contract"`
	Target   string `json:"target"`
	Mutant   string `json:"mutant"`
	Seed     int64  `json:"seed"`

	Verdict    string `json:"verdict"`
	Expect     string `json:"expect"`
	AsExpected bool   `json:"as_expected"`
	Reason     string `json:"reason"`
	NotBuilt   bool   `json:"not_built,omitempty"` // names something that untorn cannot run yet

	Exhaustive bool   `json:"exhaustive"`
	Bounds     Bounds `json:"bounds"`
	// Sample is what a random exploration drew, absent for another.
	Sample      *Sample  `json:"sample,omitempty"`
	Equivalence string   `json:"equivalence"`
	Assumptions []string `json:"assumptions"`

	Schedules      string `json:"schedules"`
	Covered        string `json:"covered"`
	Distinct       string `json:"distinct"`
	DistinctExact  bool   `json:"distinct_exact"`
	Verdicts       Fields `json:"verdicts"`
	VersionsBehind Fields `json:"versions_behind"`
	Fired          Fields `json:"fired"`
	// Steps are the numbers of the steps that the design reached.
	Steps []string `json:"steps"`

	Work           Work            `json:"work"`
	Control        *Control        `json:"control"`
	Counterexample *Counterexample `json:"counterexample"`
	Cost           *cost.Figures   `json:"cost"` // null for a row that did not run
}

// Bounds are the limits of one run of the row.
type Bounds struct {
	Budget      int `json:"budget"`
	Preemptions int `json:"preemptions"`
	// Together bounds the sum of both, where it is less than what they allow.
	Together int `json:"together,omitempty"`
	Depth    int `json:"depth,omitempty"` // of priorities, in place of preemptions
}

// Work is what this run did, both arms together. Seconds are wall clock,
// shared out among the rows that ran side by side. A control that several rows
// share counts for the first of them.
type Work struct {
	Executed  uint64  `json:"executed"` // schedules run, whole or in part
	Steps     uint64  `json:"steps"`
	Judged    uint64  `json:"judged"` // images judged
	CacheHits uint64  `json:"cache_hits"`
	States    uint64  `json:"states"` // with more than one way on, told apart by what is left of the budget
	Seconds   float64 `json:"seconds"`
	Workers   int     `json:"workers"`
	// Saved is what each rule of reduction left out, decimal, and NoReduce the
	// rules that were turned off. See package reduce.
	Saved    Fields   `json:"saved,omitempty"`
	NoReduce []string `json:"no_reduce,omitempty"`
}

// Control is the arm without the protection.
type Control struct {
	Verdict        string          `json:"verdict"`
	Covered        string          `json:"covered"`
	Distinct       string          `json:"distinct"`
	Fired          Fields          `json:"fired"`
	Counterexample *Counterexample `json:"counterexample"`
}

// Counterexample is the cheapest way to a verdict.
type Counterexample struct {
	Verdict     string   `json:"verdict"`
	Faults      int      `json:"faults"`
	Preemptions int      `json:"preemptions"`
	Steps       int      `json:"steps"`
	Trace       []string `json:"trace"`
	Replay      string   `json:"replay"`       // the command, empty when nothing was written
	ID          string   `json:"id,omitempty"` // with the scenario, the same schedule on any machine
	// Shrunk is a smaller one of the same verdict, if one was asked for.
	Shrunk *Shrunk `json:"shrunk,omitempty"`
}

// Shrunk is a counterexample that was made smaller. Its operations are those of
// a scenario of its own, in its directory.
type Shrunk struct {
	Minimal     bool   `json:"minimal"` // no single reduction of it fails; false when there was no time to see
	Operations  int    `json:"operations"`
	Tasks       int    `json:"tasks"`
	Faults      int    `json:"faults"`
	Preemptions int    `json:"preemptions"`
	Steps       int    `json:"steps"`
	Replay      string `json:"replay"` // the command
	ID          string `json:"id"`     // with the scenario of its directory
}
