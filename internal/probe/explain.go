package probe

import (
	"fmt"
	"strings"

	"untorn/workloads"
)

var size = workloads.FormatSize

// since names the kernels from which on a file system takes atomic writes: of
// one block, and of more.
var since = map[string]struct{ one, more Version }{
	"xfs":  {Version{6, 13}, Version{6, 16}},
	"ext4": {Version{6, 13}, Version{6, 16}},
}

// explain says what this kernel does with what was found, and what can be
// claimed.
func (r *Result) explain() {
	say := func(format string, args ...any) { r.Facts = append(r.Facts, fmt.Sprintf(format, args...)) }
	version, err := ParseVersion(r.Kernel)
	from, known := since[r.Filesystem]
	switch {
	case err != nil:
		say("%v: what it does with these values is not known", err)
	case version.Before(6, 11):
		say("kernels before 6.11 have no RWF_ATOMIC")
	case known && version.Before(from.one.Major, from.one.Minor):
		say("%s takes atomic writes since kernel %d.%d", r.Filesystem, from.one.Major, from.one.Minor)
	case known && version.Before(from.more.Major, from.more.Minor):
		say("before kernel %d.%d %s takes atomic writes of one block only", from.more.Major, from.more.Minor, r.Filesystem)
	}
	if !r.Statx.Known && r.Kind != "directory" {
		say("statx says nothing of atomic writes: %s has none", or(r.Filesystem, "this device"))
	}
	if d := r.Device; d == nil {
		say("no single block device is below this file system")
	} else {
		r.explainDevice(d, say)
	}
	if r.NVMe != nil && err == nil {
		r.Facts = append(r.Facts, r.NVMe.facts(version)...)
		limit, _, _ := r.NVMe.Limit(version)
		switch q := &r.Device.Queue; {
		case !q.Atomic || q.Max == limit:
		case q.Max > 0:
			say("the queue's limit is %s where these fields give %s: patched, or merged with other paths", size(q.Max), size(limit))
		case q.Chunk > 0 && q.Chunk < limit:
			say("the queue is cut at multiples of %s (chunk_sectors), which is below that: the kernel takes no atomic writes", size(q.Chunk))
		}
	}
	r.explainFilesystem(say)
	r.Claim = r.claim()
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func (r *Result) explainFilesystem(say func(string, ...any)) {
	s := &r.Statx
	switch {
	case s.UnitMax == 0:
	case r.Filesystem == "xfs" && r.hardware() == 0:
		say("XFS writes every unit to new blocks and remaps them, since the disk takes none in place")
	case r.Filesystem == "xfs" && s.UnitMaxOpt > 0:
		say("XFS writes units of up to %s in place where the extent allows it, and longer ones to new blocks", size(s.UnitMaxOpt))
	case r.Filesystem == "xfs":
		say("XFS reports no limit above which it gets slower (unit_max_opt 0), which may also mean that it never writes in place")
	case r.Filesystem == "ext4" && s.UnitMax == s.UnitMin:
		say("ext4 takes more than one block only with bigalloc")
	case !r.judged():
		say("%s hands on what the file below it reports; that says nothing of whether it takes such writes itself", r.Filesystem)
	}
	if from, to := r.succeeded(); len(r.Tries) > 0 && s.UnitMax > 0 && (from != s.UnitMin || to != min(s.UnitMax, tryMax)) {
		say("statx reports units of %s to %s; direct writes of %s succeeded", size(s.UnitMin), size(s.UnitMax), span(from, to))
	}
}

func (r *Result) explainDevice(d *Device, say func(string, ...any)) {
	q := &d.Queue
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
	}
	switch {
	case d.Partition == 0 || q.UnitMax == 0:
	case d.aligned():
		say("partition %d begins at a multiple of %s, as it has to", d.Partition, size(d.alignment()))
	default:
		say("partition %d begins at byte %d, no multiple of %s: the kernel takes atomic writes away from it", d.Partition, d.Start, size(d.alignment()))
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
	if d.Backing != "" {
		say("%s is a loop device over %s: what that file lies on counts too", d.Name, d.Backing)
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

// judged reports whether what statx says is what the file itself takes. Of
// other file systems it may be the answer of one below.
func (r *Result) judged() bool {
	_, known := since[r.Filesystem]
	return known || r.Kind == "block device"
}
