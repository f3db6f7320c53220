package engine

import (
	"untorn/crashsim"
	"untorn/workloads"
)

// copyMutants are defects of how user data gets into the page cache, steps 1
// to 18.
var copyMutants = []Mutant{
	{Name: "pin-late", Defect: "user pages are pinned after the first folio was copied", Killers: []string{"pinned"},
		plant: func(k *Kernel) {
			if k.axes.copy.value == CopyPin {
				k.copier = pinLate{k.copier}
			}
		}},
	{Name: "unpin-early", Defect: "user pages are unpinned before the last folio was copied", Killers: []string{"pinned"},
		plant: func(k *Kernel) {
			if k.axes.copy.value == CopyPin {
				k.copier = unpinEarly{k.copier}
			}
		}},
	{Name: "accept-short-copy", Defect: "a short copy into an uptodate folio is accepted and the unit goes on", Killers: []string{"short-copy"},
		plant: func(k *Kernel) { k.copier = acceptShortCopy{k.copier} }},
	{Name: "retry-per-folio", Defect: "a short copy shrinks the chunk and each folio becomes its own I/O", Killers: []string{"retry-again"},
		plant: func(k *Kernel) { k.copier = retryPerFolio{k.copier} }},
	{Name: "eintr-leaves-dirty", Defect: "a signal between folios leaves the first ones dirty and tagged", Killers: []string{"signal"},
		plant: wrap(func(r rules) rules { return eintrLeavesDirty{r} })},
	{Name: "shared-writer-lock", Defect: "two buffered writers interleave folio by folio", Killers: []string{"same-unit"},
		plant: wrap(func(r rules) rules { return sharedWriterLock{r} })},
	{Name: "stale-remap-half", Defect: "the mapping goes stale in mid-unit: half is reserved in the COW fork, half is not", Killers: []string{"remap-chain"},
		plant: wrap(func(r rules) rules { return staleRemapHalf{r} })},
	{Name: "reserve-per-folio", Defect: "space is reserved folio by folio, and runs out in mid-unit", Killers: []string{"no-space"},
		plant: wrap(func(r rules) rules { return reservePerFolio{r} })},
}

type pinLate struct{ copier }

func (pinLate) begin(*task) workloads.Errno { return 0 }

func (pinLate) faultIn(t *task) bool {
	if t.f.pos > t.f.start && t.f.pinned == 0 && !t.pinUserPages() {
		return false
	}
	return t.faultIn()
}

type unpinEarly struct{ copier }

func (unpinEarly) faultIn(t *task) bool {
	if t.f.end-t.f.pos <= int32(t.k.design.FolioMin/sectorBytes) {
		t.unpinUserPages()
	}
	return t.faultIn()
}

type acceptShortCopy struct{ copier }

func (acceptShortCopy) short(t *task) bool {
	t.f.copied = t.f.chunk
	return true
}

type retryPerFolio struct{ copier }

func (retryPerFolio) holds(*task, crashsim.FaultKind) bool { return false }

func (m retryPerFolio) again(t *task) workloads.Errno {
	t.closeUnit()
	return m.copier.again(t)
}

type eintrLeavesDirty struct{ rules }

func (eintrLeavesDirty) stopsAtSignal(t *task) bool { return t.f.signal != 0 }

type sharedWriterLock struct{ rules }

func (sharedWriterLock) excludesWriters() bool { return false }

// staleRemapHalf gives back what was reserved for the folios that are copied
// when it reserves again, and writeback follows the forks.
type staleRemapHalf struct{ rules }

func (staleRemapHalf) renewMapping(t *task, s span) bool {
	k := t.k
	k.unreserve(s.from, t.f.pos/k.blockSectors)
	return k.reserve(t.f.pos/k.blockSectors, s.to)
}

func (m staleRemapHalf) place(slot, block int32) int32 {
	k := m.kernel()
	place := m.rules.place(slot, block)
	if place == placeCow && k.forks.cow[block] == hole && k.forks.data[block].real() {
		return placePlain
	}
	return place
}

// reservePerFolio maps no more than one folio at a time.
type reservePerFolio struct{ rules }

func (m reservePerFolio) newMapping(t *task, _ span) bool {
	k, f := t.k, &t.f
	pages := int32(k.design.FolioMin / PageSize)
	f.mapEnd = min(f.mapEnd, (f.pos/pageSectors/pages+1)*pages*pageSectors)
	return k.reserve(f.pos/k.blockSectors, (f.mapEnd+k.blockSectors-1)/k.blockSectors)
}

func (m reservePerFolio) renewMapping(t *task, s span) bool { return m.newMapping(t, s) }
