package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"untorn/internal/run"
)

func deviceCommand(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "device",
		Short: "Look at, and run on, the files and devices of this machine",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usage(errors.New("device needs a command; allowed: probe, conformance, run, verify"))
		},
	}
	c.AddCommand(probeCommand(s), conformanceCommand(s), deviceRunCommand(s), deviceVerifyCommand(s))
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
	var format string
	c := &cobra.Command{
		Use:   "conformance",
		Short: "Ask this kernel and the model the same questions",
		Long: `Conformance makes scratch loop devices with XFS, ext4 and nothing on them, makes
the same calls there and in the model (offsets, lengths, flags, buffers), and
lists where the answers differ, with the reason where it is known. It needs
root. The exit code is 1 when a difference has no known reason.`,
		Example: "  untorn device conformance\n  untorn device conformance --format json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if format != "text" && format != "json" {
				return usage(fmt.Errorf("--format %q; allowed: text, json", format))
			}
			line := newProgress(s.err)
			defer line.clear()
			return finish(run.Conformance(s.out, format == "json", line.set))
		},
	}
	c.Flags().StringVar(&format, "format", "text", "format: text, json")
	completeWords(c, "format", []string{"text", "json"})
	return c
}
