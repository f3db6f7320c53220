package workloads

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// SectorSize is the unit of offsets and lengths, in bytes.
const SectorSize = 512

// maxFile bounds sizes and offsets, so that they can be added without care.
const maxFile = 1 << 40

// FormatSize prints a number of bytes with the largest of the units KiB, MiB
// and GiB that divides it; ParseSize reads it back.
func FormatSize(n int64) string {
	for i, unit := range [...]string{"GiB", "MiB", "KiB"} {
		if size := int64(1) << (30 - 10*i); n != 0 && n%size == 0 {
			return strconv.FormatInt(n/size, 10) + unit
		}
	}
	return strconv.FormatInt(n, 10)
}

// ParseSize reads a number of bytes with an optional unit KiB, MiB or GiB. It
// takes no sign, no fraction and nothing above 1 TiB.
func ParseSize(s string) (int64, error) {
	digits, size := s, int64(1)
	for i, unit := range [...]string{"KiB", "MiB", "GiB"} {
		if d, ok := strings.CutSuffix(s, unit); ok {
			digits, size = d, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > maxFile/uint64(size) {
		return 0, fmt.Errorf("%q is no size; a size is a number of bytes, or like 16KiB, 1MiB, 1GiB", s)
	}
	return int64(n) * size, nil
}

// flags are the fields of an Op that print as a word.
var flags = [...]struct {
	name string
	get  func(*Op) *bool
}{
	{"atomic", func(o *Op) *bool { return &o.Atomic }},
	{"unflagged", func(o *Op) *bool { return &o.Unflagged }},
	{"append", func(o *Op) *bool { return &o.Append }},
	{"dsync", func(o *Op) *bool { return &o.Dsync }},
	{"direct", func(o *Op) *bool { return &o.Direct }},
}

// String prints the operation on one line, as ParseOp reads it:
//
//	db: pwrite offset=16KiB length=16KiB atomic
func (o Op) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", o.Task, o.Kind)
	switch {
	case o.Kind == Truncate:
		fmt.Fprintf(&b, " offset=%s", FormatSize(o.Offset))
	case o.Ranged():
		fmt.Fprintf(&b, " offset=%s length=%s", FormatSize(o.Offset), FormatSize(o.Length))
	}
	if o.File != 0 {
		fmt.Fprintf(&b, " file=%d", o.File)
	}
	if o.Kind == Clone {
		fmt.Fprintf(&b, " from=%s", FormatSize(o.From))
		if o.FromFile != 0 {
			fmt.Fprintf(&b, " from_file=%d", o.FromFile)
		}
	}
	for _, f := range flags {
		if *f.get(&o) {
			b.WriteString(" " + f.name)
		}
	}
	if o.Unit != 0 {
		fmt.Fprintf(&b, " unit=%s", FormatSize(o.Unit))
	}
	if o.FD != 0 {
		fmt.Fprintf(&b, " fd=%d", o.FD)
	}
	if o.Limit != 0 {
		fmt.Fprintf(&b, " limit=%s", FormatSize(o.Limit))
	}
	return b.String()
}

// ParseKind returns the kind of that name.
func ParseKind(s string) (Kind, bool) {
	for i, name := range kindNames {
		if i > 0 && name == s {
			return Kind(i), true
		}
	}
	return 0, false
}

// ParseLayout returns the layout of that name.
func ParseLayout(s string) (Layout, bool) {
	for i, name := range layoutNames {
		if i > 0 && name == s {
			return Layout(i), true
		}
	}
	return 0, false
}

// ParseOp reads what Op.String prints. Fields may come in any order, each at
// most once; the error names the one that does not fit.
func ParseOp(s string) (Op, error) {
	var o Op
	task, rest, ok := strings.Cut(s, ":")
	if !ok || !validTask(task) {
		return o, fmt.Errorf("%q does not begin with the name of a task and a colon", s)
	}
	o.Task = task
	words := strings.Fields(rest)
	if len(words) == 0 {
		return o, fmt.Errorf("%q names no operation", s)
	}
	if o.Kind, ok = ParseKind(words[0]); !ok {
		return o, fmt.Errorf("%q is no operation; there are %s", words[0], strings.Join(kindNames[1:], ", "))
	}
	seen := make(map[string]bool)
	for _, w := range words[1:] {
		name, value, hasValue := strings.Cut(w, "=")
		if seen[name] {
			return o, fmt.Errorf("%s is given twice", name)
		}
		seen[name] = true
		if err := o.field(name, value, hasValue); err != nil {
			return o, err
		}
	}
	if o.Ranged() && (!seen["offset"] || !seen["length"]) {
		return o, fmt.Errorf("%s needs offset and length", o.Kind)
	}
	if o.Kind == Clone && !seen["from"] {
		return o, fmt.Errorf("%s needs from", o.Kind)
	}
	if o.Kind == Truncate && !seen["offset"] {
		return o, fmt.Errorf("%s needs offset", o.Kind)
	}
	return o, o.check()
}

func (o *Op) field(name, value string, hasValue bool) error {
	var err error
	switch {
	case name == "offset" && hasValue && (o.Ranged() || o.Kind == Truncate):
		o.Offset, err = ParseSize(value)
	case name == "length" && hasValue && o.Ranged():
		o.Length, err = ParseSize(value)
	case name == "limit" && hasValue && o.Kind == Pwrite:
		o.Limit, err = ParseSize(value)
	case name == "unit" && hasValue && o.Kind == Pwrite:
		o.Unit, err = ParseSize(value)
	case name == "file" && hasValue:
		o.File, err = strconv.Atoi(value)
	case name == "from" && hasValue && o.Kind == Clone:
		o.From, err = ParseSize(value)
	case name == "from_file" && hasValue && o.Kind == Clone:
		o.FromFile, err = strconv.Atoi(value)
	case name == "fd" && hasValue:
		o.FD, err = strconv.Atoi(value)
	default:
		for _, f := range flags {
			if f.name == name && !hasValue {
				*f.get(o) = true
				return nil
			}
		}
		return fmt.Errorf("%s has no field %q", o.Kind, name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func validTask(s string) bool {
	for _, r := range s {
		if !(r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return false
		}
	}
	return s != ""
}

// check refuses fields that no operation may have.
func (o *Op) check() error {
	switch {
	case !validTask(o.Task):
		return fmt.Errorf("%q is no name of a task: letters, digits, - and _", o.Task)
	case o.Kind == 0 || int(o.Kind) >= len(kindNames):
		return errors.New("an operation of no kind")
	case o.Limit < 0 || o.Limit%SectorSize != 0 || o.Limit > maxFile || o.Limit != 0 && o.Kind != Pwrite:
		return fmt.Errorf("limit %d of %s: only a pwrite has one, a multiple of %d up to 1TiB", o.Limit, o.Kind, SectorSize)
	case o.Unit != 0 && (o.Kind != Pwrite || !o.Atomic || o.Direct):
		return fmt.Errorf("unit of %s: only an atomic pwrite through the page cache has one", o.Kind)
	case o.Unit < 0 || o.Unit%SectorSize != 0 || o.Unit != 0 && (o.Unit >= o.Length || o.Length%o.Unit != 0 || o.Offset%o.Unit != 0):
		return fmt.Errorf("unit %d: a multiple of %d of which length and offset are multiples, and shorter than length", o.Unit, SectorSize)
	case o.File < 0 || o.File > 1 || o.FromFile < 0 || o.FromFile > 1:
		return fmt.Errorf("file %d: there are file 0 and file 1", max(o.File, o.FromFile))
	case o.Kind != Clone && (o.From != 0 || o.FromFile != 0):
		return fmt.Errorf("%s takes no source", o.Kind)
	case o.From < 0 || o.From%SectorSize != 0 || o.From > maxFile:
		return fmt.Errorf("from %d is no multiple of %d from 0 to 1TiB", o.From, SectorSize)
	case o.FD < 0 || o.FD > 1000:
		return fmt.Errorf("fd %d is not in 0 to 1000", o.FD)
	case !o.Ranged() && o.Kind != Truncate:
		if o.Offset != 0 || o.Length != 0 || o.Atomic || o.Unflagged || o.Append || o.Dsync || o.Direct {
			return fmt.Errorf("%s takes no field but fd and file", o.Kind)
		}
	case o.Kind != Pwrite && (o.Atomic || o.Unflagged || o.Append || o.Dsync || o.Direct && o.Kind != Pread):
		return fmt.Errorf("%s takes none of the flags of a write", o.Kind)
	case o.Kind == Truncate && o.Length != 0:
		return fmt.Errorf("%s takes no length", o.Kind)
	case o.Offset < 0 || o.Offset%SectorSize != 0 || o.Offset > maxFile:
		return fmt.Errorf("offset %d is no multiple of %d from 0 to 1TiB", o.Offset, SectorSize)
	case o.Kind == Truncate:
	case o.Length <= 0 || o.Length%SectorSize != 0 || o.Length > maxLength:
		return fmt.Errorf("length %d is no multiple of %d from %d to 32MiB", o.Length, SectorSize, SectorSize)
	}
	return nil
}

// maxLength is the longest write of which each sector can be named.
const maxLength = 1 << 16 * SectorSize

// Check refuses a workload that no history can describe; the error names the
// operation by its number. That an operation makes no sense to a file system
// is no reason.
func (w *Workload) Check() error {
	switch {
	case w.File < 0 || w.File%SectorSize != 0 || w.File > maxFile:
		return fmt.Errorf("a file of %d bytes: the size is a multiple of %d up to 1TiB", w.File, SectorSize)
	case w.Second < 0 || w.Second%SectorSize != 0 || w.Second > maxFile:
		return fmt.Errorf("a second file of %d bytes: the size is a multiple of %d up to 1TiB", w.Second, SectorSize)
	case w.Layout == 0 || int(w.Layout) >= len(layoutNames):
		return errors.New("the layout of the file is missing")
	case len(w.Ops) > MaxOps:
		return fmt.Errorf("%d operations, at most %d are possible", len(w.Ops), MaxOps)
	}
	moves := 0
	for i := range w.Ops {
		if err := w.Ops[i].check(); err != nil {
			return fmt.Errorf("operation %d: %w", i+1, err)
		}
		if w.Ops[i].Moves() {
			moves++
		}
	}
	if moves > MaxMoves {
		return fmt.Errorf("%d operations move content, at most %d are possible", moves, MaxMoves)
	}
	for file := range w.Files() {
		if err := w.checkEnd(file); err != nil {
			return err
		}
	}
	return w.checkFiles()
}

// checkEnd refuses operations that move the end of a file so that no one can
// say where it goes.
func (w *Workload) checkEnd(file int) error {
	size := w.Size(file)
	past := 0 // the first operation that may move the end of file
	for i := range w.Ops {
		o := &w.Ops[i]
		if o.File != file || (o.Extends() <= size && o.Kind != Truncate && o.Shifts() == 0) && !o.Append {
			continue
		}
		switch {
		// What a task does after its own append cannot move that append.
		case past > 0 && (o.Append || w.Ops[past-1].Append && w.Ops[past-1].Task != o.Task):
			return fmt.Errorf("operation %d: with operation %d it moves the end of file, so that no one can say where the append goes", i+1, past)
		case past > 0 && (o.Shifts() != 0 || w.Ops[past-1].Shifts() != 0):
			return fmt.Errorf("operation %d: with operation %d it moves the end of file, so that no one can say what is shifted", i+1, past)
		case o.Append && o.Offset != size:
			return fmt.Errorf("operation %d: an append goes to the end of file, offset %s", i+1, FormatSize(size))
		case o.Shifts() != 0 && (o.Offset+o.Length > size || o.Kind == Collapse && o.Offset+o.Length == size):
			return fmt.Errorf("operation %d: %s of [%s,%s) in a file of %s", i+1, o.Kind, FormatSize(o.Offset), FormatSize(o.Offset+o.Length), FormatSize(size))
		}
		past = i + 1
	}
	return nil
}

// checkFiles refuses files that do not fit into the space of both, and a clone
// of what its source does not have.
func (w *Workload) checkFiles() error {
	if w.Files() == 2 && max(w.File, w.Second) > MaxOfTwo {
		return fmt.Errorf("two files, one of %s; at most %s are possible", FormatSize(max(w.File, w.Second)), FormatSize(MaxOfTwo))
	}
	for i := range w.Ops {
		o := &w.Ops[i]
		if end := max(o.Offset+o.Length, w.Size(o.File)+o.Shifts()); w.Files() == 2 && end > MaxOfTwo {
			return fmt.Errorf("operation %d: a file of %s, one of two; at most %s are possible", i+1, FormatSize(end), FormatSize(MaxOfTwo))
		}
		if o.Kind == Clone && o.From+o.Length > w.Size(o.FromFile) {
			return fmt.Errorf("operation %d: a clone from [%s,%s) of a file of %s", i+1, FormatSize(o.From), FormatSize(o.From+o.Length), FormatSize(w.Size(o.FromFile)))
		}
	}
	return nil
}
