package model

import (
	"fmt"
	"slices"

	"untorn/crashsim"
	"untorn/engine"
	"untorn/internal/blk"
	"untorn/workloads"
)

// WhyRefused says in which step of the quiet schedule the first atomic write is
// refused, with what, and what the file takes; "" when that schedule accepts it.
func WhyRefused(c *Config) string {
	if !slices.ContainsFunc(c.Workload.Ops, func(op workloads.Op) bool { return op.Atomic }) {
		return "the workload has none"
	}
	k := engine.New(&engine.Config{Design: c.Design, Device: c.Device, Workload: &c.Workload, Interner: blk.NewInterner()})
	defer k.Machine().Close()
	why := ""
	var at crashsim.TraceEvent
	k.Machine().Trace = func(e crashsim.TraceEvent) {
		if e.Num != "" {
			at = e
		}
	}
	k.Device().OnEvent = func(e *blk.Event) {
		if e.Kind != blk.Return || why != "" {
			return
		}
		if op := &c.Workload.Ops[e.Op-1]; op.Atomic && e.Result < 0 {
			why = fmt.Sprintf("operation %d, %s, gets %v in step %s, %s; ", e.Op, op, workloads.Result(e.Result).Err(), at.Num, at.Text)
		}
	}
	k.Machine().Run(quiet{}, crashsim.Budget{})
	if why == "" {
		return ""
	}
	unitMin, unitMax, _ := k.UnitLimits()
	lengths := "powers of two from " + workloads.FormatSize(unitMin) + " to " + workloads.FormatSize(unitMax)
	switch unitMax {
	case 0:
		return why + "no length is allowed here"
	case unitMin:
		lengths = workloads.FormatSize(unitMin)
	}
	return why + "allowed here: " + lengths + ", at a multiple of the length"
}
