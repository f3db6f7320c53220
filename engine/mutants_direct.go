package engine

import "untorn/workloads"

// directMutants are defects of direct I/O and write-through.
var directMutants = []Mutant{
	{Name: "copy-before-wait", Defect: "write-through copies before it waits for writeback; the device reads LBA by LBA",
		Killers: []string{"write-through"}, plant: wrap(func(r rules) rules { return copyBeforeWait{r} })},
	{Name: "silent-buffered", Defect: "a refused direct write goes through the cache without a word", Killers: []string{"direct-busy"},
		plant: wrap(func(r rules) rules { return silentBuffered{r} })},
	{Name: "append-unaligned", Defect: "append moves the position after the check", Killers: []string{"append-unaligned"},
		plant: wrap(func(r rules) rules { return appendUnaligned{r} })},
	{Name: "limit-shortens", Defect: "a size limit trims the write after validation", Killers: []string{"size-limit"},
		plant: wrap(func(r rules) rules { return limitShortens{r} })},
	{Name: "size-after-writeback", Defect: "write-through moves the size after writeback has zeroed what lies past it", Killers: []string{"write-through-append"},
		plant: wrap(func(r rules) rules { return sizeAfterWriteback{r} })},
}

type copyBeforeWait struct{ rules }

func (copyBeforeWait) stablePages(*task) {}

func (m copyBeforeWait) tag(t *task) {
	m.rules.stablePages(t)
	m.rules.tag(t)
}

type silentBuffered struct{ rules }

func (silentBuffered) fallsBack(*workloads.Op) bool { return true }

type appendUnaligned struct{ rules }

func (appendUnaligned) validateAppend(*workloads.Op, int32) workloads.Errno { return 0 }

type limitShortens struct{ rules }

func (m limitShortens) limited(op *workloads.Op, start, end int32) (int32, workloads.Errno) {
	plain := *op
	plain.Atomic = false
	return m.rules.limited(&plain, start, end)
}

type sizeAfterWriteback struct{ rules }

func (sizeAfterWriteback) growsFirst(*task) {}
