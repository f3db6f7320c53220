package run

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"untorn/engine"
	"untorn/internal/report"
	"untorn/scenarios"
)

// Costs runs the quiet schedule of the design of each row and returns the
// figures; rows that differ in faults or in contract alone are one. A row whose run did not end gives ExitUnexpected, one that is not
// built ExitNotBuilt. The error is a *scenarios.Error for a row that is out of
// range.
func Costs(rows []scenarios.Row, t Target) (*report.Costs, int, error) {
	out := &report.Costs{Schema: report.Schema, Tool: "untorn", Version: Version, Engine: EngineVersion, Results: []report.CostRow{}}
	code := codes{}
	seen := make(map[string]bool)
	for i := range rows {
		r := &rows[i]
		key := r.Scenario.Name + " " + costLabel(r)
		if seen[key] {
			continue
		}
		seen[key] = true
		x, c, err := costRow(r, t)
		if err != nil {
			return nil, ExitUsage, &scenarios.Error{File: r.Scenario.File, What: rowTitle(r) + ": " + err.Error()}
		}
		code.add(c)
		out.Results = append(out.Results, x)
	}
	return out, code.worst(), nil
}

// costLabel is the label of a row without what a run without faults that
// nobody judges does not depend on.
func costLabel(r *scenarios.Row) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(r.Label), func(term string) bool {
		return strings.HasPrefix(term, "faults=") || strings.HasPrefix(term, "contract=")
	}), " ")
}

func costRow(r *scenarios.Row, t Target) (report.CostRow, int, error) {
	x := report.CostRow{Scenario: r.Scenario.Name, Row: costLabel(r), Design: fields(r, "design"), Device: fields(r, "device")}
	cfg := &designArm(r).cfg
	err := checkRow(r, t, cfg)
	var nonsense *engine.NonsenseError
	var notBuilt *engine.NotBuiltError
	switch {
	case r.Skip != "":
		x.Verdict, x.Reason = "skipped", r.Skip
		return x, ExitOK, nil
	case errors.As(err, &nonsense):
		x.Verdict, x.Reason = "skipped", nonsense.Reason
		return x, ExitOK, nil
	case errors.As(err, &notBuilt):
		x.Verdict, x.Reason = "not-checked", notBuilt.Error()
		return x, ExitNotBuilt, nil
	case err != nil:
		return x, ExitUsage, err
	}
	if x.Cost, err = t.Cost(cfg); err != nil {
		x.Verdict, x.Reason = "stuck", fmt.Sprint(err)
		return x, ExitUnexpected, nil
	}
	return x, ExitOK, nil
}
