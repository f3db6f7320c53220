package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"untorn/internal/run"
)

func shrinkCommand(s *streams) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "shrink DIR",
		Short: "Make the counterexample of a run directory smaller",
		Long: `Shrink takes operations, tasks, choices, sectors, kinds of fault, faults,
preemptions and steps away from the schedule that a run left in DIR, for as long
as some schedule of what is left earns the same verdict, and leaves a new run
directory. The result is 1-minimal: every single reduction of it was tried and
earns the verdict no more, as far as the search for a schedule goes. Ctrl-C
leaves the best so far, with exit code 1.`,
		Example: `  untorn shrink runs/no-pin/single
  untorn shrink runs/random/track=sidecar --out small`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("out") {
				out = filepath.Clean(args[0]) + "-shrunk"
			}
			if out == "" {
				return usage(errors.New(`--out ""; allowed: the name of a directory to make`))
			}
			line := newProgress(s.err)
			var text bytes.Buffer
			code, err := run.Shrink(c.Context(), &text, args[0], run.ShrinkOptions{Out: out, Progress: line.set, Now: time.Now})
			line.clear()
			if _, bad := text.WriteTo(s.out); bad != nil {
				return &exitError{run.ExitEnvironment, bad}
			}
			return finish(code, err)
		},
	}
	c.Flags().StringVar(&out, "out", "", "the run directory to make (default DIR-shrunk)")
	return c
}
