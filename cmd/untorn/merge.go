package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"untorn/internal/run"
)

func mergeCommand(s *streams) *cobra.Command {
	var format, out string
	c := &cobra.Command{
		Use:   "merge DIR...",
		Short: "Join the parts of a run that several machines shared",
		Long: `Merge joins the directories that "untorn run --shard i/n" left, one for each part,
into --out: the report and the directories of rows that one machine would have
left there, byte for byte but for what "started", "host" and "work" say in the
reports. The exit code is that of the whole run. Parts of different versions,
scenarios or bounds, a part that is missing, there twice or not finished are
errors, with exit code 2; nothing is written then.`,
		Example: `  untorn run --suite debate --shard 1/2 --out part-1     # on one machine
  untorn run --suite debate --shard 2/2 --out part-2     # on another one
  untorn merge part-1 part-2 --out runs-debate
  untorn merge part-* --out runs-debate --format junit > junit.xml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := formatOf(format)
			switch {
			case err != nil:
				return usage(err)
			case out == "":
				return usage(errors.New(`--out ""; allowed: a directory`))
			}
			rep, code, err := run.Merge(args, out, time.Now)
			if err != nil {
				return &exitError{code, err}
			}
			if err := f.Write(s.out, rep); err != nil {
				return &exitError{run.ExitEnvironment, err}
			}
			return finish(code, nil)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	formatFlag(c, &format)
	c.Flags().StringVar(&out, "out", "runs", "where the report and the directories of rows go")
	return c
}
