package scenarios

import (
	"fmt"
	"maps"
	"strings"

	"untorn/workloads"
)

// Full prints the scenario with every default filled in, as YAML that
// decodes to the same rows. A field whose default follows the row's file
// system and submit, and differs between rows, stays out with a comment.
func (s *Scenario) Full() string {
	p := printer{s: s, values: s.valuesOf}
	rows := s.Rows()
	p.follow = func(f *field) string {
		text := rows[0].following(f)
		for i := range rows {
			if rows[i].following(f) != text {
				return ""
			}
		}
		return text
	}
	return p.print(s.faults)
}

// Reduce prints the row as a scenario of exactly that row, every default
// filled in. Faults that are on by default only stay comments, so that they
// are not taken for faults that were asked for by name.
func (r *Row) Reduce() string { return r.reduce(false) }

// ReduceControl prints the control arm of the row as a scenario of its own:
// its design is that of the control.
func (r *Row) ReduceControl() string { return r.reduce(true) }

// following returns what a field comes to that follows the row's file system
// and submit.
func (r *Row) following(f *field) string {
	return follows(f, r.Design.Filesystem.String(), r.Design.Submit.String())
}

func (r *Row) reduce(control bool) string {
	s := *r.Scenario
	s.expect = []expectation{{verdict: r.Expect}}
	s.explore = maps.Clone(s.explore)
	s.explore[fRuns] = []value{{text: fmt.Sprint(r.Explore.Runs)}} // a row may have drawn as many as there was time for
	p := printer{s: &s, reduced: true}
	vals := r.vals
	if control {
		vals = block{}
		for f, vs := range r.vals {
			vals[f] = vs
		}
		for f, text := range map[*field]string{fCopy: r.Control.Design.Copy.String(), fTrack: r.Control.Design.Track.String(),
			fWriteback: r.Control.Design.Writeback.String(), fStable: r.Control.Design.Stable.String()} {
			vals[f] = []value{{text: text}}
		}
		for f, vs := range s.control.design {
			vals[f] = vs
		}
		// The stricter contract may make no sense without the protection.
		vals[fContract] = []value{{text: "untorn"}}
		s.mutant = r.Control.Design.Mutant
		s.expect[0].verdict = r.Control.Breaks
		if s.generate != nil { // what takes a flag away stands with each operation
			s.workload, s.ops, s.generate = block{fFile: {s.file()}, fSecondFile: s.workload.of(fSecondFile)}, expand(r.Workload.Ops), nil
		}
		s.ops = append([]op(nil), s.ops...)
		for i := range s.ops {
			s.ops[i].op.Unflagged = r.Control.Workload.Ops[i].Unflagged
		}
	}
	p.values = func(f *field) []value { return vals[f] }
	p.follow = func(f *field) string { return "" }
	one := s.faults[r.faults]
	one.vals = block{}
	for _, f := range faultFields {
		one.vals[f] = []value{r.faultValue(f)}
	}
	return p.print([]faultBlock{one})
}

// printer writes a scenario as YAML.
type printer struct {
	strings.Builder
	s      *Scenario
	values func(*field) []value // of a field of the product; nil for one that follows others
	follow func(*field) string  // what such a field comes to, "" when rows differ
	// reduced leaves faults that the text did not write as comments: written
	// out they would be faults that the scenario asks for by name.
	reduced bool
}

func (p *printer) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// fields writes one line for each field.
func (p *printer) fields(indent string, fields []*field, values func(*field) []value) {
	for _, f := range fields {
		vs := values(f)
		if vs == nil {
			text := p.follow(f)
			if text == "" {
				p.line("%s# %s: follows filesystem and submit", indent, f.name)
				continue
			}
			vs = []value{{text: text}}
		}
		if p.reduced && f.section == "faults" && f.kind == enumKind && !vs[0].written {
			p.line("%s# %s: %s", indent, f.name, list(vs))
			continue
		}
		p.line("%s%s: %s", indent, f.name, list(vs))
	}
}

func list(vs []value) string {
	var texts []string
	for _, v := range vs {
		texts = append(texts, v.text)
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return "[" + joinComma(texts) + "]"
}

func (p *printer) print(faults []faultBlock) string {
	s := p.s
	p.line("name: %s", quote(s.Name))
	if s.About != "" {
		p.line("about: %s", quote(s.About))
	}
	if s.mutant != "" {
		p.line("mutant: %s", s.mutant)
	}
	p.line("design:")
	p.fields("  ", designFields, p.values)
	p.line("device:")
	p.fields("  ", deviceFields, p.values)
	p.line("workload:")
	p.line("  file: %s", s.file().text)
	p.line("  second_file: %s", s.workload.of(fSecondFile)[0].text)
	p.fields("  ", []*field{fLayout, fFreeSpace}, p.values)
	p.ops()
	p.line("faults:")
	for i, b := range faults {
		indent := "  "
		if len(faults) > 1 {
			p.line("  - name: %s", quote(b.name))
			indent = "    "
		} else if b.name != "" {
			p.line("  name: %s", quote(b.name))
		}
		p.fields(indent, faultFields, faults[i].vals.of)
	}
	p.line("explore:")
	p.fields("  ", exploreFields, s.explore.of)
	p.line("contract: %s", list(p.values(fContract)))
	p.control()
	p.expect()
	return p.String()
}

func (p *printer) ops() {
	if p.s.generate != nil {
		p.line("  generate: %s", p.s.generatorText(p.values))
		return
	}
	p.line("  ops:")
	for i := range p.s.ops {
		o := &p.s.ops[i]
		p.line("    - {task: %s, op: %s%s}", quote(o.op.Task), o.kind, opText(&o.op, o.kind))
	}
}

// opText prints what an operation has beyond its task and kind.
func opText(o *workloads.Op, kind string) string {
	var b strings.Builder
	for _, k := range opKinds {
		if k.name == kind && k.ranged {
			fmt.Fprintf(&b, ", offset: %s", workloads.FormatSize(o.Offset))
			if o.Kind != workloads.Truncate {
				fmt.Fprintf(&b, ", length: %s", workloads.FormatSize(o.Length))
			}
		}
	}
	if o.Kind == workloads.Clone {
		fmt.Fprintf(&b, ", from: %s", workloads.FormatSize(o.From))
	}
	for _, number := range []struct {
		name string
		n    int
	}{{"file", o.File}, {"from_file", o.FromFile}, {"fd", o.FD}} {
		if number.n != 0 {
			fmt.Fprintf(&b, ", %s: %d", number.name, number.n)
		}
	}
	for _, flag := range []struct {
		name string
		on   bool
	}{{"atomic", o.Atomic}, {"unflagged", o.Unflagged}, {"direct", o.Direct}, {"dsync", o.Dsync}, {"append", o.Append}} {
		if flag.on {
			fmt.Fprintf(&b, ", %s: true", flag.name)
		}
	}
	if o.Unit != 0 {
		fmt.Fprintf(&b, ", unit: %s", workloads.FormatSize(o.Unit))
	}
	if o.Limit != 0 {
		fmt.Fprintf(&b, ", limit: %s", workloads.FormatSize(o.Limit))
	}
	return b.String()
}

func (p *printer) control() {
	c := &p.s.control
	var terms []string
	for _, f := range designFields {
		if vs := c.design[f]; vs != nil {
			terms = append(terms, f.name+": "+vs[0].text)
		}
	}
	if !c.atomic {
		terms = append(terms, "atomic: false")
	}
	if c.mutant != "" {
		terms = append(terms, "mutant: "+c.mutant)
	}
	if !c.says {
		direct, other := false, false
		for _, v := range p.values(fSubmit) {
			direct, other = direct || v.text == "direct", other || v.text != "direct"
		}
		switch {
		case !direct:
			terms = []string{"copy: plain", "track: none", "writeback: plain", "stable: none"}
		case !other:
			terms = []string{"atomic: false"}
		default:
			p.line("# control: follows submit")
		}
	} else if len(terms) == 0 {
		terms = []string{"atomic: true"}
	}
	p.line("control: {%s}", joinComma(append(terms, "breaks: "+c.breaks)))
}

func (p *printer) expect() {
	if e := p.s.expect; len(e) == 1 && len(e[0].where) == 0 {
		p.line("expect: %s", e[0].verdict)
		return
	}
	p.line("expect:")
	for _, e := range p.s.expect {
		if len(e.where) == 0 {
			p.line("  - {verdict: %s}", e.verdict)
			continue
		}
		var terms []string
		for _, t := range e.where {
			name := "faults"
			if t.field != nil {
				name = t.field.name
			}
			text := t.texts[0]
			if len(t.texts) > 1 {
				text = "[" + strings.Join(t.texts, ", ") + "]"
			}
			terms = append(terms, name+": "+text)
		}
		p.line("  - {where: {%s}, verdict: %s}", joinComma(terms), e.verdict)
	}
}

// quote prints text as a YAML string, plain where that reads back the same.
func quote(s string) string {
	if validName(s) && strings.ContainsAny(s[:1], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") && !reserved[strings.ToLower(s)] {
		return s
	}
	return fmt.Sprintf("%q", s)
}

// reserved are the words that YAML may read as something else than text.
var reserved = map[string]bool{"true": true, "false": true, "null": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true}
