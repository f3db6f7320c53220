package scenarios

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"untorn/workloads"
)

// The fields of workload.generate. One that is left out takes the default of
// the kind; one that the kind does not know must be left out.
var (
	fKind     = generateField("kind", enumKind, "the shape of an application, see below")
	fPages    = generateField("pages", countKind, "how many pages are written")
	fPage     = generateField("page", sizeKind, "bytes of a page")
	fTasks    = generateField("tasks", countKind, "how many tasks share the work")
	fDrawn    = generateField("seed", countKind, "of what is drawn at random")
	fFirst    = generateField("first", enumKind, "how one task writes")
	fSecond   = generateField("second", enumKind, "how the other one does")
	fWith     = generateField("with", enumKind, "what disturbs an atomic write")
	generates = []*field{fKind, fPages, fPage, fTasks, fDrawn, fFirst, fSecond, fWith}
)

func generateField(name string, k kind, help string) *field {
	f := &field{section: "workload.generate", name: name, kind: k, min: 1, help: help}
	switch name {
	case "kind":
		f.allowed = workloads.ShapeNames()
	case "pages":
		f.max = workloads.MaxOps
	case "page":
		f.min, f.max, f.pow2 = workloads.SectorSize, workloads.MaxPage, true
	case "tasks":
		f.max = workloads.MaxTasks
	case "seed":
		f.max = 1<<63 - 1
	case "first", "second":
		f.allowed, f.lists = workloads.Ways(), true
	case "with":
		f.allowed, f.lists = workloads.Disturbances(), true
	}
	return f
}

// generate reads the generator of the workload and tries every combination of
// its lists, so that rows can be made of it without an error.
func (d *decoder) generate(s *Scenario, n *yaml.Node) {
	s.generate = block{}
	nodes := map[string]*yaml.Node{}
	d.section("workload.generate", generates, n, s.generate, nil)
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			nodes[n.Content[i].Value] = n.Content[i+1]
		}
	}
	if d.err == nil && s.generate[fKind] == nil {
		d.fail(n, fKind.path(), "missing; allowed: %s", fKind.allow())
	}
	if d.err != nil {
		return
	}
	for _, first := range orEmpty(s.generate[fFirst]) {
		for _, second := range orEmpty(s.generate[fSecond]) {
			for _, with := range orEmpty(s.generate[fWith]) {
				_, err := s.generator(block{fFirst: {first}, fSecond: {second}, fWith: {with}}).Generate()
				if e := (*workloads.GenerateError)(nil); errors.As(err, &e) {
					at := nodes[e.Field]
					if at == nil {
						at = n
					}
					d.fail(at, "workload.generate."+e.Field, "%s", e.What)
				}
			}
		}
	}
}

// orEmpty stands for a field that was left out.
func orEmpty(vs []value) []value {
	if vs == nil {
		return []value{{}}
	}
	return vs
}

// generator returns what the scenario asks for, with the values that a row
// has for the fields that may be lists.
func (s *Scenario) generator(vals block) workloads.Generator {
	one := func(f *field) value { return orEmpty(s.generate[f])[0] }
	return workloads.Generator{Kind: one(fKind).text, Pages: int(one(fPages).n), Page: one(fPage).n, Tasks: int(one(fTasks).n),
		Seed: uint64(one(fDrawn).n), First: vals[fFirst][0].text, Second: vals[fSecond][0].text, With: vals[fWith][0].text}
}

// generated makes the workload of a row.
func (s *Scenario) generated(vals block) workloads.Workload {
	w, err := s.generator(vals).Generate()
	if err != nil {
		panic("scenarios: a generator that was tried fails: " + err.Error())
	}
	return w
}

// anyGenerated makes the workload of some row: its file is that of all.
func (s *Scenario) anyGenerated() workloads.Workload {
	vals := block{}
	for _, f := range []*field{fFirst, fSecond, fWith} {
		vals[f] = orEmpty(s.generate[f])
	}
	return s.generated(vals)
}

// file returns the size of the file: what the scenario writes, or else what
// its generator asks for.
func (s *Scenario) file() value {
	if s.generate == nil || s.workload[fFile] != nil {
		return s.workload.of(fFile)[0]
	}
	size := s.anyGenerated().File
	return value{text: workloads.FormatSize(size), n: size}
}

// lay returns the layouts of the file or of the free space likewise.
func (s *Scenario) lay(f *field) []value {
	if s.generate == nil || s.workload[f] != nil {
		return s.workload.of(f)
	}
	w := s.anyGenerated()
	if f == fFreeSpace {
		return []value{{text: w.FreeSpace.String()}}
	}
	return []value{{text: w.Layout.String()}}
}

// ofGenerate returns the values of a field of generate, those of the kind
// where it is left out, or nil when it has none.
func (s *Scenario) ofGenerate(f *field) []value {
	if s.generate == nil || s.generate[f] != nil {
		return s.generate[f]
	}
	g, _ := workloads.Generator{Kind: s.generate[fKind][0].text}.Fill()
	v := value{text: map[*field]string{fPages: fmt.Sprint(g.Pages), fPage: workloads.FormatSize(g.Page), fTasks: fmt.Sprint(g.Tasks),
		fDrawn: fmt.Sprint(g.Seed), fFirst: g.First, fSecond: g.Second, fWith: g.With}[f]}
	if v.text == "" || v.text == "0" {
		return nil
	}
	return []value{v}
}

// generatorText prints the generator as a scenario has it; values gives those
// of the fields that may be lists.
func (s *Scenario) generatorText(values func(*field) []value) string {
	var terms []string
	for _, f := range generates {
		vs := s.ofGenerate(f)
		if f.lists && vs != nil {
			vs = values(f)
		}
		if vs != nil {
			terms = append(terms, f.name+": "+list(vs))
		}
	}
	return "{" + joinComma(terms) + "}"
}

// expand returns operations as a scenario writes them.
func expand(ops []workloads.Op) []op {
	var out []op
	for _, o := range ops {
		out = append(out, op{kind: o.Kind.String(), op: o})
	}
	return out
}

// Ops prints the operations of all rows with their numbers, those that several
// rows have in common once, under the label of the first.
func (s *Scenario) Ops() string {
	var b strings.Builder
	seen := make(map[string]bool)
	for _, r := range s.Rows() {
		var text strings.Builder
		w := &r.Workload
		fmt.Fprintf(&text, "file %s, %s, free space %s\n", workloads.FormatSize(w.File), w.Layout, w.FreeSpace)
		for i, o := range w.Ops {
			fmt.Fprintf(&text, "%3d %s\n", i+1, o)
		}
		if seen[text.String()] {
			continue
		}
		seen[text.String()] = true
		if r.Label != "" {
			fmt.Fprintf(&b, "%s: ", r.Label)
		}
		b.WriteString(text.String())
	}
	return b.String()
}

// helpGenerate documents the fields of generate and every kind.
func helpGenerate(line func(string, ...any)) {
	line("  generate: {kind: NAME, ...} instead of ops; file and layout follow from it unless")
	line("      they are written. A number or size that is left out is the kind's own:")
	for _, f := range generates {
		line("    %s: %s", f.name, f.help)
		if f != fKind {
			for _, l := range fold(f.allow(), 68) {
				line("        %s", l)
			}
		}
	}
	for _, s := range workloads.Shapes() {
		g := Scenario{generate: block{fKind: {{text: s.Name}}}}
		line("    kind: %s", s.Name)
		defaults := strings.TrimPrefix(g.generatorText(g.ofGenerate), "{kind: "+s.Name+", ")
		for _, text := range []string{s.About + ".", "Scaled: " + s.Scale + ".", "Default " + strings.TrimSuffix(defaults, "}") + "."} {
			for _, l := range fold(text, 68) {
				line("        %s", l)
			}
		}
	}
}
