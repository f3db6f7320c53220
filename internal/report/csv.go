package report

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
)

// csvColumn is one column of the CSV form. An empty value means that there is
// none.
type csvColumn struct {
	name  string
	value func(*Result) string
}

// WriteCSV writes the tables of WriteText side by side: a line for each row,
// with all of its columns and exact counts, so that every line has the same
// fields. The verdict by design and faults is the matrix.
func WriteCSV(w io.Writer, r *Report) error {
	columns := csvColumns(r)
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	write := func(cell func(csvColumn) string) error {
		var line []string
		for _, c := range columns {
			line = append(line, cell(c))
		}
		return out.Write(line)
	}
	err := write(func(c csvColumn) string { return c.name })
	for i := 0; i < len(r.Results) && err == nil; i++ {
		err = write(func(c csvColumn) string { return c.value(&r.Results[i]) })
	}
	if out.Flush(); err == nil {
		err = out.Error()
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

func csvColumns(r *Report) []csvColumn {
	out := []csvColumn{
		{"scenario", func(x *Result) string { return x.Scenario }},
		{"row", func(x *Result) string { return x.Row }},
		{"design", design},
		{"faults", func(x *Result) string { return x.Faults.Get("name") }},
		{"contract", func(x *Result) string { return x.Contract }},
		{"target", func(x *Result) string { return x.Target }},
		{"mutant", func(x *Result) string { return x.Mutant }},
		{"seed", func(x *Result) string { return fmt.Sprint(x.Seed) }},
		{"verdict", func(x *Result) string { return x.Verdict }},
		{"expect", func(x *Result) string { return x.Expect }},
		{"as_expected", func(x *Result) string { return fmt.Sprint(x.AsExpected) }},
		{"not_built", func(x *Result) string { return fmt.Sprint(x.NotBuilt) }},
		{"reason", func(x *Result) string { return oneLine(x.Reason) }},
		{"control", ofControl(func(c *Control) string { return c.Verdict })},
		{"control_covered", ofControl(func(c *Control) string { return c.Covered })},
		{"control_distinct", ofControl(func(c *Control) string { return c.Distinct })},
		{"exhaustive", func(x *Result) string { return fmt.Sprint(x.Exhaustive) }},
		{"budget", func(x *Result) string { return fmt.Sprint(x.Bounds.Budget) }},
		{"preemptions", func(x *Result) string { return fmt.Sprint(x.Bounds.Preemptions) }},
		{"together", func(x *Result) string {
			return fmt.Sprint(cmp.Or(x.Bounds.Together, x.Bounds.Budget+x.Bounds.Preemptions))
		}},
		{"schedules", func(x *Result) string { return x.Schedules }},
		{"covered", func(x *Result) string { return x.Covered }},
		{"distinct", func(x *Result) string { return x.Distinct }},
		{"distinct_exact", func(x *Result) string { return fmt.Sprint(x.DistinctExact) }},
		{"cheapest_faults", ofExample(func(c *Counterexample) string { return fmt.Sprint(c.Faults) })},
		{"cheapest_preemptions", ofExample(func(c *Counterexample) string { return fmt.Sprint(c.Preemptions) })},
		{"cheapest_steps", ofExample(func(c *Counterexample) string { return fmt.Sprint(c.Steps) })},
		{"replay", ofExample(func(c *Counterexample) string { return oneLine(c.Replay) })},
		{"id", ofExample(func(c *Counterexample) string { return c.ID })},
		{"shrunk_minimal", ofShrunk(func(x *Shrunk) string { return fmt.Sprint(x.Minimal) })},
		{"shrunk_operations", ofShrunk(func(x *Shrunk) string { return fmt.Sprint(x.Operations) })},
		{"shrunk_steps", ofShrunk(func(x *Shrunk) string { return fmt.Sprint(x.Steps) })},
		{"shrunk_replay", ofShrunk(func(x *Shrunk) string { return oneLine(x.Replay) })},
	}
	for _, kind := range firedKinds(r) {
		out = append(out, csvColumn{"fired_" + kind, func(x *Result) string { return x.Fired.Get(kind) }})
	}
	for _, bin := range behindBins(r) {
		out = append(out, csvColumn{"behind_" + bin, func(x *Result) string { return x.VersionsBehind.Get(bin) }})
	}
	always := func(s string) func(*Result) string { return func(*Result) string { return s } }
	return append(out, []csvColumn{
		{"executed", func(x *Result) string { return fmt.Sprint(x.Work.Executed) }},
		{"steps", func(x *Result) string { return fmt.Sprint(x.Work.Steps) }},
		{"judged", func(x *Result) string { return fmt.Sprint(x.Work.Judged) }},
		{"cache_hits", func(x *Result) string { return fmt.Sprint(x.Work.CacheHits) }},
		{"states", func(x *Result) string { return fmt.Sprint(x.Work.States) }},
		{"seconds", func(x *Result) string { return fmt.Sprintf("%.3f", x.Work.Seconds) }},
		{"workers", func(x *Result) string { return fmt.Sprint(x.Work.Workers) }},
		{"version", always(r.Version)},
		{"engine", always(r.Engine)},
		{"os", always(r.Host.OS)},
		{"arch", always(r.Host.Arch)},
		{"cpus", always(fmt.Sprint(r.Host.CPUs))},
		{"go", always(r.Host.Go)},
		{"started", always(r.Started)},
		{"partial", always(fmt.Sprint(r.Partial))},
	}...)
}

// ofControl, ofExample and ofShrunk are columns of what a row may lack.
func ofControl(value func(*Control) string) func(*Result) string {
	return func(x *Result) string {
		if x.Control == nil {
			return ""
		}
		return value(x.Control)
	}
}

func ofExample(value func(*Counterexample) string) func(*Result) string {
	return func(x *Result) string {
		if x.Counterexample == nil {
			return ""
		}
		return value(x.Counterexample)
	}
}

func ofShrunk(value func(*Shrunk) string) func(*Result) string {
	return ofExample(func(c *Counterexample) string {
		if c.Shrunk == nil {
			return ""
		}
		return value(c.Shrunk)
	})
}
