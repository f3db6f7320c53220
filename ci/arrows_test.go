package ci

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "untorn/"

// basics may be imported by every package: they name fingerprints and count.
var basics = []string{"internal/key", "internal/count"}

// arrows is the whole table: package -> packages of this module that its
// code, tests left out, may import. A package that is not here is an error,
// so that a new one has to say where it stands.
var arrows = map[string][]string{
	"internal/key":           {},
	"internal/count":         {},
	"internal/tape":          {},
	"internal/shrink":        {},
	"internal/replayid":      {"internal/tape"},
	"internal/blk":           {},
	"internal/blk/logwrites": {"internal/blk"},
	"internal/stamp":         {},
	"internal/cost":          {},
	"internal/reduce":        {},
	"internal/journal":       {},
	"internal/ondisk":        {"internal/blk"},
	"workloads":              {"internal/tape", "internal/stamp"},
	"crashsim":               {"internal/tape"},
	"crashsim/nvme":          {"crashsim", "internal/blk"},
	"crashsim/powerloss":     {"internal/blk", "internal/tape"},
	"crashsim/explore":       {"crashsim", "internal/tape"},
	"engine":                 {"crashsim", "crashsim/nvme", "internal/blk", "workloads", "internal/ondisk"},
	"verifier":               {"workloads", "internal/blk", "internal/stamp", "internal/ondisk"},
	"scenarios":              {"workloads", "engine", "crashsim", "crashsim/nvme"},
	"internal/target/model": {"workloads", "internal/blk", "internal/tape", "engine", "crashsim", "crashsim/nvme",
		"crashsim/explore", "crashsim/powerloss", "verifier", "internal/cost", "internal/ondisk", "internal/reduce"},
	"internal/sys":         {},
	"internal/loopfs":      {"internal/sys"},
	"internal/needs":       {"internal/loopfs"},
	"internal/temp":        {"internal/sys"},
	"internal/witness":     {"workloads", "internal/temp"},
	"internal/probe":       {"internal/sys", "workloads"},
	"internal/disk":        {"internal/blk", "internal/blk/logwrites", "internal/loopfs", "internal/sys"},
	"internal/conform":     {"internal/sys", "internal/loopfs", "internal/blk", "workloads", "engine", "crashsim/nvme"},
	"internal/target/file": {"workloads", "internal/blk", "internal/stamp", "internal/sys", "verifier"},
	// It runs operations as target file does, and judges what a kernel made of an
	// image while it has that mounted.
	"internal/target/recorded": {"workloads", "internal/blk", "internal/blk/logwrites", "internal/stamp", "internal/sys", "internal/disk",
		"internal/loopfs", "internal/target/file", "verifier"},
	"internal/report": {"verifier", "internal/cost", "internal/reduce"},
	"internal/run": {"internal/tape", "internal/blk", "internal/blk/logwrites", "internal/stamp", "workloads", "crashsim", "crashsim/nvme",
		"crashsim/explore", "engine", "verifier", "scenarios", "internal/target/model", "internal/target/file", "internal/report", "internal/cost",
		"internal/replayid", "internal/shrink", "internal/journal", "internal/reduce", "internal/temp", "internal/probe", "internal/witness", "internal/conform", "internal/loopfs", "internal/disk",
		"internal/target/recorded"},
	"cmd/untorn": {"internal/run", "internal/report", "internal/reduce", "scenarios"},
	"docs/scale": {"internal/sys"},
	"ci":         {},
}

// forbidden are the three arrows that never exist, not even by way of other
// packages: to is reached from a package of from, those of except apart.
var forbidden = []struct {
	from, except []string // prefixes; an empty from is every package
	to           string
}{
	{from: []string{"crashsim"}, to: "engine"},
	{from: []string{"verifier"}, to: "engine"},
	{from: []string{"verifier"}, to: "crashsim"},
	{except: []string{"cmd", "internal/run", "internal/report"}, to: "internal/report"},
}

// rawSyscalls lists the packages that may import the raw system calls: one.
var rawSyscalls = []string{"internal/sys"}

// imports reads the imports of every package below root, tests left out:
// package -> imported path -> a file that imports it.
func imports(root string) (map[string]map[string]string, error) {
	out := make(map[string]map[string]string)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := e.Name()
		if e.IsDir() && path != root && (name == "testdata" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		if out[pkg] == nil {
			out[pkg] = make(map[string]string)
		}
		for _, spec := range f.Imports {
			p, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			out[pkg][p] = name
		}
		return nil
	})
	return out, err
}

// breaches lists everything about imports that the rules do not allow.
func breaches(all map[string]map[string]string) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for pkg, imps := range all {
		allowed, known := arrows[pkg]
		if !known {
			say("%s: not in the table of arrows", pkg)
		}
		for path, file := range imps {
			local, ok := strings.CutPrefix(path, module)
			if ok && known && !slices.Contains(allowed, local) && !slices.Contains(basics, local) {
				say("%s/%s: imports %s", pkg, file, local)
			}
			if (path == "golang.org/x/sys/unix" || path == "syscall" && pkg != "cmd/untorn") && !slices.Contains(rawSyscalls, pkg) {
				say("%s/%s: imports the raw system calls", pkg, file)
			}
		}
		for _, f := range forbidden {
			if len(f.from) > 0 && !under(pkg, f.from) || under(pkg, f.except) {
				continue
			}
			if path := reach(all, pkg, f.to); path != nil {
				say("%s: reaches %s: %s", pkg, f.to, strings.Join(path, " -> "))
			}
		}
	}
	sort.Strings(out)
	return out
}

// reach returns a way from pkg to a package under to, or nil.
func reach(all map[string]map[string]string, pkg, to string) []string {
	seen := map[string]bool{pkg: true}
	var walk func(path []string) []string
	walk = func(path []string) []string {
		for imp := range all[path[len(path)-1]] {
			local, ok := strings.CutPrefix(imp, module)
			if !ok || seen[local] {
				continue
			}
			seen[local] = true
			next := append(path[:len(path):len(path)], local)
			if under(local, []string{to}) {
				return next
			}
			if way := walk(next); way != nil {
				return way
			}
		}
		return nil
	}
	return walk([]string{pkg})
}

func under(pkg string, prefixes []string) bool {
	for _, p := range prefixes {
		if pkg == p || strings.HasPrefix(pkg, p+"/") {
			return true
		}
	}
	return false
}

func TestArrows(t *testing.T) {
	all, err := imports("..")
	require.NoError(t, err)
	require.Contains(t, all, "engine", "the walk sees the project")
	assert.Empty(t, breaches(all))
	for pkg := range arrows {
		assert.Contains(t, all, pkg, "a package of the table does not exist")
	}
	assert.LessOrEqual(t, len(rawSyscalls), 1)
}

// Each rule fires on a tree that breaks it and on nothing else there.
func TestArrowsFire(t *testing.T) {
	all, err := imports(filepath.Join("testdata", "arrows"))
	require.NoError(t, err)
	assert.Equal(t, []string{
		"crashsim/a.go: imports engine",
		"crashsim: reaches engine: crashsim -> engine",
		"engine/a.go: imports internal/report",
		"crashsim: reaches internal/report: crashsim -> engine -> internal/report",
		"engine: reaches internal/report: engine -> internal/report",
		"internal/blk/a.go: imports the raw system calls",
		"novel: not in the table of arrows",
		"verifier/a.go: imports internal/tape",
		"verifier: reaches crashsim: verifier -> internal/tape -> crashsim",
		"verifier: reaches engine: verifier -> internal/tape -> crashsim -> engine",
		"verifier: reaches internal/report: verifier -> internal/tape -> crashsim -> engine -> internal/report",
		"internal/tape/a.go: imports crashsim",
		"internal/tape: reaches internal/report: internal/tape -> crashsim -> engine -> internal/report",
	}, unsorted(breaches(all)))
}

// unsorted puts the breaches into the order in which the fixture explains
// them.
func unsorted(list []string) []string {
	order := []string{"crashsim/a.go", "crashsim: reaches engine", "engine/a.go", "crashsim: reaches internal/report", "engine:",
		"internal/blk", "novel", "verifier/a.go", "verifier: reaches crashsim", "verifier: reaches engine", "verifier: reaches internal",
		"internal/tape/", "internal/tape:"}
	var out []string
	for _, prefix := range order {
		for _, s := range list {
			if strings.HasPrefix(s, prefix) {
				out = append(out, s)
			}
		}
	}
	return out
}

// Every fixture is a Go file that parses, so that none is skipped.
func TestFixturesParse(t *testing.T) {
	n := 0
	require.NoError(t, filepath.WalkDir("testdata", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		n++
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = parser.ParseFile(token.NewFileSet(), path, data, 0)
		return err
	}))
	assert.Positive(t, n)
}
