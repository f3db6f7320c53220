package explore

import (
	"slices"
	"sync"
	"sync/atomic"
)

// pool splits one level among workers. A worker that has nothing to do makes
// another one give away the node nearest to the root that has options left.
// Sums are exact and the order of adding them does not matter, so that the
// totals do not depend on who did what.
type pool struct {
	table    *table
	stop     atomic.Bool
	hungry   atomic.Int32 // workers that wait and find nothing
	leaping  bool         // levels before this one were left out
	found    atomic.Bool  // and something was found
	executed atomic.Uint64
	done     atomic.Int64 // branches of the root, and how many there are
	branches atomic.Int64

	mu       sync.Mutex
	cond     sync.Cond
	root     *node
	open     []*node // nodes with options that nobody has begun
	waiting  int
	finished bool
	cut      bool // some work was left undone
}

// node is a frame that several workers work at. Its options are taken and its
// sums added under the pool's lock.
type node struct {
	above   *node // nil for the root of all, which has no point and one option
	in      sums  // counted between the node above and this one
	frame   *frame
	answers []uint16 // up to this node
	active  int      // options begun and not finished
}

func newPool(t *table) *pool {
	p := &pool{table: t}
	p.cond.L = &p.mu
	p.root = &node{frame: &frame{n: 1}}
	p.root.frame.done.reset()
	p.open = []*node{p.root}
	return p
}

// work lets w explore until the level is finished or stopped.
func (p *pool) work(w *worker) {
	for {
		n, answers := p.take()
		if n == nil {
			return
		}
		w.begin(n, answers)
		whole := w.walk()
		p.deliver(w.at, &w.frames[0].done, whole)
		if w.err != nil {
			p.end()
		}
	}
}

// take returns a node and the answers that lead to one of its options, or nil
// when nothing is left to do.
func (p *pool) take() (*node, []uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.finished && !p.stop.Load() {
		if len(p.open) == 0 {
			p.waiting++
			p.count()
			p.cond.Wait()
			p.waiting--
			continue
		}
		n := p.open[0]
		answers := slices.Clone(n.answers)
		if n != p.root {
			answers = append(answers, n.frame.option())
		}
		n.active++
		if n.frame.tried++; n.frame.tried == n.frame.n {
			p.open = slices.Delete(p.open, 0, 1)
		}
		p.count()
		return n, answers
	}
	return nil, nil
}

func (p *pool) count() { p.hungry.Store(int32(p.waiting - len(p.open))) }

// publish offers the options of n that are left.
func (p *pool) publish(n *node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, n)
	p.count()
	p.cond.Broadcast()
}

// deliver adds the sums of one option of n.
func (p *pool) deliver(n *node, option *sums, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = p.cut || !whole
	n.frame.done.add(option)
	if n.frame.root {
		p.done.Add(1)
	}
	n.active--
	p.settle(n)
}

// settle hands the sums of n to the node above when all options are finished.
func (p *pool) settle(n *node) {
	for n.active == 0 && n.frame.tried == n.frame.n {
		above := n.above
		if above == nil {
			p.finished = true
			p.cond.Broadcast()
			return
		}
		if p.table != nil {
			p.table.put(n.frame.key, n.frame.steps, &n.frame.done)
		}
		above.frame.done.addBranch(&n.in, &n.frame.done)
		if above.frame.root {
			p.done.Add(1)
		}
		above.active--
		n = above
	}
}

// end makes all workers stop soon.
func (p *pool) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop.Store(true)
	p.cond.Broadcast()
}

// total returns the sums of the level and whether it was finished. No worker
// may be at work.
func (p *pool) total() (*sums, bool) {
	for _, n := range p.open {
		p.cut = true
		n.frame.tried = n.frame.n
		n.frame.done.open = true
		p.settle(n)
	}
	p.open = nil
	p.hungry.Store(0)
	return &p.root.frame.done, !p.cut
}

// begin makes w ready to walk one option of n.
func (w *worker) begin(n *node, answers []uint16) {
	w.at = n
	w.depth = 0
	base := w.push()
	base.key, base.steps, base.n, base.tried = n.frame.key, n.frame.steps, n.frame.n, n.frame.n
	if n.above == nil {
		base.steps, base.n, base.tried = 0, 0, 0
	}
	base.root = false
	w.path.reset()
	for a := n; a.above != nil; a = a.above {
		w.path.push(a.frame.key)
	}
	w.answers = append(w.answers[:0], answers...)
}

// share gives away the node nearest to the base that has options left, and
// keeps the option of it that is being walked. All nodes above it now wait
// for two workers and are shared as well.
func (w *worker) share() {
	i := 1
	for i < w.depth && w.frames[i].tried == w.frames[i].n {
		i++
	}
	if i == w.depth {
		return
	}
	for k := 1; k <= i; k++ {
		f := w.frames[k]
		w.at = &node{above: w.at, in: w.frames[k-1].edge, frame: f, answers: slices.Clone(w.answers[:f.call]), active: 1}
	}
	given := w.frames[i]
	base := &frame{key: given.key, steps: given.steps, n: given.n, tried: given.n, edge: given.edge}
	base.done.reset()
	w.frames = slices.Delete(w.frames, 1, i+1)
	w.frames[0] = base
	w.depth -= i
	w.pool.publish(w.at)
}
