package scenarios

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is not YAML is told of with its line, by the parser's own count of lines
// or without one.
func TestBrokenYAMLHasItsLine(t *testing.T) {
	const good = "name: mine\nworkload:\n  ops:\n    - {task: db, op: pwrite, length: 4KiB, atomic: true}\n"
	_, err := Decode("x.yaml", []byte(good))
	require.NoError(t, err)
	for text, want := range map[string]string{
		"name: mine\nworkload:\n\tops: []\n":          "x.yaml:3: not YAML: found character that cannot start any token",
		"name: mine: yours\n":                         "x.yaml:1: not YAML: mapping values are not allowed in this context",
		"name: mine\n workload: {}\n":                 "x.yaml:2: not YAML: mapping values are not allowed in this context",
		"name: mine\nabout: \"open\n":                 "x.yaml:2: not YAML: found unexpected end of stream",
		good + "about: *a\n":                          "x.yaml:5: *a: aliases are refused; allowed: write the value out",
		good + "about: &a x\nmutant: *a\n":            "x.yaml:5: &a: anchors are refused; allowed: write the value out",
		good + "about: !!str x\n":                     "x.yaml:5: !!str: tags are refused; allowed: plain values",
		good + "about: a\x07b\n":                      "x.yaml:5: control character U+0007; allowed: text, line breaks and tabs",
		good + "about: \x7f\n":                        "x.yaml:5: control character U+007F; allowed: text, line breaks and tabs",
		good + "\n\nabout: \xff\n":                    "x.yaml:7: byte 0xff is not UTF-8; allowed: text in UTF-8",
		"name: x\x00y\n":                              "x.yaml:1: control character U+0000; allowed: text, line breaks and tabs",
		"%YAML 9.9\n---\n" + good:                     "x.yaml:1: not YAML: found incompatible YAML document",
		"%FOO bar\n" + good:                           "x.yaml:1: not YAML: found unknown directive name",
		good + "design: {copy: plain}}\n":             "x.yaml:5: not YAML: did not find expected key, here or further down",
		"name: x\nworkload: {ops: [{task: a op: b}]}": "x.yaml:2: not YAML: did not find expected ',' or '}', here or further down",
		good + "about: @x\n":                          "x.yaml:5: not YAML: found character that cannot start any token",
		good + "about: \"\\q\"\n":                     "x.yaml:5: not YAML: found unknown escape character",
		good + "...\nmore: x\n":                       "x.yaml:6: not YAML: did not find expected <document start>, here or further down",
		good + "---\nname: b\n":                       "x.yaml:5: a second document; allowed: one scenario in a file",
		"- a: b\n":                                    "x.yaml:1: not a mapping; allowed: name, design, device, workload, ...",
		good + "name: again\n":                        "x.yaml:5: name: written twice; allowed: once",
		good + "faults: 3\n":                          "x.yaml:5: faults: \"3\"; allowed: a mapping of ",
		"# a: b\n":                                    "x.yaml: empty; allowed: one YAML mapping",
		good + "mutant: split-atomc\n":                `x.yaml:5: mutant: "split-atomc"; nearest: split-atomic; allowed: a defect that "untorn mutants --list" prints`,
	} {
		_, err := Decode("x.yaml", []byte(text))
		var bad *Error
		require.True(t, errors.As(err, &bad), "%q: %v", text, err)
		require.Contains(t, err.Error(), want, "%q", text)
		require.NotContains(t, err.Error(), "\n")
	}
	for _, text := range []string{"about: \u00e9\u20ac\U0001F600\n", "about: a\tb\r\n"} {
		_, err := Decode("x.yaml", []byte(good+text))
		require.NoError(t, err, "%q", text)
	}
}
