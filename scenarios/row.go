package scenarios

import (
	"encoding/json"
	"slices"
	"strings"

	"untorn/crashsim"
	"untorn/crashsim/nvme"
	"untorn/engine"
	"untorn/workloads"
)

// Row is one combination of a scenario's values, ready to run.
type Row struct {
	Scenario *Scenario
	// Label names the fields in which this row differs from its neighbours,
	// "nawupf=4KiB writeback=cow"; it is empty when there is one row only.
	Label string
	// Skip says why the combination makes no sense, or is empty.
	Skip string
	// NotBuilt names the first thing that cannot be run yet, or is nil.
	NotBuilt *engine.NotBuiltError

	Design   engine.Design
	Device   nvme.Config
	Workload workloads.Workload
	Faults   crashsim.Faults
	Explore  Explore
	Contract string // untorn or old-or-new
	Control  Control
	Expect   string // the verdict that the row is to earn

	// Named tells which kinds of fault the scenario's own text turns on, and
	// NamedPowerLoss and NamedRecovery the same of power loss and of its
	// repetition. A default that cannot strike is no matter, a fault that was
	// asked for by name is.
	Named          [crashsim.NumFaultKinds]bool
	NamedPowerLoss bool
	NamedRecovery  bool

	vals   block  // one value for each field but those of faults
	direct []bool // by operation: it is direct, whatever the submit
	faults int    // the block of faults
}

// Explore says how the schedules of a row are walked.
type Explore struct {
	Random      bool
	Preemptions int
	Together    int   // bound of faults and preemptions in one run
	Runs        int64 // schedules, when Random
	Seed        int64

	// Strategy, Depth and the ratio FaultNum/FaultDen say how, when Random.
	// FaultDen is 0 where the strategy has faults of its own.
	Strategy           string
	Depth              int
	FaultNum, FaultDen int64
}

// Control is the arm without the protection.
type Control struct {
	Design   engine.Design
	Workload workloads.Workload
	Breaks   string // the verdict that it has to earn
}

// Rows returns the product, in the order in which the lists are written, the
// last field changing fastest.
func (s *Scenario) Rows() []Row {
	fields := productFields()
	lists := make([][]value, len(fields))
	for i, f := range fields {
		lists[i] = s.valuesOf(f)
		if lists[i] == nil {
			lists[i] = []value{{}} // follows the row's file system and submit
		}
	}
	var rows []Row
	pick := make([]int, len(fields))
	for {
		for fb := range s.faults {
			vals := block{}
			for i, f := range fields {
				vals[f] = []value{lists[i][pick[i]]}
			}
			rows = append(rows, s.row(vals, fb))
		}
		i := len(pick) - 1
		for ; i >= 0; i-- {
			if pick[i]++; pick[i] < len(lists[i]) {
				break
			}
			pick[i] = 0
		}
		if i < 0 {
			return rows
		}
	}
}

// numRows returns the size of the product, MaxRows+1 for anything larger.
func (s *Scenario) numRows() int {
	n := len(s.faults)
	for _, f := range productFields() {
		n = min(n*max(1, len(s.valuesOf(f))), MaxRows+1)
	}
	return n
}

// valuesOf returns what a scenario gives for a field of the product.
func (s *Scenario) valuesOf(f *field) []value {
	switch {
	case f == fContract:
		return s.contract
	case f.section == "design":
		return s.design.of(f)
	case f.section == "device":
		return s.device.of(f)
	}
	if f.section == "workload" {
		return s.lay(f)
	}
	return s.ofGenerate(f)
}

// row builds one row from one value of each field.
func (s *Scenario) row(vals block, fb int) Row {
	fs, submit := vals[fFilesystem][0].text, vals[fSubmit][0].text
	for _, f := range designFields {
		if vals[f][0].text == "" {
			vals[f] = []value{{text: follows(f, fs, submit)}}
		}
	}
	r := Row{Scenario: s, vals: vals, faults: fb, Contract: vals[fContract][0].text}
	r.Label = s.label(vals, fb)
	r.Design = design(vals)
	r.Design.Mutant = s.mutant
	r.Device = device(vals)
	r.Workload = workloads.Workload{File: s.file().n, Second: s.workload.of(fSecondFile)[0].n, Layout: layouts[vals[fLayout][0].text],
		FreeSpace: layouts[vals[fFreeSpace][0].text]}
	ops := s.ops
	if s.generate != nil {
		ops = expand(s.generated(vals).Ops)
	}
	for _, o := range ops {
		if o.op.Append {
			o.op.Offset = r.Workload.Size(o.op.File)
		}
		r.direct = append(r.direct, o.op.Direct)
		if o.op.Kind == workloads.Pwrite && r.Design.Submit == engine.SubmitDirect {
			o.op.Direct = true
		}
		r.Workload.Ops = append(r.Workload.Ops, o.op)
	}
	s.rowFaults(&r)
	r.Explore = Explore{Random: s.explore.of(fMode)[0].text == "random", Preemptions: int(s.explore.of(fPreemptions)[0].n),
		Together: int(s.explore.of(fTogether)[0].n),
		Runs:     s.explore.of(fRuns)[0].n, Seed: s.explore.of(fSeed)[0].n,
		Strategy: s.explore.of(fStrategy)[0].text, Depth: int(s.explore.of(fDepth)[0].n),
		FaultNum: s.explore.of(fFaultRate)[0].n, FaultDen: s.explore.of(fFaultRate)[0].max}
	r.Control = s.rowControl(&r)
	r.Expect = "held"
	for _, e := range s.expect {
		if r.matches(e.where) {
			r.Expect = e.verdict
			break
		}
	}
	r.Skip = r.nonsense()
	r.NotBuilt = r.notBuilt()
	return r
}

func design(vals block) engine.Design {
	d := engine.Design{
		Block: vals[fBlock][0].n, FolioMin: vals[fFolio][0].n, FolioMax: vals[fFolio][0].max,
		Cluster: vals[fCluster][0].n, MaxAtomicWrite: vals[fMaxAtomic][0].n,
	}
	for _, f := range []*field{fFilesystem, fCopy, fTrack, fWriteback, fSubmit, fStable} {
		d.Set(f.name, vals[f][0].text)
	}
	return d
}

func device(vals block) nvme.Config {
	n := func(f *field) int64 { return vals[f][0].n }
	return nvme.Config{
		LBA: n(fLBA), NAWUPF: n(fNAWUPF), AWUN: n(fAWUN), DN: n(fDN) == 1,
		PartitionOffset: n(fPartitionOffset), FlushLies: n(fFlushLies) == 1,
		Boundary: n(fBoundary), BoundaryOffset: n(fBoundaryOffset), MaxTransfer: n(fMaxTransfer),
		Protected:       vals[fCache][0].text == "protected",
		CachedAtomicity: cachedAtomicities[vals[fCachedAtomicity][0].text],
		FUA:             n(fFUA) == 1, Tear: tears[vals[fTear][0].text],
	}
}

// faultValue returns the value of a field of the row's block of faults.
func (r *Row) faultValue(f *field) value {
	if vs := r.Scenario.faults[r.faults].vals.of(f); vs != nil {
		return vs[0]
	}
	return value{text: r.following(f)}
}

func (s *Scenario) rowFaults(r *Row) {
	b := &s.faults[r.faults]
	r.Faults.Name = b.name
	r.Faults.PowerLoss = r.faultValue(fPowerLoss).text == "every-step"
	r.NamedPowerLoss = r.Faults.PowerLoss && r.faultValue(fPowerLoss).written
	r.Faults.RecoveryPowerLoss = int(r.faultValue(fRecoveryLoss).n)
	r.NamedRecovery = r.Faults.RecoveryPowerLoss > 0
	r.Faults.Budget = int(r.faultValue(fBudget).n)
	for k := crashsim.Reclaim; k < crashsim.NumFaultKinds; k++ {
		r.Faults.Kinds[k] = r.faultValue(faultKindField[k]).text == "every-step"
		r.Named[k] = b.names(k)
	}
}

// rowControl works out the other arm. A control that names nothing to take
// away takes the protection away: all of it, or of a direct write the flag.
func (s *Scenario) rowControl(r *Row) Control {
	c := Control{Design: r.Design, Breaks: s.control.breaks}
	atomic := s.control.atomic
	switch {
	case s.control.says:
		for f, vs := range s.control.design {
			applyDesign(&c.Design, f, vs[0])
		}
		if s.control.mutant != "" {
			c.Design.Mutant = s.control.mutant
		}
	case r.Design.Submit == engine.SubmitDirect:
		atomic = false
	default:
		c.Design.Copy, c.Design.Track = engine.CopyPlain, engine.TrackNone
		c.Design.Writeback, c.Design.Stable = engine.WritebackPlain, engine.StableNone
	}
	c.Workload = r.Workload
	c.Workload.Ops = append([]workloads.Op(nil), r.Workload.Ops...)
	for i := range c.Workload.Ops {
		op := &c.Workload.Ops[i]
		op.Unflagged = op.Unflagged || op.Atomic && !atomic
		if op.Kind == workloads.Pwrite && c.Design.Submit != r.Design.Submit {
			op.Direct = c.Design.Submit == engine.SubmitDirect || r.direct[i]
		}
	}
	return c
}

func applyDesign(d *engine.Design, f *field, v value) {
	switch f {
	case fBlock:
		d.Block = v.n
	case fFolio:
		d.FolioMin, d.FolioMax = v.n, v.max
	case fCluster:
		d.Cluster = v.n
	case fMaxAtomic:
		d.MaxAtomicWrite = v.n
	default:
		d.Set(f.name, v.text)
	}
}

func (r *Row) matches(where []term) bool {
	for _, t := range where {
		if t.field == nil {
			if !slices.Contains(t.texts, r.Faults.Name) {
				return false
			}
			continue
		}
		if !slices.Contains(t.texts, r.vals[t.field][0].text) {
			return false
		}
	}
	return true
}

// label names what differs between the rows.
func (s *Scenario) label(vals block, fb int) string {
	var terms []string
	for _, f := range productFields() {
		if len(s.valuesOf(f)) > 1 {
			terms = append(terms, f.name+"="+labelText(vals[f][0]))
		}
	}
	if len(s.faults) > 1 {
		terms = append(terms, "faults="+s.faults[fb].name)
	}
	return strings.Join(terms, " ")
}

// labelText prints a value without spaces.
func labelText(v value) string {
	if v.max > 0 {
		return workloads.FormatSize(v.n) + ".." + workloads.FormatSize(v.max)
	}
	return v.text
}

// ID names the row in a path.
func (r *Row) ID() string { return RowID(r.Label) }

// RowID names the row of a label in a path: the label with commas for spaces,
// or "single".
func RowID(label string) string {
	if label == "" {
		return "single"
	}
	return strings.ReplaceAll(label, " ", ",")
}

// A NamedValue is one field of a row, for report.json.
type NamedValue struct {
	Name string
	JSON json.RawMessage
}

// Values returns the fields of a section of the row, "design", "device" or
// "faults", in the order of the scenario's fields. Sizes are bytes.
func (r *Row) Values(section string) []NamedValue {
	var out []NamedValue
	switch section {
	case "faults":
		if r.Faults.Name != "" {
			out = append(out, NamedValue{"name", json.RawMessage(`"` + r.Faults.Name + `"`)})
		}
		for _, f := range faultFields {
			v := r.faultValue(f)
			out = append(out, NamedValue{f.name, v.json(f.kind)})
		}
	case "design", "device":
		fields := designFields
		if section == "device" {
			fields = deviceFields
		}
		for _, f := range fields {
			out = append(out, NamedValue{f.name, r.vals[f][0].json(f.kind)})
		}
	}
	return out
}
