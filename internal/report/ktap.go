package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteKTAP writes the verdicts in the Kernel Test Anything Protocol, version
// 1, as Documentation/dev-tools/ktap.rst of Linux has it: a test for each row,
// with its details in diagnostic lines before its result. A row that was
// skipped or is not built is "ok" with the directive SKIP; a run that ended
// early has one more test, with the directive ERROR.
func WriteKTAP(w io.Writer, r *Report) error {
	var b bytes.Buffer
	cases := testCases(r)
	fmt.Fprintf(&b, "KTAP version 1\n1..%d\n", len(cases))
	fmt.Fprintf(&b, "# %s\n# %s\n", oneLine(headline(r)), oneLine(host(r)))
	for i := range cases {
		c := &cases[i]
		for _, l := range c.detail {
			fmt.Fprintf(&b, "# %s: %s\n", description(c), l)
		}
		result, after := "not ok", " # "
		switch c.outcome {
		case passed:
			result, after = "ok", ""
		case notRun:
			result, after = "ok", " # SKIP "
		case broken:
			after = " # ERROR "
		}
		fmt.Fprintf(&b, "%s %d %s%s%s\n", result, i+1, description(c), after, noHash(c.message))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// description names a test.
func description(c *testCase) string { return noHash(oneLine(c.title())) }

// noHash keeps text from beginning a directive, or a second one, which some
// readers take for the first.
func noHash(s string) string { return strings.ReplaceAll(s, "#", "_") }
