package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Width is the number of columns that a text table may take.
const Width = 78

// WriteText writes the tables of a report in plain ASCII, at most Width
// columns wide but for commands, which must stay whole to be pasted.
func WriteText(w io.Writer, r *Report) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%s\n\n", headline(r), host(r))
	textGrid(&b, outcome(r))
	for _, m := range matrices(r) {
		textMatrix(&b, m)
	}
	textSpace(&b, r)
	textGrid(&b, behind(r))
	textGrid(&b, kernels(r))
	textExplanations(&b, r)
	for _, note := range targetNotes(r) {
		for _, l := range wrap(note, Width) {
			fmt.Fprintln(&b, l)
		}
		b.WriteByte('\n')
	}
	for _, l := range totals(r) {
		fmt.Fprintln(&b, l)
	}
	coverageLine(&b, r.Coverage)
	if r.Partial {
		fmt.Fprintln(&b, partialNote)
	}
	for _, g := range replays(r) {
		fmt.Fprintf(&b, "\n%s\n", g.title)
		for _, c := range g.commands {
			fmt.Fprintf(&b, "  %s\n", c)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// nameWidth is the width of the column that names the rows of a grid.
const nameWidth = 19

// textGrid prints a grid with its legend, and nothing for one without lines.
func textGrid(b *bytes.Buffer, g *grid) {
	if len(g.lines) == 0 {
		return
	}
	table(b, 1+g.text, append([]string{g.names}, g.head...), nameLines(g.lines))
	if g.legend != "" {
		b.Truncate(b.Len() - 1) // the legend belongs to the table
		fmt.Fprintf(b, "%s\n\n", g.legend)
	}
}

// nameLines groups the rows by scenario: a scenario of one row is one line, of
// several a line with its name alone and indented lines for each row, one for
// each field of its label.
func nameLines(lines []gridLine) [][]string {
	var out [][]string
	add := func(indent, name string, cells []string) {
		for i, piece := range pieces(name, nameWidth-len(indent)) {
			if i > 0 {
				cells = make([]string, len(cells))
			}
			out = append(out, append([]string{indent + piece}, cells...))
		}
	}
	last := ""
	for _, l := range lines {
		c := l.cells
		switch {
		case l.res.Row == "":
			add("", l.res.Scenario, c)
			last = ""
			continue
		case l.res.Scenario != last:
			add("", l.res.Scenario, make([]string, len(c)))
			last = l.res.Scenario
		}
		indent := " "
		for _, term := range strings.Split(l.res.Row, " ") {
			add(indent, term, c)
			indent, c = "  ", make([]string, len(c))
		}
	}
	return out
}

// pieces breaks a name that is too long, after its "=" if it has one, else after
// the last hyphen that fits.
func pieces(name string, width int) []string {
	var out []string
	for len(name) > width {
		i := strings.IndexByte(name, '=') + 1
		if i == 0 || i > width {
			i = strings.LastIndexByte(name[:width], '-') + 1
		}
		if i == 0 {
			i = width
		}
		out = append(out, name[:i])
		name = name[i:]
	}
	return append(out, name)
}

// countWidth is the most that a count takes in a table.
const countWidth = 7

// textSpace prints the table of space in as many parts as the kinds of faults
// need.
func textSpace(b *bytes.Buffer, r *Report) {
	kinds := firedKinds(r)
	for first := true; first || len(kinds) > 0; first = false {
		width := nameWidth + len(" whole ") + countWidth + 1
		n := 0
		for n < len(kinds) && width < Width {
			width += max(len(kinds[n]), countWidth) + 1
			if width < Width {
				n++
			}
		}
		n = min(max(n, 1), len(kinds))
		textGrid(b, space(r, kinds[:n], first))
		kinds = kinds[n:]
	}
}

func textExplanations(b *bytes.Buffer, r *Report) {
	lines := explanations(r)
	for _, e := range lines {
		mark := "!"
		if e.asExpected {
			mark = "-"
		}
		for _, l := range wrap(e.text, Width-2) {
			fmt.Fprintf(b, "%s %s\n", mark, l)
			mark = " "
		}
	}
	if len(lines) > 0 {
		b.WriteByte('\n')
	}
}
