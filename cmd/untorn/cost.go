package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"untorn/internal/report"
	"untorn/internal/run"
	"untorn/scenarios"
)

type costFlags struct {
	suite  string
	format string
	tables []string
	rows   []string
	sets   []string
}

func costCommand(s *streams) *cobra.Command {
	f := &costFlags{suite: scenarios.Cost}
	var help strings.Builder
	var words []cobra.Completion
	var names []string
	for _, x := range report.CostFormats() {
		fmt.Fprintf(&help, "  %-10s%s\n", x.Name, x.About)
		words = append(words, cobra.CompletionWithDesc(x.Name, x.About))
		names = append(names, x.Name)
	}
	c := &cobra.Command{
		Use:   "cost [NAME | FILE.yaml]...",
		Short: "Print what the designs of scenarios cost",
		Long: `Cost runs one schedule of the design of each row, the quiet one, and prints what
it took: bytes and commands to the device, blocks and extents, memory, waits. In
the quiet run no fault strikes, nobody is preempted, a command completes when
nothing else can go on, and at the end the flusher and the log are drained.
Without a name it takes the scenarios of the suite "cost". Formats:

` + help.String() + `
The same rows give the same bytes on every machine.`,
		Example: `  untorn cost
  untorn cost cost-rewrite --table cow
  untorn cost cost-checkpoint --set device.nawupf=64KiB --row submit=writeback
  untorn cost --suite main --format csv > costs.csv`,
		RunE: func(_ *cobra.Command, args []string) error { return printCosts(s, f, args) },
	}
	suiteFlag(c, &f.suite, scenarios.Suites())
	c.Flags().StringVar(&f.format, "format", "text", "format: "+strings.Join(names, ", "))
	completeWords(c, "format", words)
	c.Flags().StringSliceVar(&f.tables, "table", nil, "tables of text and markdown to print: "+strings.Join(report.CostTables(), ", "))
	completeWords(c, "table", report.CostTables())
	c.Flags().StringArrayVar(&f.rows, "row", nil, `rows to take: fields of a row's label, "submit=writeback"; may be repeated`)
	c.Flags().StringArrayVar(&f.sets, "set", nil, "override a field: design.copy=plain; may be repeated")
	return c
}

func printCosts(s *streams, f *costFlags, args []string) error {
	var format report.CostFormat
	var names []string
	for _, x := range report.CostFormats() {
		if names = append(names, x.Name); x.Name == f.format {
			format = x
		}
	}
	if format.Write == nil {
		return usage(fmt.Errorf("--format %q; allowed: %s", f.format, strings.Join(names, ", ")))
	}
	for _, name := range f.tables {
		if !slices.Contains(report.CostTables(), name) {
			return usage(fmt.Errorf("--table %q; allowed: %s", name, strings.Join(report.CostTables(), ", ")))
		}
	}
	if err := checkSuite(f.suite, scenarios.Suites()); err != nil {
		return usage(err)
	}
	if len(args) == 0 {
		args = scenarios.List(f.suite)
	}
	rows, err := pickRows(args, f.sets, f.rows, scenarios.Bounds{})
	if err != nil {
		return usage(err)
	}
	costs, code, err := run.Costs(rows, run.Model{})
	if err != nil {
		return &exitError{code, err}
	}
	costs.Tables = f.tables
	if err := format.Write(s.out, costs); err != nil {
		return &exitError{run.ExitEnvironment, err}
	}
	return finish(code, nil)
}
