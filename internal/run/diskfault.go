package run

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"untorn/internal/disk"
	"untorn/internal/report"
	"untorn/internal/target/recorded"
)

// ParseDiskFaults reads faults of a disk: "eio=7", "short=9", "flush=2ms".
func ParseDiskFaults(words []string) (f disk.Faults, err error) {
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		n, bad := strconv.Atoi(value)
		switch name {
		case "eio":
			f.FailAt = n
		case "short":
			f.ShortAt = n
		case "flush":
			var d time.Duration
			d, bad = time.ParseDuration(value)
			n, f.FlushMicro = int(d.Microseconds()), int(d.Microseconds())
			if d > time.Second {
				n = 0
			}
		default:
			n = 0
		}
		if bad != nil || n < 1 {
			return f, fmt.Errorf("%q; allowed: eio=N and short=N, N the number of a command from 1 on, and flush=2ms, up to 1s", word)
		}
	}
	return f, nil
}

// diskFault is a kind of fault that can be asked of a disk.
type diskFault struct {
	word   string // as it is asked for
	field  string // of a report
	asked  bool
	struck int
}

func diskFaults(f disk.Faults, s disk.Struck) []diskFault {
	return []diskFault{
		{fmt.Sprintf("eio=%d", f.FailAt), "disk_eio", f.FailAt > 0, s.Failed},
		{fmt.Sprintf("short=%d", f.ShortAt), "disk_short", f.ShortAt > 0, s.Short},
		{"flush", "disk_slow_flush", f.FlushMicro > 0, s.Slow},
	}
}

// firedDisk adds how often each fault struck that was asked of the disk.
func firedDisk(fired report.Fields, f disk.Faults, r *recorded.Recording) report.Fields {
	for _, k := range diskFaults(f, r.Struck) {
		if k.asked {
			fired = fired.Text(k.field, strconv.Itoa(k.struck))
		}
	}
	return fired
}

// silentDisk names the faults that were asked of the disk and did not strike, and
// says which commands there were; "" when there is none.
func silentDisk(f disk.Faults, r *recorded.Recording) string {
	var silent []string
	for _, k := range diskFaults(f, r.Struck) {
		if k.asked && k.struck == 0 {
			silent = append(silent, k.word)
		}
	}
	if len(silent) == 0 {
		return ""
	}
	which := ""
	if f.ShortAt > 0 && r.Struck.Short == 0 {
		which = "; only a write can be short"
	}
	return fmt.Sprintf("the disk fault %s never struck the design: its disk took %d commands this time, %d of them before the first call%s",
		strings.Join(silent, ","), r.Struck.Commands, r.Mounting(), which)
}
