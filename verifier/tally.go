package verifier

import (
	"math/bits"

	"untorn/internal/count"
)

// BehindMax is the last class of Behind: so many versions behind or more.
const BehindMax = 7

// tally counts images by verdict and units by versions behind. Sums
// and products of tallies follow those of sets of images: see blk.Sink.
type tally struct {
	verdicts [NumImageVerdicts]count.Count
	behind   [BehindMax + 1]count.Count
	some     uint16 // verdicts that are not zero
	late     uint8  // classes of behind that are not zero
}

func (t *tally) clear() {
	for m := t.some; m != 0; m &= m - 1 {
		t.verdicts[bits.TrailingZeros16(m)] = count.Count{}
	}
	for m := t.late; m != 0; m &= m - 1 {
		t.behind[bits.TrailingZeros8(m)] = count.Count{}
	}
	t.some, t.late = 0, 0
}

func (t *tally) addVerdict(v Verdict, n *count.Count) {
	t.verdicts[v].Add(n)
	t.some |= 1 << v
}

func (t *tally) addBehind(k int, n *count.Count) {
	t.behind[k].Add(n)
	t.late |= 1 << k
}

func (t *tally) total() count.Count {
	var n count.Count
	for m := t.some; m != 0; m &= m - 1 {
		n.Add(&t.verdicts[bits.TrailingZeros16(m)])
	}
	return n
}

// add adds n times o.
func (t *tally) add(o *tally, n *count.Count) {
	for m := o.some; m != 0; m &= m - 1 {
		v := bits.TrailingZeros16(m)
		x := count.Mul(&o.verdicts[v], n)
		t.addVerdict(Verdict(v), &x)
	}
	for m := o.late; m != 0; m &= m - 1 {
		k := bits.TrailingZeros8(m)
		x := count.Mul(&o.behind[k], n)
		t.addBehind(k, &x)
	}
}

// product makes t the tally of a and b chosen independently: an image has the
// worse verdict of its two halves.
func (t *tally) product(a, b *tally) {
	t.clear()
	for m := a.some; m != 0; m &= m - 1 {
		va := bits.TrailingZeros16(m)
		for n := b.some; n != 0; n &= n - 1 {
			vb := bits.TrailingZeros16(n)
			x := count.Mul(&a.verdicts[va], &b.verdicts[vb])
			t.addVerdict(Verdict(min(va, vb)), &x)
		}
	}
	if a.late|b.late == 0 {
		return
	}
	na, nb := a.total(), b.total()
	for m := a.late; m != 0; m &= m - 1 {
		k := bits.TrailingZeros8(m)
		x := count.Mul(&a.behind[k], &nb)
		t.addBehind(k, &x)
	}
	for m := b.late; m != 0; m &= m - 1 {
		k := bits.TrailingZeros8(m)
		x := count.Mul(&b.behind[k], &na)
		t.addBehind(k, &x)
	}
}
