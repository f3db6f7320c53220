package tape

import "strings"

// Loose answers from a tape wherever that fits, and with the default elsewhere.
// It is for tapes of another program, which may differ from the one that is
// asked in the numbers that options carry.
type Loose struct{ at map[place]string }

// NewLoose returns a Chooser that plays what fits of t.
func NewLoose(t Tape) *Loose {
	l := &Loose{make(map[place]string, len(t))}
	for _, e := range t {
		l.at[place{e.Task, e.Site, e.Visit}] = e.Option
	}
	return l
}

// Choose returns the option of the tape's name, or else the first that begins
// with the same two words.
func (l *Loose) Choose(p Point) int {
	want, ok := l.at[place{p.Task(), p.Site(), p.Visit()}]
	if !ok {
		return 0
	}
	alike := 0
	for i := range p.Len() {
		got := p.Option(i)
		if got == want {
			return i
		}
		if alike == 0 && twoWords(got) == twoWords(want) {
			alike = i
		}
	}
	return alike
}

func twoWords(s string) string {
	words := strings.SplitN(s, " ", 3)
	return strings.Join(words[:min(len(words), 2)], " ")
}
