package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"untorn/internal/run"
)

func deviceCommand(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "device",
		Short: "Look at, and run on, the files and devices of this machine",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usage(errors.New("device needs a command; allowed: probe, conformance, run, verify, speed"))
		},
	}
	c.AddCommand(probeCommand(s), conformanceCommand(s), deviceRunCommand(s), deviceVerifyCommand(s), speedCommand(s))
	return c
}

func probeCommand(s *streams) *cobra.Command {
	var scratch, format string
	c := &cobra.Command{
		Use:   "probe PATH",
		Short: "Say what decides whether atomic writes to PATH can be trusted",
		Long: `Probe prints what the kernel and the disk say of atomic writes to a file, a
directory or a block device: the limits of statx and of the queue, what an NVMe
disk says of itself, where a partition begins, the file system and its options;
what this kernel makes of each; and in one line what can be claimed. Nothing is
written unless --write names a new file, on which every length is tried, direct
and through the page cache, and which is then removed.`,
		Example: `  untorn device probe /dev/nvme0n1
  untorn device probe /mnt/xfs --write /mnt/xfs/scratch
  untorn device probe /mnt/xfs/data --format json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return usage(fmt.Errorf("--format %q; allowed: text, json", format))
			}
			return finish(run.Probe(s.out, args[0], scratch, format == "json"))
		},
	}
	c.Flags().StringVar(&scratch, "write", "", "a file that does not exist, to try writes on")
	c.Flags().StringVar(&format, "format", "text", "format: text, json")
	completeWords(c, "format", []string{"text", "json"})
	return c
}

func conformanceCommand(s *streams) *cobra.Command {
	var format, destroy string
	c := &cobra.Command{
		Use:     "conformance [PATH]",
		Aliases: []string{"conform"},
		Short:   "Ask this kernel and the model the same questions",
		Long: `Conformance makes the same calls here and in the model (offsets, lengths, flags,
buffers), and lists where the answers differ, with the reason where it is known.

With PATH it asks a new file there, which it makes and removes, or a block
device; the model then has the limits that statx reports of it. Of a device the
last 2 to 4 MiB are written to, and --destroy must be its serial number or size.
Without PATH it makes scratch loop devices with XFS, ext4 and nothing on them,
which needs root.

The exit code is 0 when every difference has a known reason, 1 when one has
none, 2 for a file that exists or a device that may not be written to, 3 when
the machine failed, and 4 where something is missing or the model does not know
the file system.`,
		Example: `  untorn device conformance
  untorn device conformance /mnt/xfs/scratch
  untorn device conformance /dev/nvme1n1 --destroy S4EVNX0M700000
  untorn device conformance --format json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			path := ""
			if len(args) > 0 {
				path = args[0]
			}
			switch {
			case format != "text" && format != "json":
				return usage(fmt.Errorf("--format %q; allowed: text, json", format))
			case len(args) > 0 && path == "":
				return usage(errors.New("PATH is empty; allowed: a new file, or a block device"))
			case path == "" && destroy != "":
				return usage(errors.New("--destroy needs the block device as PATH"))
			}
			line := newProgress(s.err)
			defer line.clear()
			return finish(run.Conformance(c.Context(), s.out, path, destroy, format == "json", line.set))
		},
	}
	c.Flags().StringVar(&destroy, "destroy", "", "serial number or size of the block device, whose content is lost")
	c.Flags().StringVar(&format, "format", "text", "format: text, json")
	completeWords(c, "format", []string{"text", "json"})
	return c
}

func speedCommand(s *streams) *cobra.Command {
	var l run.Load
	var unit, offset, size, format, destroy string
	var existing bool
	c := &cobra.Command{
		Use:   "speed --on PATH",
		Short: "Write stamped units at random as fast as they go",
		Long: `Speed writes units at random aligned places of a file or block device with
O_DIRECT, each stamped, for some time, then reads back every unit that was
written and checks that it holds, whole, what was written last. It prints writes
a second. ci/fio.sh compares that with fio.`,
		Example: `  untorn device speed --on /mnt/xfs/scratch --atomic
  untorn device speed --on /mnt/xfs/scratch --atomic --depth 16 --unit 64KiB --time 30s`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if l.Unit, err = run.ParseSize(unit); err != nil {
				return usage(fmt.Errorf("--unit: %w", err))
			}
			if l.Offset, err = run.ParseSize(offset); err != nil {
				return usage(fmt.Errorf("--offset: %w", err))
			}
			if l.Size, err = run.ParseSize(size); err != nil {
				return usage(fmt.Errorf("--size: %w", err))
			}
			switch {
			case l.Path == "":
				return usage(errors.New("device speed needs --on PATH; allowed: a file that does not exist, or a block device"))
			case format != "text" && format != "json":
				return usage(fmt.Errorf("--format %q; allowed: text, json", format))
			}
			return finish(run.Speed(c.Context(), s.out, l, existing, destroy, format == "json"))
		},
	}
	fl := c.Flags()
	fl.StringVar(&l.Path, "on", "", "the file, which must not exist yet and is removed, or the block device")
	fl.StringVar(&unit, "unit", "16KiB", "length of a write")
	fl.StringVar(&offset, "offset", "0", "where in the file or device the part begins that is written to")
	fl.StringVar(&size, "size", "256MiB", "how much of the file or device is written to")
	fl.BoolVar(&l.Atomic, "atomic", false, "write with RWF_ATOMIC")
	numberFlag(c, &l.Depth, "depth", 0, maxDepth, "writes in flight together by io_uring; 0 is pwritev2")
	l.Time, l.Seed = 5*time.Second, 1
	spanFlag(c, &l.Time, "time", "how long")
	numberFlag(c, &l.Seed, "seed", 0, unbounded, "seed of the places")
	fl.BoolVar(&existing, "existing", false, "the file may exist; its content is lost, and it stays")
	fl.StringVar(&destroy, "destroy", "", "serial number or size of the block device, whose content is lost")
	fl.StringVar(&format, "format", "text", "format: text, json")
	completeWords(c, "format", []string{"text", "json"})
	return c
}
