package scenarios

import "untorn/engine"

// mutantNames lists the planted defects.
func mutantNames() []string {
	var names []string
	for _, m := range engine.Mutants() {
		names = append(names, m.Name)
	}
	return names
}

// WithMutant returns the row with a planted defect turned on in its design.
func (r *Row) WithMutant(name string) Row {
	out := *r
	s := *r.Scenario
	s.mutant = name
	out.Scenario, out.Design.Mutant = &s, name
	return out
}
