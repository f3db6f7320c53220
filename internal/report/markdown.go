package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the tables of WriteText as Markdown with the tables of
// GitHub. Names are whole, and no table is split for its width.
func WriteMarkdown(w io.Writer, r *Report) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", escape(headline(r)), escape(host(r)))
	markdownGrid(&b, outcome(r))
	for _, m := range matrices(r) {
		markdownMatrix(&b, m)
	}
	markdownGrid(&b, space(r, firedKinds(r), true))
	markdownGrid(&b, behind(r))
	markdownGrid(&b, kernels(r))
	if lines := explanations(r); len(lines) > 0 {
		b.WriteString("## Not as expected, or skipped\n\n")
		for _, e := range lines {
			fmt.Fprintf(&b, "- %s\n", escape(e.text))
		}
		b.WriteByte('\n')
	}
	for _, note := range targetNotes(r) {
		fmt.Fprintf(&b, "%s\n\n", escape(note))
	}
	b.WriteString("## Totals\n\n")
	for _, l := range totals(r) {
		fmt.Fprintln(&b, escape(l))
	}
	if r.Partial {
		fmt.Fprintf(&b, "\n%s\n", escape(partialNote))
	}
	for _, g := range replays(r) {
		fmt.Fprintf(&b, "\n%s\n\n%s", escape(g.title), codeBlock(g.commands))
	}
	_, err := w.Write(b.Bytes())
	return err
}

func markdownGrid(b *bytes.Buffer, g *grid) {
	if len(g.lines) == 0 {
		return
	}
	fmt.Fprintf(b, "## %s\n\n", escape(g.title))
	var rows [][]string
	for _, l := range g.lines {
		rows = append(rows, append([]string{title(l.res)}, l.cells...))
	}
	markdownTable(b, 1+g.text, append([]string{g.names}, g.head...), rows)
	if g.legend != "" {
		fmt.Fprintf(b, "%s\n\n", escape(g.legend))
	}
}

func markdownMatrix(b *bytes.Buffer, m *matrix) {
	fmt.Fprintf(b, "## %s\n\n", escape(m.title()))
	var rows [][]string
	for d, cells := range m.cells {
		rows = append(rows, append([]string{m.designs[d]}, cells...))
	}
	head := append([]string{"design"}, m.faults...)
	markdownTable(b, len(head), head, rows)
	fmt.Fprintf(b, "%s\n\n", escape(m.legend))
}

// markdownTable prints cells; left tells how many columns, from the first, are
// text.
func markdownTable(b *bytes.Buffer, left int, head []string, rows [][]string) {
	line := func(cells []string) {
		for _, c := range cells {
			fmt.Fprintf(b, "| %s ", escape(c))
		}
		b.WriteString("|\n")
	}
	line(head)
	for i := range head {
		if i < left {
			b.WriteString("| --- ")
		} else {
			b.WriteString("| ---: ")
		}
	}
	b.WriteString("|\n")
	for _, r := range rows {
		line(r)
	}
	b.WriteByte('\n')
}

// escape makes text stand for itself inside a line of Markdown. An underscore
// within a word needs nothing.
func escape(s string) string {
	var out strings.Builder
	word := func(i int) bool {
		return i >= 0 && i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z')
	}
	s = strings.ReplaceAll(s, "\n", " ")
	for i, c := range s {
		if strings.ContainsRune("\\`*[]<&|~$", c) || c == '_' && !(word(i-1) && word(i+1)) {
			out.WriteByte('\\')
		}
		out.WriteRune(c)
	}
	return out.String()
}

// codeBlock prints lines as they are, in a fence that none of them can close.
func codeBlock(lines []string) string {
	text := strings.Join(lines, "\n")
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "sh\n" + text + "\n" + fence + "\n"
}
