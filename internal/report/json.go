package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"untorn/verifier"
)

// WriteJSON writes the JSON form, indented, with a newline at the end.
func WriteJSON(w io.Writer, r *Report) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// ReadJSON reads what WriteJSON wrote. An error names the line or the field.
// Fields that are not known are left out, since a later untorn may add some;
// another schema is an error, and so is what no run can have written.
func ReadJSON(p []byte) (*Report, error) {
	var r Report
	if err := json.Unmarshal(p, &r); err != nil {
		return nil, atLine(p, err)
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("schema %d; allowed: %d", r.Schema, Schema)
	}
	if r.Tool != "untorn" {
		return nil, fmt.Errorf("tool %q; allowed: untorn", r.Tool)
	}
	if len(r.Results) == 0 && !r.Partial {
		return nil, errors.New("results: empty; allowed: at least one row")
	}
	for i := range r.Results {
		res := &r.Results[i]
		_, ok := verifier.ParseVerdict(res.Verdict)
		switch {
		case res.Scenario == "":
			return nil, fmt.Errorf("results[%d].scenario: missing", i)
		case !ok && res.Verdict != skipped:
			return nil, fmt.Errorf("results[%d].verdict: %q is no verdict", i, res.Verdict)
		}
	}
	return &r, nil
}

// atLine tells on which line of p decoding failed.
func atLine(p []byte, err error) error {
	var offset int64
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind) && kind.Offset > 0:
		offset = kind.Offset
	default:
		return err // it names the field, if anything
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(p[:min(int(offset), len(p))], []byte("\n")), err)
}
