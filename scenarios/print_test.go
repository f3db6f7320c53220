package scenarios

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// same compares everything of two rows that decides what may happen.
func same(t *testing.T, want, got *Row) {
	t.Helper()
	assert.Equal(t, want.Design, got.Design)
	assert.Equal(t, want.Device, got.Device)
	assert.Equal(t, want.Workload, got.Workload)
	assert.Equal(t, want.Faults, got.Faults)
	assert.Equal(t, want.Explore, got.Explore)
	assert.Equal(t, want.Contract, got.Contract)
	assert.Equal(t, want.Control, got.Control)
	assert.Equal(t, want.Expect, got.Expect)
	assert.Equal(t, want.Skip, got.Skip)
	assert.Equal(t, want.NotBuilt, got.NotBuilt)
}

// texts are scenarios that use every field.
func texts(t *testing.T) map[string]string {
	out := map[string]string{
		"minimal": minimal,
		"rows": minimal + `
about: "of: every # kind"
mutant: fsync-no-flush
device: {nawupf: [4KiB, 16KiB], dn: [true, false], tear: garbage, cached_atomicity: lba}
design: {writeback: [cow, cow-or-atomic], folio: [{max: 4KiB}, {min: 8KiB, max: 64KiB}], max_atomic_write: [auto, 64KiB]}
faults: [{name: none, reclaim: off, short_copy: off}, {name: "on", page_gone: every-step, budget: 3}]
explore: {preemptions: 1, runs: 5, seed: 9}
expect: [{where: {writeback: cow, folio: {max: 4KiB}}, verdict: torn}, {where: {faults: ["on"], writeback: [cow, atomic]}, verdict: lost}, {verdict: held}]
control: {folio: {min: 4KiB, max: 4KiB}, copy: plain, atomic: false, breaks: lost}
`,
		"submits":  minimal + "design: {submit: [direct, writeback]}\n",
		"generate": "name: x\nworkload: {generate: {kind: innodb, pages: 4}}\ndesign: {submit: direct}\n",
		"generated rows": "name: x\nworkload: {layout: [hole, contiguous], generate: {kind: overlap, first: [atomic, direct], second: [mmap, plain]}}\n" +
			"control: {atomic: false}\nexpect: [{where: {first: direct, second: plain}, verdict: refused}, {verdict: held}]\n",
		"generated file": "name: x\nworkload: {file: 128KiB, generate: {kind: random, pages: 5, page: 4KiB, tasks: 3, seed: 9}}\n",
		"maintenance":    "name: x\nworkload: {generate: {kind: maintenance, with: [truncate, punch, zero]}}\n",
		"ops": `name: "on"
workload:
  layout: [unaligned, hole]
  ops:
    - {task: "off", op: pwrite, offset: 0, length: 512, direct: true, dsync: true, append: true, fd: 3}
    - {op: truncate, offset: 512}
`,
	}
	for _, name := range All() {
		data, err := EmbeddedText(name)
		require.NoError(t, err)
		out[name] = string(data)
	}
	return out
}

func TestFullAndReduce(t *testing.T) {
	for name, text := range texts(t) {
		t.Run(name, func(t *testing.T) {
			s := decode(t, text)
			full := decode(t, s.Full())
			rows, fullRows := s.Rows(), full.Rows()
			require.Len(t, fullRows, len(rows))
			// Of a large product a few rows stand for all.
			for i := 0; i < len(rows); i += 1 + len(rows)/64 {
				if rows[i].Skip != "" {
					continue
				}
				same(t, &rows[i], &fullRows[i])
				assert.Equal(t, rows[i].Label, fullRows[i].Label)
				one := decode(t, rows[i].Reduce()).Rows()
				require.Len(t, one, 1)
				same(t, &rows[i], &one[0])
				assert.Equal(t, rows[i].NamedFaults(), one[0].NamedFaults())
				assert.Equal(t, rows[i].Reduce(), one[0].Reduce(), "printing is stable")

				arm := decode(t, rows[i].ReduceControl()).Rows()
				require.Len(t, arm, 1)
				assert.Equal(t, rows[i].Control.Design, arm[0].Design)
				assert.Equal(t, rows[i].Control.Workload, arm[0].Workload)
				assert.Equal(t, rows[i].Device, arm[0].Device)
			}
			assert.Equal(t, s.Full(), full.Full(), "printing is stable")
		})
	}
}

func TestFullGolden(t *testing.T) {
	golden(t, "full.yaml", decode(t, minimal).Full())
	golden(t, "help.txt", Help())
}

// golden compares with a file of testdata; UPDATE_GOLDEN=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestOverride(t *testing.T) {
	s := decode(t, minimal, "design.copy=plain", "nawupf=4KiB", "budget=1", "explore.preemptions=3", "folio.max=4KiB",
		"expect=torn", "writeback=[cow, cow-or-atomic]", "control.mutant=fsync-no-flush")
	rows := s.Rows()
	require.Len(t, rows, 2)
	r := rows[1]
	assert.Equal(t, "plain", r.Design.Copy.String())
	assert.EqualValues(t, 4096, r.Device.NAWUPF)
	assert.EqualValues(t, 4096, r.Design.FolioMax)
	assert.Equal(t, 1, r.Faults.Budget)
	assert.Equal(t, 3, r.Explore.Preemptions)
	assert.Equal(t, "torn", r.Expect)
	assert.Equal(t, "fsync-no-flush", r.Control.Design.Mutant)

	for set, want := range map[string]string{
		"copy":                "--set: copy: no FIELD=VALUE",
		"copi=plain":          "--set: copi=plain: unknown field; allowed: design.filesystem",
		"copy=pinned":         "--set: design.copy: \"pinned\"; allowed: plain",
		"block=[]":            "--set: design.block: an empty list",
		"copy=[":              "--set: copy=[: the value is not YAML",
		"copy=*a":             "the value is not YAML",
		"copy=&a pin":         "--set: &a: anchors are refused",
		"control.breaks=held": "--set: control.breaks",
	} {
		_, err := Decode("x.yaml", []byte(minimal), set)
		assert.ErrorContains(t, err, want)
	}
	_, err := Decode("x.yaml", []byte(minimal+"faults: [{name: a}]\n"), "budget=1")
	assert.ErrorContains(t, err, "faults is a list in this scenario")
}

func FuzzDecode(f *testing.F) {
	for _, name := range All() {
		data, _ := EmbeddedText(name)
		f.Add(data)
	}
	f.Add([]byte(minimal))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Decode("x.yaml", data)
		if err != nil {
			assert.NotContains(t, err.Error(), "\n")
			return
		}
		again, err := Decode("x.yaml", []byte(s.Full()))
		require.NoError(t, err, s.Full())
		assert.Equal(t, s.Full(), again.Full())
		assert.Len(t, again.Rows(), len(s.Rows()))
	})
}
