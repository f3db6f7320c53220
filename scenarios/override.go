package scenarios

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// override changes one field of a scenario before it is checked. A set is
// FIELD=VALUE: FIELD is a path like design.copy, design.folio.max or
// expect, or the last part of one when no two fields end in it; VALUE is
// YAML, so that a list makes rows.
func override(root *yaml.Node, set string) error {
	bad := func(what string) error { return &Error{File: "--set", Field: clip(set), What: what} }
	name, text, ok := strings.Cut(set, "=")
	if !ok || name == "" {
		return bad("no FIELD=VALUE; allowed: a path like design.copy=plain")
	}
	if len(text) > MaxFileBytes {
		return bad("longer than 1MiB")
	}
	path, err := resolve(name)
	if err != "" {
		return bad(err)
	}
	var doc yaml.Node
	if e := yaml.Unmarshal([]byte(text), &doc); e != nil || len(doc.Content) != 1 {
		return bad("the value is not YAML; allowed: a value like plain, 8KiB or [cow, atomic]")
	}
	d := &decoder{file: "--set"}
	markOverride(&doc)
	if d.refuse(&doc); d.err != nil {
		return d.err
	}
	n := root
	for i, key := range path {
		if n.Kind != yaml.MappingNode {
			return bad(strings.Join(path[:i], ".") + " is a list in this scenario, so that the field has no single place; allowed: another field")
		}
		v := lookup(n, key)
		if v == nil {
			v = &yaml.Node{Kind: yaml.MappingNode, Line: -1}
			n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Line: -1}, v)
		}
		n = v
	}
	*n = *doc.Content[0]
	return nil
}

// markOverride gives the nodes of an override a line of their own kind, so
// that errors name the override and not the file.
func markOverride(n *yaml.Node) {
	n.Line = -1
	for _, c := range n.Content {
		markOverride(c)
	}
}

// lookup returns the value of a key of a mapping, or nil.
func lookup(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// settable lists the paths that an override may name.
func settable() []string {
	var out []string
	for _, list := range [][]*field{designFields, deviceFields, workloadFields, faultFields, exploreFields, generates} {
		for _, f := range list {
			out = append(out, f.path())
		}
	}
	for _, f := range designFields {
		out = append(out, "control."+f.name)
	}
	return append(out, "design.folio.min", "design.folio.max", "control.atomic", "control.mutant", "control.breaks",
		"contract", "expect", "mutant")
}

// resolve finds the path that a name stands for. The fields of control and of
// generate never answer to a short name that another field has.
func resolve(name string) (path []string, err string) {
	var short []string
	for _, p := range settable() {
		if p == name {
			return strings.Split(p, "."), ""
		}
		if strings.HasSuffix(p, "."+name) && (len(short) == 0 || !strings.HasPrefix(p, "control.") && !strings.HasPrefix(p, "workload.generate.")) {
			short = append(short, p)
		}
	}
	switch len(short) {
	case 0:
		return nil, "unknown field; allowed: " + joinComma(settable())
	case 1:
		return strings.Split(short[0], "."), ""
	}
	return nil, "stands for several fields; allowed: " + joinComma(short)
}
