package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"untorn/internal/run"
	"untorn/scenarios"
)

// tokenFlag adds --token-file.
func tokenFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "token-file", "", "file with the shared token, which its owner alone can read; without it the variable "+run.TokenEnv)
}

func witnessCommand(s *streams) *cobra.Command {
	var listen, dir, tokenFile string
	c := &cobra.Command{
		Use:   "witness --listen ADDR",
		Short: "Keep what another host acknowledged before it lost power",
		Long: `Witness listens for "untorn device run" of another host and keeps, durably, each
call before it is made there and each return before the next call. After that
host has lost power, "untorn device verify" asks for it. Both sides prove that
they have the same token, of 16 bytes at least; nothing is encrypted.`,
		Example: `  UNTORN_TOKEN=$(cat token) untorn witness --listen :7070
  untorn witness --listen 192.0.2.1:7070 --token-file token --dir /var/lib/untorn`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if listen == "" {
				return usage(errors.New("witness needs --listen ADDR; allowed: HOST:PORT or :PORT"))
			}
			token, err := run.Token(tokenFile)
			if err != nil {
				return usage(err)
			}
			return finish(run.Serve(c.Context(), s.out, listen, dir, token, func(line string) { fmt.Fprintln(s.err, line) }))
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "address to listen on, HOST:PORT")
	c.Flags().StringVar(&dir, "dir", "witness", "directory for the records")
	tokenFlag(c, &tokenFile)
	return c
}

func deviceRunCommand(s *streams) *cobra.Command {
	var p run.PowerCut
	var live liveFlags
	var tokenFile string
	var rows, sets []string
	c := &cobra.Command{
		Use:   "run SCENARIO --on PATH --witness ADDR",
		Short: "Write until power is lost, with a witness on another host",
		Long: `Run repeats the operations of a scenario's row on a file or block device and
tells the witness of every call before it is made and of every return before the
next one, until power is lost: by --cut, a command that it runs in the middle, or
by hand. After the reboot "untorn device verify" judges what is there.

A round in which no atomic write was accepted is the last one: run says refused
and what the kernel takes there, and the exit code is 1.`,
		Example: `  untorn device run direct-cow --on /mnt/xfs/scratch --witness 192.0.2.1:7070 --cut 'echo b > /proc/sysrq-trigger'
  untorn device run block-device --on /dev/nvme1n1 --destroy S4EVNX0M700000 --witness 192.0.2.1:7070 --token-file token`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			live.Repeat = 1
			switch err := live.check(true); {
			case live.Path == "":
				return usage(errors.New("device run needs --on PATH; allowed: a file that does not exist, or a block device"))
			case err != nil:
				return usage(err)
			case p.Witness == "":
				return usage(errors.New("device run needs --witness ADDR; without a witness: untorn run --target file"))
			}
			picked, err := pickRows(args, sets, rows, scenarios.Bounds{})
			if err != nil {
				return usage(err)
			}
			if len(picked) != 1 {
				return usage(fmt.Errorf("%d rows; allowed: one, see --row", len(picked)))
			}
			if p.Token, err = run.Token(tokenFile); err != nil {
				return usage(err)
			}
			p.Live = live.Live
			line := newProgress(s.err)
			defer line.clear()
			return finish(run.DeviceRun(c.Context(), s.out, &picked[0], p, line.set))
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return scenarios.List(scenarios.Main), cobra.ShellCompDirectiveDefault
		},
	}
	live.add(c)
	_ = c.Flags().MarkHidden("repeat")
	witnessFlag(c, &p.Witness)
	tokenFlag(c, &tokenFile)
	c.Flags().StringVar(&p.Cut, "cut", "", "command for sh that takes the power away")
	p.Seed, p.Grace = 1, time.Minute
	numberFlag(c, &p.CutAfter, "cut-after", 0, math.MaxInt32, "calls and returns after which it runs; 0 draws a number from --seed")
	numberFlag(c, &p.Seed, "seed", 0, unbounded, "seed of what is drawn")
	numberFlag(c, &p.Rounds, "rounds", 0, math.MaxInt32, "rounds after which to end, 0 for never")
	spanFlag(c, &p.Grace, "grace", "how long there may be power after --cut has ended")
	c.Flags().StringArrayVar(&rows, "row", nil, "the row to run: fields of its label")
	c.Flags().StringArrayVar(&sets, "set", nil, "override a field of the scenario; may be repeated")
	return c
}

func witnessFlag(c *cobra.Command, addr *string) {
	c.Flags().StringVar(addr, "witness", "", "address of the witness, HOST:PORT")
}

func deviceVerifyCommand(s *streams) *cobra.Command {
	var p run.PowerCut
	var tokenFile, name string
	var sameBoot bool
	c := &cobra.Command{
		Use:   "verify --on PATH --witness ADDR",
		Short: "Judge what a loss of power left, by what the witness holds",
		Long: `Verify asks the witness what the run had called and what had returned, reads the
file or device, and judges it: torn, lost, and the rest. It is refused when no
atomic write was accepted, and lost when the file, which was durable, is not there
by its name on its file system. The exit code is 0 when it held or is app-torn, 1
otherwise, or when nothing can be said, and 2 when PATH is not where the run was.`,
		Example: "  untorn device verify --on /mnt/xfs/scratch --witness 192.0.2.1:7070",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if p.Path == "" || p.Witness == "" {
				return usage(errors.New("device verify needs --on PATH and --witness ADDR"))
			}
			var err error
			if p.Token, err = run.Token(tokenFile); err != nil {
				return usage(err)
			}
			return finish(run.DeviceVerify(c.Context(), s.out, p, name, sameBoot))
		},
	}
	c.Flags().StringVar(&p.Path, "on", "", "the file or block device that was written")
	c.Flags().StringVar(&p.Second, "on-second", "", "the second file, for a workload of two")
	witnessFlag(c, &p.Witness)
	tokenFlag(c, &tokenFile)
	c.Flags().StringVar(&name, "run", "", "name of the run, the last one by default")
	c.Flags().BoolVar(&sameBoot, "same-boot", false, "the disk was cut by other means than this kernel's end")
	return c
}
