package explore

import "untorn/crashsim"

// Two commands that complete one right after the other, neither of which
// changes anything for the other one, lead to one state in either order, over
// a last cut that is the same. What lies behind the one order is then what
// lies behind the other one: it is noted when it is walked, and counted again
// instead of walked again.

// maxCommuting bounds the commands in flight that are looked at, oldest first.
const maxCommuting = 8

// pair says which of the commands in flight at a node completes first, and
// which right after it, by their numbers at that node.
type pair struct{ first, second int8 }

// noted is what lies behind a pair.
type noted struct {
	pair
	sums sums
}

// commuting is what a frame knows of completions.
type commuting struct {
	after   int8                // at the node above this command completed and led here at once; -1 for anything else
	may     [maxCommuting]uint8 // by command: bits of those whose order does not matter
	options []int8              // by option: the command that it completes, -1 for anything else
	notes   []noted
}

func (c *commuting) reset() {
	c.after, c.options, c.notes = -1, c.options[:0], c.notes[:0]
	c.may = [maxCommuting]uint8{}
}

// completions fills in what the node f, at which the machine stands, has to
// know. above is the node before.
func (w *worker) completions(f, above *frame, p *crashsim.Point) {
	c := &f.commuting
	c.reset()
	if w.noCommute {
		return
	}
	if above.n > 0 && f.call == above.call+1 && f.steps == above.steps && len(above.options) > 0 {
		c.after = above.options[w.answers[above.call]]
	}
	n := 0
	for i := range p.Options() {
		o := &p.Options()[i]
		cmd := int8(-1)
		if o.Kind == crashsim.CompleteCmd && o.Index < maxCommuting {
			cmd = int8(o.Index)
			n++
		}
		c.options = append(c.options, cmd)
	}
	if n < 2 {
		if c.after < 0 || n == 0 {
			c.options = c.options[:0]
		}
		return
	}
	for i := range min(n, maxCommuting) {
		for j := range i {
			if w.prog.Commute(j, i) {
				c.may[i] |= 1 << j
				c.may[j] |= 1 << i
			}
		}
	}
}

// order returns, at the last node, the pair that the option being walked
// completes, and the node above, which knows of it; nil if it is no such pair.
func (w *worker) order() (above *frame, p pair) {
	f := w.top()
	if w.depth < 2 || f.after < 0 || len(f.options) == 0 {
		return nil, p
	}
	above = w.frames[w.depth-2]
	second := f.options[w.answers[f.call]]
	if second < 0 || len(above.options) == 0 {
		return nil, p
	}
	if second >= f.after { // the first is gone, and those behind it moved up
		second++
	}
	if second >= maxCommuting || above.may[f.after]>>second&1 == 0 {
		return nil, p
	}
	return above, pair{f.after, second}
}

// note keeps what the option of the last node that is finished adds up to, if
// the other order will be asked for.
func (w *worker) note(branch *sums) {
	above, p := w.order()
	if above == nil || branch.open {
		return
	}
	for i := range above.notes {
		if above.notes[i].pair == (pair{p.second, p.first}) {
			return // that one was walked before
		}
	}
	if len(above.notes) < cap(above.notes) {
		above.notes = above.notes[:len(above.notes)+1]
	} else {
		above.notes = append(above.notes, noted{})
	}
	n := &above.notes[len(above.notes)-1]
	n.pair = p
	n.sums.reset()
	n.sums.addBranch(&w.top().edge, branch)
}

// commuted adds what the option that comes next leads to when its other order
// was walked, and reports whether that was so.
func (w *worker) commuted() bool {
	above, p := w.order()
	if above == nil {
		return false
	}
	for i := range above.notes {
		if n := &above.notes[i]; n.pair == (pair{p.second, p.first}) {
			w.top().done.add(&n.sums)
			for c, first := range n.sums.first {
				if first != Never {
					w.consider(c, first, true)
				}
			}
			w.saved++
			return true
		}
	}
	return false
}
