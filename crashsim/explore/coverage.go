package explore

import (
	"slices"

	"untorn/crashsim"
	"untorn/internal/tape"
)

// round is how many schedules Coverage draws before it looks at what they
// took. What a schedule becomes depends on the rounds before its own, never on
// who runs it or when.
const round = 64

// maxKept bounds the corpus.
const maxKept = 1 << 14

// A step is told by its label; a command that completes has one beyond them.
const (
	labels    = 129
	completes = labels - 1
)

// The features of a schedule are the steps that it takes, each after which other
// one, and where faults strike. A step of another runner than the one before
// is told apart by how often the step before had been taken by then, or a
// loop would hide how far one had come when the other began.
const (
	visits   = 32 // told apart
	features = labels*labels*(visits+1) + labels*int(crashsim.NumFaultKinds)
)

// pairOf is the feature of a step after another one, which was taken for the
// n-th time, by another runner; n is 0 for the same one.
func pairOf(before, after, n int) int {
	return (before*labels+after)*(visits+1) + min(n, visits)
}

// faultAt is the feature of a fault that strikes at a step.
func faultAt(label int, k crashsim.FaultKind) int {
	return labels*labels*(visits+1) + label*int(crashsim.NumFaultKinds) + int(k)
}

// play is an answer that is not the default, by its place in a run.
type play struct {
	place  int
	option int  // 0 for one that is drawn there
	fault  bool // it was a fault where it was kept
}

// corpus holds the schedules that took something new, in the order of their
// numbers.
type corpus struct {
	seen [features]bool
	kept [][]play
}

// taken is what one schedule was and what it took that was not known when its
// round began.
type taken struct {
	plays []play
	fresh []int
}

// learn takes in a round, in the order of its schedules.
func (c *corpus) learn(runs []taken) {
	for i := range runs {
		news := false
		for _, f := range runs[i].fresh {
			news = news || !c.seen[f]
			c.seen[f] = true
		}
		if news && len(c.kept) < maxKept {
			c.kept = append(c.kept, slices.Clone(runs[i].plays))
		}
	}
}

// mutator draws schedules near those of a corpus.
type mutator struct {
	corpus *corpus // not changed during a round
	runs   []taken // of the round, by number
	tail   *uniform
	seed   uint64

	streams *tape.Sampler
	script  []play
	free    int // the place from which on the tail draws
	at      int // the next of script
	asked   int
	taken   *taken
	mark    [features]bool // features of marked
	marked  []int          // what the present schedule took that is news
	counts  [labels]int    // steps of this schedule
	before  int            // label of the last step
	who     int            // who took it
}

func newMutator(cfg *Config, c *corpus, runs []taken) *mutator {
	return &mutator{corpus: c, runs: runs, tail: newUniform(cfg), seed: cfg.Seed, streams: tape.NewSampler(0)}
}

func (m *mutator) begin(number uint64) {
	m.streams.Seed(tape.Derive(m.seed, number))
	m.tail.begin(number)
	m.asked, m.at, m.before, m.who, m.counts = 0, 0, 0, -1, [labels]int{}
	m.taken = &m.runs[number%round]
	m.taken.plays, m.taken.fresh = m.taken.plays[:0], m.taken.fresh[:0]
	for _, f := range m.marked {
		m.mark[f] = false
	}
	m.marked = m.marked[:0]
	m.script = m.script[:0]
	m.free = 0
	kept := m.corpus.kept
	if len(kept) == 0 || m.streams.Draw("fresh", 8) == 0 {
		return
	}
	i := m.streams.Draw("kept", len(kept))
	if m.streams.Draw("young", 4) != 0 { // what was kept last is what is least explored
		i = len(kept) - 1 - m.streams.Draw("kept", min(len(kept), round))
	}
	m.script = append(m.script, kept[i]...)
	m.mutate()
}

// far is beyond every place of a run.
const far = 1 << 30

// mutate changes the script: it is cut short and goes on at random, or an
// answer is taken out, moved, or put in.
func (m *mutator) mutate() {
	m.free = far
	length := 1
	if n := len(m.script); n > 0 {
		length += m.script[n-1].place
	}
	draw := func(site string, n int) int { return m.streams.Draw(site, n) }
	if draw("end", 2) == 0 { // goes on from where it came to
		m.free = max(0, length-draw("back", 8))
		for n := len(m.script); n > 0 && m.script[n-1].place >= m.free; n-- {
			m.script = m.script[:n-1]
		}
		return
	}
	for range 1 + draw("changes", 3) {
		n := len(m.script)
		switch kind := draw("kind", 4); {
		case kind == 0 || n == 0:
			m.free = draw("cut", length+1)
			for n > 0 && m.script[n-1].place >= m.free {
				n--
			}
			m.script = m.script[:n]
		case kind == 1:
			i := draw("entry", n)
			m.script = slices.Delete(m.script, i, i+1)
		case kind == 2:
			i := draw("entry", n)
			p := m.script[i]
			m.script = slices.Delete(m.script, i, i+1)
			p.place = max(0, p.place+draw("shift", 17)-8)
			m.insert(p)
		default:
			m.insert(play{place: draw("place", 2*length)})
		}
	}
}

// insert puts an answer in its place, instead of one that is there.
func (m *mutator) insert(p play) {
	i, found := slices.BinarySearchFunc(m.script, p, func(a, b play) int { return a.place - b.place })
	if found {
		m.script[i] = p
		return
	}
	m.script = slices.Insert(m.script, i, p)
}

func (m *mutator) choose(p *crashsim.Point) int {
	place := m.asked
	m.asked++
	a := 0
	switch {
	case place >= m.free:
		a = m.tail.choose(p)
	case m.at < len(m.script) && m.script[m.at].place == place:
		a = m.scripted(p, m.script[m.at])
		m.at++
	}
	if a != 0 {
		m.taken.plays = append(m.taken.plays, play{place, a, isFault(p.Options()[a])})
	}
	m.note(p, p.Options()[a])
	return a
}

// scripted returns the option of a script at a place that may not be the one
// where it was kept. Faults that a rate is to decide are left to it.
func (m *mutator) scripted(p *crashsim.Point, s play) int {
	opts := p.Options()
	rated := m.tail.rate.Den > 0
	switch {
	case s.option > 0:
		a := s.option % len(opts)
		if rated && isFault(opts[a]) && !s.fault {
			return 0
		}
		return a
	case rated:
		if f := m.tail.rate.strikes(m.streams, opts); f > 0 {
			return f
		}
		return other(m.streams, p)
	case len(opts) > 1:
		return 1 + m.streams.Draw("option", len(opts)-1)
	}
	return 0
}

// note takes down what an answer leads to.
func (m *mutator) note(p *crashsim.Point, o crashsim.Option) {
	label, who := completes, -1
	switch tasks := p.Machine().Tasks(); o.Kind {
	case crashsim.StrikeFault:
		m.take(faultAt(int(tasks[p.TaskID()].At()), o.Fault.Kind))
		return
	case crashsim.FailCmd:
		m.take(faultAt(completes, crashsim.IOError))
	case crashsim.GoOn:
		label, who = int(tasks[p.TaskID()].At()), p.TaskID()
	case crashsim.SwitchTo:
		label, who = int(tasks[o.Index].At()), int(o.Index)
	}
	n := 0
	if who != m.who {
		n = m.counts[m.before]
	}
	m.take(pairOf(m.before, label, n))
	m.before, m.who = label, who
	m.counts[label]++
}

func (m *mutator) take(feature int) {
	if !m.corpus.seen[feature] && !m.mark[feature] {
		m.mark[feature] = true
		m.marked = append(m.marked, feature)
		m.taken.fresh = append(m.taken.fresh, feature)
	}
}
