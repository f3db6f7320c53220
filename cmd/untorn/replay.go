package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"untorn/internal/run"
)

func replayCommand(s *streams) *cobra.Command {
	var id, out string
	var sets []string
	c := &cobra.Command{
		Use:   "replay DIR | NAME --id ID | FILE.yaml --id ID",
		Short: "Run the schedule of a run directory, or of a replay id, again",
		Long: `Replay runs the schedule that a run left in DIR again and prints its trace: each
numbered step, each fault (!) and each switch (>), with the versions of the
units' sectors before it, in the page cache and where the extent map in memory
says they are on the disk. 8x1 is eight sectors of operation 1, 0 the content
before the run, z zeros, - nothing. The last line is the verdict. The exit code
is 0 when that is the verdict on record.

A report prints a replay id with each counterexample. With --id, and the
scenario and overrides of that run, the same schedule runs on any machine; the
id itself knows the row. --out leaves its run directory, the same to the byte
but for report.json. An id of another version of the engine is refused with
exit code 4.`,
		Example: `  untorn replay runs/no-pin/single
  untorn replay no-pin --id u3-06q2z32w3040748143hssrg
  untorn replay my.yaml --set nawupf=512 --id u3-06q2z32w3040748143hssrg --out mailed`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			switch byID := c.Flags().Changed("id"); {
			case !byID && (len(sets) > 0 || c.Flags().Changed("out")):
				return usage(errors.New("--set and --out: without --id; allowed: with --id, or a directory alone"))
			case !byID:
				return finish(run.Replay(s.out, run.Model{}, args[0]))
			case c.Flags().Changed("out") && out == "":
				return usage(errors.New(`--out ""; allowed: the name of a directory to make`))
			}
			sc, err := load(args[0], sets)
			if err != nil {
				return usage(err)
			}
			return finish(run.ReplayID(s.out, run.Model{}, sc, id, out, time.Now))
		},
	}
	c.Flags().StringVar(&id, "id", "", "replay id, as a report prints it")
	c.Flags().StringVar(&out, "out", "", "with --id: leave a run directory here")
	c.Flags().StringArrayVar(&sets, "set", nil, "with --id: override a field of the scenario; may be repeated")
	return c
}
