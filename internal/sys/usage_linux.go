package sys

import (
	"os"
	"syscall"
)

// MaxResident returns the most bytes of memory that a process which has ended
// had resident.
func MaxResident(p *os.ProcessState) (bytes int64, ok bool) {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, false
	}
	return usage.Maxrss << 10, true // KiB on Linux
}
