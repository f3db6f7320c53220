package conform

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"untorn/engine"
	"untorn/workloads"
)

// WriteJSON prints every difference.
func WriteJSON(w io.Writer, all []*Comparison) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(all)
}

// Write prints a table, how many differences each reason explains, and those
// that none does.
func Write(w io.Writer, all []*Comparison) error {
	var b strings.Builder
	wide := 26
	for _, c := range all {
		wide = max(wide, len(c.Kind)+2)
	}
	fmt.Fprintf(&b, "%-*s%8s%10s%12s%13s  %s\n", wide, "file", "calls", "accepted", "differences", "unexplained", "statx")
	for _, c := range all {
		fmt.Fprintf(&b, "%-*s%8d%10d%12d%13d  %s\n", wide, c.Kind, c.Calls, c.Accepted, len(c.Differences), len(c.Unexplained()), c.Limits)
	}
	b.WriteString("\naccepted: atomic calls that the kernel took\n")
	for i := range Known {
		n := 0
		for _, c := range all {
			for _, d := range c.Differences {
				if d.Reason == Known[i].Reason {
					n++
				}
			}
		}
		if n > 0 {
			fmt.Fprintf(&b, "\n%d known, of %s: %s\n", n, Known[i].Of, Known[i].Reason)
		}
	}
	for _, c := range all {
		if len(c.Unexplained()) > 0 {
			b.WriteByte('\n')
		}
		for _, d := range c.Unexplained() {
			fmt.Fprintf(&b, "UNEXPLAINED, %s: %s: the kernel: %s, the model: %s\n", c.Kind, text(d.Call), d.Kernel, d.Model)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// text names a call, or the limits.
func text(c *engine.Call) string {
	if c == nil {
		return "limits"
	}
	s := "write"
	if c.Read {
		s = "read"
	}
	s += fmt.Sprintf(" offset=%s length=%s", workloads.FormatSize(c.Offset), workloads.FormatSize(c.Length))
	for _, f := range []struct {
		on   bool
		name string
	}{{c.Atomic, " atomic"}, {c.Direct, " direct"}, {c.Iovecs > 1, " of two iovecs"}, {c.Registered, " of a registered buffer"},
		{c.Append, " append"}, {c.Dsync, " dsync"}, {c.Limit != 0, " limit=" + workloads.FormatSize(c.Limit)}} {
		if f.on {
			s += f.name
		}
	}
	return s
}
