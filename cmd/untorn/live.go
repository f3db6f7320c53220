package main

import (
	"errors"

	"github.com/spf13/cobra"

	"untorn/internal/run"
)

// maxDepth bounds --depth, and maxRepeat --repeat.
const (
	maxDepth  = 256
	maxRepeat = 1_000_000
)

// liveFlags say where operations run on this machine.
type liveFlags struct {
	run.Live
	set func() bool // one of the flags was given
}

// add adds the flags to a command.
func (f *liveFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.Path, "on", "", "the file, which must not exist yet, or the block device that the operations are on")
	fl.StringVar(&f.Second, "on-second", "", "the second file, for a workload of two")
	fl.BoolVar(&f.Existing, "existing", false, "the file may exist; its content is lost")
	fl.StringVar(&f.Destroy, "destroy", "", "serial number or size of the block device, whose content is lost")
	numberFlag(c, &f.Depth, "depth", 0, maxDepth, "writes of a task in flight together by io_uring; 0 is pwritev2")
	f.Repeat = 10
	numberFlag(c, &f.Repeat, "repeat", 1, maxRepeat, "runs of each row on a live target")
	f.set = func() bool {
		for _, name := range []string{"on", "on-second", "existing", "destroy", "depth", "repeat"} {
			if fl.Changed(name) {
				return true
			}
		}
		return false
	}
}

// check refuses flags that make no sense, or no sense without the target.
func (f *liveFlags) check(live bool) error {
	switch {
	case !live && f.set():
		return errors.New("--on, --on-second, --existing, --destroy, --depth and --repeat are for --target file")
	case live && f.Path == "":
		return errors.New("--target file needs --on PATH; allowed: a file that does not exist, or a block device")
	}
	return nil
}
