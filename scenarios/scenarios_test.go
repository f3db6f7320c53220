package scenarios

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/nvme"
	"untorn/engine"
	"untorn/workloads"
)

const minimal = `name: x
workload:
  ops:
    - {task: db, op: pwrite, offset: 0, length: 16KiB, atomic: true}
    - {task: db, op: fsync}
`

func decode(t *testing.T, text string, sets ...string) *Scenario {
	t.Helper()
	s, err := Decode("x.yaml", []byte(text), sets...)
	require.NoError(t, err)
	return s
}

func TestDefaults(t *testing.T) {
	rows := decode(t, minimal).Rows()
	require.Len(t, rows, 1)
	r := rows[0]
	assert.Equal(t, engine.Design{Filesystem: engine.XFS, Block: 4096, FolioMin: 4096, FolioMax: 16384,
		Copy: engine.CopyPin, Track: engine.TrackCowFork, Writeback: engine.WritebackCowOrAtomic,
		Submit: engine.SubmitWriteback, Stable: engine.StableWait, Cluster: 4096}, r.Design)
	assert.Equal(t, nvme.Config{LBA: 512, NAWUPF: 16384, AWUN: 16384, MaxTransfer: 128 << 10,
		CachedAtomicity: nvme.CommandUnit, FUA: true, Tear: nvme.OldOrNew}, r.Device)
	assert.EqualValues(t, 64<<10, r.Workload.File)
	assert.Equal(t, workloads.Contiguous, r.Workload.Layout)
	assert.Equal(t, workloads.Op{Task: "db", Kind: workloads.Pwrite, Length: 16384, Atomic: true}, r.Workload.Ops[0])
	want := crashsim.Faults{PowerLoss: true, Budget: 2}
	want.Kinds[crashsim.Reclaim], want.Kinds[crashsim.ShortCopy] = true, true
	assert.Equal(t, want, r.Faults)
	assert.Empty(t, r.NamedFaults(), "a default is not named")
	assert.Equal(t, Explore{Preemptions: 2, Together: 32, Runs: 100000, Seed: 1, Strategy: "uniform", Depth: 3}, r.Explore)
	assert.Equal(t, "untorn", r.Contract)
	assert.Equal(t, "held", r.Expect)
	assert.Empty(t, r.Label)
	assert.Equal(t, "single", r.ID())
	c := r.Control
	assert.Equal(t, "torn", c.Breaks)
	assert.Equal(t, engine.CopyPlain, c.Design.Copy)
	assert.Equal(t, engine.TrackNone, c.Design.Track)
	assert.Equal(t, engine.WritebackPlain, c.Design.Writeback)
	assert.Equal(t, engine.StableNone, c.Design.Stable)
	assert.True(t, c.Workload.Ops[0].Atomic)
}

func TestProduct(t *testing.T) {
	s := decode(t, minimal+`
device: {nawupf: [4KiB, 16KiB]}
design: {writeback: [cow, cow-or-atomic], folio: {min: 4KiB, max: [4KiB, 8KiB]}}
faults: [{name: none, reclaim: off, short_copy: off}, {name: all, page_gone: every-step}]
expect: [{where: {writeback: cow, device.nawupf: 4KiB}, verdict: torn}, {where: {faults: all}, verdict: lost}, {verdict: held}]
`)
	rows := s.Rows()
	require.Len(t, rows, 16)
	assert.Equal(t, "folio=4KiB..4KiB writeback=cow nawupf=4KiB faults=none", rows[0].Label)
	assert.Equal(t, "torn", rows[0].Expect)
	assert.Equal(t, "held", rows[2].Expect)
	assert.Equal(t, "lost", rows[3].Expect)
	assert.Equal(t, []string{"page_gone"}, rows[3].NamedFaults())
	assert.EqualValues(t, 8192, rows[15].Design.FolioMax)
	seen := map[string]bool{}
	for _, r := range rows {
		assert.False(t, seen[r.ID()], r.ID())
		seen[r.ID()] = true
	}
}

func TestControls(t *testing.T) {
	r := decode(t, minimal+"control: {mutant: fsync-no-flush, breaks: lost}\n").Rows()[0]
	assert.Equal(t, "fsync-no-flush", r.Control.Design.Mutant)
	assert.Equal(t, engine.CopyPin, r.Control.Design.Copy, "a control that names a mutant keeps the design")
	assert.Equal(t, "lost", r.Control.Breaks)

	r = decode(t, minimal+"control: {atomic: false}\n").Rows()[0]
	assert.True(t, r.Control.Workload.Ops[0].Unflagged)
	assert.False(t, r.Workload.Ops[0].Unflagged)

	r = decode(t, minimal+"design: {submit: direct}\n").Rows()[0]
	assert.True(t, r.Control.Workload.Ops[0].Unflagged)
	assert.Equal(t, engine.CopyPlain, r.Design.Copy)
	assert.False(t, r.Faults.Kinds[crashsim.ShortCopy])

	r = decode(t, minimal+"control: {breaks: cut}\n").Rows()[0]
	assert.Equal(t, engine.WritebackPlain, r.Control.Design.Writeback)
	assert.Equal(t, "cut", r.Control.Breaks)
}

func TestSkipped(t *testing.T) {
	rows := decode(t, minimal+"design: {filesystem: [xfs, ext4], writeback: [cow, atomic]}\n").Rows()
	require.Len(t, rows, 4)
	assert.Empty(t, rows[0].Skip)
	assert.Contains(t, rows[2].Skip, "needs data CoW")
	assert.Empty(t, rows[3].Skip)
	assert.Nil(t, rows[0].NotBuilt)
}

// Each bad input has a near miss that decodes, so that no check refuses all.
func TestBadInput(t *testing.T) {
	ops := func(op string) string { return "name: x\nworkload:\n  ops:\n    - " + op + "\n" }
	add := func(s string) string { return minimal + s + "\n" }
	for _, tc := range []struct{ bad, want, good string }{
		{add("device: {nawupd: 4KiB}"), "x.yaml:6: device.nawupd: unknown field; allowed: lba, nawupf", add("device: {nawupf: 4KiB}")},
		{add("devise: {}"), "x.yaml:6: devise: unknown field; allowed: name, about", add("device: {}")},
		{add("design: {copy: pin, copy: pin}"), "design.copy: written twice", add("design: {copy: pin}")},
		{add("design: {copy: pinned}"), "design.copy: \"pinned\"; allowed: plain, retry, pin", add("design: {copy: pin}")},
		{add("design: {block: 5KiB}"), "design.block: \"5KiB\"; allowed: a power of two from 512 to 64KiB", add("design: {block: 2KiB}")},
		{add("design: {block: -4KiB}"), "design.block: \"-4KiB\"", add("design: {block: 4KiB}")},
		{add("design: {block: 4kb}"), "design.block: \"4kb\"", add("design: {block: 4096}")},
		{add("design: {block: {a: 1}}"), "design.block: a mapping", add("design: {block: 4096}")},
		{add("design: {block: }"), "design.block: no value", add("design: {block: 4096}")},
		{add("design: {folio: {min: 6KiB}}"), "design.folio.min: \"6KiB\"; allowed: a power of two", add("design: {folio: {min: 8KiB}}")},
		{add("design: {folio: {min: 32KiB, max: 16KiB}}"), "min 32KiB is above max 16KiB", add("design: {folio: {min: 16KiB, max: 16KiB}}")},
		{add("design: {folio: 4KiB}"), "design.folio: \"4KiB\"; allowed: a mapping of min, max", add("design: {folio: {}}")},
		{add("design: {copy: []}"), "design.copy: an empty list", add("design: {copy: [pin]}")},
		{add("design: {copy: [pin, pin]}"), "stands in the list twice", add("design: {copy: [pin, plain]}")},
		{add("design: {copy: [[pin]]}"), "design.copy: a list", add("design: {copy: [pin]}")},
		{add("device: {lba: 1000}"), "device.lba", add("device: {lba: 1KiB}")},
		{add("device: {lba: 8KiB, nawupf: 8KiB}"), "device.lba 8KiB is above design.block 4KiB", add("device: {lba: 4KiB}")},
		{add("device: {boundary: 24KiB}"), "device.boundary", add("device: {boundary: 32KiB}")},
		{add("device: {nawupf: 1000}"), "device.nawupf 1000 is no multiple of device.lba 512", add("device: {nawupf: 1536}")},
		{add("device: {dn: yes}"), "device.dn: \"yes\"; allowed: true, false", add("device: {dn: true}")},
		{add("device: {cache: protect}"), "device.cache", add("device: {cache: protected}")},
		{add("faults: {budget: 1.5}"), "faults.budget: \"1.5\"; allowed: a number from 0 to 16", add("faults: {budget: 1}")},
		{add("faults: {budget: [1, 2]}"), "faults.budget: a list", add("faults: {budget: 2}")},
		{add("faults: {reclaim: always}"), "faults.reclaim", add("faults: {reclaim: every-step}")},
		{add("faults: []"), "faults: an empty list", add("faults: {}")},
		{add("faults: [{reclaim: off}]"), "faults.name: missing", add("faults: [{name: a, reclaim: off}]")},
		{add("faults: [{name: a}, {name: a}]"), "faults.name: \"a\" is taken", add("faults: [{name: a}, {name: b}]")},
		{add("explore: {runs: 0}"), "explore.runs", add("explore: {runs: 1}")},
		{add("explore: {strategy: best}"), "explore.strategy: \"best\"; allowed: uniform, pct, coverage", add("explore: {strategy: pct, depth: 2}")},
		{add("explore: {depth: 0}"), "explore.depth: \"0\"; allowed: a number from 1 to 8", add("explore: {depth: 8}")},
		{add("explore: {fault_rate: 0.5}"), "explore.fault_rate: \"0.5\"; allowed: a ratio N/M", add("explore: {fault_rate: 1/64}")},
		{add("explore: {fault_rate: 3/2}"), "explore.fault_rate", add("explore: {fault_rate: auto}")},
		{add("explore: {fault_rate: 1/0}"), "explore.fault_rate", add("explore: {fault_rate: 0/1}")},
		{add("contract: torn"), "contract: \"torn\"; allowed: untorn, old-or-new", add("contract: untorn")},
		{add("contract: old-or-new"), "needs device.cache: protected", add("contract: [untorn, old-or-new]")},
		{add("expect: tron"), "expect: \"tron\"; allowed: corrupt", add("expect: torn")},
		{add("expect: [{verdict: held}, {verdict: torn}]"), "expect.where: missing", add("expect: [{where: {copy: pin}, verdict: held}, {verdict: torn}]")},
		{add("expect: [{where: {copi: pin}, verdict: held}]"), "expect.where.copi: unknown field", add("expect: [{where: {copy: pin}, verdict: held}]")},
		{add("control: {breaks: held}"), "control.breaks", add("control: {breaks: lost}")},
		{add("control: {mutant: nobody}"), "control.mutant: \"nobody\"", add("control: {mutant: fsync-no-flush}")},
		{add("control: {writeback: plain}"), "control: track: cow-fork with writeback: plain", add("control: {writeback: plain, track: none}")},
		{add("control: {copy: [pin, plain]}"), "control.copy: a list", add("control: {copy: plain}")},
		{add("design: {filesystem: ext4, writeback: cow}"), "needs data CoW", add("design: {filesystem: ext4}")},
		{"name: a b\nworkload: {ops: [{op: fsync}]}", "x.yaml:1: name: \"a b\"; allowed: up to 64 letters", "name: a-b\nworkload: {ops: [{op: fsync}]}"},
		{"name: 7\nworkload: {ops: [{op: fsync}]}", "name: \"7\"; allowed: text", "name: '7'\nworkload: {ops: [{op: fsync}]}"},
		{"workload: {ops: [{op: fsync}]}", "name: missing", "name: x\nworkload: {ops: [{op: fsync}]}"},
		{"name: x\n", "workload: missing", minimal},
		{"name: x\nworkload: {file: 4KiB}", "workload.ops: missing", minimal},
		{"name: x\nworkload: {file: 1000, ops: [{op: fsync}]}", "workload.file: 1000 is no multiple of 512", "name: x\nworkload: {file: 1024, ops: [{op: fsync}]}"},
		{"name: x\nworkload: {ops: []}", "workload.ops: an empty list", minimal},
		{ops("{op: pread}"), "workload.ops.length: 0 or missing", ops("{op: pread, offset: 0, length: 512}")},
		{ops("{op: pwrote}"), "workload.ops.op: \"pwrote\"; allowed: pwrite, fsync", ops("{op: fsync}")},
		{ops("{op: fsync, length: 512}"), "makes no sense with op: fsync", ops("{op: fsync, fd: 1}")},
		{ops("{op: pwrite, offset: 100, length: 512}"), "x.yaml:4: workload.ops.offset: 100 is no multiple of 512", ops("{op: pwrite, offset: 1024, length: 512}")},
		{ops("{op: pwrite, offset: 0, length: 100}"), "workload.ops.length: 100 is no multiple of 512", ops("{op: pwrite, offset: 0, length: 512}")},
		{ops("{op: pwrite, offset: 0, length: 12KiB, atomic: true}"), "an atomic unit of 12KiB; allowed: a power of two", ops("{op: pwrite, offset: 0, length: 12KiB}")},
		{ops("{op: pwrite, length: 16KiB, unit: 8KiB}"), "workload.ops.unit: the write has no units", ops("{op: pwrite, length: 16KiB, atomic: true, unit: 8KiB}")},
		{ops("{op: pwrite, length: 16KiB, atomic: true, direct: true, unit: 8KiB}"), "workload.ops.unit: the write has no units", ops("{op: pwrite, length: 16KiB, atomic: true, unit: 8KiB}")},
		{ops("{op: pwrite, length: 24KiB, atomic: true, unit: 6KiB}"), "workload.ops.unit: 6KiB in a write of 24KiB", ops("{op: pwrite, length: 24KiB, atomic: true, unit: 8KiB}")},
		{ops("{op: pwrite, length: 16KiB, atomic: true, unit: 16KiB}"), "workload.ops.unit: 16KiB in a write of 16KiB", ops("{op: pwrite, length: 16KiB, atomic: true, unit: 8KiB}")},
		{ops("{op: pwrite, offset: 4KiB, length: 16KiB, atomic: true, unit: 8KiB}"), "misaligned: 4KiB is no multiple", ops("{op: pwrite, length: 16KiB, atomic: true, unit: 8KiB}")},
		{ops("{op: fsync, unit: 8KiB}"), "workload.ops.unit: makes no sense with op: fsync", ops("{op: fsync}")},
		{ops("{op: pwrite, offset: 4KiB, length: 8KiB, atomic: true}"), "the atomic unit is misaligned: 4KiB", ops("{op: pwrite, offset: 8KiB, length: 8KiB, atomic: true}")},
		{ops("{op: pwrite, offset: 32MiB, length: 8KiB}"), "ends at 32776KiB; allowed: up to 32MiB", ops("{op: pwrite, offset: 16MiB, length: 8KiB}")},
		{"name: x\nworkload: {ops: [" + strings.Repeat("{op: fsync},", 63) + "]}", "63 operations; allowed: up to 62", "name: x\nworkload: {ops: [" + strings.Repeat("{op: fsync},", 62) + "]}"},
		{"name: &a x\nworkload: {ops: [{op: fsync}]}", "anchors are refused", minimal},
		{add("about: &a x\n") + "contract: *a", "anchors are refused", add("about: x")},
		{"name: !!str x\nworkload: {ops: [{op: fsync}]}", "tags are refused", minimal},
		{"name: x\n---\n" + minimal, "a second document", minimal},
		{"name: [x\n", "not YAML", minimal},
		{"- name: x\n", "not a mapping", minimal},
		{"", "not a scenario", minimal},
	} {
		_, err := Decode("x.yaml", []byte(tc.bad))
		if assert.Error(t, err, tc.bad) {
			assert.Contains(t, err.Error(), tc.want, tc.bad)
			assert.NotContains(t, err.Error(), "\n")
		}
		_, err = Decode("x.yaml", []byte(tc.good))
		assert.NoError(t, err, tc.good)
	}
}

func TestTooManyRows(t *testing.T) {
	nawupf := "device: {nawupf: [512, 1024, 1536, 2048, 2560, 3072, 3584, 4096], awun: [512, 1024, 1536, 2048, 2560, 3072, 3584, 4096], dn: [true, false], max_transfer: [4KiB, 8KiB, 16KiB, 32KiB, 64KiB, 128KiB, 256KiB, 512KiB]"
	_, err := Decode("x.yaml", []byte(minimal+nawupf+", fua: [true, false]}\n"))
	require.NoError(t, err)
	_, err = Decode("x.yaml", []byte(minimal+nawupf+", fua: [true, false], cache: [volatile, protected]}\ndesign: {copy: [plain, pin], track: [none, sidecar], stable: [none, wait], writeback: [atomic, cow], submit: [writeback, dontcache]}\n"))
	require.ErrorContains(t, err, "more than 65536 rows")
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(filepath.Join(dir, "none.yaml"))
	require.ErrorContains(t, err, "none.yaml: no such file")
	_, err = Load(dir)
	require.ErrorContains(t, err, "not a regular file")
	big := filepath.Join(dir, "big.yaml")
	require.NoError(t, os.WriteFile(big, []byte(minimal+"#"+strings.Repeat("x", MaxFileBytes)), 0o600))
	_, err = Load(big)
	require.ErrorContains(t, err, "longer than 1MiB")
	require.NoError(t, os.WriteFile(big, []byte(minimal), 0o600))
	s, err := Load(big)
	require.NoError(t, err)
	assert.Equal(t, "x", s.Name)
}

func TestEmbedded(t *testing.T) {
	names := List(Main)
	for _, want := range []string{"cow-fork", "in-place", "cow-or-atomic", "boundary", "fsync-durable", "rewrite", "two-writers",
		"append", "no-pin", "plain-writeback", "partial-writeback"} {
		assert.Contains(t, names, want)
	}
	for _, name := range names {
		s, err := Embedded(name)
		require.NoError(t, err)
		assert.Equal(t, name, s.Name)
		assert.NotEmpty(t, s.About)
		for _, r := range s.Rows() {
			assert.Nil(t, r.NotBuilt, name)
			assert.Empty(t, r.Skip, name)
		}
	}
	_, err := Embedded("nobody")
	require.ErrorContains(t, err, "nobody: no such scenario; allowed: a file, or a name that ")
}

// Every kind of fault has a field of its own name, so that none can strike
// that a scenario cannot turn off.
func TestEveryFaultHasAField(t *testing.T) {
	for k := crashsim.Reclaim; k < crashsim.NumFaultKinds; k++ {
		if f := faultKindField[k]; assert.NotNil(t, f, k) {
			assert.Equal(t, k.String(), f.name)
		}
	}
}
