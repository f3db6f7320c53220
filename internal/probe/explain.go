package probe

import (
	"fmt"
	"io"
	"strings"

	"untorn/workloads"
)

// explain says what this kernel does with what was found, and what can be
// claimed.
func (r *Result) explain() {
	size := workloads.FormatSize
	say := func(format string, args ...any) { r.Facts = append(r.Facts, fmt.Sprintf(format, args...)) }
	version, err := ParseVersion(r.Kernel)
	if err != nil {
		say("%v: what it does with these values is not known", err)
	} else if version.Before(6, 11) {
		say("kernels before 6.11 have no RWF_ATOMIC")
	}
	if !r.Statx.Known && r.Kind != "directory" {
		say("statx says nothing of atomic writes: the kernel or %s has none", or(r.Filesystem, "this device"))
	}
	if d := r.Device; d == nil {
		say("no single block device is below this file system")
	} else {
		r.explainDevice(d, say)
	}
	if r.NVMe != nil && err == nil {
		r.Facts = append(r.Facts, r.NVMe.facts(version)...)
		if limit, _, _ := r.NVMe.Limit(version); r.Device.Queue.Atomic && r.Device.Queue.Max != limit && r.Device.Queue.Max != 0 {
			say("the queue's limit is %s where these fields give %s: patched, or merged with other paths", size(r.Device.Queue.Max), size(limit))
		}
	}
	if r.Filesystem == "xfs" && r.Statx.UnitMax > 0 {
		switch hardware := r.hardware(); {
		case hardware == 0:
			say("XFS writes every unit to new blocks and remaps them, since the disk takes none in place")
		case r.Statx.UnitMaxOpt > 0:
			say("XFS writes units of up to %s in place where the extent allows it, and longer ones to new blocks", size(r.Statx.UnitMaxOpt))
		default:
			say("XFS reports no limit above which it gets slower (unit_max_opt 0), which may also mean that it never writes in place")
		}
	}
	if r.Filesystem == "ext4" && r.Statx.UnitMax > 0 && r.Statx.UnitMax == r.Statx.UnitMin {
		say("ext4 takes more than one block only with bigalloc")
	}
	r.Claim = r.claim()
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func (r *Result) explainDevice(d *Device, say func(string, ...any)) {
	size, q := workloads.FormatSize, &d.Queue
	switch {
	case !q.Atomic:
		say("the queue of %s has no atomic limits: a kernel before 6.11", d.Name)
	case q.UnitMax == 0:
		say("%s takes no atomic writes in hardware", d.Name)
	default:
		say("%s takes atomic writes of %s to %s in hardware", d.Name, size(q.UnitMin), size(q.UnitMax))
		if q.UnitMax < q.Max && q.MaxTransfer < q.Max {
			say("the largest transfer of %s, and the segments that it leaves, keep that below the disk's own %s", size(q.MaxTransfer), size(q.Max))
		}
		if q.Boundary > 0 {
			say("no atomic write may cross a multiple of %s on the disk", size(q.Boundary))
		}
		if d.Partition > 0 && !d.aligned() {
			say("partition %d begins at %s, no multiple of %s: the kernel takes atomic writes away from it", d.Partition, size(d.Start), size(d.alignment()))
		}
	}
	if q.Cache == "write back" {
		fua := "without FUA"
		if q.FUA {
			fua = "with FUA"
		}
		say("the kernel takes the cache of %s as volatile (%s), and flushes it", d.Name, fua)
	} else {
		say("the kernel takes the cache of %s as none or protected, and never flushes it", d.Name)
	}
	if len(d.Slaves) > 0 {
		say("%s lies on %s: look at these too", d.Name, strings.Join(d.Slaves, ", "))
	}
}

// hardware returns the longest unit that the disk takes in place at this path,
// 0 for none.
func (r *Result) hardware() int64 {
	if r.Device == nil || !r.Device.aligned() {
		return 0
	}
	return r.Device.Queue.UnitMax
}

// claim is what can and what cannot be claimed, in one line.
func (r *Result) claim() string {
	size := workloads.FormatSize
	buffered := "through the page cache nothing (not tried)"
	if len(r.Tries) > 0 {
		buffered = "through the page cache nothing: the kernel refuses it"
		for _, t := range r.Tries {
			if t.Buffered == "ok" {
				buffered = fmt.Sprintf("through the page cache up to %s are accepted, which no released kernel does", size(t.Length))
			}
		}
	}
	if r.Kind == "directory" && !r.Statx.Known {
		return "nothing yet: a directory has no limits; name a file in it, or a scratch file with --write"
	}
	if r.Statx.UnitMax == 0 {
		return "no write here is atomic under power loss: the kernel takes none, direct or buffered; a sector of the disk is the most that can be hoped for"
	}
	how := fmt.Sprintf("on the word of %s that it keeps a unit whole", or(r.deviceName(), "the device"))
	if r.Filesystem == "xfs" && r.hardware() == 0 {
		how = "because XFS remaps, if the disk keeps flushes"
	}
	return fmt.Sprintf("direct writes of %s to %s are atomic %s; %s; only a loss of power or a recorded log shows more",
		size(r.Statx.UnitMin), size(r.Statx.UnitMax), how, buffered)
}

func (r *Result) deviceName() string {
	if r.Device == nil {
		return ""
	}
	return r.Device.Name
}

// Write prints the result for a reader.
func (r *Result) Write(w io.Writer) error {
	var b strings.Builder
	size := workloads.FormatSize
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-14s%s\n", name, fmt.Sprintf(format, args...))
	}
	line("path", "%s, a %s", r.Path, r.Kind)
	line("kernel", "%s", r.Kernel)
	if r.Filesystem != "" {
		line("file system", "%s %s", r.Filesystem, r.Mount)
	}
	if r.Statx.Known {
		line("statx", "unit %s to %s, optimal up to %s, %d segment", size(r.Statx.UnitMin), size(r.Statx.UnitMax), size(r.Statx.UnitMaxOpt), r.Statx.SegmentsMax)
	} else {
		line("statx", "no atomic limits")
	}
	line("direct", "memory aligned to %d, offsets to %d", r.Statx.DirectMemory, r.Statx.DirectOffset)
	if d := r.Device; d != nil {
		q := &d.Queue
		if d.Partition > 0 {
			line("partition", "%d of %s, from %s", d.Partition, d.Name, size(d.Start))
		}
		line("disk", "%s, blocks %d/%d, %s, largest transfer %s", d.Name, q.LogicalBlock, q.PhysicalBlock, q.Cache, size(q.MaxTransfer))
		line("queue", "atomic unit %s to %s, max %s, boundary %s", size(q.UnitMin), size(q.UnitMax), size(q.Max), size(q.Boundary))
	}
	if n := r.NVMe; n != nil {
		line("nvme", "%s, %s, firmware %s, LBA %s", n.Model, n.Serial, n.Firmware, size(n.LBA))
		line("power fail", "NAWUPF %s, NABSPF %s, NABO %s, NSFEAT bit 1 %v, AWUPF %s", size(n.NAWUPF), size(n.NABSPF), size(n.NABO), n.Namespaced, size(n.AWUPF))
		line("normal", "NAWUN %s, NABSN %s, AWUN %s", size(n.NAWUN), size(n.NABSN), size(n.AWUN))
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
