package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/workloads"
)

// pieces is an atomic write of several units, in blocks.
func pieces(from, n, unit int64) workloads.Op {
	op := write(from, n, true)
	op.Unit = unit * 4 * kib
	return op
}

// TestPieces: a write of several units is checked by its units, and when it
// ends in the middle returns those that are whole.
func TestPieces(t *testing.T) {
	const gone = "user page 5 of db is gone"
	einval := workloads.Fail(workloads.EINVAL)
	at := func(s crashsim.Step) string { return stepTable[s].Name }
	signal := "fatal signal to db"
	for _, c := range []struct {
		name   string
		op     workloads.Op
		copy   Copy
		script script
		want   workloads.Result
	}{
		{name: "four units of two blocks", op: pieces(0, 8, 2), copy: CopyPin, want: 32 * kib},
		{name: "as many bytes as no unit may have", op: pieces(0, 24, 8), copy: CopyPin, want: 96 * kib},
		{name: "near: one unit of as many", op: write(0, 24, true), copy: CopyPin, want: einval},
		{name: "at a multiple of the unit that is none of the length", op: pieces(2, 8, 2), copy: CopyPin, want: 32 * kib},
		{name: "a unit that is no power of two", op: pieces(0, 6, 3), copy: CopyPin, want: einval},
		{name: "a page that is gone, pinned", op: pieces(0, 8, 2), copy: CopyPin,
			script: script{{at(stepPin), gone}}, want: workloads.Fail(workloads.EFAULT)},
		{name: "a page that is gone, in the third unit", op: pieces(0, 8, 2), copy: CopyPlain,
			script: script{{at(stepCopy), gone}}, want: 16 * kib},
		{name: "a signal before the first folio", op: pieces(0, 8, 2), copy: CopyPin,
			script: script{{at(stepSignal), signal}}, want: workloads.Fail(workloads.EINTR)},
		{name: "a signal in the middle of a unit ends the call after it", op: pieces(0, 8, 2), copy: CopyPin,
			script: script{{at(stepSignal), "go on"}, {at(stepSignal), "go on"}, {at(stepSignal), "go on"}, {at(stepSignal), signal}}, want: 16 * kib},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Design.Copy = c.copy
			cfg.Workload.File = 128 * kib
			cfg.Workload.Ops = []workloads.Op{c.op, fsyncOp}
			cfg.Faults[crashsim.PageGone], cfg.Faults[crashsim.Signal] = true, true
			left := c.script
			got, out := results(newKernel(t, cfg), &left, wide)
			require.Equal(t, crashsim.Done, out.Kind, out.Detail)
			require.Empty(t, left)
			require.Equal(t, c.want, got[1])
		})
	}
}
