package scenarios

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"untorn/workloads"
)

// kind is the type of a field's values.
type kind uint8

const (
	enumKind  kind = iota + 1 // one of the names in allowed
	sizeKind                  // bytes
	countKind                 // a natural number
	boolKind
	folioKind // a pair of sizes
	ratioKind // two natural numbers, the first up to the second
)

// field describes one field of a section.
type field struct {
	section  string
	name     string
	kind     kind
	allowed  []string // names of an enum; of a size, "auto" if that may stand for it
	def      string   // the default, as text; "" when it follows other fields
	min, max int64
	pow2     bool
	lists    bool // a list gives the product
	help     string
}

func (f *field) path() string { return join(f.section, f.name) }

// value is one value of a field. Two values are equal when their texts are.
type value struct {
	text    string // as it is written in a scenario
	n       int64  // a size in bytes, a count, 1 for true
	max     int64  // the second size of a folio, the second number of a ratio
	written bool   // by the scenario, as opposed to a default
	node    *yaml.Node
}

// JSON returns the value for report.json: sizes in bytes.
func (v value) json(k kind) json.RawMessage {
	switch k {
	case countKind, boolKind:
		return json.RawMessage(v.text)
	case folioKind:
		return json.RawMessage(fmt.Sprintf(`{"min": %d, "max": %d}`, v.n, v.max))
	case sizeKind:
		if v.text != "auto" {
			return json.RawMessage(strconv.FormatInt(v.n, 10))
		}
	}
	return json.RawMessage(strconv.Quote(v.text))
}

// allow says which values a field may have.
func (f *field) allow() string {
	var s string
	switch f.kind {
	case enumKind:
		return strings.Join(f.allowed, ", ")
	case boolKind:
		return "true, false"
	case countKind:
		return fmt.Sprintf("a number from %d to %d", f.min, f.max)
	case ratioKind:
		return fmt.Sprintf("a ratio N/M up to 1/1, M up to %d, or %s", f.max, strings.Join(f.allowed, ", "))
	case folioKind:
		return fmt.Sprintf("{min: SIZE, max: SIZE}, powers of two from %s to %s", workloads.FormatSize(f.min), workloads.FormatSize(f.max))
	}
	s = fmt.Sprintf("a size from %s to %s", workloads.FormatSize(f.min), workloads.FormatSize(f.max))
	if f.pow2 {
		s = fmt.Sprintf("a power of two from %s to %s", workloads.FormatSize(f.min), workloads.FormatSize(f.max))
	}
	if len(f.allowed) > 0 {
		s += ", or " + strings.Join(f.allowed, ", ")
	}
	return s
}

// values reads a value, or the list of values that a field of a product has.
func (d *decoder) values(f *field, n *yaml.Node) []value {
	if n.Kind == yaml.SequenceNode && !f.lists {
		d.fail(n, f.path(), "a list; allowed: %s", f.allow())
		return nil
	}
	var out []value
	for _, item := range d.items(n, f.path()) {
		var vs []value
		if f.kind == folioKind {
			vs = d.folios(f, item)
		} else {
			vs = []value{d.value(f, item)}
		}
		for _, v := range vs {
			for _, o := range out {
				if o.text == v.text && d.err == nil {
					d.fail(item, f.path(), "%s stands in the list twice; allowed: once", v.text)
				}
			}
			out = append(out, v)
		}
	}
	return out
}

// folios reads {min, max}; each may be a list itself.
func (d *decoder) folios(f *field, n *yaml.Node) []value {
	sizes := &field{section: f.section, kind: sizeKind, min: f.min, max: f.max, pow2: true, lists: true}
	mins, maxs := []value{{n: defaultFolioMin}}, []value{{n: defaultFolioMax}}
	d.mapping(n, f.path(), []string{"min", "max"}, func(key string, _, v *yaml.Node) {
		sizes.name = f.name + "." + key
		if key == "min" {
			mins = d.values(sizes, v)
		} else {
			maxs = d.values(sizes, v)
		}
	})
	var out []value
	for _, lo := range mins {
		for _, hi := range maxs {
			if lo.n > hi.n && d.err == nil {
				d.fail(n, f.path(), "min %s is above max %s; allowed: min up to max", workloads.FormatSize(lo.n), workloads.FormatSize(hi.n))
			}
			out = append(out, folio(lo.n, hi.n, n))
		}
	}
	return out
}

func folio(lo, hi int64, n *yaml.Node) value {
	return value{text: fmt.Sprintf("{min: %s, max: %s}", workloads.FormatSize(lo), workloads.FormatSize(hi)), n: lo, max: hi, written: true, node: n}
}

// value reads one scalar.
func (d *decoder) value(f *field, n *yaml.Node) value {
	v := value{text: n.Value, written: true, node: n}
	bad := func() value {
		d.fail(n, f.path(), "%s; allowed: %s", describe(n), f.allow())
		return v
	}
	if n.Kind != yaml.ScalarNode {
		return bad()
	}
	switch f.kind {
	case enumKind:
		if !slices.Contains(f.allowed, n.Value) {
			return bad()
		}
	case boolKind:
		if n.ShortTag() != "!!bool" || n.Value != "true" && n.Value != "false" {
			return bad()
		}
		if n.Value == "true" {
			v.n = 1
		}
	case countKind:
		i, err := strconv.ParseUint(n.Value, 10, 63)
		if n.ShortTag() != "!!int" || err != nil || int64(i) < f.min || int64(i) > f.max {
			return bad()
		}
		v.n, v.text = int64(i), strconv.FormatUint(i, 10)
	case ratioKind:
		if slices.Contains(f.allowed, n.Value) {
			return v
		}
		var ok bool
		if v.n, v.max, ok = parseRatio(n.Value, f.max); !ok {
			return bad()
		}
		v.text = fmt.Sprintf("%d/%d", v.n, v.max)
	case sizeKind:
		if slices.Contains(f.allowed, n.Value) {
			return v
		}
		size, err := workloads.ParseSize(n.Value)
		if err != nil || size < f.min || size > f.max || f.pow2 && size != 0 && !powerOfTwo(size) {
			return bad()
		}
		v.n, v.text = size, workloads.FormatSize(size)
	}
	return v
}

// parseRatio reads N/M with N up to M and M from 1 to max.
func parseRatio(s string, max int64) (num, den int64, ok bool) {
	a, b, slash := strings.Cut(s, "/")
	n, err1 := strconv.ParseUint(a, 10, 62)
	d, err2 := strconv.ParseUint(b, 10, 62)
	if !slash || err1 != nil || err2 != nil || d < 1 || n > d || int64(d) > max {
		return 0, 0, false
	}
	return int64(n), int64(d), true
}

// parseDefault reads the default of a field.
func (f *field) parseDefault() value {
	d := &decoder{file: "default"}
	if f.kind == folioKind {
		v := folio(defaultFolioMin, defaultFolioMax, nil)
		v.written = false
		return v
	}
	tag := map[kind]string{enumKind: "!!str", sizeKind: "!!str", ratioKind: "!!str", countKind: "!!int", boolKind: "!!bool"}[f.kind]
	v := d.value(f, &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: f.def})
	v.written, v.node = false, nil
	return v
}

// block holds the values that a section of a scenario writes.
type block map[*field][]value

// of returns the values of a field: those written, or its default. It is nil
// for a field that is omitted and whose default follows other fields.
func (b block) of(f *field) []value {
	if vs, ok := b[f]; ok {
		return vs
	}
	if f.def == "" && f.kind != folioKind {
		return nil
	}
	return []value{f.parseDefault()}
}

// section reads a mapping of fields into b.
func (d *decoder) section(name string, fields []*field, n *yaml.Node, b block, others map[string]func(k, v *yaml.Node)) {
	var allowed []string
	for _, f := range fields {
		allowed = append(allowed, f.name)
	}
	for _, extra := range []string{"name", "ops", "generate"} {
		if others[extra] != nil {
			allowed = append(allowed, extra)
		}
	}
	d.mapping(n, name, allowed, func(key string, k, v *yaml.Node) {
		if visit := others[key]; visit != nil {
			visit(k, v)
			return
		}
		for _, f := range fields {
			if f.name == key {
				b[f] = d.values(f, v)
			}
		}
	})
}
