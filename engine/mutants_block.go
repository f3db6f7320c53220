package engine

import "untorn/crashsim/nvme"

// blockLayerMutants are defects of the block layer and the driver, step 30.
var blockLayerMutants = []Mutant{
	{Name: "merge-over-max", Defect: "two atomic bios merge past the device's limit and the driver's check is off", Killers: []string{"merge"},
		plant: wrap(func(r rules) rules { return mergeOverMax{r} })},
	{Name: "merge-mixed", Defect: "atomic and plain bios merge into a plain one above the limit", Killers: []string{"merge"},
		plant: wrap(func(r rules) rules { return mergeMixed{r} })},
	{Name: "split-atomic", Defect: "an atomic bio is split at the transfer limit", Killers: []string{"split"},
		plant: wrap(func(r rules) rules { return splitAtomic{r} })},
	{Name: "ignore-boundary", Defect: "the power-fail boundary is not checked", Killers: []string{"boundary"},
		plant: limitsOf(func(c *nvme.Config) { c.Boundary = 0 })},
	{Name: "ignore-boundary-offset", Defect: "the boundary's offset is not checked", Killers: []string{"boundary-merge"},
		plant: limitsOf(func(c *nvme.Config) { c.BoundaryOffset = 0 })},
	{Name: "trust-awun", Defect: "the limit for concurrency is taken for the one for power loss", Killers: []string{"awun"},
		plant: limitsOf(func(c *nvme.Config) { c.NAWUPF = max(c.NAWUPF, c.AWUN) })},
	{Name: "nawupf-counts-from-one", Defect: "the limit for power loss, which counts from 0, is taken for one LBA more", Killers: []string{"nawupf-odd"},
		plant: limitsOf(func(c *nvme.Config) { c.NAWUPF += c.LBA })},
	{Name: "ignore-partition", Defect: "a partition that is not aligned to the boundary has support all the same", Killers: []string{"partition"},
		plant: limitsOf(func(c *nvme.Config) { c.PartitionOffset = 0 })},
}

// limitsOf derives the queue limits from a device that is described wrongly.
func limitsOf(wrong func(*nvme.Config)) func(*Kernel) {
	return func(k *Kernel) {
		c := *k.dev.Config()
		wrong(&c)
		k.limits = newQueueLimits(&c)
	}
}

type mergeOverMax struct{ rules }

func (m mergeOverMax) merges(first *ioend, n int32, next *ioend) bool {
	return first.disk+n == next.disk && first.atomic == next.atomic && n+next.len <= m.kernel().limits.maxTransfer
}

func (mergeOverMax) refused(*ioend, int32) bool { return false }

type mergeMixed struct{ rules }

func (m mergeMixed) merges(first *ioend, n int32, next *ioend) bool {
	if first.atomic != next.atomic {
		return first.disk+n == next.disk && n+next.len <= m.kernel().limits.maxTransfer
	}
	return m.rules.merges(first, n, next)
}

// A request that is not all atomic passes as a plain one.
func (mergeMixed) refused(*ioend, int32) bool { return false }

// splitAtomic forgets that a unit has to fit one transfer.
type splitAtomic struct{ rules }

func (m splitAtomic) inPlace(s span) bool {
	k := m.kernel()
	limits := k.limits
	k.limits.unitMax = floorPow2(limits.hwMax)
	ok := m.rules.inPlace(s)
	k.limits = limits
	return ok
}

func (splitAtomic) refused(*ioend, int32) bool { return false }
