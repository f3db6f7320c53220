package workloads

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// listing prints a workload, one operation on a line.
func listing(w Workload) string {
	var b strings.Builder
	fmt.Fprintf(&b, "file %s, %s, free space %s\n", FormatSize(w.File), w.Layout, w.FreeSpace)
	for i, o := range w.Ops {
		fmt.Fprintf(&b, "%3d %s\n", i+1, o)
	}
	return b.String()
}

// TestGolden holds the operations of every shape at its defaults, and of some
// with other fields. UPDATE_GOLDEN=1 writes the file.
func TestGolden(t *testing.T) {
	var b strings.Builder
	add := func(g Generator) {
		w, err := g.Generate()
		require.NoError(t, err)
		filled, err := g.Fill()
		require.NoError(t, err)
		fmt.Fprintf(&b, "%+v\n%s\n", filled, listing(w))
	}
	for _, s := range Shapes() {
		add(Generator{Kind: s.Name})
	}
	add(Generator{Kind: "postgres-checkpoint", Pages: 12, Tasks: 2, Seed: 7})
	add(Generator{Kind: "postgres-mixed", Pages: 3})
	add(Generator{Kind: "small-files", Pages: 2, Tasks: 3})
	add(Generator{Kind: "cloud-volume", Pages: 3, Page: 16 << 10})
	add(Generator{Kind: "random", Pages: 6, Seed: 2})
	for _, way := range Ways() {
		add(Generator{Kind: "overlap", First: "atomic", Second: way})
	}
	for _, with := range Disturbances() {
		add(Generator{Kind: "maintenance", With: with, Pages: 1})
	}
	file := filepath.Join("testdata", "shapes.txt")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}

// anyGenerator draws a generator of a shape, with every field that it knows.
func anyGenerator(r *rand.Rand, s *Shape) Generator {
	g := Generator{Kind: s.Name, Pages: 1 + r.IntN(MaxOps), Page: SectorSize << r.IntN(9)}
	if s.Knows("seed") {
		g.Seed = 1 + r.Uint64N(1<<40)
	}
	if s.Knows("tasks") {
		g.Tasks = 1 + r.IntN(s.tasks)
	}
	if s.Knows("first") {
		g.First, g.Second = Ways()[r.IntN(len(Ways()))], Ways()[r.IntN(len(Ways()))]
	}
	if s.Knows("with") {
		g.With = Disturbances()[r.IntN(len(Disturbances()))]
		if o := byName(disturbances, g.With); o.Moves() {
			g.Page = max(g.Page, 2*SectorSize)
		}
	}
	return g
}

// TestShapes: whatever the fields, a generator makes what a history can
// describe and what a kernel need not refuse, or names the field that is wrong.
func TestShapes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range Shapes() {
		for range 300 {
			g := anyGenerator(r, &s)
			w, err := g.Generate()
			if err != nil {
				var fits int
				_, scan := fmt.Sscanf(err.Error()[strings.LastIndex(err.Error(), " ")+1:], "%d", &fits)
				require.NoError(t, scan, err)
				require.Less(t, fits, g.Pages)
				g.Pages = fits
				w, err = g.Generate()
			}
			require.NoError(t, err, "%+v", g)
			again, err := g.Generate()
			require.NoError(t, err)
			require.Equal(t, w, again, "%+v", g)
			require.NoError(t, w.Check(), "%+v", g)
			require.NotEmpty(t, w.Ops)
			for i := range w.Ops {
				o := &w.Ops[i]
				if o.Atomic {
					require.Equal(t, g.Page, o.Length, "%+v: %s", g, o)
					require.Zero(t, o.Offset%o.Length, "%+v: %s", g, o)
				}
				if o.Kind == Store {
					require.LessOrEqual(t, o.End(), w.File, "%+v: %s", g, o)
				}
			}
			last := w.Ops[len(w.Ops)-1]
			require.True(t, last.Syncs() || last.Dsync, "%+v ends with %s", g, last)
			require.LessOrEqual(t, len(w.Tasks()), max(2, g.Tasks))

			other := g
			if s.Knows("seed") {
				other.Seed++
			}
			if s.Knows("first") {
				other.First, other.Second = other.Second, other.First
			}
			if s.Knows("with") {
				other.With = Disturbances()[0]
			}
			ow, err := other.Generate()
			if err != nil { // another order may need more hints
				require.ErrorContains(t, err, "operations, more than 62")
				continue
			}
			require.Equal(t, w.File, ow.File, "the file does not depend on what is drawn")
			require.Equal(t, w.Layout, ow.Layout)
		}
	}
}

// TestSeedMatters: a shape that takes a seed makes different operations of
// different seeds.
func TestSeedMatters(t *testing.T) {
	for _, s := range Shapes() {
		if !s.Knows("seed") {
			continue
		}
		seen := make(map[string]bool)
		for seed := range uint64(20) {
			w, err := Generator{Kind: s.Name, Pages: 6, Seed: seed + 1}.Generate()
			require.NoError(t, err)
			seen[listing(w)] = true
		}
		if s.Name == "innodb-doublewrite" { // the batch is one call whatever its order
			continue
		}
		require.Greater(t, len(seen), 10, s.Name)
	}
}

// TestVisitsEveryPage: an order is a permutation of the pages, and runs stay
// within their limit.
func TestVisitsEveryPage(t *testing.T) {
	for seed := range uint64(200) {
		s := newScript(Generator{Pages: 1 + int(seed)%17, Page: 4096, Seed: seed})
		var pages []int
		longest := 0
		for _, r := range s.runs(3) {
			longest = max(longest, r.count)
			for i := range r.count {
				pages = append(pages, r.first+i)
			}
		}
		slices.Sort(pages)
		require.Len(t, pages, s.Pages)
		for i, n := range pages {
			require.Equal(t, i, n)
		}
		require.LessOrEqual(t, longest, 3)
	}
}

// TestFlushHints: the checkpointer hints after 4 pages and the background
// writer after 8, each for just the pages that it wrote since its last hint.
func TestFlushHints(t *testing.T) {
	for seed := range uint64(50) {
		w, err := Generator{Kind: "postgres-checkpoint", Pages: 24, Tasks: 2, Seed: seed + 1}.Generate()
		require.NoError(t, err)
		after := map[string]int{"checkpointer": 4, "bgwriter": 8}
		written, hinted := map[string]map[int64]bool{"checkpointer": {}, "bgwriter": {}}, 0
		for i, o := range w.Ops {
			mine := written[o.Task]
			switch o.Kind {
			case Pwrite:
				require.Less(t, len(mine), after[o.Task], "operation %d comes before the hint", i+1)
				mine[o.Offset] = true
			case SyncFileRange:
				if i == 0 || w.Ops[i-1].Kind != SyncFileRange {
					require.Len(t, mine, after[o.Task])
				}
				for at := o.Offset; at < o.End(); at += 8 << 10 {
					require.True(t, mine[at], "operation %d hints at what was written", i+1)
					delete(mine, at)
					hinted++
				}
			}
		}
		require.GreaterOrEqual(t, hinted, 8)
	}
}

func TestGenerateErrors(t *testing.T) {
	for _, c := range []struct {
		g    Generator
		want string
		good Generator
	}{
		{Generator{}, `kind: ""; allowed: postgres-checkpoint, `, Generator{Kind: "innodb"}},
		{Generator{Kind: "mysql"}, `kind: "mysql"; allowed: `, Generator{Kind: "innodb"}},
		{Generator{Kind: "innodb", Pages: -1}, "pages: -1; allowed: a number from 1 to 62", Generator{Kind: "innodb", Pages: 1}},
		{Generator{Kind: "innodb", Pages: 63}, "pages: 63; allowed", Generator{Kind: "innodb", Pages: 61}},
		{Generator{Kind: "innodb", Pages: 62}, "pages: 62 make 63 operations, more than 62; allowed: a number from 1 to 61",
			Generator{Kind: "innodb", Pages: 61}},
		{Generator{Kind: "postgres-wal", Pages: 40}, "allowed: a number from 1 to 31", Generator{Kind: "postgres-wal", Pages: 31}},
		{Generator{Kind: "innodb", Page: 12 << 10}, "page: 12KiB; allowed: a power of two from 512 to 128KiB", Generator{Kind: "innodb", Page: 512}},
		{Generator{Kind: "innodb", Page: 256 << 10}, "page: 256KiB; allowed", Generator{Kind: "innodb", Page: MaxPage}},
		{Generator{Kind: "innodb", Page: 256}, "page: 256; allowed", Generator{Kind: "innodb", Page: 1024}},
		{Generator{Kind: "innodb", Tasks: 2}, "tasks: makes no sense with kind: innodb", Generator{Kind: "random", Tasks: 2}},
		{Generator{Kind: "random", Tasks: 9}, "tasks: 9; allowed: a number from 1 to 8", Generator{Kind: "random", Tasks: 8}},
		{Generator{Kind: "postgres-checkpoint", Tasks: 3}, "tasks: 3; allowed: a number from 1 to 2", Generator{Kind: "postgres-checkpoint", Tasks: 2}},
		{Generator{Kind: "postgres-wal", Seed: 2}, "seed: makes no sense with kind: postgres-wal", Generator{Kind: "random", Seed: 2}},
		{Generator{Kind: "random", First: "plain"}, "first: makes no sense with kind: random", Generator{Kind: "overlap", First: "plain"}},
		{Generator{Kind: "overlap", Second: "aio"}, `second: "aio"; allowed: atomic, plain, mmap, direct, direct-atomic`, Generator{Kind: "overlap", Second: "mmap"}},
		{Generator{Kind: "overlap", With: "punch"}, "with: makes no sense with kind: overlap", Generator{Kind: "maintenance", With: "punch"}},
		{Generator{Kind: "maintenance", With: "clone", Page: 512}, "page: 512 with: clone, which moves half a page; allowed: a power of two from 1KiB",
			Generator{Kind: "maintenance", With: "clone", Page: 1024}},
		{Generator{Kind: "maintenance", With: "defrag"}, `with: "defrag"; allowed: truncate, punch`, Generator{Kind: "maintenance", With: "zero"}},
	} {
		_, err := c.g.Generate()
		require.ErrorContains(t, err, c.want)
		var ge *GenerateError
		require.ErrorAs(t, err, &ge)
		_, err = c.good.Generate()
		require.NoError(t, err)
	}
}
