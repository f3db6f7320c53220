package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"untorn/internal/cost"
)

// Costs is what "untorn cost" found. It depends on the rows alone: not on when,
// where or by how many workers it was made.
type Costs struct {
	Schema  int       `json:"schema"`
	Tool    string    `json:"tool"`
	Version string    `json:"version"`
	Engine  string    `json:"engine"`
	Results []CostRow `json:"results"`

	// Tables are the names of the tables to print, all when there is none.
	Tables []string `json:"-"`
}

// CostRow is one row of a scenario and its figures.
type CostRow struct {
	Scenario string `json:"scenario"`
	Row      string `json:"row"`
	Design   Fields `json:"design"`
	Device   Fields `json:"device"`
	// Verdict is "skipped" for a combination that makes no sense, "not-checked"
	// for one that is not built, "stuck" when the run did not end, and else empty;
	// then there are no figures, and Reason says why.
	Verdict string        `json:"verdict,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Cost    *cost.Figures `json:"cost"`
}

// costTable is one table of figures.
type costTable struct {
	name   string // on the command line
	title  string
	head   []string
	cells  func(*cost.Figures) []string
	legend string
}

// costTables are the tables of text and Markdown.
var costTables = []costTable{
	{"write", "Write cost", []string{"asked", "device", "data", "log", "cmds/M", "mean", "flush", "FUA"},
		func(f *cost.Figures) []string {
			return []string{kib(f.Asked), kib(f.Device()), ratio(f.Data, f.Asked), ratio(f.Log, f.Asked), ratio0(f.Commands<<20, f.Asked),
				ratio1(f.Data, f.DataCommands<<10), fmt.Sprint(f.Flushes), fmt.Sprint(f.FUA)}
		},
		"asked, device: KiB; data, log: bytes to the device for each byte asked for;\n" +
			"cmds/M: commands of all kinds for each MiB asked for; mean: KiB of a data\ncommand"},
	{"cow", "CoW cost", []string{"refused", "nospc", "blocks", "alloc", "extra", "from", "to"},
		func(f *cost.Figures) []string {
			return []string{fmt.Sprint(f.Refused), fmt.Sprint(f.NoSpace), fmt.Sprint(f.Allocated),
				ratio(f.Allocated*f.Block, f.Asked), fmt.Sprint(f.ExtraBlocks), fmt.Sprint(f.ExtentsBefore), fmt.Sprint(f.ExtentsAfter)}
		},
		"refused: writes that failed; nospc: of those, for lack of space; blocks:\n" +
			"allocated; alloc: bytes allocated for each byte asked for; extra: most blocks\n" +
			"in use over those before; from, to: extents of the file before and after"},
	{"batching", "Batching", []string{"cmds", "smallest", "mean", "largest", "depth", "lost"},
		func(f *cost.Figures) []string {
			return []string{fmt.Sprint(f.DataCommands), ratio1(f.SmallestData, 1<<10), ratio1(f.Data, f.DataCommands<<10), ratio1(f.LargestData, 1<<10),
				fmt.Sprint(f.QueueDepth), fmt.Sprint(f.LostMerges)}
		},
		"cmds: data commands, and their sizes in KiB; depth: most commands in flight;\n" +
			"lost: commands that plain ones would have been merged with"},
	{"memory", "Memory", []string{"units", "bytes", "each", "pinned", "p50", "max", "priv", "twice"},
		func(f *cost.Figures) []string {
			return []string{fmt.Sprint(f.Ranges), inBytes(f.TrackBits, 1), inBytes(f.TrackBits, f.Ranges), kib(f.PinnedPeak),
				fmt.Sprint(f.PinnedSteps.Median), fmt.Sprint(f.PinnedSteps.Worst), kib(f.PrivatePeak), ratio(f.CopiedTwice, f.Asked)}
		},
		"units, bytes, each: units remembered at the peak, bytes of tracking for all\n" +
			"and for each; pinned: peak KiB of user pages, and steps that the median and\n" +
			"the worst write held some; priv: peak KiB of private copies; twice: bytes\n" +
			"copied a second time for each byte asked for"},
	{"waits", "Waits of writers", spreadHead("stable", "lock"),
		func(f *cost.Figures) []string { return append(spread(&f.Stable), spread(&f.Lock)...) },
		"steps that writes waited in all, by the median call, by the 99th of 100, and\n" +
			"by the worst; stable: for I/O on a folio that they change; lock: for a lock"},
	{"io", "Waits for I/O", spreadHead("own", "sync"),
		func(f *cost.Figures) []string { return append(spread(&f.Own), spread(&f.Sync)...) },
		"as before; own: writes for I/O of their own; sync: fsync and its kin for\nanything"},
}

// CostTables lists the names of the tables.
func CostTables() (names []string) {
	for i := range costTables {
		names = append(names, costTables[i].name)
	}
	return names
}

// tables are those that were asked for.
func (c *Costs) tables() (out []*costTable) {
	for i := range costTables {
		if t := &costTables[i]; len(c.Tables) == 0 || slices.Contains(c.Tables, t.name) {
			out = append(out, t)
		}
	}
	return out
}

func spreadHead(names ...string) (head []string) {
	for _, n := range names {
		head = append(head, n, "p50", "p99", "worst")
	}
	return head
}

func spread(s *cost.Spread) []string {
	return []string{fmt.Sprint(s.Total), fmt.Sprint(s.Median), fmt.Sprint(s.P99), fmt.Sprint(s.Worst)}
}

// fixed prints a/b with some decimals, the last one rounded half up, and "-"
// where there is no such ratio.
func fixed(a, b int64, decimals int) string {
	if b == 0 {
		return "-"
	}
	scale := int64(1)
	for range decimals {
		scale *= 10
	}
	n := (2*a*scale + b) / (2 * b)
	if decimals == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d.%0*d", n/scale, decimals, n%scale)
}

func ratio(a, b int64) string  { return fixed(a, b, 2) }
func ratio1(a, b int64) string { return fixed(a, b, 1) }
func ratio0(a, b int64) string { return fixed(a, b, 0) }
func kib(bytes int64) string   { return strings.TrimSuffix(fixed(bytes, 1<<10, 1), ".0") }

// inBytes prints a number of bits, shared by some ranges, in bytes.
func inBytes(bits, ranges int64) string {
	return strings.TrimSuffix(strings.TrimRight(fixed(bits, 8*ranges, 3), "0"), ".")
}

// costTitle is the first line of the tables.
func costTitle(c *Costs) string {
	return fmt.Sprintf("untorn %s, engine %s: what one quiet run of each row costs", c.Version, c.Engine)
}

// costNotes says why a row has no figures.
func costNotes(c *Costs) (notes []string) {
	for i := range c.Results {
		if x := &c.Results[i]; x.Cost == nil {
			notes = append(notes, fmt.Sprintf("%s: %s: %s", strings.TrimSpace(x.Scenario+" "+x.Row), x.Verdict, oneLine(x.Reason)))
		}
	}
	return notes
}

// costNameWidth is the most that the names of rows take in a text table.
const costNameWidth = 33

// WriteCostText writes the tables in plain ASCII, at most Width columns wide.
func WriteCostText(w io.Writer, c *Costs) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n\n", costTitle(c))
	for _, t := range c.tables() {
		rows := t.lines(c)
		if len(rows) == 0 {
			break
		}
		fmt.Fprintln(&b, t.title)
		table(&b, 1, append([]string{"row"}, t.head...), rows)
		b.Truncate(b.Len() - 1) // the legend belongs to the table
		fmt.Fprintf(&b, "%s\n\n", t.legend)
	}
	for _, n := range costNotes(c) {
		fmt.Fprintf(&b, "- %s\n", strings.Join(wrap(n, Width-2), "\n  "))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// lines are those of a text table: a scenario of one row is one line, of
// several one with the fields in which they differ and one for each row, with
// its values of those.
func (t *costTable) lines(c *Costs) (out [][]string) {
	add := func(name, indent string, cells []string) {
		first := wrap(name, costNameWidth-len(indent))[0]
		out = append(out, append([]string{indent + first}, cells...))
		if rest := strings.TrimPrefix(name[len(first):], " "); rest != "" {
			for _, piece := range wrap(rest, costNameWidth-2) {
				out = append(out, append([]string{"  " + piece}, make([]string, len(cells))...))
			}
		}
	}
	last := ""
	for i := range c.Results {
		x := &c.Results[i]
		if x.Cost == nil {
			continue
		}
		cells := t.cells(x.Cost)
		if x.Row == "" {
			add(x.Scenario, "", cells)
			continue
		}
		var names, values []string
		for _, term := range strings.Fields(x.Row) {
			name, value, _ := strings.Cut(term, "=")
			names, values = append(names, name), append(values, value)
		}
		if x.Scenario != last {
			add(x.Scenario+": "+strings.Join(names, " "), "", make([]string, len(cells)))
		}
		add(strings.Join(values, " "), " ", cells)
		last = x.Scenario
	}
	return out
}

// WriteCostMarkdown writes the same tables.
func WriteCostMarkdown(w io.Writer, c *Costs) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n", escape(costTitle(c)))
	for _, t := range c.tables() {
		var rows [][]string
		for j := range c.Results {
			if x := &c.Results[j]; x.Cost != nil {
				rows = append(rows, append([]string{strings.TrimSpace(x.Scenario + " " + x.Row)}, t.cells(x.Cost)...))
			}
		}
		if len(rows) == 0 {
			break
		}
		fmt.Fprintf(&b, "## %s\n\n", escape(t.title))
		markdownTable(&b, 1, append([]string{"row"}, t.head...), rows)
		fmt.Fprintf(&b, "%s\n\n", escape(t.legend))
	}
	for _, n := range costNotes(c) {
		fmt.Fprintf(&b, "- %s\n", escape(n))
	}
	_, err := w.Write(b.Bytes())
	return err
}
