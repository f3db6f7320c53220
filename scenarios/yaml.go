package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// decoder walks the nodes of one file. It keeps the first error; after one,
// what it returns is of no use.
type decoder struct {
	file string
	err  error
}

// fail records an error at a node, unless there is one already.
func (d *decoder) fail(n *yaml.Node, field, format string, args ...any) {
	if d.err == nil {
		e := &Error{File: d.file, Line: n.Line, Field: field, What: fmt.Sprintf(format, args...)}
		if n.Line < 0 { // a node that came from an override
			e.File, e.Line = "--set", 0
		}
		d.err = e
	}
}

// unreadable finds what the parser refuses without saying where: bytes that are
// not UTF-8, and control characters.
func unreadable(data []byte) (line int, what string) {
	line = 1
	for i := 0; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			return line, fmt.Sprintf("byte %#02x is not UTF-8; allowed: text in UTF-8", data[i])
		case c < ' ' && c != '\t' && c != '\n' && c != '\r', c >= 0x7f && c < 0xa0 && c != 0x85:
			return line, fmt.Sprintf("control character %U; allowed: text, line breaks and tabs", c)
		case c == '\n':
			line++
		}
		i += size
	}
	return 0, ""
}

// ofParser are the errors that the parser counts lines from 0 in, as opposed to
// those of the scanner before it. Their line may be that of the beginning of
// what they are in.
var ofParser = regexp.MustCompile(`^did not find expected (node content|key|'-' indicator|',' or|<)`)

var unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)

// notYAML makes an error of one of the parser.
func (d *decoder) notYAML(data []byte, err error) error {
	m := yamlLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	line, _ := strconv.Atoi(m[1])
	what := "not YAML: " + m[2]
	if a := unknownAnchor.FindStringSubmatch(m[2]); a != nil {
		at := bytes.Index(data, []byte("*"+a[1]))
		return &Error{File: d.file, Line: 1 + bytes.Count(data[:max(0, at)], []byte("\n")), What: fmt.Sprintf(noAliases, clip(a[1]))}
	}
	if ofParser.MatchString(m[2]) {
		line++
		what += ", here or further down"
	}
	return &Error{File: d.file, Line: max(1, line), What: what}
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

// parse reads one document whose root is a mapping. Aliases are refused, so
// that no short file can stand for a long one.
func (d *decoder) parse(data []byte) (*yaml.Node, error) {
	if line, what := unreadable(data); what != "" {
		return nil, &Error{File: d.file, Line: line, What: what}
	}
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &Error{File: d.file, What: "empty; allowed: one YAML mapping"}
		}
		return nil, d.notYAML(data, err)
	}
	switch err := dec.Decode(&more); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, d.notYAML(data, err)
	default:
		return nil, &Error{File: d.file, Line: more.Line, What: "a second document; allowed: one scenario in a file"}
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, &Error{File: d.file, Line: doc.Line, What: "not a mapping; allowed: name, design, device, workload, ..."}
	}
	d.refuse(&doc)
	return doc.Content[0], d.err
}

const noAliases = "*%s: aliases are refused; allowed: write the value out"

// refuse fails at the first alias, anchor or explicit tag below n.
func (d *decoder) refuse(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
		d.fail(n, "", noAliases, n.Value)
	case n.Anchor != "":
		d.fail(n, "", "&%s: anchors are refused; allowed: write the value out", n.Anchor)
	case n.Style&yaml.TaggedStyle != 0:
		d.fail(n, "", "%s: tags are refused; allowed: plain values", n.Tag)
	}
	for _, c := range n.Content {
		d.refuse(c)
	}
}

// mapping calls visit for each entry of a mapping. allowed lists the fields;
// an unknown or repeated one is an error.
func (d *decoder) mapping(n *yaml.Node, field string, allowed []string, visit func(key string, k, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, field, "%s; allowed: a mapping of %s", describe(n), strings.Join(allowed, ", "))
		return
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content) && d.err == nil; i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode || !slices.Contains(allowed, k.Value):
			d.fail(k, join(field, k.Value), "unknown field; allowed: %s", strings.Join(allowed, ", "))
		case seen[k.Value]:
			d.fail(k, join(field, k.Value), "written twice; allowed: once")
		default:
			seen[k.Value] = true
			visit(k.Value, k, v)
		}
	}
}

// items returns the elements of a list, which must not be empty, or the node
// itself when it is no list.
func (d *decoder) items(n *yaml.Node, field string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	if len(n.Content) == 0 {
		d.fail(n, field, "an empty list; allowed: a value, or a list of one or more")
	}
	return n.Content
}

// text returns a string.
func (d *decoder) text(n *yaml.Node, field string) string {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		d.fail(n, field, "%s; allowed: text", describe(n))
		return ""
	}
	return n.Value
}

// name returns a string of letters, digits and dashes.
func (d *decoder) name(n *yaml.Node, field string) string {
	s := d.text(n, field)
	if d.err == nil && !validName(s) {
		d.fail(n, field, "%q; allowed: up to 64 letters, digits and dashes, not a dash first", clip(s))
	}
	return s
}

func validName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '-' {
		return false
	}
	for _, c := range s {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// describe says what a node is, for messages of one line.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.ShortTag() == "!!null" {
		return "no value"
	}
	return strconv.Quote(clip(n.Value))
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}

func join(field, key string) string {
	key = clip(key)
	if field == "" {
		return key
	}
	return field + "." + key
}
