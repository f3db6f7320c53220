package conform

import (
	"strings"

	"untorn/engine"
	"untorn/internal/blk"
)

// A Reason explains some differences.
type Reason struct {
	Of     string // the files that it is about
	Reason string
	// holds reports whether it explains a difference.
	holds func(c *Comparison, d *Difference) bool
}

// Known is the table of differences that are known. Any other fails the test of
// conformance.
var Known = []Reason{
	{
		Of: "XFS",
		Reason: "unit_max: XFS works out how long a unit its log can complete (xfs_calc_max_atomic_write_fsblocks), " +
			"so that it depends on the size of log and block; the model has 256KiB",
		holds: func(c *Comparison, d *Difference) bool {
			if c.filesystem != engine.XFS || c.modelMax != engine.MaxUnit {
				return false
			}
			if d.Call == nil {
				return c.kernelMin == c.modelMin && c.modelOpt == min(c.kernelOpt, c.modelMax)
			}
			return c.onlyOne(d)
		},
	},
	{
		Of: "a device with a logical block above 512",
		Reason: "O_DIRECT: the kernel wants offset, length and memory aligned to the logical block; " +
			"the model refuses such a workload before it runs, and its step 1 does not look",
		holds: func(c *Comparison, d *Difference) bool {
			return d.Call != nil && d.Call.Direct && !d.Call.Atomic && d.Kernel == "EINVAL" && strings.HasPrefix(d.Model, "accepted") &&
				(d.Call.Offset%c.lba != 0 || d.Call.Length%c.lba != 0 || d.Call.Iovecs > 1 && blk.SectorSize%c.lba != 0)
		},
	},
	{
		Of: "a block device with atomic writes",
		Reason: "the kernel looks at the limits of a unit when its bio is submitted " +
			"(blk_validate_atomic_write_op_size), which the model's step 1 is before",
		holds: func(c *Comparison, d *Difference) bool {
			return c.filesystem == engine.BlockDevice && c.kernelMax > 0 && d.Call != nil && d.Call.Direct && d.Call.Atomic && !d.Call.Read &&
				d.Kernel == "EINVAL" && d.Model == "accepted" && (d.Call.Length < c.kernelMin || d.Call.Length > c.kernelMax)
		},
	},
	{
		Of: "a file system with atomic writes",
		Reason: "RLIMIT_FSIZE: the kernel shortens an atomic write after it has checked it (generic_write_check_limits) " +
			"and so tears it, see docs/findings.md; the model's designs refuse it",
		holds: func(c *Comparison, d *Difference) bool {
			return c.filesystem != engine.BlockDevice && d.Call != nil && d.Call.Direct && d.Call.Atomic &&
				d.Call.Offset < d.Call.Limit && d.Call.Limit < d.Call.Offset+d.Call.Length &&
				d.Kernel == acceptedFor(d.Call.Limit-d.Call.Offset) && d.Model == "EINVAL"
		},
	},
	{
		Of: "a file system with atomic writes",
		Reason: "RWF_APPEND: the kernel checks the offset that it is given and then writes at the end of file (generic_write_checks), " +
			"where an atomic write of that length may not lie; the model's designs check again",
		holds: func(c *Comparison, d *Difference) bool {
			return c.filesystem != engine.BlockDevice && d.Call != nil && d.Call.Direct && d.Call.Atomic && d.Call.Append &&
				Size%d.Call.Length != 0 && d.Kernel == "accepted" && d.Model == "EINVAL"
		},
	},
}

// onlyOne reports whether a call is one of a length that only one of the two
// takes, and that one goes on with it.
func (c *Comparison) onlyOne(d *Difference) bool {
	lower, higher := d.Kernel, d.Model
	if c.kernelMax > c.modelMax {
		lower, higher = d.Model, d.Kernel
	}
	n := d.Call.Length
	return d.Call.Atomic && min(c.kernelMax, c.modelMax) < n && n <= max(c.kernelMax, c.modelMax) && lower == "EINVAL" && higher == goesOn(d.Call)
}

// goesOn is the answer to an atomic call whose size is right.
func goesOn(c *engine.Call) string {
	if c.Direct {
		return "accepted"
	}
	return "EOPNOTSUPP"
}
