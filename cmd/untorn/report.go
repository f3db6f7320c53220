package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"untorn/internal/report"
	"untorn/internal/run"
)

func reportCommand(s *streams) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "report DIR | FILE",
		Short: "Print a report that exists in another format",
		Long: `Report reads the report.json of a directory, of a whole run or of one row in it,
or a file that "untorn run --format json" wrote, and prints it in another
format. It runs nothing and judges nothing again. Formats:

` + formatHelp() + `
The exit code is 0 whatever the verdicts are, and 2 for a report that cannot
be read.`,
		Example: `  untorn report runs
  untorn report runs --format junit > junit.xml
  untorn report runs/no-pin/single --format markdown
  untorn report report.json --format csv > rows.csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := formatOf(format)
			if err != nil {
				return usage(err)
			}
			rep, err := run.ReadReport(args[0])
			if err != nil {
				return usage(err)
			}
			if err := f.Write(s.out, rep); err != nil {
				return &exitError{run.ExitEnvironment, err}
			}
			return nil
		},
	}
	formatFlag(c, &format)
	return c
}

// formatFlag gives a command the flag that names the format of a report.
func formatFlag(c *cobra.Command, format *string) {
	all := report.Formats()
	var words []cobra.Completion
	for _, f := range all {
		words = append(words, cobra.CompletionWithDesc(f.Name, f.About))
	}
	c.Flags().StringVar(format, "format", all[0].Name, "format of the report: "+report.FormatNames())
	completeWords(c, "format", words)
}

// completeWords lets a shell complete the values of a flag.
func completeWords(c *cobra.Command, flag string, words []cobra.Completion) {
	err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // a flag that the command does not have
	}
}

func formatOf(name string) (report.Format, error) {
	f, ok := report.FormatOf(name)
	if !ok {
		return f, fmt.Errorf("--format %q; allowed: %s", name, report.FormatNames())
	}
	return f, nil
}

// formatHelp says what each format is, in a line of its own.
func formatHelp() string {
	var b strings.Builder
	for _, f := range report.Formats() {
		fmt.Fprintf(&b, "  %-10s%s\n", f.Name, f.About)
	}
	return b.String()
}
