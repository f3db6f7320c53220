package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/workloads"
)

// script strikes with each fault, by its text, once, at the first visit of
// its site on which it may strike.
type script []struct{ site, fault string }

func (s *script) Choose(p *crashsim.Point) int {
	if len(*s) == 0 || p.Site() != (*s)[0].site {
		return 0
	}
	for i := range p.Len() {
		if p.Option(i) == (*s)[0].fault {
			*s = (*s)[1:]
			return i
		}
	}
	return 0
}

// TestShortCopy: what a copy that ended early leaves when the user page it
// needs next is gone for good. A block that was copied in part never loses
// what it held before.
func TestShortCopy(t *testing.T) {
	const gone, short = "user page 0 of db is gone", "short copy of 1024 bytes by db"
	at := func(s crashsim.Step) string { return stepTable[s].Name }
	for _, c := range []struct {
		name   string
		op     workloads.Op
		first  []workloads.Op // make the folio uptodate
		script script
		want   workloads.Result
		kept   int32 // sectors of the write that the file holds in the end
	}{
		{name: "nothing goes wrong", op: sectors(8, 8, false), want: 4096, kept: 8},
		{name: "gone before the first copy", op: sectors(8, 8, false),
			script: script{{at(stepFaultIn), gone}}, want: -workloads.Result(workloads.EFAULT)},
		{name: "short, then tried again", op: sectors(8, 8, false),
			script: script{{at(stepCopy), short}}, want: 4096, kept: 8},
		{name: "short into a folio that is not uptodate, then gone", op: sectors(8, 8, false),
			script: script{{at(stepCopy), short}, {at(stepRetry), "go on"}, {at(stepNextFolio), "go on"}, {at(stepFaultIn), gone}},
			want:   1024, kept: 2},
		{name: "short into an uptodate folio, then gone", op: sectors(8, 8, false), first: []workloads.Op{sectors(8, 8, false)},
			script: script{{at(stepCopy), "go on"}, {at(stepCopy), short}, {at(stepNextFolio), "go on"}, {at(stepFaultIn), gone}},
			want:   1024, kept: 2},
		{name: "rejected, then gone before it was copied again", op: sectors(8, 8, false),
			script: script{{at(stepCopy), short}, {at(stepRetry), "go on"}, {at(stepFaultIn), gone}},
			want:   -workloads.Result(workloads.EFAULT)},
		{name: "an atomic write never succeeds in part", op: write(1, 1, true),
			script: script{{at(stepCopy), short}, {at(stepRetry), "go on"}, {at(stepNextFolio), "go on"}, {at(stepFaultIn), gone}},
			want:   -workloads.Result(workloads.EFAULT), kept: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.Design.Copy = CopyPlain
			cfg.Faults[crashsim.ShortCopy], cfg.Faults[crashsim.PageGone] = true, true
			cfg.Workload.Ops = append(append([]workloads.Op(nil), c.first...), c.op)
			k := newKernel(t, cfg)
			n := int32(len(cfg.Workload.Ops))
			got, out := results(k, &c.script, crashsim.Budget{Faults: 2, Total: 2})
			require.Equal(t, crashsim.Done, out.Kind, out.Detail)
			require.Empty(t, c.script, "the script was played to its end")
			require.Equal(t, c.want, got[n])
			got[n] = workloads.Result(c.kept * 512)
			require.Equal(t, expected(cfg.Workload, got), mount(t, k))
		})
	}
}

// TestPinnedPages: what is pinned neither vanishes nor ends a copy early.
func TestPinnedPages(t *testing.T) {
	for copy, want := range map[Copy]bool{CopyPin: false, CopyPlain: true} {
		cfg := testConfig()
		cfg.Design.Copy = copy
		cfg.Workload.Ops = []workloads.Op{write(0, 4, true)}
		for i := range cfg.Faults {
			cfg.Faults[i] = true
		}
		k := newKernel(t, cfg)
		offered := false
		var buf []crashsim.Fault
		k.Machine().Run(pick(func(p *crashsim.Point) int {
			if p.Site() == stepTable[stepCopy].Name {
				for _, f := range k.Faults(buf[:0], k.tasks[0].Task, stepCopy) {
					if f.Kind == crashsim.ShortCopy || f.Kind == crashsim.PageGone || f.Kind == crashsim.Reclaim && f.Form == formVanish {
						offered = true
					}
				}
			}
			return 0
		}), crashsim.Budget{})
		require.Equal(t, want, offered, "%v", copy)
	}
}
