package report

import (
	"bytes"
	"fmt"
	"strings"
)

// matrix is the verdicts of one scenario by design and by block of faults.
type matrix struct {
	scenario string
	designs  []string   // labels without the block of faults
	faults   []string   // names of the blocks
	cells    [][]string // by design, then by block
	legend   string
}

// matrices returns a matrix for each scenario of several designs and several
// named blocks of faults, in the order of the report.
func matrices(r *Report) []*matrix {
	var all []*matrix
	of, large := make(map[string]*matrix), r.large()
	for i := range r.Results {
		res := &r.Results[i]
		name := res.Faults.Get("name")
		if name == "" {
			continue
		}
		m := of[res.Scenario]
		if m == nil {
			m = &matrix{scenario: res.Scenario, legend: matrixLegend}
			of[res.Scenario], all = m, append(all, m)
		}
		if large[res.Scenario] {
			m.put(design(res), name, marked(res))
		} else {
			m.put(design(res), name, matrixCell(res))
		}
	}
	var out []*matrix
	for _, m := range all {
		if len(m.designs) < 2 || len(m.faults) < 2 {
			continue
		}
		if large[m.scenario] {
			m.legend = collapsedLegend
			m.collapse()
		}
		out = append(out, m)
	}
	return out
}

// design is the label of a row without its block of faults: rows of one
// scenario that share it differ in faults alone.
func design(res *Result) string {
	var terms []string
	for _, term := range strings.Fields(res.Row) {
		if term != "faults="+res.Faults.Get("name") {
			terms = append(terms, term)
		}
	}
	return strings.Join(terms, " ")
}

// absent stands where a combination has no row.
const absent = "-"

// put sets a cell, with a new line or a new column when it needs one.
func (m *matrix) put(design, faults, cell string) {
	d, f := index(&m.designs, design), index(&m.faults, faults)
	for len(m.cells) < len(m.designs) {
		m.cells = append(m.cells, nil)
	}
	for i := range m.cells {
		for len(m.cells[i]) < len(m.faults) {
			m.cells[i] = append(m.cells[i], absent)
		}
	}
	m.cells[d][f] = cell
}

// index finds a name in a list, at whose end it is put when it is new.
func index(list *[]string, name string) int {
	for i, s := range *list {
		if s == name {
			return i
		}
	}
	*list = append(*list, name)
	return len(*list) - 1
}

// matrixCell is the verdict of a row, with its cheapest counterexample.
func matrixCell(res *Result) string {
	if res.Counterexample == nil {
		return marked(res)
	}
	return marked(res) + " " + cheapest(res.Counterexample)
}

// title stands above a matrix, and matrixLegend below it.
func (m *matrix) title() string { return m.scenario + ": verdict by design and faults" }

const (
	matrixLegend    = "verdict, faults+preemptions/steps of the cheapest counterexample; -: no row"
	collapsedLegend = "a | b: either; fields that are not named: any value that makes sense"
)

// designWidth is the most that the labels of designs take in a text matrix,
// and blockWidth what that leaves for the name of a block of faults.
const (
	designWidth = 30
	blockWidth  = Width - designWidth - 1
)

// textMatrix prints a matrix in as many parts as its columns need.
func textMatrix(b *bytes.Buffer, m *matrix) {
	fmt.Fprintln(b, m.title())
	left := len("design")
	for _, d := range m.designs {
		for _, l := range wrap(d, designWidth) {
			left = max(left, len(l))
		}
	}
	for from := 0; from < len(m.faults); {
		to, width := from, left
		for to < len(m.faults) && (to == from || width+1+m.width(to) <= Width) {
			width += 1 + m.width(to)
			to++
		}
		m.part(b, from, to)
		from = to
	}
	b.Truncate(b.Len() - 1) // the legend belongs to the table
	fmt.Fprintf(b, "%s\n\n", m.legend)
}

// width is what a column takes.
func (m *matrix) width(f int) int {
	n := min(len(m.faults[f]), blockWidth)
	for _, cells := range m.cells {
		n = max(n, len(cells[f]))
	}
	return n
}

// part prints the columns from one up to another.
func (m *matrix) part(b *bytes.Buffer, from, to int) {
	head := []string{"design"}
	for _, f := range m.faults[from:to] {
		head = append(head, strings.Join(wrap(f, blockWidth), "\n"))
	}
	var rows [][]string
	for d, cells := range m.cells {
		cells = cells[from:to]
		for _, l := range wrap(m.designs[d], designWidth) {
			rows = append(rows, append([]string{l}, cells...))
			cells = make([]string, to-from)
		}
	}
	table(b, len(head), head, rows)
}
