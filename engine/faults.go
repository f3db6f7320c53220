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
		buf = t.vanishing(buf, s)
		buf = k.reclaims(buf)
	}
	if k.faults[crashsim.LogForce] && k.logWork == 0 && len(k.log.items) > int(k.log.writing) {
		buf = append(buf, crashsim.Fault{Kind: crashsim.LogForce})
	}
	if k.faults[crashsim.ShortCopy] && s == stepCopy && !k.copier.held(t) && t.f.copied == 0 {
		for n := int32(1); n < k.copier.resident(t, t.f.chunk); n++ {
			buf = append(buf, crashsim.Fault{Kind: crashsim.ShortCopy, A: int32(t.ID()), B: n})
		}
	}
	if k.faults[crashsim.PageGone] && !k.copier.held(t) {
		buf = t.goingPages(buf, s)
	}
	return buf
}

// vanishing lists the user pages that may be reclaimed between fault-in and
// copy.
func (t *task) vanishing(buf []crashsim.Fault, s crashsim.Step) []crashsim.Fault {
	f := &t.f
	if s != stepCopy || t.k.copier.held(t) {
		return buf
	}
	for p := t.userPage(f.pos); p <= t.userPage(f.pos+f.chunk-1); p++ {
		if bit(&f.userPages, p) {
			buf = append(buf, crashsim.Fault{Kind: crashsim.Reclaim, Form: formVanish, A: int32(t.ID()), B: p})
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
			return fmt.Sprintf("evict folio at page %d", x.A)
		case formWriteback:
			return fmt.Sprintf("start writeback at page %d", x.A)
		}
	case crashsim.LogForce:
		return "start log worker"
	case crashsim.ShortCopy:
		return fmt.Sprintf("short copy of %d bytes by %s", x.B*sectorBytes, k.tasks[x.A].Name())
	case crashsim.PageGone:
		return fmt.Sprintf("user page %d of %s is gone", x.B, k.tasks[x.A].Name())
	}
	return fmt.Sprintf("fault %v", x)
}
