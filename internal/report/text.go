package report

import (
	"bytes"
	"fmt"
	"io"
	"math/big"
	"sort"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// Width is the number of columns that a text table may take.
const Width = 78

// WriteText writes the tables of a report in plain ASCII, at most Width
// columns wide but for commands, which must stay whole to be pasted.
func WriteText(w io.Writer, r *Report) error {
	var b bytes.Buffer
	header(&b, r)
	outcome(&b, r)
	space(&b, r)
	behind(&b, r)
	reasons(&b, r)
	summary(&b, r)
	replays(&b, r)
	_, err := w.Write(b.Bytes())
	return err
}

func header(b *bytes.Buffer, r *Report) {
	fmt.Fprintf(b, "untorn %s, engine %s, seed %s\n", r.Version, r.Engine, seeds(r))
	fmt.Fprintf(b, "%s/%s, %d CPUs, %s, started %s\n\n", r.Host.OS, r.Host.Arch, r.Host.CPUs, r.Host.Go, r.Started)
}

// seeds prints the seeds of all rows, once each.
func seeds(r *Report) string {
	var out []string
	seen := make(map[int64]bool)
	for i := range r.Results {
		if s := r.Results[i].Seed; !seen[s] {
			seen[s] = true
			out = append(out, fmt.Sprint(s))
		}
	}
	return strings.Join(out, ", ")
}

// table renders lines of cells. left tells how many columns, from the first,
// are text; the rest are numbers.
func table(b *bytes.Buffer, left int, head []string, rows [][]string) {
	var raw bytes.Buffer
	align := make([]tw.Align, len(head))
	for i := range align {
		align[i] = tw.AlignRight
		if i < left {
			align[i] = tw.AlignLeft
		}
	}
	cell := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoFormat: tw.Off, AutoWrap: tw.WrapNone},
		Alignment:  tw.CellAlignment{Global: tw.AlignLeft, PerColumn: align},
		Padding:    tw.CellPadding{Global: tw.Padding{Right: " ", Overwrite: true}},
	}
	plain := tw.NewSymbolCustom("plain").WithColumn("").WithRow("-").WithCenter("-").WithHeaderMid("-")
	t := tablewriter.NewTable(&raw,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone, Symbols: plain,
			Settings: tw.Settings{
				Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
				Lines:      tw.Lines{ShowHeaderLine: tw.On},
			},
		})),
		tablewriter.WithConfig(tablewriter.Config{Header: cell, Row: cell, Behavior: tw.Behavior{TrimSpace: tw.Off}}))
	t.Header(head)
	err := t.Bulk(rows)
	if err == nil {
		err = t.Render()
	}
	if err != nil {
		panic(err) // a bytes.Buffer takes everything, and all rows have one shape
	}
	for line := range strings.Lines(raw.String()) {
		line = strings.TrimRight(line, " \n")
		if strings.Trim(line, "-") == "" {
			line = line[:len(line)-1] // the rule spans the last column's padding too
		}
		b.WriteString(line + "\n")
	}
	b.WriteByte('\n')
}

// nameWidth is the width of the first column of every table.
const nameWidth = 19

// lines groups the results by scenario: a scenario of one row is one line, of
// several a line with its name alone and indented lines for each row, one for
// each field of its label. cells returns what follows the name, nil to leave
// the row out.
func lines(r *Report, cells func(*Result) []string) [][]string {
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
	for i := range r.Results {
		res := &r.Results[i]
		c := cells(res)
		switch {
		case c == nil:
			continue
		case res.Row == "":
			add("", res.Scenario, c)
			last = ""
			continue
		case res.Scenario != last:
			add("", res.Scenario, make([]string, len(c)))
			last = res.Scenario
		}
		indent := " "
		for _, term := range strings.Split(res.Row, " ") {
			add(indent, term, c)
			indent, c = "  ", make([]string, len(c))
		}
	}
	return out
}

// pieces breaks a name that is too long, after its "=" if it has one.
func pieces(name string, width int) []string {
	var out []string
	for len(name) > width {
		i := strings.IndexByte(name, '=') + 1
		if i == 0 || i > width {
			i = width
		}
		out = append(out, name[:i])
		name = name[i:]
	}
	return append(out, name)
}

// outcome is table 1: what became of each row.
func outcome(b *bytes.Buffer, r *Report) {
	head := []string{"scenario", "verdict", "control", "covered", "distinct", "scheds", "f+p", "cheapest"}
	table(b, 3, head, lines(r, func(res *Result) []string {
		verdict := res.Verdict
		if !res.AsExpected {
			verdict += "!"
		}
		control := "-"
		if res.Control != nil {
			control = res.Control.Verdict
		}
		distinct := short(res.Distinct)
		if !res.DistinctExact && res.Distinct != "" {
			distinct = ">" + distinct
		}
		return []string{verdict, control, short(res.Covered), distinct, short(res.Schedules),
			fmt.Sprintf("%d+%d", res.Bounds.Budget, res.Bounds.Preemptions), cheapest(res.Counterexample)}
	}))
	b.Truncate(b.Len() - 1) // the legend belongs to the table
	b.WriteString("f+p: bounds, faults and preemptions; cheapest: faults+preemptions/steps of the\n" +
		"cheapest counterexample; !: not the verdict that the scenario expects\n\n")
}

func cheapest(c *Counterexample) string {
	if c == nil {
		return "-"
	}
	return fmt.Sprintf("%d+%d/%d", c.Faults, c.Preemptions, c.Steps)
}

// countWidth is the most that a count takes in a table.
const countWidth = 7

// space tells how far each row went and which faults struck, in as many
// tables as the kinds of faults need.
func space(b *bytes.Buffer, r *Report) {
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
		fired(b, r, kinds[:n], first)
		kinds = kinds[n:]
	}
}

// fired is the table of space for some kinds of faults; rows that count none
// of them are left out of all such tables but the first.
func fired(b *bytes.Buffer, r *Report, kinds []string, all bool) {
	head := []string{"scenario", "space", "judged"}
	for _, k := range kinds {
		head = append(head, strings.ReplaceAll(k, "_", " "))
	}
	table(b, 2, head, lines(r, func(res *Result) []string {
		counts := all
		c := []string{"whole", short(fmt.Sprint(res.Work.Judged))}
		if !res.Exhaustive {
			c[0] = "part"
		}
		for _, k := range kinds {
			n := res.Fired.Get(k)
			if n == "" {
				n = "-"
			}
			counts = counts || n != "-"
			c = append(c, short(n))
		}
		if !counts {
			return nil
		}
		return c
	}))
}

// firedKinds lists the kinds of fault that some row counts, in the order of
// the reports.
func firedKinds(r *Report) []string {
	var out []string
	seen := make(map[string]bool)
	for i := range r.Results {
		for _, f := range r.Results[i].Fired {
			if !seen[f.Name] {
				seen[f.Name] = true
				out = append(out, f.Name)
			}
		}
	}
	return out
}

// behind is table 4: how many versions behind the newest a unit was after a
// crash, for rows in which it was more than one.
func behind(b *bytes.Buffer, r *Report) {
	seen := make(map[string]bool)
	var bins []string
	for i := range r.Results {
		for _, f := range r.Results[i].VersionsBehind {
			if !seen[f.Name] && r.Results[i].VersionsBehind.Get(f.Name) != "0" {
				seen[f.Name] = true
				bins = append(bins, f.Name)
			}
		}
	}
	sort.Strings(bins) // "0" to "6" and "7+"
	if len(bins) < 3 {
		return
	}
	rows := lines(r, func(res *Result) []string {
		if len(res.VersionsBehind) < 3 {
			return nil
		}
		var c []string
		for _, bin := range bins {
			n := res.VersionsBehind.Get(bin)
			if n == "" || n == "0" {
				n = "-"
			}
			c = append(c, short(n))
		}
		return c
	})
	if len(rows) > 0 {
		table(b, 1, append([]string{"versions behind"}, bins...), rows)
	}
}

// reasons explains every row that did not turn out as expected, and every one
// that was skipped.
func reasons(b *bytes.Buffer, r *Report) {
	any := false
	for i := range r.Results {
		res := &r.Results[i]
		if res.AsExpected && res.Verdict != "skipped" || res.Reason == "" {
			continue
		}
		any = true
		mark := "!"
		if res.AsExpected {
			mark = "-"
		}
		for j, l := range wrap(fmt.Sprintf("%s: %s, expected %s: %s", title(res), res.Verdict, res.Expect, res.Reason), Width-2) {
			if j > 0 {
				mark = " "
			}
			fmt.Fprintf(b, "%s %s\n", mark, l)
		}
	}
	if any {
		b.WriteByte('\n')
	}
}

func title(res *Result) string {
	if res.Row == "" {
		return res.Scenario
	}
	return res.Scenario + " " + res.Row
}

// summary adds up what was done.
func summary(b *bytes.Buffer, r *Report) {
	var w Work
	bad := 0
	for i := range r.Results {
		res := &r.Results[i]
		w.Executed += res.Work.Executed
		w.Judged += res.Work.Judged
		w.Steps += res.Work.Steps
		w.CacheHits += res.Work.CacheHits
		w.Seconds += res.Work.Seconds
		w.Workers = max(w.Workers, res.Work.Workers)
		if !res.AsExpected {
			bad++
		}
	}
	fmt.Fprintf(b, "%d rows, %d not as expected\n", len(r.Results), bad)
	fmt.Fprintf(b, "%d schedules executed, %d steps, %d known states met,\n", w.Executed, w.Steps, w.CacheHits)
	fmt.Fprintf(b, "%d images judged in %.1f s by %d workers\n", w.Judged, w.Seconds, w.Workers)
	coverageLine(b, r.Coverage)
	if r.Partial {
		b.WriteString("PARTIAL: ended early; rows that are missing or marked part were not finished\n")
	}
}

// replays ends the report with the commands that show what broke.
func replays(b *bytes.Buffer, r *Report) {
	for _, expected := range []bool{true, false} {
		first := true
		for i := range r.Results {
			res := &r.Results[i]
			if res.Counterexample == nil || res.Counterexample.Replay == "" || res.AsExpected != expected {
				continue
			}
			if first {
				first = false
				if expected {
					b.WriteString("\nBroke as expected, replay with:\n")
				} else {
					b.WriteString("\nNOT AS EXPECTED, replay with:\n")
				}
			}
			fmt.Fprintf(b, "  %s\n", res.Counterexample.Replay)
		}
	}
}

// short prints a decimal number in at most seven characters: exact up to
// 9999999, then rounded down with an exponent.
func short(n string) string {
	more := ""
	if rest, ok := strings.CutPrefix(n, ">="); ok {
		more, n = ">", rest
	}
	if len(n) <= 7 {
		return more + n
	}
	if _, ok := new(big.Int).SetString(n, 10); !ok {
		return n
	}
	return fmt.Sprintf("%s%c.%ce%d", more, n[0], n[1], len(n)-1)
}

// wrap breaks text at spaces.
func wrap(text string, width int) []string {
	var out []string
	for len(text) > width {
		i := strings.LastIndexByte(text[:width+1], ' ')
		if i <= 0 {
			i = width
		}
		out = append(out, text[:i])
		text = strings.TrimPrefix(text[i:], " ")
	}
	return append(out, text)
}
