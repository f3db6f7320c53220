package engine

import "math/bits"

// Alike is a set of designs: those that have one of its values on each of
// these axes, and on the others what a Kernel's own design has. Bit v of a
// field stands for the value v.
type Alike struct {
	Copy, Track, Writeback, Stable uint8
}

// With adds the values of a design.
func (a Alike) With(d *Design) Alike {
	a.Copy |= 1 << d.Copy
	a.Track |= 1 << d.Track
	a.Writeback |= 1 << d.Writeback
	a.Stable |= 1 << d.Stable
	return a
}

// Both returns the values that are in both sets.
func (a Alike) Both(b Alike) Alike {
	return Alike{a.Copy & b.Copy, a.Track & b.Track, a.Writeback & b.Writeback, a.Stable & b.Stable}
}

// Has reports whether the values of a design are in the set.
func (a Alike) Has(d *Design) bool { return a.With(d) == a }

// axis is the value of one axis of the design, and other values which have
// answered like it whenever the kernel asked. A design enters the kernel by
// these answers alone, so that designs which give the same ones are one design
// for all that was run.
type axis[V ~uint8] struct {
	value  V
	others uint8 // bit v: value v
}

// ask answers a question about an axis, and drops the other values that answer
// otherwise. q depends on its argument and on the state, and changes nothing.
func ask[V ~uint8, T comparable](a *axis[V], q func(V) T) T {
	answer := q(a.value)
	for rest := a.others; rest != 0; rest &= rest - 1 {
		if v := bits.TrailingZeros8(rest); q(V(v)) != answer {
			a.others &^= 1 << v
		}
	}
	return answer
}

func newAxis[V ~uint8](value V, others uint8) axis[V] { return axis[V]{value, others &^ (1 << value)} }

func (a *axis[V]) set() uint8 { return a.others | 1<<a.value }

// axes are the axes that may have other values along.
type axes struct {
	copy      axis[Copy]
	track     axis[Track]
	writeback axis[Writeback]
	stable    axis[Stable]
}

func newAxes(d *Design, others Alike) axes {
	if d.Mutant != "" {
		others = Alike{} // a planted defect asks no questions
	}
	return axes{newAxis(d.Copy, others.Copy), newAxis(d.Track, others.Track), newAxis(d.Writeback, others.Writeback),
		newAxis(d.Stable, others.Stable)}
}

// Alike returns the designs, out of those of the Config, that would have taken
// every run so far the same way: the same steps and block log, and the same
// options at each point.
func (k *Kernel) Alike() Alike {
	return Alike{k.axes.copy.set(), k.axes.track.set(), k.axes.writeback.set(), k.axes.stable.set()}
}

// stableIs asks whether the axis stable has a value.
func (k *Kernel) stableIs(s Stable) bool {
	return ask(&k.axes.stable, func(v Stable) bool { return v == s })
}
