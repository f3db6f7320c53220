package crashsim

// Point is one place of a run where the Chooser is asked. It is valid during
// the call of Choose only.
type Point struct {
	m      *Machine
	task   *Task // nil where the machine picks the next task
	site   Step
	visit  uint32
	listed bool
	opts   []Option
	faults []Fault
}

// Machine returns the machine that asks.
func (p *Point) Machine() *Machine { return p.m }

// Task returns the name of the task that announced a step, or "machine" where
// a wait made the machine pick who goes on.
func (p *Point) Task() string {
	if p.task == nil {
		return "machine"
	}
	return p.task.name
}

// Site returns the name of the step, or "pick".
func (p *Point) Site() string {
	if p.task == nil {
		return "pick"
	}
	return p.m.steps[p.site].Name
}

// TaskID returns the number of that task, -1 where the machine picks.
func (p *Point) TaskID() int {
	if p.task == nil {
		return -1
	}
	return p.task.id
}

// Visit counts the times that the machine asked at this task and site.
func (p *Point) Visit() int { return int(p.visit) }

// Free reports whether a wait forces the choice, so that it costs nothing
// unless a command fails.
func (p *Point) Free() bool { return p.task == nil }

// Options lists what may happen here within the budget that is left. The
// first is the default.
func (p *Point) Options() []Option {
	if p.listed {
		return p.opts
	}
	p.listed = true
	m := p.m
	p.opts = append(p.opts[:0], Option{Kind: GoOn})
	if m.left.Total <= 0 {
		return p.opts
	}
	if m.left.Faults > 0 {
		p.faults = m.kernel.Faults(p.faults[:0], p.task, p.site)
		for _, f := range p.faults {
			p.opts = append(p.opts, Option{Kind: StrikeFault, Fault: f})
		}
	}
	if m.left.Preemptions > 0 {
		for i, t := range m.tasks {
			if t != p.task && t.state != ended && (t.wait.Kind == 0 || m.kernel.Ready(t.wait)) {
				p.opts = append(p.opts, Option{Kind: SwitchTo, Index: int32(i)})
			}
		}
		for i := range m.device.Inflight() {
			p.opts = append(p.opts, Option{Kind: CompleteCmd, Index: int32(i)})
		}
	}
	return p.opts
}

// Len returns the number of options.
func (p *Point) Len() int { return len(p.Options()) }

// Option names the i-th option; different options have different names.
func (p *Point) Option(i int) string {
	o := p.Options()[i]
	switch o.Kind {
	case StrikeFault:
		return p.m.kernel.FaultText(o.Fault)
	case SwitchTo:
		return "run " + p.m.tasks[o.Index].name
	case FailCmd:
		return "fail " + p.m.device.CommandText(int(o.Index))
	case CompleteCmd:
		return "complete " + p.m.device.CommandText(int(o.Index))
	}
	return "go on"
}
