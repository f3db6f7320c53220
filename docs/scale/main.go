// Command scale measures how time, memory and states grow with the size of a
// scenario and with its bounds, and plots it.
//
//	make build
//	go run ./docs/scale             # measures, writes scale.csv and the plots
//	go run ./docs/scale -plot       # plots what scale.csv has
package main

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"untorn/internal/sys"
)

func main() {
	untorn := flag.String("untorn", "bin/untorn", "the program to measure")
	dir := flag.String("dir", "docs/scale", "where scale.csv and the plots go")
	only := flag.Bool("plot", false, "plot what scale.csv has and measure nothing")
	flag.Parse()
	if err := scale(*untorn, *dir, *only); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func scale(untorn, dir string, only bool) error {
	file := filepath.Join(dir, "scale.csv")
	if !only {
		points, err := measureAll(untorn)
		if err != nil {
			return err
		}
		if err := writeCSV(file, points); err != nil {
			return err
		}
	}
	points, err := readCSV(file)
	if err != nil {
		return err
	}
	return plotAll(dir, points)
}

// point is one run.
type point struct {
	axis      string
	value     int
	schedules string
	states    float64
	steps     float64
	seconds   float64 // of processor time
	mib       float64 // most memory resident
}

// axis is something that grows while all else stays.
type axis struct {
	name   string
	values []int
	// of fills in what the values mean.
	of func(n int) scenario
}

// scenario is what the axes are about.
type scenario struct{ operations, tasks, units, faults, preemptions int }

var axes = []axis{
	{"operations", []int{1, 2, 3, 4, 5, 6}, func(n int) scenario { return scenario{n, 1, n, 1, 1} }},
	{"tasks", []int{1, 2, 3, 4}, func(n int) scenario { return scenario{4, n, 4, 1, 1} }},
	{"units", []int{1, 2, 3, 4}, func(n int) scenario { return scenario{4, 1, n, 1, 1} }},
	{"faults", []int{1, 2, 3, 4, 5, 6}, func(n int) scenario { return scenario{2, 1, 2, n, 1} }},
	{"preemptions", []int{0, 1, 2, 3, 4, 5}, func(n int) scenario { return scenario{2, 1, 2, 1, n} }},
}

// unit is the size of an atomic unit: two folios.
const unit = 8

// text is the scenario as YAML: operations that each write one unit, dealt out
// to tasks and units in turn, and an fsync of the first task.
func (s scenario) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, `name: scale
design: {copy: pin, track: cow-fork, writeback: cow, stable: wait, folio: {min: 4KiB, max: 4KiB}}
device: {nawupf: 512}
workload:
  file: %dKiB
  ops:
`, unit*s.units)
	for i := range s.operations {
		fmt.Fprintf(&b, "    - {task: t%d, op: pwrite, offset: %dKiB, length: %dKiB, atomic: true}\n", i%s.tasks, unit*(i%s.units), unit)
	}
	fmt.Fprintf(&b, `    - {task: t0, op: fsync}
faults: {power_loss: every-step, reclaim: every-step, short_copy: off, budget: %d}
explore: {preemptions: %d}
`, s.faults, s.preemptions)
	return b.String()
}

func measureAll(untorn string) ([]point, error) {
	work, err := os.MkdirTemp("", "scale-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	var points []point
	for _, a := range axes {
		for _, n := range a.values {
			p, err := measure(untorn, work, a.of(n))
			if err != nil {
				return nil, fmt.Errorf("%s %d: %w", a.name, n, err)
			}
			p.axis, p.value = a.name, n
			fmt.Fprintln(os.Stderr, strings.Join(p.line(), " "))
			points = append(points, *p)
		}
	}
	return points, nil
}

// measure runs a scenario with one worker.
func measure(untorn, work string, s scenario) (*point, error) {
	file := filepath.Join(work, "scale.yaml")
	if err := os.WriteFile(file, []byte(s.text()), 0o600); err != nil {
		return nil, err
	}
	c := exec.Command(untorn, "run", file, "--workers", "1", "--out", filepath.Join(work, "runs"), "--format", "json")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return nil, err
	}
	var rep struct {
		Results []struct {
			Verdict, Schedules string
			Exhaustive         bool
			Work               struct{ States, Steps float64 }
		}
	}
	if err := json.Unmarshal(out, &rep); err != nil {
		return nil, err
	}
	r := &rep.Results[0]
	if !r.Exhaustive || r.Verdict != "held" {
		return nil, fmt.Errorf("%s, exhaustive %v: not all of the space was explored", r.Verdict, r.Exhaustive)
	}
	resident, ok := sys.MaxResident(c.ProcessState)
	if !ok {
		return nil, fmt.Errorf("this system does not tell what a process used")
	}
	cpu := c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	return &point{schedules: r.Schedules, states: r.Work.States, steps: r.Work.Steps, seconds: cpu.Seconds(), mib: float64(resident) / (1 << 20)}, nil
}

var head = []string{"axis", "value", "schedules", "states", "steps", "seconds", "MiB"}

func (p *point) line() []string {
	return []string{p.axis, strconv.Itoa(p.value), p.schedules, fmt.Sprint(int64(p.states)), fmt.Sprint(int64(p.steps)),
		fmt.Sprintf("%.2f", p.seconds), fmt.Sprintf("%.1f", p.mib)}
}

func writeCSV(file string, points []point) error {
	lines := [][]string{head}
	for i := range points {
		lines = append(lines, points[i].line())
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := csv.NewWriter(f).WriteAll(lines); err != nil {
		return err
	}
	return f.Close()
}

func readCSV(file string) ([]point, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	var points []point
	for i, l := range lines[1:] {
		p := point{axis: l[0], schedules: l[2]}
		var bad error
		number := func(s string) float64 {
			x, err := strconv.ParseFloat(s, 64)
			if err != nil {
				bad = err
			}
			return x
		}
		p.value, p.states, p.steps, p.seconds, p.mib = int(number(l[1])), number(l[3]), number(l[4]), number(l[5]), number(l[6])
		if bad != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+2, bad)
		}
		points = append(points, p)
	}
	return points, nil
}
