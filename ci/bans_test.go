package ci

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// deterministic are the folders whose code decides what a run does. The
// worker pool of crashsim/explore may use goroutines and the clock.
var deterministic = []string{"crashsim", "engine", "workloads", "verifier"}

const pool = "crashsim/explore"

// bannedImports have no place in code that gives the same bytes everywhere.
var bannedImports = map[string]string{
	"time":          "the wall clock",
	"math/rand":     "global randomness",
	"math/rand/v2":  "global randomness",
	"crypto/rand":   "randomness",
	"os":            "the environment",
	"hash/maphash":  "a seed of its own in each process",
	"os/exec":       "other programs",
	"math/cmplx":    "floating point",
	"net":           "the network",
	"path/filepath": "the environment",
	"maps":          "iteration in the order of a map",
	"reflect":       "iteration in the order of a map",
	"syscall":       "the machine",
	"unsafe":        "addresses",
}

// exempt are imports of single files in spite of that: the frame of a task is
// hashed as the words that it consists of.
var exempt = map[string]string{"engine/hash.go": "unsafe"}

// machineCalls are the functions of package runtime whose answers depend on
// the machine; a stack or a coroutine's end do not.
var machineCalls = []string{"NumCPU", "GOMAXPROCS", "NumGoroutine", "ReadMemStats", "MemStats", "NumCgoCall"}

// poolMay lists what the worker pool may import in spite of that.
var poolMay = []string{"time"}

// bans lists what a package's files do that deterministic code must not:
// banned imports, go and select statements, channels, floating point, and
// ranging over maps where order can show.
func bans(pkg string, fset *token.FileSet, files []*ast.File) []string {
	var out []string
	say := func(n ast.Node, format string, args ...any) {
		p := fset.Position(n.Pos())
		out = append(out, fmt.Sprintf("%s/%s:%d: %s", pkg, filepath.Base(p.Filename), p.Line, fmt.Sprintf(format, args...)))
	}
	// Packages are read from source, so that a map of another package's type
	// is seen to be one.
	info := &types.Info{Types: make(map[ast.Expr]types.TypeAndValue)}
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil), Error: func(error) {}}
	_, _ = conf.Check(pkg, fset, files, info)

	for _, f := range files {
		for _, spec := range f.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			file := pkg + "/" + filepath.Base(fset.Position(spec.Pos()).Filename)
			if why, banned := bannedImports[path]; banned && !(pkg == pool && slices.Contains(poolMay, path)) && exempt[file] != path {
				say(spec, "imports %s: %s", path, why)
			}
			if spec.Name != nil && spec.Name.Name != "_" {
				say(spec, "imports %s under another name, which hides what is used of it", path)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				if pkg != pool {
					say(n, "starts a goroutine")
				}
			case *ast.SelectStmt:
				if pkg != pool {
					say(n, "selects")
				}
			case *ast.ChanType:
				if pkg != pool {
					say(n, "uses a channel")
				}
			case *ast.SelectorExpr:
				id, ok := n.X.(*ast.Ident)
				switch {
				case !ok:
				case id.Name == "math" && !strings.HasPrefix(n.Sel.Name, "MaxInt") && !strings.HasPrefix(n.Sel.Name, "MinInt") && !strings.HasPrefix(n.Sel.Name, "MaxUint"):
					say(n, "floating point: math.%s", n.Sel.Name)
				case id.Name == "sync" && n.Sel.Name == "Map":
					say(n, "iteration in any order: sync.Map")
				case id.Name == "runtime" && slices.Contains(machineCalls, n.Sel.Name) && pkg != pool:
					say(n, "asks the machine: runtime.%s", n.Sel.Name)
				}
			case *ast.Ident:
				if n.Name == "float32" || n.Name == "float64" || n.Name == "complex64" || n.Name == "complex128" {
					say(n, "floating point")
				}
			case *ast.BasicLit:
				if n.Kind == token.FLOAT || n.Kind == token.IMAG {
					say(n, "floating point")
				}
			case *ast.RangeStmt:
				if isMap(info, n.X) && !orderless(n) {
					say(n, "ranges over a map where order can show")
				}
			}
			return true
		})
	}
	sort.Strings(out)
	return out
}

func isMap(info *types.Info, x ast.Expr) bool {
	t := info.Types[x].Type
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}

// orderless reports whether the body of a range over a map cannot show the
// order: it only returns on a match, of which there has to be one, or deletes
// what it met.
func orderless(n *ast.RangeStmt) bool {
	for _, s := range n.Body.List {
		switch s := s.(type) {
		case *ast.IfStmt:
			if s.Else != nil || len(s.Body.List) != 1 {
				return false
			}
			if _, ok := s.Body.List[0].(*ast.ReturnStmt); !ok {
				return false
			}
		case *ast.ExprStmt:
			call, ok := s.X.(*ast.CallExpr)
			if !ok {
				return false
			}
			if id, ok := call.Fun.(*ast.Ident); !ok || id.Name != "delete" {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// parseFolder parses the Go files of one folder, tests left out.
func parseFolder(dir string) (*token.FileSet, []*ast.File, error) {
	fset := token.NewFileSet()
	var files []*ast.File
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, f)
	}
	return fset, files, nil
}

func TestBans(t *testing.T) {
	seen := 0
	for _, top := range deterministic {
		require.NoError(t, filepath.WalkDir(filepath.Join("..", top), func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.IsDir() {
				return err
			}
			if e.Name() == "testdata" {
				return filepath.SkipDir
			}
			rel, err := filepath.Rel("..", path)
			if err != nil {
				return err
			}
			fset, files, err := parseFolder(path)
			if err != nil {
				return err
			}
			seen += len(files)
			assert.Empty(t, bans(filepath.ToSlash(rel), fset, files))
			return nil
		}))
	}
	assert.Greater(t, seen, 10)
}

// Each ban fires on the fixture that breaks it; what is allowed there stays
// without a word.
func TestBansFire(t *testing.T) {
	fset, files, err := parseFolder(filepath.Join("testdata", "bans"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	want := []string{
		"engine/bad.go:10: imports math/rand: global randomness",
		"engine/bad.go:13: imports sync under another name, which hides what is used of it",
		"engine/bad.go:14: imports time: the wall clock",
		"engine/bad.go:18: uses a channel",
		"engine/bad.go:19: starts a goroutine",
		"engine/bad.go:20: selects",
		"engine/bad.go:23: floating point",
		"engine/bad.go:23: floating point: math.Sqrt",
		"engine/bad.go:24: asks the machine: runtime.NumCPU",
		"engine/bad.go:25: ranges over a map where order can show",
		"engine/bad.go:28: ranges over a map where order can show",
		"engine/bad.go:36: ranges over a map where order can show",
	}
	assert.Equal(t, want, bans("engine", fset, files))
	assert.Equal(t, []string{
		"crashsim/explore/bad.go:10: imports math/rand: global randomness",
		"crashsim/explore/bad.go:13: imports sync under another name, which hides what is used of it",
		"crashsim/explore/bad.go:23: floating point",
		"crashsim/explore/bad.go:23: floating point: math.Sqrt",
		"crashsim/explore/bad.go:25: ranges over a map where order can show",
		"crashsim/explore/bad.go:28: ranges over a map where order can show",
		"crashsim/explore/bad.go:36: ranges over a map where order can show",
	}, bans(pool, fset, files), "the worker pool may use goroutines and the clock, and nothing more")
}
