package main

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"untorn/internal/report"
	"untorn/internal/run"
	"untorn/scenarios"
)

type mutantFlags struct {
	format    string
	workers   int
	out       string
	scenarios []string
	list      bool
}

func mutantsCommand(s *streams) *cobra.Command {
	f := &mutantFlags{}
	c := &cobra.Command{
		Use:   "mutants [NAME]...",
		Short: "Score the suite against planted defects",
		Long: `Mutants turns on one planted defect of the engine after the other, all when none
is named, and runs the rows of the suite whose design is expected to hold until
one breaks. It prints which scenario killed each defect, the faults and
preemptions of the cheapest counterexample and its steps, and how many rows
break without a defect, which must be none. A schedule that is stuck is no kill.

The exit code is 0 when every defect was killed and there was no false alarm.`,
		Example: `  untorn mutants
  untorn mutants --list
  untorn mutants size-apart remap-no-flush --scenario append --scenario cow-fork
  untorn mutants --format json > mutants.json
  untorn replay runs-mutants/size-apart`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return run.MutantNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error { return runMutants(c, s, f, args) },
	}
	c.Flags().StringVar(&f.format, "format", "text", "text or json")
	completeWords(c, "format", []cobra.Completion{"text", "json"})
	f.workers = runtime.NumCPU()
	numberFlag(c, &f.workers, "workers", 1, maxWorkers, "workers; the score does not depend on it")
	c.Flags().StringVar(&f.out, "out", "runs-mutants", "where the directories of kills go")
	c.Flags().StringArrayVar(&f.scenarios, "scenario", nil, "scenario or file to run instead of all embedded ones; may be repeated")
	c.Flags().BoolVar(&f.list, "list", false, "list the defects and run nothing")
	return c
}

func runMutants(c *cobra.Command, s *streams, f *mutantFlags, names []string) error {
	switch {
	case f.format != "text" && f.format != "json":
		return usage(fmt.Errorf("--format %q; allowed: text, json", f.format))
	case f.out == "":
		return usage(errors.New(`--out ""; allowed: a directory`))
	}
	picked, err := run.PickMutants(names)
	if err != nil {
		return usage(err)
	}
	if f.list {
		for _, m := range picked {
			fmt.Fprintf(s.out, "%-24s%s\n", m.Name, m.Defect)
		}
		return nil
	}
	if len(f.scenarios) == 0 {
		f.scenarios = scenarios.List(scenarios.Main)
	}
	rows, err := pickRows(f.scenarios, nil, nil, scenarios.Bounds{})
	if err != nil {
		return usage(err)
	}
	line := newProgress(s.err)
	o := run.Options{Target: run.Model{}, Out: f.out, Workers: f.workers, Now: time.Now, Progress: line.set}
	rep, code, err := run.Mutants(c.Context(), rows, picked, o)
	line.clear()
	if err != nil {
		return &exitError{code, err}
	}
	write := report.WriteMutants
	if f.format == "json" {
		write = report.WriteMutantsJSON
	}
	if err := write(s.out, rep); err != nil {
		return &exitError{run.ExitEnvironment, err}
	}
	return finish(code, nil)
}
