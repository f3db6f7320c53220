package engine

import (
	"fmt"

	"untorn/crashsim"
)

// Forms of reclaim.
const (
	formVanish    = 1 // A: task, B: page of its buffer
	formEvict     = 2 // A: first page of the folio
	formWriteback = 3 // A: first page of the folio
)

// Faults appends the faults that may strike as t announces s. A user page is
// looked at when it is pinned, faulted in or copied from and at no other
// moment, so that the steps where it can be lost are those three.
func (k *Kernel) Faults(buf []crashsim.Fault, mt *crashsim.Task, s crashsim.Step) []crashsim.Fault {
	t := k.tasks[mt.ID()]
	if k.faults[crashsim.Reclaim] {
		buf = t.vanishing(buf, s, crashsim.Fault{Kind: crashsim.Reclaim, Form: formVanish})
		buf = k.reclaims(buf)
	}
	if k.faults[crashsim.Migration] {
		buf = t.vanishing(buf, s, crashsim.Fault{Kind: crashsim.Migration})
	}
	if k.faults[crashsim.Signal] && s == stepSignal && t.f.signal == 0 {
		buf = append(buf, crashsim.Fault{Kind: crashsim.Signal, A: int32(t.ID())})
	}
	if k.faults[crashsim.NoMemory] && t.f.noMemory == 0 && t.allocates(s) {
		buf = append(buf, crashsim.Fault{Kind: crashsim.NoMemory, A: int32(t.ID())})
	}
	if k.faults[crashsim.Quota] && s == stepPickFolios && t.f.wbSync == 0 && t.f.wbQuota == 0 {
		buf = append(buf, crashsim.Fault{Kind: crashsim.Quota, A: int32(t.ID())})
	}
	if k.faults[crashsim.NoSpace] && t.f.noSpace == 0 && t.takesBlocks(s) {
		buf = append(buf, crashsim.Fault{Kind: crashsim.NoSpace, A: int32(t.ID())})
	}
	if k.faults[crashsim.FolioSplit] {
		buf = k.splits(buf)
	}
	if k.faults[crashsim.TrackerEviction] {
		buf = k.evictions(buf)
	}
	if k.faults[crashsim.LogForce] && k.logWork == 0 && len(k.log.items) > int(k.log.writing) {
		buf = append(buf, crashsim.Fault{Kind: crashsim.LogForce})
	}
	if k.faults[crashsim.ShortCopy] && s == stepCopy && !k.copier.holds(t, crashsim.ShortCopy) && t.f.copied == 0 {
		for n := int32(1); n < t.resident(t.f.chunk); n++ {
			buf = append(buf, crashsim.Fault{Kind: crashsim.ShortCopy, A: int32(t.ID()), B: n})
		}
	}
	if k.faults[crashsim.PageGone] && !k.copier.holds(t, crashsim.PageGone) {
		buf = t.goingPages(buf, s)
	}
	return buf
}

// vanishing lists the user pages that may be reclaimed, or move, between
// fault-in and copy.
func (t *task) vanishing(buf []crashsim.Fault, s crashsim.Step, x crashsim.Fault) []crashsim.Fault {
	f := &t.f
	if s != stepCopy || t.k.copier.holds(t, x.Kind) {
		return buf
	}
	for p := t.userPage(f.pos); p <= t.userPage(f.pos+f.chunk-1); p++ {
		if bit(&f.userPages, p) {
			x.A, x.B = int32(t.ID()), p
			buf = append(buf, x)
		}
	}
	return buf
}

// reclaims lists the clean folios that may be evicted and the dirty ones at
// which the flusher may start. Of the folios that are written together only
// the first is listed: to start at another one of them is the same.
func (k *Kernel) reclaims(buf []crashsim.Fault) []crashsim.Fault {
	for i := range k.cache.folios {
		fo := &k.cache.folios[i]
		switch {
		case fo.pages == 0:
		case fo.evictable():
			buf = append(buf, crashsim.Fault{Kind: crashsim.Reclaim, Form: formEvict, A: fo.index})
		case fo.dirty && k.started.queued == 0 && k.leads(fo):
			buf = append(buf, crashsim.Fault{Kind: crashsim.Reclaim, Form: formWriteback, A: fo.index})
		}
	}
	return buf
}

// leads reports whether no dirty folio before fo would be written together
// with it.
func (k *Kernel) leads(fo *folio) bool {
	from, _ := k.rules.widen(fo.index, fo.end())
	first := true
	k.eachFolio(from, fo.index, func(other *folio) bool {
		first = !other.dirty
		return first
	})
	return first
}

// allocates reports whether the step that is announced needs memory: for the
// pins, for the tracker, for a folio.
func (t *task) allocates(s crashsim.Step) bool {
	k, f := t.k, &t.f
	switch s {
	case stepPin:
		return true
	case stepMap:
		return t.op().Atomic && f.unitTo == 0 && ask(&k.axes.track, func(v Track) bool { return v != TrackNone })
	case stepGetFolio:
		if f.unitTo != 0 && f.holdTo == 0 && k.copier.holdsFolios() {
			return !k.cache.all(f.pieceFrom/pageSectors, (f.pieceTo+pageSectors-1)/pageSectors)
		}
		return k.cache.folio(f.pos/pageSectors) == nil
	}
	return false
}

// takesBlocks reports whether the step that is announced reserves space, or
// takes blocks for data that it is to write back.
func (t *task) takesBlocks(s crashsim.Step) bool {
	switch s {
	case stepMap, stepDirectMap, stepMapBlocks:
		return true
	}
	return false
}

// splits lists the large folios that may be split: neither locked nor under
// writeback nor held (folio_split).
func (k *Kernel) splits(buf []crashsim.Fault) []crashsim.Fault {
	least := int32(k.design.FolioMin / PageSize)
	for i := range k.cache.folios {
		fo := &k.cache.folios[i]
		if fo.pages >= 2*least && fo.pages > 0 && fo.lockedBy == 0 && fo.writeback == 0 && fo.refs == 0 && k.tracker.splits(fo) {
			buf = append(buf, crashsim.Fault{Kind: crashsim.FolioSplit, A: fo.index})
		}
	}
	return buf
}

// goingPages lists the user pages that may be unmapped for good.
func (t *task) goingPages(buf []crashsim.Fault, s crashsim.Step) []crashsim.Fault {
	f := &t.f
	if s != stepPin && s != stepFaultIn && s != stepCopy {
		return buf
	}
	for p := t.userPage(f.pos); p <= t.userPage(f.end-1); p++ {
		if !bit(&f.userGone, p) {
			buf = append(buf, crashsim.Fault{Kind: crashsim.PageGone, A: int32(t.ID()), B: p})
		}
	}
	return buf
}

// FailsIO is part of crashsim.Kernel.
func (k *Kernel) FailsIO() bool { return k.faults[crashsim.IOError] }

// Strike lets a fault happen.
func (k *Kernel) Strike(x crashsim.Fault, _ *crashsim.Task) {
	switch x.Kind {
	case crashsim.Reclaim:
		switch x.Form {
		case formVanish:
			drop(&k.tasks[x.A].f.userPages, x.B)
		case formEvict:
			k.cache.remove(&k.cache.folios[x.A])
		case formWriteback:
			k.started = flusherWork{queued: 1, from: x.A}
		}
	case crashsim.LogForce:
		k.logWork = 1
	case crashsim.Migration:
		drop(&k.tasks[x.A].f.userPages, x.B)
	case crashsim.Signal:
		k.tasks[x.A].f.signal = 1
	case crashsim.NoMemory:
		k.tasks[x.A].f.noMemory = 1
	case crashsim.NoSpace:
		k.tasks[x.A].f.noSpace = 1
	case crashsim.Quota:
		k.tasks[x.A].f.wbQuota = quotaReached
	case crashsim.FolioSplit:
		k.splitFolio(&k.cache.folios[x.A])
	case crashsim.TrackerEviction:
		k.tracker.evict(x.A)
	case crashsim.ShortCopy:
		k.tasks[x.A].f.copied = x.B
	case crashsim.PageGone:
		put(&k.tasks[x.A].f.userGone, x.B)
		drop(&k.tasks[x.A].f.userPages, x.B)
	}
}

// FaultText names a fault.
func (k *Kernel) FaultText(x crashsim.Fault) string {
	switch x.Kind {
	case crashsim.Reclaim:
		switch x.Form {
		case formVanish:
			return fmt.Sprintf("user page %d of %s vanishes", x.B, k.tasks[x.A].Name())
		case formEvict:
			return "evict folio at " + k.pageText(x.A)
		case formWriteback:
			return "start writeback at " + k.pageText(x.A)
		}
	case crashsim.LogForce:
		return "start log worker"
	case crashsim.Migration:
		return fmt.Sprintf("user page %d of %s moves", x.B, k.tasks[x.A].Name())
	case crashsim.Signal:
		return fmt.Sprintf("fatal signal to %s", k.tasks[x.A].Name())
	case crashsim.NoMemory:
		return fmt.Sprintf("no memory for %s", k.tasks[x.A].Name())
	case crashsim.NoSpace:
		return fmt.Sprintf("no space for %s", k.tasks[x.A].Name())
	case crashsim.Quota:
		return "quota of background writeback reached"
	case crashsim.FolioSplit:
		return "split folio at " + k.pageText(x.A)
	case crashsim.TrackerEviction:
		return k.evictionText(x.A)
	case crashsim.ShortCopy:
		return fmt.Sprintf("short copy of %d bytes by %s", x.B*sectorBytes, k.tasks[x.A].Name())
	case crashsim.PageGone:
		return fmt.Sprintf("user page %d of %s is gone", x.B, k.tasks[x.A].Name())
	}
	return fmt.Sprintf("fault %v", x)
}

// pageText names a page.
func (k *Kernel) pageText(page int32) string {
	if file := k.file(page * pageSectors); file > 0 {
		return fmt.Sprintf("page %d of file %d", page-k.inodes[file].base/pageSectors, file)
	}
	return fmt.Sprintf("page %d", page)
}

// evictions lists what the kernel may take away from the tracker.
func (k *Kernel) evictions(buf []crashsim.Fault) []crashsim.Fault {
	k.tracker.evictions(func(n int32, _ string) {
		buf = append(buf, crashsim.Fault{Kind: crashsim.TrackerEviction, A: n})
	})
	return buf
}

// evictionText names one of the tracker's evictions.
func (k *Kernel) evictionText(n int32) (text string) {
	k.tracker.evictions(func(i int32, what string) {
		if i == n {
			text = what
		}
	})
	return text
}
