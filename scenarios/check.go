package scenarios

import (
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"untorn/crashsim"
	"untorn/engine"
	"untorn/workloads"
)

func powerOfTwo(n int64) bool { return n > 0 && n&(n-1) == 0 }

func joinComma(list []string) string { return strings.Join(list, ", ") }

// check refuses what no row can make sense of: a product that is too large,
// and a scenario whose only row is nonsense.
func (d *decoder) check(s *Scenario, root *yaml.Node) {
	if d.err != nil {
		return
	}
	if n := s.numRows(); n > MaxRows {
		d.fail(root, "", "the product of its lists has more than %d rows; allowed: up to %d", MaxRows, MaxRows)
		return
	}
	if file := s.file(); file.n%workloads.SectorSize != 0 {
		d.fail(file.node, "workload.file", "%s is no multiple of 512; allowed: multiples of 512", file.text)
		return
	}
	if second := s.workload.of(fSecondFile)[0]; second.n%workloads.SectorSize != 0 {
		d.fail(second.node, "workload.second_file", "%s is no multiple of 512; allowed: multiples of 512", second.text)
		return
	}
	rows := s.Rows()
	if second := s.workload.of(fSecondFile)[0]; second.n != 0 && rows[0].Workload.Files() == 1 {
		d.fail(second.node, "workload.second_file", "%s, and no operation is on it; allowed: with operations that have file: 1 or from_file: 1", second.text)
		return
	}
	if len(rows) == 1 && rows[0].Skip != "" {
		d.fail(root, "", "%s; allowed: a combination that makes sense", rows[0].Skip)
	}
	for i := range rows {
		if rows[i].Skip != "" {
			continue
		}
		if nonsense := (*engine.NonsenseError)(nil); errors.As(rows[i].Control.Design.Check(), &nonsense) {
			n := s.control.node
			if n == nil {
				n = root
			}
			d.fail(n, "control", "%s; allowed: a combination that makes sense", nonsense.Reason)
			return
		}
	}
}

// nonsense returns why the values of a row do not fit one another, or "".
func (r *Row) nonsense() string {
	v := &r.Device
	ds := &r.Design
	size := workloads.FormatSize
	switch {
	case v.LBA > ds.Block:
		return fmt.Sprintf("device.lba %s is above design.block %s", size(v.LBA), size(ds.Block))
	case ds.FolioMin < ds.Block:
		return fmt.Sprintf("design.folio min %s is below design.block %s", size(ds.FolioMin), size(ds.Block))
	case ds.Filesystem == engine.Ext4 && ds.Cluster < ds.Block:
		return fmt.Sprintf("design.cluster %s is below design.block %s", size(ds.Cluster), size(ds.Block))
	case v.Boundary != 0 && v.Boundary < v.LBA:
		return fmt.Sprintf("device.boundary %s is below device.lba %s", size(v.Boundary), size(v.LBA))
	case v.BoundaryOffset != 0 && v.BoundaryOffset >= v.Boundary:
		return fmt.Sprintf("device.boundary_offset %s is not below device.boundary %s", size(v.BoundaryOffset), size(v.Boundary))
	case v.MaxTransfer < ds.Block:
		return fmt.Sprintf("device.max_transfer %s is below design.block %s", size(v.MaxTransfer), size(ds.Block))
	}
	for _, f := range []*field{fNAWUPF, fAWUN, fPartitionOffset, fBoundaryOffset, fMaxTransfer} {
		if n := r.vals[f][0].n; n%v.LBA != 0 {
			return fmt.Sprintf("%s %s is no multiple of device.lba %s", f.path(), size(n), size(v.LBA))
		}
	}
	if r.Contract == "old-or-new" {
		waits := ds.Submit == engine.SubmitWriteThroughWait || ds.Submit == engine.SubmitDirect
		if !v.Protected || ds.Writeback != engine.WritebackAtomic || !waits {
			return "contract: old-or-new promises more than caches keep: it needs device.cache: protected, " +
				"design.writeback: atomic and a design.submit that waits (write-through-wait or direct)"
		}
	}
	if e := (*engine.NonsenseError)(nil); errors.As(ds.Check(), &e) {
		return e.Reason
	}
	return ""
}

// notBuilt returns the first thing of the row that cannot be run yet.
func (r *Row) notBuilt() *engine.NotBuiltError {
	var e *engine.NotBuiltError
	if errors.As(r.Design.Check(), &e) || errors.As(r.Control.Design.Check(), &e) {
		return e
	}
	errors.As(r.Check(), &e)
	return e
}

// NamedFaults lists the faults that the scenario's text turns on for this
// row, by the names of their fields.
func (r *Row) NamedFaults() []string {
	var out []string
	if r.NamedPowerLoss {
		out = append(out, fPowerLoss.name)
	}
	if r.NamedRecovery {
		out = append(out, fRecoveryLoss.name)
	}
	for k := crashsim.Reclaim; k < crashsim.NumFaultKinds; k++ {
		if r.Named[k] {
			out = append(out, k.String())
		}
	}
	return out
}

// Check refuses a row that no history can describe, or whose sizes are beyond
// what the engine can run.
func (r *Row) Check() error {
	if err := r.Workload.Check(); err != nil {
		return fmt.Errorf("workload: %w", err)
	}
	return engine.CheckWorkload(&r.Design, &r.Device, &r.Workload)
}
