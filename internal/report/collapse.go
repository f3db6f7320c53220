package report

import (
	"slices"
	"strings"
)

// LargeProduct is the number of rows of one scenario from which on tables list
// only those that are not as expected: the matrix has all of them.
const LargeProduct = 256

// large tells which scenarios are large products.
func (r *Report) large() map[string]bool {
	rows := make(map[string]int)
	for i := range r.Results {
		rows[r.Results[i].Scenario]++
	}
	out := make(map[string]bool)
	for name, n := range rows {
		out[name] = n >= LargeProduct
	}
	return out
}

// listed returns the rows that tables list one by one.
func (r *Report) listed() []*Result {
	large := r.large()
	var out []*Result
	for i := range r.Results {
		if res := &r.Results[i]; !large[res.Scenario] || !res.AsExpected {
			out = append(out, res)
		}
	}
	return out
}

// box is a set of designs that earn the same verdicts: for each field of the
// label the values that it may have.
type box struct {
	values [][]string // sorted, with the name of the field: copy=pin
	cells  []string
}

// collapse joins the lines of a matrix that differ in one field and agree in
// every cell, until no more can be joined, and leaves out the designs that
// were skipped. A field that may have any value is not named.
func (m *matrix) collapse() {
	var boxes []box
	full := make(map[string][]string) // by field, its values
	for d, label := range m.designs {
		if !slices.ContainsFunc(m.cells[d], func(c string) bool { return c != skipped && c != absent }) {
			continue
		}
		b := box{cells: m.cells[d]}
		for _, term := range strings.Fields(label) {
			b.values = append(b.values, []string{term})
			if f := fieldOf(term); !slices.Contains(full[f], term) {
				full[f] = append(full[f], term)
			}
		}
		boxes = append(boxes, b)
	}
	for joined := true; joined; {
		n := len(boxes)
		for field := range len(strings.Fields(m.designs[0])) {
			boxes = join(boxes, field)
		}
		joined = len(boxes) < n
	}
	slices.SortStableFunc(boxes, func(a, b box) int { return notHeld(a.cells) - notHeld(b.cells) })
	m.designs, m.cells = nil, nil
	for _, b := range boxes {
		m.designs = append(m.designs, b.label(full))
		m.cells = append(m.cells, b.cells)
	}
}

func fieldOf(term string) string {
	name, _, _ := strings.Cut(term, "=")
	return name
}

// notHeld counts the verdicts of a line that are not held.
func notHeld(cells []string) (n int) {
	for _, c := range cells {
		if c != "held" {
			n++
		}
	}
	return n
}

// join joins boxes that differ in one field only.
func join(boxes []box, field int) []box {
	var out []box
	at := make(map[string]int)
	for _, b := range boxes {
		key := strings.Join(b.cells, " ")
		for i, v := range b.values {
			if i != field {
				key += "\n" + strings.Join(v, " ")
			}
		}
		i, ok := at[key]
		if !ok {
			at[key] = len(out)
			out = append(out, b)
			continue
		}
		values := slices.Clone(out[i].values)
		values[field] = slices.Concat(values[field], b.values[field])
		slices.Sort(values[field])
		out[i].values = values
	}
	return out
}

// label prints a box: copy=bounce | pin, "any" where no field is named.
func (b *box) label(full map[string][]string) string {
	var terms []string
	for _, v := range b.values {
		field := fieldOf(v[0])
		if len(v) == len(full[field]) {
			continue
		}
		var names []string
		for _, term := range v {
			names = append(names, strings.TrimPrefix(term, field+"="))
		}
		terms = append(terms, field+"="+strings.Join(names, " | "))
	}
	if len(terms) == 0 {
		return "any"
	}
	return strings.Join(terms, " ")
}
