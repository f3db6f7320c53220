package scenarios

import (
	"strings"

	"gopkg.in/yaml.v3"

	"untorn/engine"
	"untorn/workloads"
)

// op is one operation as the scenario writes it.
type op struct {
	kind string // a name of opKinds
	op   workloads.Op
}

// opKind says what an operation is.
type opKind struct {
	name   string
	kind   workloads.Kind
	ranged bool // it has offset and length
	help   string
}

var opKinds = []opKind{
	{"pwrite", workloads.Pwrite, true, "pwrite(2): offset, length; atomic, direct, dsync, append, unflagged; unit: each piece of that length is untorn by itself; limit: RLIMIT_FSIZE of the caller"},
	{"fsync", workloads.Fsync, false, "fsync(2)"},
	{"fdatasync", workloads.Fdatasync, false, "fdatasync(2)"},
	{"pread", workloads.Pread, true, "pread(2): offset, length; direct"},
	{"store", workloads.Store, true, "a store through mmap: offset, length"},
	{"msync", workloads.Msync, true, "msync(2) with MS_SYNC: offset, length"},
	{"sync_file_range", workloads.SyncFileRange, true, "sync_file_range(2): offset, length"},
	{"truncate", workloads.Truncate, true, "ftruncate(2): offset is the new size"},
	{"fallocate", workloads.Fallocate, true, "fallocate(2): offset, length"},
	{"punch", workloads.Punch, true, "PUNCH_HOLE: offset, length"},
	{"zero", workloads.ZeroRange, true, "ZERO_RANGE: offset, length"},
	{"collapse", workloads.Collapse, true, "COLLAPSE_RANGE: offset, length"},
	{"insert", workloads.Insert, true, "INSERT_RANGE: offset, length"},
	{"clone", workloads.Clone, true, "FICLONERANGE: offset, length; from: where the source begins, from_file: its file"},
}

var opFields = []string{"task", "op", "offset", "length", "atomic", "unit", "unflagged", "direct", "dsync", "append", "fd", "limit", "file", "from", "from_file"}

// workload reads the file and what is done to it.
func (d *decoder) workload(s *Scenario, n *yaml.Node) {
	d.section("workload", workloadFields, n, s.workload, map[string]func(k, v *yaml.Node){
		"ops":      func(_, v *yaml.Node) { d.ops(s, v) },
		"generate": func(_, v *yaml.Node) { d.generate(s, v) },
	})
	switch {
	case d.err != nil:
	case s.ops == nil && s.generate == nil:
		d.fail(n, "workload.ops", "missing; allowed: a list of 1 to %d operations, or generate", workloads.MaxOps)
	case s.ops != nil && s.generate != nil:
		d.fail(n, "workload.generate", "written together with ops; allowed: one of the two")
	}
}

func (d *decoder) ops(s *Scenario, n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "workload.ops", "%s; allowed: a list of 1 to %d operations", describe(n), workloads.MaxOps)
		return
	}
	items := d.items(n, "workload.ops")
	if len(items) > workloads.MaxOps {
		d.fail(n, "workload.ops", "%d operations; allowed: up to %d", len(items), workloads.MaxOps)
		return
	}
	for _, item := range items {
		if o, ok := d.op(item); ok {
			s.ops = append(s.ops, o)
		}
	}
}

func (d *decoder) op(n *yaml.Node) (op, bool) {
	o := op{op: workloads.Op{Task: "db"}}
	var kind *opKind
	written := make(map[string]*yaml.Node)
	size := &field{section: "workload.ops", kind: sizeKind, max: MaxFile}
	flag := &field{section: "workload.ops", kind: boolKind}
	d.mapping(n, "workload.ops", opFields, func(key string, _, v *yaml.Node) {
		written[key] = v
		size.name, flag.name = key, key
		switch key {
		case "task":
			o.op.Task = d.name(v, "workload.ops.task")
		case "op":
			kind = d.opKind(v)
		case "offset":
			o.op.Offset = d.value(size, v).n
		case "length":
			o.op.Length = d.value(size, v).n
		case "atomic":
			o.op.Atomic = d.value(flag, v).n == 1
		case "unflagged":
			o.op.Unflagged = d.value(flag, v).n == 1
		case "direct":
			o.op.Direct = d.value(flag, v).n == 1
		case "dsync":
			o.op.Dsync = d.value(flag, v).n == 1
		case "append":
			o.op.Append = d.value(flag, v).n == 1
		case "limit":
			o.op.Limit = d.value(size, v).n
		case "unit":
			o.op.Unit = d.value(size, v).n
		case "from":
			o.op.From = d.value(size, v).n
		case "file":
			o.op.File = int(d.value(&field{section: "workload.ops", name: key, kind: countKind, max: 1}, v).n)
		case "from_file":
			o.op.FromFile = int(d.value(&field{section: "workload.ops", name: key, kind: countKind, max: 1}, v).n)
		case "fd":
			o.op.FD = int(d.value(&field{section: "workload.ops", name: key, kind: countKind, max: engine.MaxFDs - 1}, v).n)
		}
	})
	switch {
	case d.err != nil:
		return o, false
	case kind == nil:
		d.fail(n, "workload.ops.op", "missing; allowed: %s", opNames())
		return o, false
	}
	o.kind, o.op.Kind = kind.name, kind.kind
	d.checkOp(&o, kind, n, written)
	return o, d.err == nil
}

func (d *decoder) opKind(n *yaml.Node) *opKind {
	for i := range opKinds {
		if n.Kind == yaml.ScalarNode && opKinds[i].name == n.Value {
			return &opKinds[i]
		}
	}
	d.fail(n, "workload.ops.op", "%s; allowed: %s", describe(n), opNames())
	return nil
}

func opNames() string {
	var names []string
	for _, k := range opKinds {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

// checkOp refuses an operation whose fields do not fit its kind, and an
// atomic unit that the kernel would refuse before any file system is asked.
func (d *decoder) checkOp(o *op, kind *opKind, n *yaml.Node, written map[string]*yaml.Node) {
	at := func(key string) (*yaml.Node, string) {
		if v := written[key]; v != nil {
			return v, "workload.ops." + key
		}
		return n, "workload.ops." + key
	}
	if !kind.ranged {
		for _, key := range []string{"offset", "length", "atomic", "unit", "unflagged", "direct", "dsync", "append", "limit", "from", "from_file"} {
			if written[key] != nil {
				v, name := at(key)
				d.fail(v, name, "makes no sense with op: %s; allowed: task, op, fd, file", kind.name)
			}
		}
		return
	}
	w := &o.op
	for _, size := range []struct {
		key string
		n   int64
	}{{"offset", w.Offset}, {"length", w.Length}, {"from", w.From}} {
		if v, name := at(size.key); size.n%workloads.SectorSize != 0 {
			d.fail(v, name, "%s is no multiple of 512; allowed: multiples of 512", workloads.FormatSize(size.n))
		}
	}
	for _, key := range []string{"from", "from_file"} {
		if v, name := at(key); written[key] != nil && kind.name != "clone" {
			d.fail(v, name, "makes no sense with op: %s; allowed: with clone", kind.name)
		}
	}
	if kind.name == "clone" && written["from"] == nil {
		d.fail(n, "workload.ops.from", "missing; allowed: where the source of the clone begins")
	}
	v, name := at("length")
	if at, _ := written["limit"]; at != nil && (w.Limit%workloads.SectorSize != 0 || kind.name != "pwrite") {
		d.fail(at, "workload.ops.limit", "%s with op: %s; allowed: multiples of 512, with pwrite", workloads.FormatSize(w.Limit), kind.name)
	}
	switch {
	case kind.name == "truncate":
	case w.Length == 0:
		d.fail(v, name, "0 or missing; allowed: multiples of 512 from 512 on")
	case w.Offset+w.Length > MaxFile:
		d.fail(v, name, "ends at %s; allowed: up to %s", workloads.FormatSize(w.Offset+w.Length), workloads.FormatSize(MaxFile))
	case w.Unflagged && !w.Atomic:
		v, name = at("unflagged")
		d.fail(v, name, "the write is not atomic; allowed: with atomic: true")
	case w.Atomic && kind.name != "pwrite":
		v, name = at("atomic")
		d.fail(v, name, "makes no sense with op: %s; allowed: with pwrite", kind.name)
	case written["unit"] != nil && (!w.Atomic || w.Direct):
		v, name = at("unit")
		d.fail(v, name, "the write has no units of its own; allowed: with atomic: true and without direct")
	case written["unit"] != nil && (w.Unit == 0 || !powerOfTwo(w.Unit) || w.Unit < workloads.SectorSize || w.Unit >= w.Length || w.Length%w.Unit != 0):
		v, name = at("unit")
		d.fail(v, name, "%s in a write of %s; allowed: a power of two from 512 on that is less than the length and divides it",
			workloads.FormatSize(w.Unit), workloads.FormatSize(w.Length))
	case w.Atomic && !powerOfTwo(w.Piece()):
		d.fail(v, name, "an atomic unit of %s; allowed: a power of two", workloads.FormatSize(w.Length))
	case w.Atomic && w.Offset%w.Piece() != 0:
		v, name = at("offset")
		d.fail(v, name, "the atomic unit is misaligned: %s is no multiple of its length; allowed: multiples of %s",
			workloads.FormatSize(w.Offset), workloads.FormatSize(w.Piece()))
	}
}
