package conform

import (
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
	used := map[string]bool{}
	all := true
	for i := range Kinds {
		k := &Kinds[i]
		all = t.Run(k.Name, func(t *testing.T) {
			c, err := Compare(k)
			if err != nil {
				all = false
				needs.Or(t, err)
			}
			require.Equal(t, len(Calls()), c.Calls)
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
		for _, kind := range []string{"xfs", "ext4"} {
			c := &Comparison{Kind: kind, kernelMax: mib, modelMax: 256 * kib}
			c.add(x.call, x.kernel, x.model)
			require.Len(t, c.Differences, 1)
			require.Equal(t, x.explained && kind == "xfs", len(c.Unexplained()) == 0, "%s on %s", x.name, kind)
		}
	}
	c := &Comparison{Kind: "xfs"}
	c.add(&direct, "accepted", "accepted")
	require.Empty(t, c.Differences)
}
