// Package scenarios holds the scenario files and their strict decoding: YAML
// in, rows ready to run out. A scenario is the product of every list it
// writes, one row for each combination.
package scenarios

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sort"
	"strings"
)

//go:embed *.yaml debate/*.yaml cost/*.yaml real/*.yaml races/*.yaml
var embedded embed.FS

// Suites of embedded scenarios: Main is small and quick and covers every step
// and fault, Debate is the product of all designs that make sense, and Cost is for
// "untorn cost": larger workloads without faults. Real is for the running kernel:
// what a kernel can be asked for, with power loss as the only fault. Races are
// what a kernel does wrong only when its timing is unlucky.
const (
	Main   = "main"
	Debate = "debate"
	Cost   = "cost"
	Real   = "real"
	Races  = "races"
)

// Suites lists all suites.
func Suites() []string { return []string{Main, Debate, Cost, Real, Races} }

// Tortured lists those whose schedules can be explored; workloads of Cost have
// too many.
func Tortured() []string { return []string{Main, Debate, Real, Races} }

// folder returns where the scenarios of a suite are.
func folder(suite string) string {
	if suite == Main {
		return "."
	}
	return suite
}

// Limits on a scenario file.
const (
	MaxFileBytes = 1 << 20 // of YAML
	MaxRows      = 65536   // of the product
	MaxFile      = 32 << 20
)

// Scenario is one decoded scenario. It is immutable.
type Scenario struct {
	Name  string // unique; letters, digits and dashes
	About string // one sentence
	File  string // where it was read from, as errors name it

	embedded bool
	sets     []string // overrides
	text     string
	mutant   string // "" for none
	design   block
	device   block
	workload block
	explore  block
	faults   []faultBlock
	contract []value
	ops      []op
	generate block // nil when the operations are written out
	control  control
	expect   []expectation
}

// An Error says what is wrong with a scenario and where, on one line.
type Error struct {
	File  string
	Line  int    // 0 when the place is not a line
	Field string // "device.lba", may be empty
	What  string // what is wrong, and what is allowed
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.What)
	return strings.ReplaceAll(b.String(), "\n", " ")
}

// List returns the names of the embedded scenarios of a suite, sorted.
func List(suite string) []string {
	entries, err := fs.ReadDir(embedded, folder(suite))
	if err != nil {
		panic(err) // the folder of a suite always exists
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".yaml"); ok {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

// All lists the embedded scenarios of every suite.
func All() []string {
	var names []string
	for _, suite := range Suites() {
		names = append(names, List(suite)...)
	}
	return names
}

// Embedded decodes the embedded scenario of that name. sets are overrides as
// Override describes them.
func Embedded(name string, sets ...string) (*Scenario, error) {
	data, err := EmbeddedText(name)
	if err != nil {
		return nil, err
	}
	s, err := Decode(name+".yaml", data, sets...)
	if err != nil {
		return nil, err
	}
	s.embedded = true
	return s, nil
}

// EmbeddedText returns the text of the embedded scenario of that name. For
// an unknown name the error is an *Error that says which are near.
func EmbeddedText(name string) ([]byte, error) {
	for _, suite := range Suites() {
		if slices.Contains(List(suite), name) {
			return embedded.ReadFile(path.Join(folder(suite), name+".yaml"))
		}
	}
	return nil, &Error{File: name, What: "no such scenario; " + Nearest(name, All()) + `allowed: a file, or a name that "untorn scenario list --suite all" prints`}
}

// Load reads and decodes a scenario file. A file that is missing, no regular
// file, too long or not a valid scenario gives an *Error.
func Load(file string, sets ...string) (*Scenario, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	return Decode(file, data, sets...)
}

func readFile(file string) ([]byte, error) {
	st, err := os.Stat(file)
	if err != nil {
		if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, &Error{File: file, What: err.Error()}
	}
	// A pipe or a device could block or never end, so the kind is checked
	// before anything is opened.
	if !st.Mode().IsRegular() {
		return nil, &Error{File: file, What: "not a regular file"}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, &Error{File: file, What: "cannot be opened: " + errors.Unwrap(err).Error()}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, &Error{File: file, What: err.Error()}
	}
	return data, nil
}

// Decode decodes a scenario. file names it in errors; each of sets is an
// override as Override describes it, applied before anything is checked.
func Decode(file string, data []byte, sets ...string) (*Scenario, error) {
	if len(data) > MaxFileBytes {
		return nil, &Error{File: file, What: "longer than 1MiB; allowed: up to 1MiB"}
	}
	if !bytes.Contains(data, []byte(":")) {
		return nil, &Error{File: file, What: "not a scenario; allowed: a YAML mapping with name, design, device, workload, ..."}
	}
	d := &decoder{file: file}
	root, err := d.parse(data)
	if err != nil {
		return nil, err
	}
	for _, set := range sets {
		if err := override(root, set); err != nil {
			return nil, err
		}
	}
	s := d.scenario(root)
	if d.err != nil {
		return nil, d.err
	}
	s.text, s.sets = string(data), sets
	return s, nil
}

// Source returns the arguments of a command that give this scenario again: its
// name or its file, and --set for each override.
func (s *Scenario) Source() []string {
	args := []string{s.File}
	if s.embedded {
		args[0] = s.Name
	}
	for _, set := range s.sets {
		args = append(args, "--set", set)
	}
	return args
}

// Text returns the scenario as it was read, overrides left out.
func (s *Scenario) Text() string { return s.text }
