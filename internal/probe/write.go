package probe

import (
	"fmt"
	"io"
	"strings"
)

// Write prints the result for a reader.
func (r *Result) Write(w io.Writer) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-14s%s\n", name, fmt.Sprintf(format, args...))
	}
	line("path", "%s, a %s", r.Path, r.Kind)
	line("kernel", "%s", r.Kernel)
	if r.Filesystem != "" {
		line("file system", "%s", strings.TrimSpace(r.Filesystem+" "+r.Mount))
	}
	switch s := &r.Statx; {
	case !s.Known:
		line("statx", "says nothing of atomic writes")
	case s.UnitMax == 0:
		line("statx", "no atomic writes (unit_max 0)")
	default:
		line("statx", "unit_min %s, unit_max %s, unit_max_opt %s, segments_max %d", size(s.UnitMin), size(s.UnitMax), size(s.UnitMaxOpt), s.SegmentsMax)
	}
	if r.Statx.DirectMemory > 0 {
		line("direct", "memory aligned to %d, offsets to %d", r.Statx.DirectMemory, r.Statx.DirectOffset)
	} else {
		line("direct", "statx gives no alignment for O_DIRECT")
	}
	if d := r.Device; d != nil {
		q := &d.Queue
		if d.Partition > 0 {
			line("partition", "%d of %s, from byte %d, a multiple of %s", d.Partition, d.Name, d.Start, size(d.Start&-d.Start))
		}
		line("disk", "%s, logical block %s, physical %s, %s, largest transfer %s", d.Name, size(q.LogicalBlock), size(q.PhysicalBlock), q.Cache, size(q.MaxTransfer))
		if q.UnitMax > 0 {
			line("queue", "atomic unit %s to %s, max %s, boundary %s", size(q.UnitMin), size(q.UnitMax), size(q.Max), size(q.Boundary))
		} else {
			line("queue", "no atomic writes (unit_max 0)")
		}
	}
	if n := r.NVMe; n != nil {
		line("nvme", "%s, serial %s, firmware %s, formatted with LBAs of %s", n.Model, n.Serial, n.Firmware, size(n.LBA))
		line("power fail", "NAWUPF %s, NABSPF %s, NABO %s, NSFEAT bit 1 %s, AWUPF %s", size(n.NAWUPF), size(n.NABSPF), size(n.NABO), bit(&n.Namespaced), size(n.AWUPF))
		line("normal", "NAWUN %s, NABSN %s, AWUN %s, DN %s", size(n.NAWUN), size(n.NABSN), size(n.AWUN), bit(n.DisableNormal))
		cache := "none (VWC 0)"
		if n.VolatileCache {
			cache = "volatile (VWC 1), WCE " + bit(n.CacheOn)
		}
		line("write cache", "%s", cache)
	}
	if len(r.Tries) > 0 {
		fmt.Fprintf(&b, "\n%-10s%-20s%s\n", "length", "direct", "buffered")
		for _, t := range r.Tries {
			fmt.Fprintf(&b, "%-10s%-20s%s\n", size(t.Length), t.Direct, t.Buffered)
		}
	}
	b.WriteByte('\n')
	for _, f := range r.Facts {
		fmt.Fprintf(&b, "- %s\n", f)
	}
	fmt.Fprintf(&b, "\nclaim: %s\n", r.Claim)
	_, err := io.WriteString(w, b.String())
	return err
}

// bit prints a bit that may not be known.
func bit(b *bool) string {
	switch {
	case b == nil:
		return "unknown"
	case *b:
		return "1"
	}
	return "0"
}
