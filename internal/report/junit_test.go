package report

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// element is any element of XML, so that reading shares nothing with writing.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

func (e *element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return "no " + name
}

func (e *element) all(name string) []element {
	var out []element
	for _, c := range e.Children {
		if c.XMLName.Local == name {
			out = append(out, c)
		}
	}
	return out
}

func parseJUnit(t *testing.T, r *Report) *element {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, WriteJUnit(&b, r))
	dec := xml.NewDecoder(&b)
	var root element
	require.NoError(t, dec.Decode(&root))
	_, err := dec.Token()
	for err == nil {
		_, err = dec.Token()
	}
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "testsuites", root.XMLName.Local)
	return &root
}

// TestJUnit: one case for each row, with what became of it.
func TestJUnit(t *testing.T) {
	root := parseJUnit(t, sample())
	assert.Equal(t, "6", root.attr("tests"))
	assert.Equal(t, "2", root.attr("failures"))
	assert.Equal(t, "0", root.attr("errors"))
	assert.Equal(t, "1.250", root.attr("time"))
	var got []string
	for _, s := range root.all("testsuite") {
		got = append(got, strings.Join([]string{s.attr("name"), s.attr("tests"), s.attr("failures"), s.attr("skipped")}, " "))
		assert.Equal(t, "2026-01-02T03:04:05", s.attr("timestamp"))
		assert.Equal(t, "0.1.0", s.all("properties")[0].all("property")[0].attr("value"))
		for _, c := range s.all("testcase") {
			line := " " + c.attr("classname") + ": " + c.attr("name")
			for _, kind := range []string{"failure", "error", "skipped"} {
				for _, k := range c.all(kind) {
					line += ": " + kind + " " + k.attr("type")
				}
			}
			got = append(got, line)
		}
	}
	assert.Equal(t, []string{
		"cow-fork 1 0 0",
		" untorn.cow-fork: cow-fork",
		"boundary 2 1 0",
		" untorn.boundary: layout=contiguous",
		" untorn.boundary: layout=unaligned: failure inconclusive",
		"in-place 1 1 0",
		" untorn.in-place: in-place: failure torn",
		"product 1 0 1",
		" untorn.product: filesystem=ext4 folio=16KiB..16KiB writeback=cow-or-atomic: skipped skipped",
		"later 1 0 1",
		" untorn.later: later: skipped not-checked",
	}, got)

	suites := root.all("testsuite")
	out := suites[0].all("testcase")[0].all("system-out")[0].Text
	assert.Contains(t, out, "control: torn, 12 images covered, 3 distinct\n")
	assert.Contains(t, out, "images: 1339001234567890123456789 covered, 12345 distinct, 7890123 judged\n")
	assert.Contains(t, out, "schedules: 123456789, the whole space within faults 2, preemptions 2; seed 1\n")
	assert.Contains(t, suites[1].all("testcase")[0].all("system-out")[0].Text, "replay: untorn replay runs/boundary/layout=contiguous")
	bad := suites[2].all("testcase")[0]
	assert.Empty(t, bad.all("system-out"))
	assert.Contains(t, bad.all("failure")[0].Text, "replay: untorn replay runs/in-place/single")
	assert.Equal(t, "verdict torn, expected held: unit of op 1 is a mixture", bad.all("failure")[0].attr("message"))
	assert.Equal(t, "writeback: cow needs data CoW, which ext4 does not have", suites[3].all("testcase")[0].all("skipped")[0].attr("message"))
}

// TestJUnitEscapes: what means something in XML, or nothing in it, comes back
// as text.
func TestJUnitEscapes(t *testing.T) {
	r := nasty()
	r.Results[3].Reason += "\n\x01"
	root := parseJUnit(t, r)
	suites := root.all("testsuite")
	assert.Equal(t, "a#b|<c>", suites[0].attr("name"))
	assert.Equal(t, "x=|# y=<&>", suites[1].all("testcase")[0].attr("name"))
	failure := suites[2].all("testcase")[0].all("failure")[0]
	assert.Equal(t, "verdict torn, expected held: "+nasty().Results[3].Reason+"  ", failure.attr("message"))
	assert.Contains(t, failure.Text, "reason: "+nasty().Results[3].Reason)
}

// TestPartialNeverPasses: rows that are missing from a report cannot fail, so
// the report does.
func TestPartialNeverPasses(t *testing.T) {
	r := sample()
	r.Partial, r.Results = true, r.Results[:1]
	root := parseJUnit(t, r)
	assert.Equal(t, "2", root.attr("tests"))
	assert.Equal(t, "1", root.attr("errors"))
	last := root.all("testsuite")[1].all("testcase")[0]
	assert.Equal(t, wholeRun, last.attr("name"))
	assert.Contains(t, last.all("error")[0].attr("message"), "ended early")
	_, results := parseKTAP(t, r)
	assert.Equal(t, []string{"ok 1 cow-fork", "not ok 2 whole-run # ERROR the run ended early: rows may be missing"}, results)
}
