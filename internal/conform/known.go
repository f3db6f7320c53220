package conform

import (
	"slices"

	"untorn/engine"
	"untorn/internal/blk"
)

// A Reason explains some differences.
type Reason struct {
	Kinds  []string // names of the kinds of file
	Reason string
	// holds reports whether it explains a difference of one of these kinds.
	holds func(c *Comparison, d *Difference) bool
}

// Known is the table of differences that are known. Any other fails the test of
// conformance.
var Known = []Reason{
	{
		Kinds: []string{"xfs", "xfs block 1KiB", "xfs shut down"},
		Reason: "unit_max: XFS works out how long a unit its log can complete (xfs_calc_max_atomic_write_fsblocks), " +
			"so that it depends on the size of log and block; the model has 256KiB",
		holds: func(c *Comparison, d *Difference) bool {
			if d.Call == nil {
				return limits(c.blocksOf(), c.kernelMax, 0) == d.Kernel && limits(c.blocksOf(), c.modelMax, 0) == d.Model
			}
			// A length that only one of them takes.
			lower, higher := d.Kernel, d.Model
			if c.kernelMax > c.modelMax {
				lower, higher = d.Model, d.Kernel
			}
			n := d.Call.Length
			return d.Call.Atomic && min(c.kernelMax, c.modelMax) < n && n <= max(c.kernelMax, c.modelMax) && lower == "EINVAL" && higher == goesOn(d.Call)
		},
	},
	{
		Kinds: []string{"block device of 4KiB"},
		Reason: "O_DIRECT: the kernel wants offset, length and memory aligned to the logical block; " +
			"the model refuses such a workload before it runs, and its step 1 does not look",
		holds: func(_ *Comparison, d *Difference) bool {
			const lba = 4 * kib
			return d.Call != nil && d.Call.Direct && !d.Call.Atomic && d.Kernel == "EINVAL" && d.Model == "accepted" &&
				(d.Call.Offset%lba != 0 || d.Call.Length%lba != 0 || d.Call.Iovecs > 1 && blk.SectorSize%lba != 0)
		},
	},
}

// blocksOf returns the block of a kind, in bytes, which is its unit_min.
func (c *Comparison) blocksOf() int64 {
	if c.Kind == "xfs block 1KiB" {
		return kib
	}
	return 4 * kib
}

// goesOn is the answer to an atomic call whose size is right.
func goesOn(c *engine.Call) string {
	if c.Direct {
		return "accepted"
	}
	return "EOPNOTSUPP"
}

func (r *Reason) explains(c *Comparison, d *Difference) bool {
	return slices.Contains(r.Kinds, d.Kind) && r.holds(c, d)
}
