package recorded

import "untorn/internal/key"

// cut is a moment of a log at which power may be lost.
type cut struct {
	entries int
	hard    *medium  // shared by neighbours until a flush
	pending []*write // in the order in which they apply
	planned []func() []Choice
	whole   bool // planned is all that there is
	swap    swap // of the log, which of two writes came first
	parent  int  // the image that was mounted, -1 for the log of the operations
}

// maxSubsets is the number of images of a cut up to which every one is taken.
const maxSubsets = 64

// plan lists the images of a cut, those that find most first: all and nothing,
// what a device that keeps its order leaves, one write gone or one alone, then
// halves of one write with all others there, or none. A log record that says
// that data moved, next to half of that data, is among them.
func (c *cut) plan() {
	n := len(c.pending)
	add := func(of func(i int) Piece) {
		c.planned = append(c.planned, func() []Choice { return c.choice(of) })
	}
	add(func(int) Piece { return There })
	add(func(int) Piece { return Lost })
	if n == 0 {
		c.planned, c.whole = c.planned[:1], true
		return
	}
	if total := c.subsets(); total <= maxSubsets {
		c.whole = true
		for m := range total {
			c.planned = append(c.planned, func() []Choice { return c.subset(m) })
		}
		return
	}
	before := func(i int) func(int) Piece { return func(k int) Piece { return thereIf(k < i) } }
	for i := n - 1; i >= 0; i-- {
		add(before(i))
	}
	for i := range n {
		add(func(k int) Piece { return thereIf(k != i) })
		add(func(k int) Piece { return thereIf(k == i) })
	}
	for _, part := range parts {
		for i := n - 1; i >= 0; i-- {
			w := c.pending[i]
			if w.pieces == 1 && !w.garbage {
				continue
			}
			for _, rest := range []func(int) Piece{
				func(int) Piece { return There },
				func(int) Piece { return Lost },
				before(i),
			} {
				if w.pieces > 1 {
					c.planned = append(c.planned, func() []Choice { return c.split(i, rest, part, Lost) })
				}
				if w.garbage {
					c.planned = append(c.planned, func() []Choice { return c.split(i, rest, part, Garbage) })
				}
			}
		}
	}
}

// split makes a part of the i-th write there and the others of its pieces what
// else says.
func (c *cut) split(i int, rest func(int) Piece, part func(k, n int) bool, other Piece) []Choice {
	x := c.choice(rest)
	for k := range x[i].Pieces {
		if x[i].Pieces[k] = There; !part(k, len(x[i].Pieces)) {
			x[i].Pieces[k] = other
		}
	}
	return x
}

// parts are pieces of a write that find tears: a half, all but one, one alone.
var parts = []func(k, n int) bool{
	func(k, n int) bool { return k < n/2 },
	func(k, n int) bool { return k >= n/2 },
	func(k, n int) bool { return k < n-1 },
	func(k, n int) bool { return k > 0 },
	func(k, _ int) bool { return k%2 == 0 },
	func(k, _ int) bool { return k == 0 },
	func(k, n int) bool { return k == n-1 },
}

func thereIf(yes bool) Piece {
	if yes {
		return There
	}
	return Lost
}

// choice makes whole writes there or lost.
func (c *cut) choice(of func(i int) Piece) []Choice {
	out := make([]Choice, len(c.pending))
	for i, w := range c.pending {
		out[i] = Choice{Write: w.entry, Pieces: make([]Piece, w.pieces)}
		for k := range out[i].Pieces {
			out[i].Pieces[k] = of(i)
		}
	}
	return out
}

// subsets counts the images of a cut, up to one more than is of interest.
func (c *cut) subsets() uint64 {
	total := uint64(1)
	for _, w := range c.pending {
		for range w.pieces {
			if total *= w.states(); total > maxSubsets {
				return total
			}
		}
	}
	return total
}

// subset is the m-th image of subsets.
func (c *cut) subset(m uint64) []Choice {
	out := c.choice(func(int) Piece { return Lost })
	for i, w := range c.pending {
		for k := range out[i].Pieces {
			out[i].Pieces[k] = Piece(m % w.states())
			m /= w.states()
		}
	}
	return out
}

// random draws an image: of each write all, nothing or each piece by itself.
func (c *cut) random(seed uint64) []Choice {
	draw := func() uint64 {
		seed = key.Mix(seed, 0x756e746f726e)
		return seed
	}
	out := c.choice(func(int) Piece { return Lost })
	for i, w := range c.pending {
		how := draw() % 3
		for k := range out[i].Pieces {
			switch how {
			case 1:
				out[i].Pieces[k] = There
			case 2:
				out[i].Pieces[k] = Piece(draw() % w.states())
			}
		}
	}
	return out
}
