package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The elements of JUnit XML that every reader knows. Readers agree on no
// schema; this is within the one of the xUnit plugin of Jenkins.
type junitSuites struct {
	XMLName  xml.Name      `xml:"testsuites"`
	Name     string        `xml:"name,attr"`
	Tests    int           `xml:"tests,attr"`
	Failures int           `xml:"failures,attr"`
	Errors   int           `xml:"errors,attr"`
	Time     string        `xml:"time,attr"`
	Suites   []*junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr,omitempty"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`

	seconds float64
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string       `xml:"classname,attr"`
	Name    string       `xml:"name,attr"`
	Time    string       `xml:"time,attr"`
	Failure *junitResult `xml:"failure"`
	Error   *junitResult `xml:"error"`
	Skipped *junitResult `xml:"skipped"`
	Out     string       `xml:"system-out,omitempty"`
}

type junitResult struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the verdicts as JUnit XML: a suite for each scenario and a
// test case for each row. A row that is not as expected is a failure of the
// type of its verdict, one that was skipped or is not built is skipped; a run
// that ended early has one more case, with an error. The details of a row are
// the text of its failure, or the output of a case that passed.
func WriteJUnit(w io.Writer, r *Report) error {
	all := &junitSuites{Name: "untorn"}
	of := make(map[string]*junitSuite)
	seconds := 0.0
	for _, c := range testCases(r) {
		s := of[c.scenario]
		if s == nil {
			s = &junitSuite{Name: c.scenario, Timestamp: strings.TrimSuffix(r.Started, "Z"), Properties: properties(r)}
			of[c.scenario], all.Suites = s, append(all.Suites, s)
		}
		s.add(&c)
		seconds += c.seconds
	}
	for _, s := range all.Suites {
		s.Time = junitTime(s.seconds)
		all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
	}
	all.Time = junitTime(seconds)
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	b.WriteByte('\n')
	// The encoder writes a line break as a reference, which says the same in
	// text but cannot be read by people.
	_, err := w.Write(bytes.ReplaceAll(b.Bytes(), []byte("&#xA;"), []byte("\n")))
	return err
}

// add puts a case into its suite and counts it.
func (s *junitSuite) add(c *testCase) {
	jc := junitCase{Class: "untorn." + c.scenario, Name: c.row, Time: junitTime(c.seconds)}
	if jc.Name == "" {
		jc.Name = c.scenario
	}
	text := strings.Join(c.detail, "\n")
	switch c.outcome {
	case passed:
		jc.Out = text
	case notRun:
		jc.Skipped = &junitResult{c.verdict, c.message, ""}
		s.Skipped++
	case broken:
		jc.Error = &junitResult{c.verdict, c.message, text}
		s.Errors++
	default:
		jc.Failure = &junitResult{c.verdict, c.message, text}
		s.Failures++
	}
	s.Tests++
	s.seconds += c.seconds
	s.Cases = append(s.Cases, jc)
}

func properties(r *Report) []junitProperty {
	return []junitProperty{{"version", r.Version}, {"engine", r.Engine}, {"seed", seeds(r)},
		{"os", r.Host.OS}, {"arch", r.Host.Arch}, {"cpus", fmt.Sprint(r.Host.CPUs)}, {"go", r.Host.Go}}
}

// junitTime prints seconds.
func junitTime(seconds float64) string { return fmt.Sprintf("%.3f", seconds) }
