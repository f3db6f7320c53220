package workloads

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// historyMagic is the first line of the text form.
const historyMagic = "untorn history 1"

// maxHistory bounds the text form, in bytes.
const maxHistory = 1 << 20

// String prints the history with all that is needed to judge an image by it:
//
//	untorn history 1
//	contract untorn
//	file 64KiB contiguous
//	free-space contiguous
//	op 1 db: pwrite offset=0 length=16KiB atomic
//	op 2 db: fsync
//	call 1
//	return 1 16384
//	call 2
//	return 2 -EIO
//	cut 31
//
// The marks stand in the order in which they were seen; the number after cut
// is Cut. An empty contract prints as "-".
func (h *History) String() string {
	var b strings.Builder
	contract := h.Contract
	if contract == "" {
		contract = "-"
	}
	fmt.Fprintf(&b, "%s\ncontract %s\nfile %s %s\nfree-space %s\n", historyMagic, contract,
		FormatSize(h.w.File), h.w.Layout, h.w.FreeSpace)
	if h.w.Second != 0 {
		fmt.Fprintf(&b, "second %s\n", FormatSize(h.w.Second))
	}
	for i := range h.w.Ops {
		fmt.Fprintf(&b, "op %d %s\n", i+1, h.w.Ops[i])
	}
	for _, m := range h.marks {
		if m.Return {
			fmt.Fprintf(&b, "return %d %s\n", m.Op, m.Result)
		} else {
			fmt.Fprintf(&b, "call %d\n", m.Op)
		}
	}
	if m := h.misread; m.Op != 0 {
		fmt.Fprintf(&b, "misread %d %d\n", m.Op, m.Verdict)
	}
	fmt.Fprintf(&b, "cut %d\n", h.Cut)
	return b.String()
}

// ParseHistory reads what String prints. Whatever does not fit is an error
// that names the line.
func ParseHistory(text string) (*History, error) {
	if len(text) > maxHistory {
		return nil, fmt.Errorf("history: longer than %d bytes", maxHistory)
	}
	p := historyParser{w: new(Workload)}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range lines {
		if err := p.line(i, line); err != nil {
			return nil, fmt.Errorf("history: line %d: %w", i+1, err)
		}
	}
	if !p.ended {
		return nil, fmt.Errorf("history: line %d: it ends without a cut", len(lines)+1)
	}
	p.h.Contract, p.h.Cut = p.contract, p.cut
	return p.h, nil
}

// historyParser reads a history line by line.
type historyParser struct {
	w        *Workload
	h        *History // from the first mark on
	contract string
	cut      int
	ended    bool
}

func (p *historyParser) line(i int, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	if p.ended {
		return errors.New("nothing may follow the cut")
	}
	switch {
	case i == 0:
		if line != historyMagic {
			return fmt.Errorf("%q where %q is expected", clip(line), historyMagic)
		}
		return nil
	case i <= len(header):
		if h := header[i-1]; word != h.word {
			return fmt.Errorf("%q where %q is expected", clip(word), h.word)
		}
		return header[i-1].parse(p, rest)
	case word == "second" && len(p.w.Ops) == 0 && p.h == nil && p.w.Second == 0:
		var err error
		p.w.Second, err = ParseSize(rest)
		return err
	case word == "op" && p.h == nil:
		return p.op(rest)
	case word == "call" || word == "return" || word == "misread" || word == "cut":
		if err := p.start(); err != nil {
			return err
		}
		return p.mark(word, rest)
	}
	return fmt.Errorf("%q where an operation, a mark or the cut is expected", clip(line))
}

// header is the lines after the first, in order.
var header = [...]struct {
	word  string
	parse func(p *historyParser, rest string) error
}{
	{"contract", func(p *historyParser, rest string) error {
		if p.contract = rest; !validTask(rest) {
			return fmt.Errorf("%q is no name of a contract", clip(rest))
		}
		if rest == "-" {
			p.contract = ""
		}
		return nil
	}},
	{"file", func(p *historyParser, rest string) (err error) {
		size, layout, _ := strings.Cut(rest, " ")
		if p.w.File, err = ParseSize(size); err != nil {
			return err
		}
		p.w.Layout, err = parseLayout(layout)
		return err
	}},
	{"free-space", func(p *historyParser, rest string) (err error) {
		p.w.FreeSpace, err = parseLayout(rest)
		return err
	}},
}

func parseLayout(s string) (Layout, error) {
	l, ok := ParseLayout(s)
	if !ok {
		return 0, fmt.Errorf("%q is no layout; there are %s", clip(s), strings.Join(layoutNames[1:], ", "))
	}
	return l, nil
}

func (p *historyParser) op(rest string) error {
	num, text, _ := strings.Cut(rest, " ")
	if want := len(p.w.Ops) + 1; num != strconv.Itoa(want) {
		return fmt.Errorf("operation %q where %d is expected", clip(num), want)
	}
	o, err := ParseOp(text)
	if err != nil {
		return err
	}
	p.w.Ops = append(p.w.Ops, o)
	return nil
}

// start ends the operations.
func (p *historyParser) start() error {
	if p.h != nil {
		return nil
	}
	if err := p.w.Check(); err != nil {
		return fmt.Errorf("the workload before this line: %w", err)
	}
	p.h = NewHistory(p.w)
	return nil
}

func (p *historyParser) mark(word, rest string) error {
	num, result, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(num)
	if word == "cut" {
		if err != nil || n < 0 || result != "" {
			return fmt.Errorf("%q is no number of events", clip(rest))
		}
		p.cut, p.ended = n, true
		return nil
	}
	if err != nil || n < 1 || n > len(p.w.Ops) {
		return fmt.Errorf("operation %q is not one of 1 to %d", clip(num), len(p.w.Ops))
	}
	bit := uint64(1) << n
	if word == "call" {
		if result != "" {
			return fmt.Errorf("%q after the number of the operation", clip(result))
		}
		if p.h.called&bit != 0 {
			return fmt.Errorf("operation %d is called a second time", n)
		}
		p.h.Call(n)
		return nil
	}
	if word == "misread" {
		v, err := strconv.ParseUint(result, 10, 8)
		if err != nil || p.w.Ops[n-1].Kind != Pread || p.h.misread.Op != 0 {
			return fmt.Errorf("%q is no verdict on a read", clip(rest))
		}
		p.h.SetMisread(Misread{Op: n, Verdict: uint8(v)})
		return nil
	}
	if p.h.called&bit == 0 || p.h.returned&bit != 0 {
		return fmt.Errorf("operation %d returns and is not under way", n)
	}
	r, err := ParseResult(result)
	if err != nil {
		return err
	}
	if int64(r) > p.w.Ops[n-1].Length {
		return fmt.Errorf("operation %d returns %d, more than its length", n, r)
	}
	p.h.Return(n, r)
	return nil
}

// ParseResult reads what Result.String prints: a number of bytes, or the name
// of an errno with a minus.
func ParseResult(s string) (Result, error) {
	if name, ok := strings.CutPrefix(s, "-"); ok {
		for e, n := range errnoNames {
			if n == name {
				return Fail(e), nil
			}
		}
		return 0, fmt.Errorf("%q is no result: the errno is not known", clip(s))
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%q is no result; a result is a number of bytes or like -EIO", clip(s))
	}
	return Result(n), nil
}

// clip shortens what an error quotes of damaged text.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
