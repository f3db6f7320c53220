package scenarios

import (
	"slices"

	"gopkg.in/yaml.v3"

	"untorn/crashsim"
)

// Verdicts lists what a scenario may expect of a row, and the control of it.
var Verdicts = []string{"corrupt", "exposed", "torn", "cut", "short", "lost", "stale", "held", "stuck", "refused", "inconclusive"}

// breakVerdicts are those that a control may earn.
var breakVerdicts = []string{"corrupt", "exposed", "torn", "cut", "short", "lost", "stale"}

var topFields = []string{"name", "about", "design", "device", "workload", "faults", "explore", "contract", "control", "expect", "mutant"}

// faultBlock is one block of faults.
type faultBlock struct {
	name string // "" when there is one block without a name
	vals block
}

// kindNames tells which kinds the block itself turns on.
func (b *faultBlock) names(k crashsim.FaultKind) bool {
	vs := b.vals[faultKindField[k]]
	return len(vs) == 1 && vs[0].text == "every-step"
}

// control is the other arm: the same row with the protection taken away.
type control struct {
	node   *yaml.Node // nil when the scenario has no control block
	design block
	atomic bool // false takes the flag away
	mutant string
	breaks string
	says   bool // it names something to take away
}

// expectation is one entry of expect.
type expectation struct {
	where   []term // all must hold; none is the default
	verdict string
}

// term asks for one value of one field.
type term struct {
	field *field   // nil for the name of a block of faults
	texts []string // any of these
}

// scenario decodes the root mapping.
func (d *decoder) scenario(root *yaml.Node) *Scenario {
	s := &Scenario{File: d.file, design: block{}, device: block{}, workload: block{}, explore: block{},
		control: control{atomic: true, breaks: "torn", design: block{}}}
	var workload, expect *yaml.Node
	d.mapping(root, "", topFields, func(key string, k, v *yaml.Node) {
		switch key {
		case "name":
			s.Name = d.name(v, key)
		case "about":
			s.About = d.text(v, key)
		case "design":
			d.section(key, designFields, v, s.design, nil)
		case "device":
			d.section(key, deviceFields, v, s.device, nil)
		case "workload":
			workload = v
			d.workload(s, v)
		case "faults":
			d.faults(s, v)
		case "explore":
			d.section(key, exploreFields, v, s.explore, nil)
		case "contract":
			s.contract = d.values(fContract, v)
		case "control":
			d.control(s, v)
		case "expect":
			expect = v
		case "mutant":
			s.mutant = d.mutant(v, key)
		}
	})
	switch {
	case d.err != nil:
		return s
	case s.Name == "":
		d.fail(root, "name", "missing; allowed: letters, digits and dashes")
	case workload == nil:
		d.fail(root, "workload", "missing; allowed: a mapping of file, second_file, layout, free_space, ops, generate")
	}
	if s.contract == nil {
		s.contract = []value{fContract.parseDefault()}
	}
	if s.faults == nil {
		s.faults = []faultBlock{{vals: block{}}}
	}
	s.expect = []expectation{{verdict: "held"}}
	if expect != nil {
		s.expect = d.expect(s, expect)
	}
	d.check(s, root)
	return s
}

// faults reads one block, or a list of blocks with names.
func (d *decoder) faults(s *Scenario, n *yaml.Node) {
	list := n.Kind == yaml.SequenceNode
	seen := make(map[string]bool)
	for _, item := range d.items(n, "faults") {
		b := faultBlock{vals: block{}}
		d.section("faults", faultFields, item, b.vals, map[string]func(k, v *yaml.Node){
			"name": func(_, v *yaml.Node) { b.name = d.name(v, "faults.name") },
		})
		switch {
		case list && b.name == "":
			d.fail(item, "faults.name", "missing; allowed: a name for each block of a list")
		case seen[b.name]:
			d.fail(item, "faults.name", "%q is taken; allowed: a name of its own for each block", b.name)
		}
		seen[b.name] = true
		s.faults = append(s.faults, b)
	}
}

// mutant reads the name of a planted defect.
func (d *decoder) mutant(n *yaml.Node, field string) string {
	m := d.text(n, field)
	if d.err == nil && !slices.Contains(mutantNames(), m) {
		d.fail(n, field, "%q; %sallowed: a defect that \"untorn mutants --list\" prints", clip(m), Nearest(m, mutantNames()))
	}
	return m
}

// control reads the control block.
func (d *decoder) control(s *Scenario, n *yaml.Node) {
	c := &s.control
	c.node = n
	var allowed []string
	for _, f := range designFields {
		allowed = append(allowed, f.name)
	}
	allowed = append(allowed, "atomic", "mutant", "breaks")
	d.mapping(n, "control", allowed, func(key string, _, v *yaml.Node) {
		switch key {
		case "atomic":
			b := d.value(&field{section: "control", name: key, kind: boolKind}, v)
			c.atomic, c.says = b.n == 1, true
		case "mutant":
			c.mutant, c.says = d.mutant(v, "control.mutant"), true
		case "breaks":
			c.breaks = d.value(&field{section: "control", name: key, kind: enumKind, allowed: breakVerdicts}, v).text
		default:
			for _, f := range designFields {
				if f.name == key {
					one := *f
					one.section, one.lists = "control", false
					c.design[f], c.says = d.values(&one, v), true
				}
			}
		}
	})
	for _, f := range designFields {
		if len(c.design[f]) > 1 {
			d.fail(n, "control."+f.name, "more than one value; allowed: one")
		}
	}
}

// expect reads a verdict, or a list of conditions with verdicts.
func (d *decoder) expect(s *Scenario, n *yaml.Node) []expectation {
	verdict := &field{name: "expect", kind: enumKind, allowed: Verdicts}
	if n.Kind != yaml.SequenceNode {
		return []expectation{{verdict: d.value(verdict, n).text}}
	}
	var out []expectation
	items := d.items(n, "expect")
	for i, item := range items {
		var e expectation
		d.mapping(item, "expect", []string{"where", "verdict"}, func(key string, _, v *yaml.Node) {
			if key == "verdict" {
				e.verdict = d.value(verdict, v).text
				return
			}
			e.where = d.where(s, v)
		})
		switch {
		case d.err != nil:
			return nil
		case e.verdict == "":
			d.fail(item, "expect.verdict", "missing; allowed: %s", verdict.allow())
		case len(e.where) == 0 && i != len(items)-1:
			d.fail(item, "expect.where", "missing; allowed: left out in the last entry only, which is the default")
		}
		out = append(out, e)
	}
	return out
}

// where reads the condition of an expectation: values of fields that make up
// the product, by their short or full names; of a list any may match.
func (d *decoder) where(s *Scenario, n *yaml.Node) []term {
	fields := productFields()
	var allowed []string
	for _, f := range fields {
		allowed = append(allowed, f.name, f.path())
	}
	allowed = append(allowed, "faults")
	var out []term
	d.mapping(n, "expect.where", allowed, func(key string, _, v *yaml.Node) {
		if key == "faults" {
			out = append(out, d.whereFaults(s, v))
			return
		}
		for _, f := range fields {
			if f.name == key || f.path() == key {
				one := *f
				one.section, one.name, one.lists = "expect.where", key, true
				t := term{field: f}
				for _, value := range d.values(&one, v) {
					t.texts = append(t.texts, value.text)
				}
				out = append(out, t)
			}
		}
	})
	return out
}

// whereFaults reads the name of a block of faults, or a list of them.
func (d *decoder) whereFaults(s *Scenario, n *yaml.Node) (t term) {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = d.items(n, "expect.where.faults")
	}
	for _, v := range nodes {
		name := d.name(v, "expect.where.faults")
		if !slices.ContainsFunc(s.faults, func(b faultBlock) bool { return b.name == name }) {
			d.fail(v, "expect.where.faults", "%q; allowed: the name of a block of faults above it", name)
		}
		t.texts = append(t.texts, name)
	}
	return t
}

// productFields lists the fields of which a scenario is the product, in the
// order of row labels.
func productFields() []*field {
	var fs []*field
	for _, list := range [][]*field{designFields, deviceFields, {fLayout, fFreeSpace, fFirst, fSecond, fWith}, {fContract}} {
		fs = append(fs, list...)
	}
	return fs
}
