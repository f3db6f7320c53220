package conform

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/engine"
	"untorn/internal/needs"
)

// Every call of the grid, on every kind of file, is answered by the kernel as
// the model says, or differently for a reason that the table has; and the table
// has no reason that explains nothing.
func TestConformance(t *testing.T) {
	used := map[string]bool{Known[2].Reason: true} // no device here has atomic writes
	all := true
	for i := range Kinds {
		k := &Kinds[i]
		all = t.Run(k.Name, func(t *testing.T) {
			c, err := Compare(context.Background(), k)
			if err != nil {
				all = false
				needs.Or(t, err)
			}
			require.Equal(t, len(Calls(Size)), c.Calls)
			for _, d := range c.Unexplained() {
				t.Errorf("%+v: the kernel: %s, the model: %s", d.Call, d.Kernel, d.Model)
			}
			for _, d := range c.Differences {
				used[d.Reason] = true
			}
			t.Logf("%d calls, %d atomic ones accepted, %d differences", c.Calls, c.Accepted, len(c.Differences))
		}) && all
	}
	for _, r := range Known {
		if all {
			assert.True(t, used[r.Reason], "explains nothing: %s", r.Reason)
		}
	}
}

// A difference that only looks like a known one is not explained.
func TestUnexplained(t *testing.T) {
	direct := engine.Call{Length: 512 * kib, Atomic: true, Direct: true}
	short, plain, cached := direct, direct, direct
	short.Length, plain.Atomic, cached.Direct = 64*kib, false, false
	for _, x := range []struct {
		name          string
		call          *engine.Call
		kernel, model string
		explained     bool
	}{
		{"a length that the kernel alone takes", &direct, "accepted", "EINVAL", true},
		{"the same through the page cache", &cached, "EOPNOTSUPP", "EINVAL", true},
		{"another error", &direct, "EIO", "EINVAL", false},
		{"the other way round", &direct, "EINVAL", "accepted", false},
		{"through the page cache, and accepted", &cached, "accepted", "EINVAL", false},
		{"a length that both take", &short, "accepted", "EINVAL", false},
		{"without the flag", &plain, "accepted", "EINVAL", false},
		{"limits", nil, "unit 4KiB to 1MiB, optimal 0", "unit 4KiB to 256KiB, optimal 0", true},
		{"another unit_min", nil, "unit 512 to 1MiB, optimal 0", "unit 4KiB to 256KiB, optimal 0", false},
	} {
		for _, fs := range []engine.Filesystem{engine.XFS, engine.Ext4} {
			c := &Comparison{filesystem: fs, lba: 512, kernelMin: 4 * kib, modelMin: 4 * kib, kernelMax: mib, modelMax: 256 * kib}
			if x.name == "another unit_min" {
				c.kernelMin = 512
			}
			c.add(x.call, x.kernel, x.model)
			require.Len(t, c.Differences, 1)
			require.Equal(t, x.explained && fs == engine.XFS, len(c.Unexplained()) == 0, "%s on %v", x.name, fs)
		}
	}
	// A block device with atomic writes of 4 to 64 KiB.
	read := direct
	read.Read = true
	for _, x := range []struct {
		name      string
		call      *engine.Call
		kernel    string
		explained bool
	}{
		{"too long", &direct, "EINVAL", true},
		{"another error", &direct, "EIO", false},
		{"within the limits", &short, "EINVAL", false},
		{"without the flag", &plain, "EINVAL", false},
		{"through the page cache", &cached, "EINVAL", false},
		{"a read", &read, "EINVAL", false},
	} {
		c := &Comparison{filesystem: engine.BlockDevice, lba: 512, kernelMin: 4 * kib, kernelMax: 64 * kib, modelMin: 4 * kib, modelMax: 64 * kib}
		c.add(x.call, x.kernel, "accepted")
		require.Equal(t, x.explained, len(c.Unexplained()) == 0, x.name)
		c.filesystem = engine.Ext4
		c.Differences = nil
		c.add(x.call, x.kernel, "accepted")
		require.Len(t, c.Unexplained(), 1, x.name)
	}
	// What moves or shortens an atomic write after it was checked.
	shortened := engine.Call{Offset: 16 * kib, Length: 8 * kib, Atomic: true, Direct: true, Limit: 20 * kib}
	whole, appended, fits := shortened, engine.Call{Length: 8 * kib, Atomic: true, Direct: true, Append: true}, engine.Call{Length: 4 * kib, Atomic: true, Direct: true, Append: true}
	whole.Limit = 24 * kib
	cachedAppend := appended
	cachedAppend.Direct = false
	for _, x := range []struct {
		name      string
		call      *engine.Call
		kernel    string
		explained bool
	}{
		{"to its limit", &shortened, "accepted for 4KiB", true},
		{"to another length", &shortened, "accepted for 512", false},
		{"not at all", &shortened, "accepted", false},
		{"with its end at the limit", &whole, "accepted", false},
		{"an append where it may not lie", &appended, "accepted", true},
		{"in part", &appended, "accepted for 4KiB", false},
		{"where it may", &fits, "accepted", false},
		{"through the page cache", &cachedAppend, "accepted", false},
	} {
		for _, fs := range []engine.Filesystem{engine.XFS, engine.Ext4, engine.BlockDevice} {
			c := &Comparison{filesystem: fs, lba: 512, kernelMin: 4 * kib, modelMin: 4 * kib, kernelMax: 64 * kib, modelMax: 64 * kib}
			c.add(x.call, x.kernel, "EINVAL")
			require.Equal(t, x.explained && fs != engine.BlockDevice, len(c.Unexplained()) == 0, "%s on %v", x.name, fs)
			c.Differences = nil
			c.add(x.call, x.kernel, "EIO")
			require.Len(t, c.Unexplained(), 1, x.name)
		}
	}
	c := &Comparison{Kind: "xfs"}
	c.add(&direct, "accepted", "accepted")
	require.Empty(t, c.Differences)
}
