package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/report"
	"untorn/internal/run"
	"untorn/internal/target/recorded"
)

// call runs one command line in an empty directory.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = untorn(args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

// result runs a command that explores one row, as expected, and returns what its
// report says of it.
func result(t *testing.T, args ...string) *report.Result {
	t.Helper()
	code, out, errs := call(t, append(args, "--format", "json")...)
	require.Equal(t, run.ExitOK, code, errs)
	var rep report.Report
	require.NoError(t, json.Unmarshal([]byte(out), &rep))
	require.False(t, rep.Partial)
	require.Len(t, rep.Results, 1)
	return &rep.Results[0]
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	return files
}

const small = `name: small
design: {folio: {min: 4KiB, max: 4KiB}}
workload: {file: 8KiB, ops: [{op: pwrite, offset: 0, length: 8KiB, atomic: true}, {op: fsync}]}
device: {nawupf: [512, 4KiB]}
faults: {budget: 0}
explore: {preemptions: 0}
`

func TestUsageErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "bad.yaml", "name: bad\nworkload: {ops: []}\n")
	write(t, "small.yaml", small)
	write(t, "nonsense.yaml", small+"design2: {}\n")
	write(t, "image.raw", "short")
	write(t, "half.json", "{\"schema\": 1,\n")
	write(t, "other.json", "{\"schema\": 7}")
	write(t, "history.txt", "what\n")
	require.NoError(t, os.Mkdir("dir.yaml", 0o755))
	for _, tc := range []struct {
		args string
		want string
	}{
		{"nothing", "unknown command"},
		{"run --format xml", "--format \"xml\"; allowed: text, json, markdown, csv, junit, ktap"},
		{"run --workers 0", "--workers 0; allowed: 1 to 1024\n"},
		{"run --workers x", "untorn: --workers \"x\"; allowed: 1 to 1024\n"},
		{"run --workers 1025", "--workers 1025; allowed: 1 to 1024\n"},
		{"run --workers=", "--workers \"\"; allowed: 1 to 1024\n"},
		{"run --seed -1", "--seed -1; allowed: whole numbers, 0 and above\n"},
		{"run --seed 9223372036854775808", "--seed 9223372036854775808; allowed: whole numbers, 0 and above\n"},
		{"run --timeout -1s", "--timeout -1s; allowed: times such as 90s, 10m or 1h30m, 0 and above\n"},
		{"run --timeout soon", "--timeout \"soon\"; allowed: times such as 90s, 10m or 1h30m, 0 and above\n"},
		{"run --keep=maybe", "invalid argument \"maybe\" for \"--keep\" flag; allowed: true, false\n"},
		{"device speed --on x --depth 1.5", "--depth 1.5; allowed: 0 to 256\n"},
		{"device run x --on x --witness y --rounds -1", "--rounds -1; allowed: 0 to 2147483647\n"},
		{"run --target file --on small.yaml --resume", "--target file with --resume or --shard; allowed: --target model"},
		{"run --sample 10", "--sample without --limit; allowed: both, or explore.mode: random"},
		{"run --limit 10 --sample -1", "--sample -1; allowed: 0 to 2147483647"},
		{"run --limit -1", "--limit -1; allowed: whole numbers, 0 and above"},
		{"run --limit 10 --no-cache", "--limit with --no-cache; allowed: one of both"},
		{"run random --limit 10", "--limit: every row is explored at random, and has no more schedules than explore.runs; allowed: "},
		{"run random --limit 10 --sample 5", "--limit: every row is explored at random"},
		{"run --shard 3/2", `--shard "3/2"; allowed: i/n with n from 1 to 65536 and i from 1 to n`},
		{"run --shard 0/2", `--shard "0/2"`},
		{"run --shard 1", `--shard "1"`},
		{"run small.yaml --shard 3/3", "part 3/3 of 2 rows is empty; allowed: as many parts as there are rows"},
		{"merge", "requires at least 1 arg"},
		{"merge nowhere --format xml", "--format \"xml\"; allowed: text, json, markdown, csv, junit, ktap"},
		{"merge nowhere", "nowhere/journal.txt: no such file"},
		{"run --frobnicate", "unknown flag: --frobnicate; allowed: what \"untorn run --help\" lists"},
		{"run nobody", "nobody: no such scenario; allowed: a file, or a name that \"untorn scenario list --suite all\" prints"},
		{"run no-pni", "no-pni: no such scenario; nearest: no-pin; allowed: "},
		{"scenario list --suite nothing", "--suite \"nothing\"; allowed: "},
		{"run ../nobody", "no such file"},
		{"run none.yaml", "none.yaml: no such file"},
		{"run dir.yaml", "dir.yaml: not a regular file"},
		{"run bad.yaml", "bad.yaml:2: workload.ops: an empty list"},
		{"run nonsense.yaml", "nonsense.yaml:7: design2: unknown field"},
		{"run small.yaml small.yaml", "both named small"},
		{"run small.yaml --row nawupf=1KiB", `--row "nawupf=1KiB": no such row; allowed: nawupf=512, nawupf=4KiB`},
		{"run small.yaml --set block=3", "--set: design.block"},
		{"replay", "accepts 1 arg"},
		{"replay nowhere", "no such file"},
		{"replay no-pin --id u2", "replay id: not a replay id"},
		{"replay no-pin --id u3-06q2z32w3040748143hssrh", "replay id: damaged"},
		{"replay nobody --id u3-06q2z32w3040748143hssrg", "nobody: no such scenario"},
		{"replay nowhere --out here", "--set and --out: without --id"},
		{"shrink", "accepts 1 arg"},
		{"shrink nowhere", "no such file"},
		{"run no-pin --target file --on x --shrink", "--target file with --shrink; allowed: --target model"},
		{"shrink runs --steps 0", "--steps 0; allowed: 1 to 100000000000"},
		{"report", "accepts 1 arg"},
		{"report nowhere", "nowhere: no such file"},
		{"report .", "report.json: no such file"},
		{"report nowhere --format xml", "--format \"xml\"; allowed: text, json, markdown, csv, junit, ktap"},
		{"report small.yaml", "small.yaml: line 1: invalid character"},
		{"report half.json", "half.json: line 2: unexpected end of JSON input"},
		{"report other.json", "other.json: schema 7; allowed: 1"},
		{"mutants --format csv", "--format \"csv\"; allowed: text, json"},
		{"mutants --workers 0", "--workers 0; allowed: 1 to 1024"},
		{"mutants split-atom", "\"split-atom\" is no planted defect; nearest: split-atomic; allowed: "},
		{"mutants --list split-atom", "\"split-atom\" is no planted defect; nearest: split-atomic; allowed: "},
		{"mutants split-atomic --scenario nobody", "nobody: no such scenario"},
		{"mutants split-atomic --scenario none.yaml", "none.yaml: no such file"},
		{"mutants split-atomic --scenario split --scenario split", "both named split"},
		{"verify", "verify needs --image FILE and --history FILE"},
		{"verify --image image.raw --history history.txt", "history.txt: history: line 1"},
		{"completion", "allowed: bash, fish, powershell, zsh"},
		{"completion tcsh", "unknown command \"tcsh\""},
		{"help nothing", "unknown command \"nothing\""},
		{"scenario", "allowed: list, show, check, help"},
		{"scenario show", "accepts 1 arg"},
		{"scenario show nobody", "no such scenario"},
		{"scenario check bad.yaml", "an empty list"},
	} {
		code, out, errs := call(t, strings.Fields(tc.args)...)
		assert.Equal(t, run.ExitUsage, code, tc.args)
		assert.Empty(t, out, tc.args)
		assert.Contains(t, errs, tc.want, tc.args)
		assert.Equal(t, 1, strings.Count(errs, "\n"), "one line: %q", errs)
		assert.Empty(t, glob(t, "runs*"), tc.args)
	}
}

func TestRunFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "small.yaml", small)
	code, out, errs := call(t, "run", "small.yaml")
	assert.Equal(t, run.ExitOK, code, out)
	assert.Empty(t, errs, "quiet when it is no terminal")
	assert.Contains(t, out, "nawupf=4KiB")
	assert.Equal(t, []string{filepath.Join("runs", "journal.txt"), filepath.Join("runs", "report.json")}, glob(t, "runs/*"), "nothing broke")

	code, out, _ = call(t, "run", "small.yaml", "--format", "json", "--row", "nawupf=4KiB", "--seed", "7", "--keep", "--no-cache")
	assert.Equal(t, run.ExitOK, code)
	var rep struct {
		Results []struct {
			Row, Verdict string
			Seed         int
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &rep))
	require.Len(t, rep.Results, 1)
	assert.Equal(t, "nawupf=4KiB", rep.Results[0].Row)
	assert.Equal(t, 7, rep.Results[0].Seed)

	code, out, _ = call(t, "replay", "runs/small/nawupf=4KiB")
	assert.Equal(t, run.ExitOK, code)
	assert.Contains(t, out, "\nheld: ")
	assert.Contains(t, out, "log force", "the whole of the default schedule")
	code, out, _ = call(t, "verify", "--image", "runs/small/nawupf=4KiB/image.raw", "--history", "runs/small/nawupf=4KiB/history.txt")
	assert.Equal(t, run.ExitOK, code)
	assert.Contains(t, out, "held: ")
	code, _, _ = call(t, "replay", "runs/small/nawupf=4KiB/control")
	assert.Equal(t, run.ExitOK, code)

	code, out, _ = call(t, "run", "small.yaml", "--set", "expect=torn")
	assert.Equal(t, run.ExitUnexpected, code)
	assert.Contains(t, out, "held!")

	code, out, _ = call(t, "run", "cow-fork", "--timeout", "1ns")
	assert.Equal(t, run.ExitUnexpected, code)
	assert.Contains(t, out, "PARTIAL")

	write(t, "file", "")
	code, _, errs = call(t, "run", "small.yaml", "--out", "file/runs")
	assert.Equal(t, run.ExitEnvironment, code)
	assert.Equal(t, 1, strings.Count(errs, "\n"), errs)
}

// TestFullDisk: output that cannot be written is a failure of the environment.
func TestFullDisk(t *testing.T) {
	for _, args := range []string{"version", "--version", "scenario list", "scenario show cow-fork", "scenario help", "completion bash"} {
		var errs bytes.Buffer
		code := untorn(strings.Fields(args), strings.NewReader(""), full{}, &errs)
		assert.Equal(t, run.ExitEnvironment, code, args)
		assert.Contains(t, errs.String(), "no space", args)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestScenarioCommands(t *testing.T) {
	t.Chdir(t.TempDir())
	code, out, _ := call(t, "scenario", "list")
	assert.Equal(t, run.ExitOK, code)
	assert.Contains(t, out, "cow-fork")
	_, every, _ := call(t, "scenario", "list", "--suite", "all")
	assert.Contains(t, every, out)
	assert.Contains(t, every, "large-block")
	_, out, _ = call(t, "scenario", "show", "cow-fork")
	file := write(t, "mine.yaml", out)
	_, full, _ := call(t, "scenario", "show", "--full", "cow-fork")
	write(t, "full.yaml", full)
	assert.Contains(t, full, "boundary_offset: 0")
	write(t, "made.yaml", "name: made\nworkload: {generate: {kind: postgres-wal, pages: 1}}\n")
	_, full, _ = call(t, "scenario", "show", "--full", "made.yaml")
	assert.Contains(t, full, "  generate: {kind: postgres-wal, pages: 1, page: 4KiB}\n")
	_, ops, _ := call(t, "scenario", "show", "--ops", "made.yaml", "--set", "generate.pages=2")
	assert.Contains(t, ops, "  2 walwriter: pwrite offset=4KiB length=4KiB atomic dsync\n")
	code, out, _ = call(t, "scenario", "check", file, "full.yaml", "cow-or-atomic")
	assert.Equal(t, run.ExitOK, code)
	assert.Contains(t, out, "cow-or-atomic nawupf=4KiB layout=fragmented: expects held\n")
	code, out, _ = call(t, "scenario", "help")
	assert.Equal(t, run.ExitOK, code)
	assert.Contains(t, out, "max_atomic_write")
	code, out, _ = call(t, "version")
	assert.Equal(t, run.ExitOK, code)
	assert.Contains(t, out, "untorn "+run.Version)
	code, out, _ = call(t, "completion", "bash")
	assert.Equal(t, run.ExitOK, code)
	assert.NotEmpty(t, out)
	for _, args := range []string{"--help", "run --help", "replay --help", "shrink --help", "verify --help", "report --help", "mutants --help", "scenario --help",
		"scenario show --help", "scenario check --help"} {
		code, out, _ = call(t, strings.Fields(args)...)
		assert.Equal(t, run.ExitOK, code)
		assert.Contains(t, out, "untorn", args)
	}
}

// The README's commands work as written, in an empty directory.
func TestREADMECommands(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	gate, err := os.ReadFile(filepath.Join("..", "..", ".ci", "run"))
	require.NoError(t, err)
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	seen := 0
	for _, line := range shellLines(string(readme)) {
		seen++
		words := strings.Fields(line)
		switch words[0] {
		case "make":
			// Heavy targets are run by the gate; all have to exist.
			require.Len(t, words, 2, line)
			assert.Contains(t, string(makefile), "\n"+words[1]+":", line)
			if words[1] == "test" || words[1] == "torture" {
				assert.Contains(t, string(gate), line)
			}
		case "git", "cd":
			// The clone that the reader begins with.
		case "untorn", "bin/untorn":
			if i := slices.Index(words, "--id"); i > 0 {
				// The id is of the version that the README was written for.
				words[i+1] = exampleID(t, filepath.Join("runs", words[2], "single"))
			}
			code, out, errs := call(t, words[1:]...)
			assert.Contains(t, []int{run.ExitOK, wantCode(words)}, code, "%s\n%s%s", line, out, errs)
		default:
			t.Errorf("no rule for the command %q", line)
		}
	}
	assert.Greater(t, seen, 5)
}

// exampleID returns the replay id in a run directory.
func exampleID(t *testing.T, dir string) string {
	t.Helper()
	rep, err := run.ReadReport(dir)
	require.NoError(t, err)
	return rep.Results[0].Counterexample.ID
}

// TestReplayIDLeavesTheRun: what a report prints after "# --id" gives the run
// directory on a machine that has the scenario and nothing else.
func TestReplayIDLeavesTheRun(t *testing.T) {
	t.Chdir(t.TempDir())
	_, out, _ := call(t, "run", "no-pin")
	_, id, ok := strings.Cut(out, "untorn replay runs/no-pin/single  # --id ")
	require.True(t, ok, out)
	code, trace, errs := call(t, "replay", "no-pin", "--id", strings.Fields(id)[0], "--out", "elsewhere/run")
	require.Equal(t, run.ExitOK, code, errs)
	require.Contains(t, trace, "\ntorn: ")
	for _, name := range []string{"log.bin", "image.raw", "trace.txt", "history.txt", "tape.txt"} {
		want, err := os.ReadFile(filepath.Join("runs", "no-pin", "single", name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("elsewhere", "run", name))
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
	code, _, errs = call(t, "replay", "no-pin", "--id", strings.Fields(id)[0], "--out", "elsewhere/run")
	require.Equal(t, run.ExitUsage, code)
	require.Contains(t, errs, "exists")
}

// The commands of the findings show what stands there: rows that break as
// expected, and their counterexamples. The debate as a whole is run apart from
// this, and what a running kernel shows with luck only is not run.
func TestFindingsCommands(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "findings.md"))
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	seen := 0
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if !strings.HasPrefix(line, "    ") || len(words) == 0 || words[0] != "untorn" || slices.Contains(words, "debate") || slices.Contains(words, "race-eof") {
			continue
		}
		seen++
		code, out, errs := call(t, words[1:]...)
		assert.Contains(t, []int{run.ExitOK, wantCode(words)}, code, "%s%s%s", line, out, errs)
	}
	assert.Greater(t, seen, 15)
}

// wantCode is the exit code that a command of the README may have: judging a
// torn image is a failure by design.
func wantCode(words []string) int {
	switch {
	case words[1] == "verify":
		return run.ExitUnexpected
	case slices.Contains(words, run.RecordedTarget) && os.Getenv("CI") == "" && recorded.Missing("xfs") != nil:
		return run.ExitNotBuilt
	}
	return run.ExitOK
}

// shellLines returns the commands of the blocks marked sh, comments cut off.
func shellLines(markdown string) []string {
	var out []string
	in := false
	for line := range strings.Lines(markdown) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			in = line == "```sh"
		case in:
			if line, _, _ = strings.Cut(line, " #"); strings.TrimSpace(line) != "" && line[0] != '#' {
				out = append(out, strings.TrimSpace(line))
			}
		}
	}
	return out
}
