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
	steps := int64(run.ShrinkSteps)
	c := &cobra.Command{
		Use:   "shrink DIR",
		Short: "Make the counterexample of a run directory smaller",
		Long: `Shrink takes operations, tasks, choices, sectors, kinds of fault, faults,
preemptions and steps away from the schedule that a run left in DIR, for as long
as some schedule of what is left earns the same verdict, and leaves a new run
directory. A schedule that is stuck stays stuck in the same way: a deadlock, a
panic at the same place, or one that never ends.

The result is 1-minimal: at the end every single reduction of it was tried once
more, and none earns the verdict. That is a proof for those that were searched to the end of
their bounds; how many were cut short, and of what kind, is printed. --steps
bounds one search for a smaller case. The check at the end may take 100 times
that on top. More steps take longer and may lead to a smaller result. Ctrl-C
leaves the best so far, with exit code 1.

"untorn run --shrink" does this at once to each row that breaks.`,
		Example: `  untorn shrink runs/no-pin/single
  untorn shrink runs/random/track=cow-fork --out small
  untorn shrink runs/random/track=cow-fork --steps 40000000`,
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
			code, err := run.Shrink(c.Context(), &text, args[0], run.ShrinkOptions{Out: out, Steps: steps, Progress: line.set, Now: time.Now})
			line.clear()
			if _, bad := text.WriteTo(s.out); bad != nil {
				return &exitError{run.ExitEnvironment, bad}
			}
			return finish(code, err)
		},
	}
	c.Flags().StringVar(&out, "out", "", "the run directory to make (default DIR-shrunk)")
	numberFlag(c, &steps, "steps", 1, maxShrinkSteps, "steps that one search for a smaller case may take")
	return c
}

// maxShrinkSteps bounds --steps: more are hours for a single search.
const maxShrinkSteps = 100_000_000_000
