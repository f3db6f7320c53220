package verifier

import (
	"untorn/internal/blk"
	"untorn/internal/count"
)

// remounted is the file that a mount finds after one or more mounts of the same
// image were cut.
type remounted struct {
	meta []blk.Handle
	ways count.Count
	m    *mounted
}

// remount works out what is found after mounts of the present image, which
// finds m, were cut. Mounts that find the same file need no judging of their
// own.
func (v *Verifier) remount(m *mounted) {
	if v.cfg.Remount == nil || m.broken != "" {
		return
	}
	area := v.image[:v.super.Data.Start]
	for _, r := range v.cfg.Remount(v.meta) {
		copy(area, r.Meta)
		found := v.mount()
		if found.id == m.id && found.broken == m.broken {
			m.same.Add(&r.Ways)
			continue
		}
		m.others = append(m.others, remounted{meta: r.Meta, ways: r.Ways, m: found})
	}
	copy(area, v.meta)
}

// addState counts the images of one metadata state.
func (v *Verifier) addState(others *count.Count) {
	if v.again > 0 {
		ways := count.Mul(others, &v.base.others[v.again-1].ways)
		v.cut.add(v.state, &ways)
		v.addRecut(&ways)
		return
	}
	ways := count.Mul(others, &v.base.same)
	v.addRecut(&ways)
	ways.Add(others)
	v.cut.add(v.state, &ways)
}

func (v *Verifier) addRecut(ways *count.Count) {
	if ways.IsZero() {
		return
	}
	n := v.state.total()
	v.recut.MulAdd(&n, ways)
}

// nextMount puts the metadata of the next cut mount into the image, or that of
// the loss of power back when there is no other.
func (v *Verifier) nextMount() bool {
	area := v.image[:v.super.Data.Start]
	if v.again == len(v.base.others) {
		if v.again > 0 {
			copy(area, v.meta)
		}
		v.again = 0
		return false
	}
	copy(area, v.base.others[v.again].meta)
	v.again++
	return true
}

// Cut returns the metadata that the loss of power left when the present image
// is that of a mount that was cut after it, nil when it is not.
func (v *Verifier) Cut() []blk.Handle {
	if v.again == 0 {
		return nil
	}
	return v.meta
}
