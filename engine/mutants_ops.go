package engine

import "untorn/internal/key"

// operationMutants are defects of operations other than writes.
var operationMutants = []Mutant{
	{Name: "range-sync-half", Defect: "a sync of a byte range, a direct read or a punch flush writes part of a unit",
		Killers: []string{"sync-range"}, plant: wrap(func(r rules) rules { return rangeSyncHalf{r} })},
	{Name: "sidecar-stale-truncate", Defect: "truncate does not trim the sidecar, and a stale range makes the next insertion be dropped",
		Killers: []string{"truncate"}, plant: stale(func(r rules, x *staleSidecar) rules { return staleTruncate{r, x} })},
	{Name: "sidecar-stale-punch", Defect: "punch hole does not trim the sidecar, with the same effect",
		Killers: []string{"ext4-punch"}, plant: stale(func(r rules, x *staleSidecar) rules { return stalePunch{r, x} })},
	{Name: "punch-forgets-size", Defect: "punch hole drops the pages whose writeback would have logged the size (ext4)",
		Killers: []string{"ext4-punch-size"}, plant: wrap(func(r rules) rules { return punchForgetsSize{r} })},
}

// rangeSyncHalf writes the pages of the range without asking whose they are.
type rangeSyncHalf struct{ rules }

func (m rangeSyncHalf) rangeToWrite(from, to int32) (int32, int32) {
	k := m.kernel()
	k.tracker.forget(k.pageBlock(from), k.pageBlock(to))
	return m.rules.rangeToWrite(from, to)
}

func stale(with func(rules, *staleSidecar) rules) func(*Kernel) {
	return func(k *Kernel) {
		if x, ok := k.tracker.(*sidecarTracker); ok {
			m := &staleSidecar{sidecarTracker: x}
			k.tracker = m
			k.rules = with(k.rules, m)
		}
	}
}

// staleSidecar keeps ranges that should be gone, and drops new ones that
// overlap them.
type staleSidecar struct {
	*sidecarTracker
	gone spanTable
}

func (m *staleSidecar) keep(from, to int32) {
	for s, _, ok := m.next(from, to); ok; s, _, ok = m.next(s.to, to) {
		if m.gone.find(s) < 0 {
			m.gone.open(s)
		}
	}
	m.sidecarTracker.forget(from, to)
}

func (m *staleSidecar) open(s span) {
	if _, _, ok := m.gone.next(s.from, s.to); !ok {
		m.sidecarTracker.open(s)
	}
}

func (m *staleSidecar) reset() {
	m.sidecarTracker.reset()
	m.gone.reset()
}

func (m *staleSidecar) hash(h *key.Hasher) {
	m.sidecarTracker.hash(h)
	m.gone.hash(h)
}

type staleTruncate struct {
	rules
	sidecar *staleSidecar
}

func (m staleTruncate) truncated(from, to int32) { m.sidecar.keep(from, to) }

type stalePunch struct {
	rules
	sidecar *staleSidecar
}

func (m stalePunch) punched(from, to int32) { m.sidecar.keep(from, to) }

type punchForgetsSize struct{ rules }

func (punchForgetsSize) punchesSize() bool { return false }
