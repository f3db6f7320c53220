package run

import (
	"cmp"
	"iter"
	"slices"

	"untorn/crashsim"
	"untorn/internal/shrink"
	"untorn/internal/tape"
	"untorn/scenarios"
	"untorn/workloads"
)

// smallCase is a counterexample on its way to a smaller one: a row whose
// workload and faults may be others than its scenario has, and a schedule.
type smallCase struct {
	row      scenarios.Row
	schedule tape.Tape // without the cut
	cut      tape.Tape // the entry of the cut
	steps    int
	faults   int
	switches int // preemptions

	try  how
	what string // of the case before was made smaller
}

// how says where a case that was made smaller may take its schedule from.
type how uint8

const (
	byTape   how = iota // what fits of the schedule
	bySearch            // that, or another one that is found
	byBudget            // one that is found within faults and switches
)

// size orders cases: what a reader has to understand first.
func (c *smallCase) size() []int {
	w := &c.row.Workload
	var length, offset int64
	flags := 0
	for i := range w.Ops {
		op := &w.Ops[i]
		length += op.Length / workloads.SectorSize
		offset += (op.Offset + op.From) / workloads.SectorSize
		for _, f := range flagsOf(op) {
			if *f {
				flags++
			}
		}
	}
	kinds := c.row.Faults.RecoveryPowerLoss
	for _, on := range c.row.Faults.Kinds {
		if on {
			kinds++
		}
	}
	return []int{len(w.Ops), tasksOf(w), c.faults, c.switches, int(length), int((w.File + w.Second) / workloads.SectorSize),
		kinds, flags, int(offset), c.steps, len(c.schedule)}
}

func (c smallCase) less(o smallCase) bool { return slices.Compare(c.size(), o.size()) < 0 }

// with returns the case with another workload, to be searched.
func (c smallCase) with(change func(w *workloads.Workload)) smallCase {
	c.try = bySearch
	c.row.Workload.Ops = slices.Clone(c.row.Workload.Ops)
	w := &c.row.Workload
	change(w)
	for i := range w.Ops {
		if op := &w.Ops[i]; op.Append {
			op.Offset = w.Size(op.File)
		}
	}
	return c
}

// smaller lists every single reduction of a case.
func (c smallCase) smaller() iter.Seq[smallCase] {
	return func(yield func(smallCase) bool) {
		for _, group := range []struct {
			what string
			list iter.Seq[smallCase]
		}{
			{"fewer operations", c.fewerOps()},
			{"fewer tasks", c.fewerTasks()},
			{"fewer choices", c.fewerChoices()},
			{"smaller units or file", c.smallerUnits()},
			{"fewer flags", c.fewerFlags()},
			{"fewer kinds of fault", c.fewerKinds()},
			{"a cheaper schedule", c.cheaper()},
		} {
			for smaller := range group.list {
				if smaller.what = group.what; !yield(smaller) {
					return
				}
			}
		}
	}
}

func (c smallCase) fewerOps() iter.Seq[smallCase] {
	return func(yield func(smallCase) bool) {
		for ops := range shrink.Without(c.row.Workload.Ops) {
			if len(ops) > 0 && !yield(c.with(func(w *workloads.Workload) { w.Ops = ops })) {
				return
			}
		}
	}
}

// fewerTasks lets one task do what two did.
func (c smallCase) fewerTasks() iter.Seq[smallCase] {
	return func(yield func(smallCase) bool) {
		var names []string
		for _, op := range c.row.Workload.Ops {
			if !slices.Contains(names, op.Task) {
				names = append(names, op.Task)
			}
		}
		for i := range names {
			for j := range i {
				one := c.with(func(w *workloads.Workload) {
					for k := range w.Ops {
						if w.Ops[k].Task == names[i] {
							w.Ops[k].Task = names[j]
						}
					}
				})
				if !yield(one) {
					return
				}
			}
		}
	}
}

// fewerChoices leaves choices out of the schedule.
func (c smallCase) fewerChoices() iter.Seq[smallCase] {
	return func(yield func(smallCase) bool) {
		for rest := range shrink.Without(c.schedule) {
			one := c
			one.schedule, one.try = rest, byTape
			if !yield(one) {
				return
			}
		}
	}
}

// smallerUnits halves lengths, all of them and one by one, moves operations
// down, and takes away what the file has beyond them.
func (c smallCase) smallerUnits() iter.Seq[smallCase] {
	half := func(n int64) int64 { return n / 2 / workloads.SectorSize * workloads.SectorSize }
	halve := func(op *workloads.Op) {
		if half(op.Length) > 0 {
			op.Length, op.Offset, op.From = half(op.Length), half(op.Offset), half(op.From)
		}
	}
	return func(yield func(smallCase) bool) {
		ops := c.row.Workload.Ops
		all := func(w *workloads.Workload) {
			for i := range w.Ops {
				halve(&w.Ops[i])
			}
		}
		if !yield(c.with(all)) || !yield(c.with(func(w *workloads.Workload) { all(w); w.File = half(w.File) })) {
			return
		}
		for i := range ops {
			if ops[i].Length > workloads.SectorSize && !yield(c.with(func(w *workloads.Workload) { w.Ops[i].Length = half(w.Ops[i].Length) })) {
				return
			}
			if ops[i].Offset > 0 && (!yield(c.with(func(w *workloads.Workload) { w.Ops[i].Offset = 0 })) ||
				!yield(c.with(func(w *workloads.Workload) { lower(w, i) }))) {
				return
			}
		}
		for _, change := range []func(w *workloads.Workload){
			func(w *workloads.Workload) { w.Second = 0 },
			func(w *workloads.Workload) { w.Second = half(w.Second) },
			func(w *workloads.Workload) { w.File = reach(w) },
			func(w *workloads.Workload) { w.File = half(w.File) },
		} {
			if !yield(c.with(change)) {
				return
			}
		}
	}
}

// lower moves an operation, and all others at or above its place, down by its
// length.
func lower(w *workloads.Workload, i int) {
	at, by := w.Ops[i].Offset, w.Ops[i].Length
	for k := range w.Ops {
		if op := &w.Ops[k]; op.Offset >= at && op.Offset >= by {
			op.Offset -= by
		}
	}
}

// reach is where the last operation on the first file ends.
func reach(w *workloads.Workload) (end int64) {
	for i := range w.Ops {
		if op := &w.Ops[i]; op.File == 0 {
			end = max(end, op.Offset+op.Length)
		}
	}
	return min(end, w.File)
}

// flagsOf are the flags that an operation can do without and stay what it is.
func flagsOf(op *workloads.Op) []*bool { return []*bool{&op.Direct, &op.Dsync, &op.Append} }

func (c smallCase) fewerFlags() iter.Seq[smallCase] {
	return func(yield func(smallCase) bool) {
		for i := range c.row.Workload.Ops {
			for j, f := range flagsOf(&c.row.Workload.Ops[i]) {
				if *f && !yield(c.with(func(w *workloads.Workload) { *flagsOf(&w.Ops[i])[j] = false })) {
					return
				}
			}
		}
	}
}

// fewerKinds turns kinds of fault off.
func (c smallCase) fewerKinds() iter.Seq[smallCase] {
	return func(yield func(smallCase) bool) {
		one := c
		one.try = bySearch
		for k := crashsim.Reclaim; k < crashsim.NumFaultKinds; k++ {
			if one.row.Faults = c.row.Faults; c.row.Faults.Kinds[k] {
				one.row.Faults.Kinds[k] = false
				if !yield(one) {
					return
				}
			}
		}
		if one.row.Faults = c.row.Faults; c.row.Faults.RecoveryPowerLoss > 0 {
			one.row.Faults.RecoveryPowerLoss--
			yield(one)
		}
	}
}

// cheaper asks for a schedule of fewer faults, of fewer preemptions, and of
// fewer steps.
func (c smallCase) cheaper() iter.Seq[smallCase] {
	return func(yield func(smallCase) bool) {
		one := c
		one.try = byBudget
		if one.faults--; c.faults > 0 && !yield(one) {
			return
		}
		one.faults = c.faults
		if one.switches--; c.switches > 0 && !yield(one) {
			return
		}
		one.switches = c.switches
		yield(one)
	}
}

// tasksOf counts the tasks of a workload, and unitOf is its longest operation.
func tasksOf(w *workloads.Workload) int {
	var names []string
	for i := range w.Ops {
		names = append(names, w.Ops[i].Task)
	}
	slices.Sort(names)
	return len(slices.Compact(names))
}

func unitOf(w *workloads.Workload) int64 {
	return slices.MaxFunc(w.Ops, func(a, b workloads.Op) int { return cmp.Compare(a.Length, b.Length) }).Length
}
