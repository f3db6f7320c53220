package scenarios

import (
	"fmt"
	"strings"
)

// Help documents every field of a scenario, each operation and each
// generator, with what is allowed and the default.
func Help() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("A scenario is a YAML mapping. Sizes are written 512, 8KiB or 1MiB. A field")
	line("under design or device, workload.layout, workload.free_space and contract may")
	line("be a list; the scenario is then the product, one row each. faults may be a")
	line("list of blocks that have a name each. An unknown field is an error.")
	line("")
	line("name: letters, digits and dashes")
	line("about: one sentence")
	for _, s := range []struct {
		name   string
		fields []*field
	}{{"design", designFields}, {"device", deviceFields}, {"workload", workloadFields}, {"faults", faultFields}, {"explore", exploreFields}} {
		line("")
		line("%s:", s.name)
		for _, f := range s.fields {
			helpField(line, f)
		}
		if s.name == "workload" {
			line("  ops: a list of 1 to 62 operations, {task: NAME, op: KIND, ...}; fd: NUMBER")
			line("      is the descriptor, file: 1 is the second file; offsets and lengths are")
			line("      multiples of 512")
			for _, k := range opKinds {
				line("    op: %-15s %s", k.name, k.help)
			}
			helpGenerate(line)
		}
	}
	line("")
	line("contract: %s (default %s)", fContract.allow(), fContract.def)
	line("")
	line("control: {FIELD: VALUE, ..., breaks: VERDICT} for any field of design;")
	line("  atomic: false takes the flag away, mutant: NAME turns a defect on. A control")
	line("  that names none of these takes the whole protection away: {copy: plain,")
	line("  track: none, writeback: plain, stable: none}; of a direct write, the flag.")
	line("  breaks: %s (default torn)", joinComma(breakVerdicts))
	line("")
	line("mutant: turns a defect on in the design itself:")
	for _, l := range fold(joinComma(mutantNames()), 74) {
		line("  %s", l)
	}
	line("")
	line("expect: a verdict, or a list of {where: {FIELD: VALUE, ...}, verdict: NAME};")
	line("  VALUE may be a list, of which any matches;")
	line("  the first match wins, and a last entry without where is the default:")
	for _, l := range fold(joinComma(Verdicts), 74) {
		line("  %s", l)
	}
	return b.String()
}

func helpField(line func(string, ...any), f *field) {
	def := f.def
	switch {
	case f.kind == folioKind:
		def = folio(defaultFolioMin, defaultFolioMax, nil).text
	case def == "":
		def = follows(f, "xfs", "writeback") + " with xfs and writeback"
	}
	line("  %s: %s", f.name, f.help)
	for _, l := range fold(f.allow()+" (default "+def+")", 70) {
		line("      %s", l)
	}
}

// fold breaks text into lines of at most width, at spaces.
func fold(text string, width int) []string {
	var lines []string
	for len(text) > width {
		i := strings.LastIndexByte(text[:width+1], ' ')
		if i <= 0 {
			break
		}
		lines = append(lines, text[:i])
		text = text[i+1:]
	}
	return append(lines, text)
}
