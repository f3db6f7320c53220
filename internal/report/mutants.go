package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Mutants is the score of a suite against planted defects.
type Mutants struct {
	Report      `json:"-"`
	Killed      int      `json:"killed"`
	Total       int      `json:"total"`
	FalseAlarms int      `json:"false_alarms"` // rows that break without a defect
	Mutants     []Mutant `json:"mutants"`
	Rows        int      `json:"rows"` // rows that ran without a defect
	Alarms      []string `json:"alarms,omitempty"`
}

// Mutant is one planted defect and what became of it.
type Mutant struct {
	Name        string `json:"name"`
	KilledBy    string `json:"killed_by"` // scenario, empty for a defect that survived
	Row         string `json:"row"`
	Verdict     string `json:"verdict"`
	Faults      int    `json:"faults"`
	Preemptions int    `json:"preemptions"`
	Steps       int    `json:"steps"` // of the shortest counterexample among the cheapest
	Replay      string `json:"replay"`
	Defect      string `json:"defect"`
	Tried       int    `json:"tried"` // rows explored with the defect
	Stuck       int    `json:"stuck"` // of those, rows in which a schedule did not end
}

// WriteMutantsJSON writes the JSON form, indented, with a newline at the end.
func WriteMutantsJSON(w io.Writer, m *Mutants) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(m)
}

// WriteMutants writes the score as a text table and the commands that replay
// the kills.
func WriteMutants(w io.Writer, m *Mutants) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "untorn %s, engine %s\n", m.Version, m.Engine)
	fmt.Fprintf(&b, "%s/%s, %d CPUs, %s, started %s\n\n", m.Host.OS, m.Host.Arch, m.Host.CPUs, m.Host.Go, m.Started)
	var rows [][]string
	for i := range m.Mutants {
		x := &m.Mutants[i]
		if x.KilledBy == "" {
			rows = append(rows, []string{x.Name, "SURVIVED", "-", "-", "-"})
			continue
		}
		rows = append(rows, []string{x.Name, x.KilledBy, x.Verdict, fmt.Sprintf("%d+%d", x.Faults, x.Preemptions), fmt.Sprint(x.Steps)})
	}
	table(&b, 3, []string{"defect", "killed by", "verdict", "f+p", "steps"}, rows)
	fmt.Fprint(&b, "f+p: faults and preemptions of the cheapest counterexample\n\n")
	fmt.Fprintf(&b, "%d of %d killed, %s in %s without a defect\n", m.Killed, m.Total, counted(m.FalseAlarms, "false alarm"), counted(m.Rows, "row"))
	for _, a := range m.Alarms {
		fmt.Fprintf(&b, "  false alarm: %s\n", a)
	}
	if m.Partial {
		fmt.Fprintln(&b, "ended early: the score is of what was done until then")
	}
	if m.Killed > 0 {
		fmt.Fprint(&b, "\nReplay with:\n")
	}
	for i := range m.Mutants {
		if x := &m.Mutants[i]; x.Replay != "" {
			fmt.Fprintf(&b, "  %s\n", x.Replay)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}
