package main

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"untorn/internal/run"
	"untorn/scenarios"
)

// finish turns a code and an error of package run into those of a command.
func finish(code int, err error) error {
	if code == run.ExitOK && err == nil {
		return nil
	}
	return &exitError{code, err}
}

func verifyCommand(s *streams) *cobra.Command {
	var image, history, file, second string
	c := &cobra.Command{
		Use:   "verify {--image FILE | --file FILE} --history FILE",
		Short: "Judge an image of a disk, or a file",
		Long: `Verify judges the image of a disk of the model by what the caller saw before
power was lost, or a file of any file system as a reader finds it. A file is
refused when its history has no atomic write that was accepted. The exit code is
0 when it held or is app-torn, and 1 otherwise.`,
		Example: `  untorn verify --image runs/no-pin/single/image.raw --history runs/no-pin/single/history.txt
  untorn verify --file /mnt/scratch --history history.txt`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if (image == "") == (file == "") || history == "" {
				return usage(errors.New("verify needs --image FILE and --history FILE, or --file FILE and --history FILE"))
			}
			if image != "" {
				return finish(run.Verify(s.out, image, history))
			}
			h, err := run.ReadHistory(history)
			if err != nil {
				return usage(err)
			}
			return finish(run.VerifyFile(s.out, file, second, -1, 0, h))
		},
	}
	c.Flags().StringVar(&second, "second", "", "the second file, of a history of two")
	c.Flags().StringVar(&file, "file", "", "the file that the workload was about")
	c.Flags().StringVar(&image, "image", "", "the image, as a run leaves it in image.raw")
	c.Flags().StringVar(&history, "history", "", "the history, as a run leaves it in history.txt")
	return c
}

func versionCommand(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of untorn and of its engine",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(s.out, "untorn %s%s, engine %s, %s %s/%s\n", run.Version, revision(), run.EngineVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// revision returns the commit that the binary was built from for a line of
// text, when it knows.
func revision() string {
	if rev := sourceRevision(); rev != "" {
		return " (" + rev + ")"
	}
	return ""
}

// sourceRevision returns the commit that the binary was built from, with a "+"
// when files were changed, and "" when it does not know.
func sourceRevision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	rev, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			rev = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+"
		}
	}
	if rev == "" {
		return ""
	}
	return rev + dirty
}

func scenarioCommand(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "scenario",
		Short: "List, show, check and explain scenarios",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usage(errors.New("scenario needs a command; allowed: list, show, check, help"))
		},
	}
	c.AddCommand(listCommand(s), showCommand(s), checkCommand(s), fieldsCommand(s))
	return c
}

func fieldsCommand(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:   "help",
		Short: "Explain every field of a scenario",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(s.out, scenarios.Help())
			return err
		},
	}
}

func listCommand(s *streams) *cobra.Command {
	suite, suites := scenarios.Main, append(scenarios.Suites(), allSuites)
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the embedded scenarios",
		Example: "  untorn scenario list\n  untorn scenario list --suite debate\n  untorn scenario list --suite all",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			names := scenarios.All()
			if suite != allSuites {
				if err := checkSuite(suite, suites); err != nil {
					return usage(err)
				}
				names = scenarios.List(suite)
			}
			for _, name := range names {
				sc, err := scenarios.Embedded(name)
				if err != nil {
					return usage(err)
				}
				fmt.Fprintf(s.out, "%-20s %s\n", name, sc.About)
			}
			return nil
		},
	}
	suiteFlag(c, &suite, suites)
	return c
}

// allSuites is what scenario list takes in place of a suite.
const allSuites = "all"

// suiteFlag adds --suite to a command that takes some of the suites; the value
// that suite has is the default.
func suiteFlag(c *cobra.Command, suite *string, suites []string) {
	c.Flags().StringVar(suite, "suite", *suite, "suite of embedded scenarios: "+strings.Join(suites, ", "))
	completeWords(c, "suite", suites)
}

func checkSuite(suite string, suites []string) error {
	if !slices.Contains(suites, suite) {
		return fmt.Errorf("--suite %q; allowed: %s", suite, strings.Join(suites, ", "))
	}
	return nil
}

func showCommand(s *streams) *cobra.Command {
	var full, ops bool
	var sets []string
	c := &cobra.Command{
		Use:     "show NAME | FILE.yaml",
		Short:   "Print a scenario",
		Example: "  untorn scenario show cow-fork\n  untorn scenario show --full cow-fork --set copy=plain\n  untorn scenario show --ops sqlite-wal",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			sc, err := load(args[0], sets)
			if err != nil {
				return usage(err)
			}
			text := sc.Full()
			switch {
			case ops:
				text = sc.Ops()
			case !full && len(sets) == 0:
				text = sc.Text()
			}
			_, err = fmt.Fprint(s.out, text)
			return err
		},
	}
	c.Flags().BoolVar(&full, "full", false, "fill every default in")
	c.Flags().BoolVar(&ops, "ops", false, "print the numbered operations of each row instead")
	c.MarkFlagsMutuallyExclusive("full", "ops")
	c.Flags().StringArrayVar(&sets, "set", nil, "override a field (and fill every default in); may be repeated")
	return c
}

func checkCommand(s *streams) *cobra.Command {
	return &cobra.Command{
		Use:     "check NAME | FILE.yaml...",
		Short:   "Decode scenarios and list their rows without running them",
		Example: "  untorn scenario check my.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			built := true
			for _, name := range args {
				sc, err := load(name, nil)
				if err != nil {
					return usage(err)
				}
				for _, r := range sc.Rows() {
					state := "expects " + r.Expect
					switch {
					case r.Skip != "":
						state = "skipped: " + r.Skip
					case r.NotBuilt != nil:
						state, built = r.NotBuilt.Error(), false
					default:
						if err := r.Check(); err != nil {
							return usage(fmt.Errorf("%s: %w", name, err))
						}
					}
					fmt.Fprintf(s.out, "%s: %s\n", strings.TrimSpace(sc.Name+" "+r.Label), state)
				}
			}
			if !built {
				return &exitError{run.ExitNotBuilt, nil}
			}
			return nil
		},
	}
}
