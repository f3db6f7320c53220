// Command untorn tortures designs for buffered atomic writes and judges every
// crash image that they may leave.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"untorn/internal/run"
	"untorn/scenarios"
)

func main() { os.Exit(untorn(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// streams are the standard streams, so that tests can have their own.
type streams struct {
	in       io.Reader
	out, err io.Writer
	args     []string // of the command line
}

// output remembers that a write failed, so that no command has to look.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// exitError carries the exit code of a command that failed; one without a
// cause has said all it had to say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

// untorn runs one command line and returns its exit code.
func untorn(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	out := &output{Writer: stdout}
	root := newRoot(&streams{stdin, out, stderr, args})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if out.err != nil {
		err = &exitError{run.ExitEnvironment, out.err}
	}
	if err == nil {
		return run.ExitOK
	}
	code := run.ExitUsage // whatever cobra refuses is usage
	var exit *exitError
	if errors.As(err, &exit) {
		code = exit.code
		if exit.err == nil {
			return code
		}
	}
	fmt.Fprintf(stderr, "untorn: %s\n", oneLine(err))
	return code
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", " ")), " ")
}

func newRoot(s *streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "untorn",
		Short: "Crash-consistency torture tests for buffered atomic writes",
		Long: `untorn runs designs for buffered atomic writes in a simulated kernel on a
simulated NVMe device, takes every schedule within bounds, loses power at every
point, and judges every image that the medium may then hold.

Exit codes: 0 as expected; 1 a verdict is not the expected one, inconclusive or
partial; 2 usage or a bad scenario; 3 the environment failed; 4 not supported
here or not built yet.`,
		Example: `  untorn run                      # every embedded scenario
  untorn run cow-fork my.yaml     # one of them, and a file
  untorn replay runs/no-pin/single
  untorn run --suite debate --resume
  untorn report runs --format markdown
  untorn scenario show --full cow-fork`,
		Version:       run.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(flagErrors)
	root.AddCommand(runCommand(s), replayCommand(s), shrinkCommand(s), reportCommand(s), mergeCommand(s), costCommand(s), verifyCommand(s), mutantsCommand(s), scenarioCommand(s), versionCommand(s))
	root.AddCommand(deviceCommand(s), witnessCommand(s), diskServerCommand(s))
	refuseUnknownNames(root)
	return root
}

// refuseUnknownNames makes "untorn completion NAME" and "untorn help NAME" errors
// for a name that is none. Cobra prints a help text and succeeds.
func refuseUnknownNames(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			c.Args = cobra.NoArgs
			c.RunE = func(*cobra.Command, []string) error {
				return usage(errors.New("completion needs a shell; allowed: bash, fish, powershell, zsh"))
			}
		case "help":
			help := c.Run
			c.Run = nil
			c.RunE = func(c *cobra.Command, args []string) error {
				if _, _, err := root.Find(args); err != nil {
					return usage(err)
				}
				help(c, args)
				return nil
			}
		}
	}
}

// usage wraps an error of the command line or of a scenario.
func usage(err error) error { return &exitError{run.ExitUsage, err} }

// load decodes a scenario: an embedded one by its name, or a file. What has a
// slash or ends in .yaml or .yml is a file.
func load(name string, sets []string) (*scenarios.Scenario, error) {
	if strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
		return scenarios.Load(name, sets...)
	}
	return scenarios.Embedded(name, sets...)
}
