package main

import (
	"os"

	"github.com/spf13/cobra"

	"untorn/internal/run"
)

// diskServerName is the command that serves a recorded disk. It is this program
// once more: who serves a disk must not use what lies above it.
const diskServerName = "disk-server"

func diskServerCommand(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:    diskServerName,
		Short:  "Serve a recorded disk: for untorn run --target recorded",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := run.ServeDisk(s.in, s.out); err != nil {
				return &exitError{run.ExitEnvironment, err}
			}
			return nil
		},
	}
}

// diskCommand is the command line of the server.
func diskCommand() []string {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return []string{self, diskServerName}
}
