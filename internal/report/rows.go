package report

import (
	"fmt"
	"math/big"
	"sort"
	"strings"
)

// grid is one table about rows. Text and Markdown lay out the same cells.
type grid struct {
	title  string
	names  string   // head of the column that names the rows
	head   []string // heads of the columns after that
	text   int      // how many of head, from the first, are text; the rest are numbers
	lines  []gridLine
	legend string
}

// gridLine is what a grid says about one row.
type gridLine struct {
	res   *Result
	cells []string
}

// add puts a line at the end for each row that cells has something to say
// about.
func (g *grid) add(r *Report, cells func(*Result) []string) {
	for _, res := range r.listed() {
		if c := cells(res); c != nil {
			g.lines = append(g.lines, gridLine{res, c})
		}
	}
}

// outcome is table 1: what became of each row.
func outcome(r *Report) *grid {
	g := &grid{title: "Outcome", names: "scenario", text: 2,
		head: []string{"verdict", "control", "covered", "distinct", "scheds", "f+p", "cheapest"},
		legend: "f+p: bounds, faults and preemptions; cheapest: faults+preemptions/steps of the\n" +
			"cheapest counterexample; !: not the verdict that the scenario expects"}
	g.add(r, func(res *Result) []string {
		control := "-"
		if res.Control != nil {
			control = res.Control.Verdict
		}
		distinct := short(res.Distinct)
		if !res.DistinctExact && res.Distinct != "" {
			distinct = ">" + distinct
		}
		return []string{marked(res), control, short(res.Covered), distinct, short(res.Schedules),
			res.Bounds.text(), cheapest(res.Counterexample)}
	})
	return g
}

// marked is the verdict of a row, with a mark when it is not the expected one.
func marked(res *Result) string {
	if res.AsExpected {
		return res.Verdict
	}
	return res.Verdict + "!"
}

func cheapest(c *Counterexample) string {
	if c == nil {
		return "-"
	}
	return fmt.Sprintf("%d+%d/%d", c.Faults, c.Preemptions, c.Steps)
}

// space tells how far each row went and how often faults of some kinds
// struck. Rows that count none of them are left out unless all is set.
func space(r *Report, kinds []string, all bool) *grid {
	g := &grid{title: "Space and faults", names: "scenario", text: 1, head: []string{"space", "judged"}}
	for _, k := range kinds {
		g.head = append(g.head, strings.ReplaceAll(k, "_", " "))
	}
	g.add(r, func(res *Result) []string {
		counts := all
		c := []string{"whole", short(fmt.Sprint(res.Work.Judged))}
		if !res.Exhaustive {
			c[0] = "part"
		}
		for _, k := range kinds {
			n := res.Fired.Get(k)
			if n == "" {
				n = "-"
			}
			counts = counts || n != "-"
			c = append(c, short(n))
		}
		if !counts {
			return nil
		}
		return c
	})
	return g
}

// firedKinds lists the kinds of fault that some row counts, in the order of
// the reports.
func firedKinds(r *Report) []string {
	var out []string
	seen := make(map[string]bool)
	for _, res := range r.listed() {
		for _, f := range res.Fired {
			if !seen[f.Name] {
				seen[f.Name] = true
				out = append(out, f.Name)
			}
		}
	}
	return out
}

// behindBins lists the numbers of versions that some unit of some row was
// behind.
func behindBins(r *Report) []string {
	seen := make(map[string]bool)
	var bins []string
	for _, res := range r.listed() {
		for _, f := range res.VersionsBehind {
			if !seen[f.Name] && res.VersionsBehind.Get(f.Name) != "0" {
				seen[f.Name] = true
				bins = append(bins, f.Name)
			}
		}
	}
	sort.Strings(bins) // "0" to "6" and "7+"
	return bins
}

// behind is table 4: how many versions behind the newest a unit was after a
// crash, for rows in which it was more than one.
func behind(r *Report) *grid {
	g := &grid{title: "Versions behind the newest", names: "versions behind", head: behindBins(r)}
	if len(g.head) < 3 {
		return g
	}
	g.add(r, func(res *Result) []string {
		if len(res.VersionsBehind) < 3 {
			return nil
		}
		var c []string
		for _, bin := range g.head {
			n := res.VersionsBehind.Get(bin)
			if n == "" || n == "0" {
				n = "-"
			}
			c = append(c, short(n))
		}
		return c
	})
	return g
}

// title names a row in a line of its own.
func title(res *Result) string {
	if res.Row == "" {
		return res.Scenario
	}
	return res.Scenario + " " + res.Row
}

// explanations says, in a line for each, why a row did not turn out as
// expected, was skipped, sampled, or refused.
func explanations(r *Report) []explanation {
	var out []explanation
	for _, res := range r.listed() {
		if res.AsExpected && res.Verdict != skipped && res.Verdict != held && res.Verdict != refused || res.Reason == "" {
			continue
		}
		out = append(out, explanation{res.AsExpected, fmt.Sprintf("%s: %s, expected %s: %s", title(res), res.Verdict, res.Expect, res.Reason)})
	}
	return out
}

type explanation struct {
	asExpected bool
	text       string
}

// skipped is the verdict of a row whose combination makes no sense; one that
// held has a reason when it was sampled instead of explored.
const (
	skipped = "skipped"
	held    = "held"
	refused = "refused"
)

// targetNotes says, in a line for each target other than the model, what its
// rows are worth.
func targetNotes(r *Report) []string {
	var out []string
	seen := map[string]bool{}
	for _, res := range r.listed() {
		k := res.Target + strings.Join(res.Assumptions, "; ")
		if res.Target == "model" || res.Target == "" || seen[k] {
			continue
		}
		seen[k] = true
		out = append(out, fmt.Sprintf("target %s, neither exhaustive nor the same by seed: %s", res.Target, strings.Join(res.Assumptions, "; ")))
	}
	return out
}

// totals says in three lines what was done.
func totals(r *Report) []string {
	var w Work
	bad := 0
	for i := range r.Results {
		res := &r.Results[i]
		w.Executed += res.Work.Executed
		w.Judged += res.Work.Judged
		w.Steps += res.Work.Steps
		w.CacheHits += res.Work.CacheHits
		w.Seconds += res.Work.Seconds
		w.Saved = AddSaved(w.Saved, res.Work.Saved)
		w.Workers = max(w.Workers, res.Work.Workers)
		if !res.AsExpected {
			bad++
		}
	}
	lines := []string{
		fmt.Sprintf("%s, %d not as expected", counted(len(r.Results), "row"), bad),
		fmt.Sprintf("%s executed, %s, %s met,", counted(w.Executed, "schedule"), counted(w.Steps, "step"), counted(w.CacheHits, "known state")),
		fmt.Sprintf("%s judged in %.1f s by %s", counted(w.Judged, "image"), w.Seconds, counted(w.Workers, "worker")),
	}
	var saved []string
	for _, f := range w.Saved {
		saved = append(saved, f.Name+" "+short(w.Saved.Get(f.Name)))
	}
	if len(saved) > 0 {
		lines = append(lines, "left out by rule: "+strings.Join(saved, ", "))
	}
	for _, s := range samples(r) {
		lines = append(lines, wrap(s, Width)...)
	}
	return lines
}

// AddSaved adds up what rules left out in two parts of a run.
func AddSaved(a, b Fields) Fields {
	out := Fields{}
	for _, f := range a {
		if b.Get(f.Name) == "" {
			out = append(out, f)
		}
	}
	for _, f := range b {
		x, y := a.Get(f.Name), b.Get(f.Name)
		var m, n big.Int
		if _, ok := m.SetString(x, 10); !ok && x != "" {
			y = x // more than can be counted
		} else if _, ok := n.SetString(y, 10); ok {
			y = m.Add(&m, &n).String()
		}
		out = out.Text(f.Name, y)
	}
	return out
}

// partialNote ends the totals of a report that is partial.
const partialNote = "PARTIAL: ended early; rows that are missing or marked part were not finished"

// replayGroup is the commands that show what broke, as expected or not.
type replayGroup struct {
	title    string
	commands []string
}

// replays collects the commands, those of rows that were expected to break
// first.
func replays(r *Report) []replayGroup {
	expected, not := replayGroup{title: "Broke as expected, replay with:"}, replayGroup{title: "NOT AS EXPECTED, replay with:"}
	for _, res := range r.listed() {
		if res.Counterexample == nil || res.Counterexample.Replay == "" {
			continue
		}
		g := &not
		if res.AsExpected {
			g = &expected
		}
		command := res.Counterexample.Replay
		if id := res.Counterexample.ID; id != "" {
			command += "  # --id " + id
		}
		g.commands = append(g.commands, command)
	}
	minimal, partial := replayGroup{title: "Shrunk until no part can be left out, replay with:"}, replayGroup{title: "SHRUNK IN PART, ended early, replay with:"}
	for _, res := range r.listed() {
		if res.Counterexample == nil || res.Counterexample.Shrunk == nil {
			continue
		}
		x := res.Counterexample.Shrunk
		g := &partial
		if x.Minimal {
			g = &minimal
		}
		g.commands = append(g.commands, x.Replay+"  # "+x.size())
	}
	var out []replayGroup
	for _, g := range []replayGroup{expected, not, partial, minimal} {
		if len(g.commands) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// size says how large a shrunk counterexample is.
func (x *Shrunk) size() string {
	return fmt.Sprintf("%s, %s, faults %d, preemptions %d, steps %d", counted(x.Operations, "operation"), counted(x.Tasks, "task"), x.Faults, x.Preemptions, x.Steps)
}

// counted prints a number of things.
func counted[N int | uint64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// headline says what ran it, and host where and when.
func headline(r *Report) string {
	line := fmt.Sprintf("untorn %s, engine %s", r.Version, r.Engine)
	if s := seeds(r); s != "" {
		line += ", seed " + s
	}
	return line
}

func host(r *Report) string {
	return fmt.Sprintf("%s/%s, %d CPUs, %s, started %s", r.Host.OS, r.Host.Arch, r.Host.CPUs, r.Host.Go, r.Started)
}

// seeds prints the seeds of all rows, once each. On a file of this machine
// nothing is drawn.
func seeds(r *Report) string {
	var out []string
	seen := make(map[int64]bool)
	for i := range r.Results {
		if s := r.Results[i].Seed; !seen[s] && r.Results[i].Target != "file" {
			seen[s] = true
			out = append(out, fmt.Sprint(s))
		}
	}
	return strings.Join(out, ", ")
}
