package explore

import (
	"errors"
	"fmt"
	"math"

	"untorn/crashsim"
	"untorn/internal/key"
)

// ErrNotRepeatable says that equal answers led to different states: the
// program depends on something that Reset does not bring back, or its
// fingerprint on something that is not state.
var ErrNotRepeatable = errors.New("explore: the program is no function of its answers, or its key of its state")

// frame is a node on the present path: a point with more than one option.
type frame struct {
	key   key.Key
	call  int    // index of its answer
	steps uint32 // announced when it was reached
	n     int    // options
	first int    // the option tried first; the others follow in order, round the end
	tried int    // options begun, the present one included
	root  bool   // the first node of the program

	done sums // over the options that are finished
	edge sums // from here to the next node or the end, for the present option

	commuting
}

// worker walks subtrees depth first. It is the Chooser of its own runs: it
// plays the path to a node again, takes the next option there, and from then
// on the default at every new node, until the run ends or comes to a state
// that is known.
type worker struct {
	id     int
	pool   *pool
	at     *node // where the sums of the base go
	prog   Program
	m      *crashsim.Machine
	table  *table // nil in the check mode
	budget crashsim.Budget

	answers []uint16 // of every call of Choose of this run
	fixed   int      // how many of them are played again
	call    int      // calls of Choose so far

	frames []*frame // frames[0] is the base: what led to this subtree
	depth  int
	path   path
	expand bool // do not look up the next node

	scratch Tally
	branch  sums // of the run that just ended, below the last node
	known   bool // the run was ended at a state that is known, and branch is filled
	cycle   bool // the run was ended at a state of its own past
	err     error

	wanted [Classes + 1]bool
	best   [Classes + 1]candidate

	noCommute bool
	ledger    *ledger
	told      crashsim.StepSet // to the ledger

	executed, steps, hits uint64
	saved                 uint64 // runs whose two last completions were walked in the other order
}

func newWorker(id int, prog Program, t *table) *worker {
	w := &worker{id: id, prog: prog, m: prog.Machine(), table: t, scratch: emptyTally()}
	w.push()
	return w
}

// push adds an empty frame.
func (w *worker) push() *frame {
	if w.depth == len(w.frames) {
		f := &frame{}
		f.edge.reset()
		w.frames = append(w.frames, f)
	}
	f := w.frames[w.depth]
	f.done.reset()
	w.depth++
	return f
}

func (w *worker) top() *frame { return w.frames[w.depth-1] }

// option returns the option of f to try next.
func (f *frame) option() uint16 { return uint16((f.first + f.tried) % f.n) }

// Choose answers at every point of the worker's runs.
func (w *worker) Choose(p *crashsim.Point) int {
	c := w.call
	w.call++
	if c < w.fixed-1 {
		return int(w.answers[c])
	}
	if c < w.fixed {
		return w.leave(p, w.answers[c])
	}
	n := p.Len()
	if n == 1 {
		w.answers = append(w.answers, 0)
		return 0
	}
	return w.node(p, n)
}

// checkEvery is how often the key of a node is compared after the path to it
// was played again. The number of its options is compared each time.
const checkEvery = 16

// checks reports whether the key of the node is to be compared in this run.
func (w *worker) checks() bool { return w.table == nil || w.executed%checkEvery == 0 }

// leave gives the last answer that is fixed. The node must be the one that it
// was when the answer was decided.
func (w *worker) leave(p *crashsim.Point, answer uint16) int {
	if f := w.top(); f.n > 0 && (p.Len() != f.n || w.checks() && w.m.Key() != f.key) {
		w.err = ErrNotRepeatable
		return crashsim.Stop
	}
	w.prog.Judge(true)
	return int(answer)
}

// node is asked at a point with n > 1 options that is beyond the fixed part.
func (w *worker) node(p *crashsim.Point, n int) int {
	steps := uint32(w.m.Steps())
	w.takeEdge()
	k := w.m.Key()
	if w.table != nil && !w.expand && w.table.get(k, steps, &w.branch) {
		w.hits++
		w.known = true
		for c, first := range w.branch.first {
			if first != Never {
				w.consider(c, first, true)
			}
		}
		return crashsim.Stop
	}
	w.expand = false
	if w.cycle = w.path.has(k); w.cycle {
		return crashsim.Stop
	}
	if n > math.MaxUint16 {
		w.err = fmt.Errorf("explore: %d options at one point", n)
		return crashsim.Stop
	}
	w.path.push(k)
	above := w.top()
	f := w.push()
	// Workers begin with different options, so that two of them who meet in
	// one subtree do not walk it side by side.
	f.first, f.tried = w.id%n, 0
	f.key, f.call, f.steps, f.n = k, len(w.answers), steps, n
	w.completions(f, above, p)
	if f.root = w.depth == 2 && w.at != nil && w.at.above == nil; f.root {
		w.pool.branches.Store(int64(n))
	}
	return w.next(f)
}

// next goes to the next option of f, which is the last node.
func (w *worker) next(f *frame) int {
	o := f.option()
	f.tried++
	w.answers = append(w.answers[:f.call], o)
	return int(o)
}

// takeEdge moves what the program counted since the last node into its edge.
func (w *worker) takeEdge() {
	w.prog.Take(&w.scratch)
	f := w.top()
	f.edge.take(&w.scratch)
	for c, first := range f.edge.first {
		if first == Never {
			continue
		}
		if first < f.steps {
			w.err = fmt.Errorf("explore: a finding of class %d after %d steps, told of after step %d", c, first, f.steps)
		}
		w.consider(c, first, false)
	}
}

// execute runs one schedule whose first answers are fixed, and adds what it
// led to to the last node.
func (w *worker) execute() {
	w.fixed, w.call, w.known, w.cycle = len(w.answers), 0, false, false
	w.prog.Judge(w.fixed == 0)
	out := w.prog.Run(w, w.budget)
	w.executed++
	w.steps += uint64(out.Steps)
	w.pool.executed.Add(1)
	w.ledger.note(w)
	if w.err == nil && w.call < w.fixed {
		w.err = ErrNotRepeatable
	}
	if w.err != nil {
		return
	}
	if !w.known {
		w.finish(out)
	}
	if out.Kind == crashsim.Stopped {
		w.forget()
	}
	w.add(&w.branch)
}

// forget drops what the program counted since the last Take.
func (w *worker) forget() {
	w.prog.Take(&w.scratch)
	w.scratch = emptyTally()
}

// add adds a branch to the last node.
func (w *worker) add(branch *sums) {
	w.note(branch)
	f := w.top()
	f.done.addBranch(&f.edge, branch)
	if f.root {
		w.pool.done.Add(1)
	}
}

// finish makes a leaf of a run that came to its end, or back to a state that
// it had left: that goes round for ever. The number of ways into a cycle
// depends on where it was entered, so that nothing around it is remembered;
// neither is what the step cap cut off.
func (w *worker) finish(out crashsim.Outcome) {
	switch {
	case w.cycle:
		out.Kind = crashsim.Cycle
	case out.Kind == crashsim.Stopped:
		w.err = errors.New("explore: the program ended a run that was not told to stop")
	default:
		w.takeEdge()
	}
	w.branch.leaf(out.Steps)
	if out.Kind == crashsim.Done {
		return
	}
	w.branch.open = out.Kind != crashsim.Deadlock && out.Kind != crashsim.Panicked
	w.branch.first[stuck] = uint32(out.Steps)
	if w.consider(stuck, uint32(out.Steps), false) {
		w.best[stuck].outcome = out
	}
}

// walk explores everything below the base, whose answers are set. It reports
// false when it was stopped before the end.
func (w *worker) walk() bool {
	for {
		w.execute()
		if w.err != nil {
			w.abandon()
			return false
		}
		for again := true; again; again = w.commuted() {
			for w.depth > 1 && w.top().tried == w.top().n {
				w.up()
			}
			if w.depth == 1 {
				return true
			}
			if w.pool.stop.Load() {
				w.abandon()
				return false
			}
			w.next(w.top())
		}
		if w.pool.hungry.Load() > 0 {
			w.share()
		}
	}
}

// up learns the last node, which is finished, and goes back to the one above.
func (w *worker) up() {
	f := w.top()
	w.depth--
	w.path.pop()
	if w.table != nil {
		w.table.put(f.key, f.steps, &f.done)
	}
	w.add(&f.done)
}

// abandon adds up what was done so far and learns nothing from it.
func (w *worker) abandon() {
	for w.depth > 1 {
		w.top().done.open = true
		w.up()
	}
}
