package scenarios

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/workloads"
)

// Every kind can be asked for by its name alone, and a scenario adds nothing
// to what the generator makes.
func TestGenerateKinds(t *testing.T) {
	for _, kind := range workloads.ShapeNames() {
		r := decode(t, "name: x\nworkload: {generate: {kind: "+kind+"}}\n").Rows()[0]
		want, err := workloads.Generator{Kind: kind}.Generate()
		require.NoError(t, err)
		assert.Equal(t, want, r.Workload)
		assert.Nil(t, r.NotBuilt, kind)
		assert.NoError(t, r.Check(), kind)
	}
}

func TestGenerateFields(t *testing.T) {
	r := decode(t, "name: x\nworkload: {file: 256KiB, layout: hole, generate: {kind: random, pages: 5, page: 16KiB, tasks: 3, seed: 9}}\n").Rows()[0]
	want, err := workloads.Generator{Kind: "random", Pages: 5, Page: 16 << 10, Tasks: 3, Seed: 9}.Generate()
	require.NoError(t, err)
	assert.Equal(t, want.Ops, r.Workload.Ops)
	assert.EqualValues(t, 256<<10, r.Workload.File, "what is written wins")
	assert.Equal(t, workloads.Hole, r.Workload.Layout)

	r = decode(t, "name: x\nworkload: {generate: {kind: sqlite-wal}}\ndesign: {submit: direct}\n").Rows()[0]
	assert.True(t, r.Workload.Ops[0].Direct, "submit: direct makes every pwrite direct")
	assert.True(t, r.Control.Workload.Ops[3].Unflagged)

	r = decode(t, "name: x\nworkload: {generate: {kind: sqlite-wal}}\n", "generate.pages=3", "page=8KiB", "workload.generate.seed=4", "explore.seed=2").Rows()[0]
	want, err = workloads.Generator{Kind: "sqlite-wal", Pages: 3, Page: 8 << 10, Seed: 4}.Generate()
	require.NoError(t, err)
	assert.Equal(t, want.Ops, r.Workload.Ops)
	assert.EqualValues(t, 2, r.Explore.Seed)
	_, err = Decode("x.yaml", []byte(minimal), "seed=7")
	assert.NoError(t, err, "the short name is that of explore.seed")
}

// A list of first, second or with makes rows.
func TestGenerateRows(t *testing.T) {
	s := decode(t, "name: x\nworkload: {generate: {kind: overlap, first: [atomic, mmap], second: [plain, direct]}}\n"+
		"expect: [{where: {first: mmap, workload.generate.second: plain}, verdict: refused}, {verdict: held}]\n")
	rows := s.Rows()
	require.Len(t, rows, 4)
	assert.Equal(t, "first=mmap second=plain", rows[2].Label)
	assert.Equal(t, "refused", rows[2].Expect)
	assert.Equal(t, "held", rows[3].Expect)
	assert.Equal(t, workloads.Store, rows[2].Workload.Ops[0].Kind)
	assert.True(t, rows[1].Workload.Ops[1].Direct)
}

func TestOps(t *testing.T) {
	s := decode(t, "name: x\nworkload: {generate: {kind: overlap, second: [plain, mmap]}}\ndesign: {writeback: [cow, cow-or-atomic]}\n")
	assert.Equal(t, `writeback=cow second=plain: file 8KiB, contiguous, free space contiguous
  1 first: pwrite offset=0 length=8KiB atomic
  2 second: pwrite offset=0 length=8KiB
  3 first: fsync
writeback=cow second=mmap: file 8KiB, contiguous, free space contiguous
  1 first: pwrite offset=0 length=8KiB atomic
  2 second: store offset=0 length=8KiB
  3 first: fsync
`, s.Ops())
	assert.Equal(t, `file 64KiB, contiguous, free space contiguous
  1 db: pwrite offset=0 length=16KiB atomic
  2 db: fsync
`, decode(t, minimal).Ops())
}

func TestBadGenerators(t *testing.T) {
	gen := func(g string) string { return "name: x\nworkload:\n  generate:\n    " + g + "\n" }
	for _, c := range []struct{ bad, want, good string }{
		{gen("kind: mysql"), "x.yaml:4: workload.generate.kind: \"mysql\"; allowed: postgres-checkpoint, postgres-mixed, ", gen("kind: innodb")},
		{gen("pages: 2"), "x.yaml:4: workload.generate.kind: missing; allowed: postgres-checkpoint, ", gen("kind: innodb")},
		{gen("kind: [innodb, random]"), "workload.generate.kind: a list; allowed: postgres-checkpoint", gen("kind: innodb")},
		{gen("{kind: innodb, sheets: 2}"), "x.yaml:4: workload.generate.sheets: unknown field; allowed: kind, pages, page, tasks, seed, first, second, with",
			gen("{kind: innodb, pages: 2}")},
		{gen("{kind: innodb, pages: 0}"), "workload.generate.pages: \"0\"; allowed: a number from 1 to 62", gen("{kind: innodb, pages: 1}")},
		{gen("{kind: innodb, pages: [1, 2]}"), "workload.generate.pages: a list", gen("{kind: innodb, pages: 2}")},
		{gen("kind: innodb\n    pages: 62"), "x.yaml:5: workload.generate.pages: 62 make 63 operations, more than 62; allowed: a number from 1 to 61",
			gen("{kind: innodb, pages: 61}")},
		{gen("kind: small-files\n    tasks: 8\n    pages: 7"), "x.yaml:6: workload.generate.pages: 7 make 64 operations", gen("{kind: small-files, tasks: 8, pages: 6}")},
		{gen("{kind: innodb, page: 12KiB}"), "workload.generate.page: \"12KiB\"; allowed: a power of two from 512 to 128KiB", gen("{kind: innodb, page: 8KiB}")},
		{gen("{kind: innodb, tasks: 2}"), "workload.generate.tasks: makes no sense with kind: innodb; allowed: left out", gen("{kind: random, tasks: 2}")},
		{gen("{kind: postgres-checkpoint, tasks: 3}"), "workload.generate.tasks: 3; allowed: a number from 1 to 2", gen("{kind: postgres-checkpoint, tasks: 2}")},
		{gen("{kind: innodb, seed: -1}"), "workload.generate.seed: \"-1\"; allowed: a number from 1 to", gen("{kind: innodb, seed: 1}")},
		{gen("{kind: innodb, first: [plain]}"), "workload.generate.first: makes no sense with kind: innodb", gen("{kind: overlap, first: [plain]}")},
		{gen("{kind: overlap, first: [plain, aio]}"), "workload.generate.first: \"aio\"; allowed: atomic, plain, mmap", gen("{kind: overlap, first: [plain, mmap]}")},
		{gen("{kind: overlap, first: [plain, plain]}"), "stands in the list twice", gen("{kind: overlap, first: [plain], second: [plain]}")},
		{gen("{kind: maintenance, with: defrag}"), "workload.generate.with: \"defrag\"; allowed: truncate", gen("{kind: maintenance, with: punch}")},
		{gen("[kind, innodb]"), "workload.generate: a list; allowed: a mapping of kind", gen("{kind: innodb}")},
		{gen("kind: innodb\n  ops: [{op: fsync}]"), "workload.generate: written together with ops", gen("kind: innodb")},
	} {
		_, err := Decode("x.yaml", []byte(c.bad))
		assert.ErrorContains(t, err, c.want, c.bad)
		_, err = Decode("x.yaml", []byte(c.good))
		assert.NoError(t, err, c.good)
	}
}
