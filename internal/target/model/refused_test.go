package model

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/engine"
	"untorn/workloads"
)

// A refusal names the operation, the step and the rule; one of no atomic write
// and one that never was are told apart.
func TestWhyRefused(t *testing.T) {
	require.Empty(t, WhyRefused(small()))
	for name, x := range map[string]struct {
		change func(c *Config)
		want   string
	}{
		"length": {func(c *Config) { c.Workload.Ops[0].Length = 12 << 10 },
			"operation 1, db: pwrite offset=0 length=12KiB atomic, gets EINVAL in step 1, validate; allowed here: powers of two from 4KiB to 256KiB, at a multiple of the length"},
		"largest": {func(c *Config) { c.Design.MaxAtomicWrite = 4096 },
			"gets EINVAL in step 1, validate; allowed here: 4KiB, at a multiple of the length"},
		"no support": {func(c *Config) { c.Design.Writeback, c.Device.NAWUPF = engine.WritebackAtomic, 512 },
			"gets EOPNOTSUPP in step 1, validate; no length is allowed here"},
		"none": {func(c *Config) {
			for i := range c.Workload.Ops {
				c.Workload.Ops[i] = workloads.Op{Task: "db", Kind: workloads.Fsync}
			}
		}, "the workload has none"},
	} {
		c := small()
		x.change(c)
		require.Contains(t, WhyRefused(c), x.want, name)
	}
}
