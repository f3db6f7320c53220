package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/run"
)

// tree returns the files of a directory but for the journal: reports without
// when, where and with how much work, and with another name for the directory.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), "journal.") {
			return err
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		text := string(data)
		if e.Name() == "report.json" {
			text = strings.ReplaceAll(bare(t, data), "untorn replay "+dir, "untorn replay DIR")
		}
		name, err := filepath.Rel(dir, path)
		out[name] = text
		return err
	}))
	return out
}

// bare is a report without what may differ between two runs.
func bare(t *testing.T, data []byte) string {
	t.Helper()
	var out bytes.Buffer
	skip := 0
	for line := range strings.Lines(string(data)) {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		switch word := strings.Trim(strings.SplitN(strings.TrimSpace(line), ":", 2)[0], `"`); {
		case skip > 0 && indent > skip:
		case skip > 0:
			skip = 0 // its closing brace
		case word == "started":
		case word == "host" || word == "work":
			skip = indent
		default:
			out.WriteString(line)
		}
	}
	require.NotContains(t, out.String(), `"cache_hits"`)
	return out.String()
}

// several are scenarios of many rows, some of which break, that take a second
// together.
const several = "direct-eof mlock no-pin partial-writeback plain-writeback retry short-copy"

// TestKillAndResume: a run that is killed again and again, and continued each
// time, ends in the report and the directories of one that was not.
func TestKillAndResume(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	args := append([]string{"run", "--workers", "2", "--resume"}, strings.Fields(several)...)
	start := time.Now()
	code, _, errs := call(t, append(args, "--out", "whole")...)
	require.Equal(t, run.ExitOK, code, errs)
	took := time.Since(start)

	// The first one is killed long before a whole run could have ended.
	kills, begun := 0, 0
	for wait := took / 16; ; wait = wait * 4 / 3 {
		var errs bytes.Buffer
		c := exec.Command(self, append(args, "--out", "killed")...)
		c.Env = append(os.Environ(), asUntorn+"=1")
		c.Stderr = &errs
		require.NoError(t, c.Start())
		timer := time.AfterFunc(wait, func() { _ = c.Process.Kill() })
		err := c.Wait()
		timer.Stop()
		if strings.Contains(errs.String(), "continued") {
			begun++
		}
		if err == nil {
			break
		}
		require.Equal(t, -1, c.ProcessState.ExitCode(), "killed: %s", errs.String())
		kills++
	}
	t.Logf("killed %d times, continued %d times", kills, begun)
	assert.Greater(t, kills, 1)
	assert.Positive(t, begun)
	whole := tree(t, "whole")
	require.Greater(t, len(whole), 30)
	assert.Equal(t, whole, tree(t, "killed"))

	// A run that is done has nothing left to do, and says the same again.
	before := read(t, "killed/journal.txt")
	code, out, errs := call(t, append(args, "--out", "killed", "--format", "json")...)
	assert.Equal(t, run.ExitOK, code)
	assert.Contains(t, errs, "rows are done")
	assert.Equal(t, read(t, "killed/report.json"), out)
	assert.Equal(t, before, read(t, "killed/journal.txt"))
	assert.Equal(t, whole, tree(t, "killed"))

	// A directory that was lost or changed is made again.
	require.NoError(t, os.RemoveAll("killed/no-pin"))
	write(t, "killed/mlock/track=page-flag/tape.txt", "damaged\n")
	code, _, _ = call(t, append(args, "--out", "killed")...)
	assert.Equal(t, run.ExitOK, code)
	assert.Equal(t, whole, tree(t, "killed"))
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(data)
}

// TestShards: the parts of a run, joined in any order, are the whole one.
func TestShards(t *testing.T) {
	t.Chdir(t.TempDir())
	args := append([]string{"run", "--keep", "--shrink-all"}, strings.Fields("direct-eof no-pin plain-writeback short-copy")...)
	call(t, append(args, "--out", "whole")...)
	for _, part := range []string{"1", "2", "3"} {
		code, out, _ := call(t, append(args, "--shard", part+"/3", "--out", "part-"+part, "--format", "json")...)
		assert.Equal(t, run.ExitOK, code)
		var rep struct {
			Part    string
			Results []any
		}
		require.NoError(t, json.Unmarshal([]byte(out), &rep))
		assert.Equal(t, part+"/3", rep.Part)
		assert.NotEmpty(t, rep.Results)
	}
	code, out, errs := call(t, "merge", "part-2", "part-3", "part-1", "--out", "joined", "--format", "json")
	require.Equal(t, run.ExitOK, code, errs)
	assert.Equal(t, read(t, "joined/report.json"), out)
	whole := tree(t, "whole")
	require.Greater(t, len(whole), 20)
	assert.Equal(t, whole, tree(t, "joined"))
	code, out, errs = call(t, "replay", "joined/no-pin/single")
	assert.Equal(t, run.ExitOK, code, out+errs)
	assert.Contains(t, read(t, "joined/report.json"), `"untorn replay joined/no-pin/single-shrunk"`)
	code, out, errs = call(t, "replay", "joined/no-pin/single-shrunk")
	assert.Equal(t, run.ExitOK, code, out+errs)

	before := tree(t, "joined")
	refused := func(want string, args ...string) {
		t.Helper()
		code, out, errs := call(t, append([]string{"merge", "--out", "joined"}, args...)...)
		assert.Equal(t, run.ExitUsage, code)
		assert.Empty(t, out)
		assert.Contains(t, errs, want)
	}
	refused("part 3/3 is missing; allowed: all parts at once", "part-1", "part-2")
	refused("part-1 and ./part-1 are both part 1/3", "part-1", "./part-1", "part-2", "part-3")
	refused("--out joined is one of the parts", "part-1", "part-2", "joined")
	refused("nowhere/journal.txt: no such file; allowed: what \"untorn run --shard i/n --out DIR\" left in DIR", "nowhere")
	changed := func(from, to string) {
		t.Helper()
		call(t, append(args, "--shard", "3/3", "--out", "other")...)
		rewrite(t, "other/journal.txt", from, to)
	}
	changed(`"engine":"`+run.EngineVersion+`"`, `"engine":"0"`)
	refused("other is not of the run that part-1 is a part of: it is of untorn "+run.Version+", engine 0", "part-1", "part-2", "other")
	call(t, append(args, "--shard", "3/3", "--out", "other", "--set", "faults.budget=1")...)
	refused("other is not of the run that part-1 is a part of: scenario direct-eof is not the same", "part-1", "part-2", "other")
	call(t, append(args, "--shard", "3/4", "--out", "other")...)
	refused("other is one of 4 parts, and part-1 of 3", "part-1", "part-2", "other")
	call(t, "run", "no-pin", "--keep", "--shrink-all", "--shard", "1/1", "--out", "other")
	refused("it has scenario no-pin where this one has direct-eof", "part-1", "part-2", "other")
	call(t, append(args, "--shard", "1/3", "--out", "other")...)
	journal := strings.SplitAfter(read(t, "other/journal.txt"), "\n")
	write(t, "other/journal.txt", strings.Join(journal[:2], ""))
	refused("other is not finished: 1 of 2 rows are done; allowed: to continue it with ", "other", "part-2", "part-3")
	journal[1] = strings.Replace(journal[1], "verdict", "Verdict", 1)
	write(t, "other/journal.txt", strings.Join(journal, ""))
	refused("other/journal.txt: line 2 is damaged", "other", "part-2", "part-3")
	tape := read(t, "part-1/direct-eof/writeback=cow-shrunk/tape.txt")
	write(t, "part-1/direct-eof/writeback=cow-shrunk/tape.txt", "damaged\n")
	refused("part-1/direct-eof/writeback=cow-shrunk is lost or was changed", "part-1", "part-2", "part-3")
	write(t, "part-1/direct-eof/writeback=cow-shrunk/tape.txt", tape)
	write(t, "part-1/direct-eof/writeback=cow/tape.txt", "damaged\n")
	refused("part-1/direct-eof/writeback=cow is lost or was changed", "part-1", "part-2", "part-3")
	assert.Equal(t, before, tree(t, "joined"), "an error changes nothing")
}

// rewrite changes a journal and makes its checksums right again.
func rewrite(t *testing.T, file, from, to string) {
	t.Helper()
	text := read(t, file)
	require.Contains(t, text, from)
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		if changed := strings.Replace(l, from, to, 1); changed != l {
			changed = changed[9:]
			sum := crc32.Checksum([]byte(strings.TrimSuffix(changed, "\n")), crc32.MakeTable(crc32.Castagnoli))
			lines[i] = fmt.Sprintf("%08x %s", sum, changed)
		}
	}
	write(t, file, strings.Join(lines, ""))
}

// TestResumeRefuses: a journal that does not fit is an error that says what to
// do, and stays as it is.
func TestResumeRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "small.yaml", small)
	call(t, "run", "small.yaml")
	refused := func(want string, args ...string) {
		t.Helper()
		before, report := read(t, "runs/journal.txt"), read(t, "runs/report.json")
		code, out, errs := call(t, append([]string{"run", "--resume"}, args...)...)
		assert.Equal(t, run.ExitUsage, code)
		assert.Empty(t, out)
		assert.Contains(t, errs, want)
		assert.Equal(t, 1, strings.Count(errs, "\n"), "one line: %q", errs)
		assert.Equal(t, before, read(t, "runs/journal.txt"))
		assert.Equal(t, report, read(t, "runs/report.json"))
	}
	const begun = `it was begun by "untorn run small.yaml"; allowed: that command with --resume`
	refused("it does not have scenario no-pin; "+begun, "small.yaml", "no-pin")
	refused("it has scenario small where this one has no-pin; "+begun, "no-pin")
	refused("scenario small is not the same: its text, its bounds or what --set and --seed change; "+begun, "small.yaml", "--set", "faults.budget=1")
	refused("scenario small is not the same", "small.yaml", "--seed", "2")
	refused("it has 2 rows of scenario small, and not 1", "small.yaml", "--set", "device.nawupf=512")
	refused("one of both has --keep", "small.yaml", "--keep")
	refused("one of both has --no-cache", "small.yaml", "--no-cache")
	refused("--limit or --sample are not the same", "small.yaml", "--limit", "1000")
	refused("--shrink or --shrink-all is not the same", "small.yaml", "--shrink")
	refused(`it is of part "", and not of "1/2"`, "small.yaml", "--shard", "1/2")

	whole := read(t, "runs/journal.txt")
	rewrite(t, "runs/journal.txt", `"untorn":"`+run.Version+`"`, `"untorn":"0.0.9"`)
	refused("it is of untorn 0.0.9, engine "+run.EngineVersion+", and not of untorn "+run.Version, "small.yaml")
	write(t, "runs/journal.txt", whole)
	rewrite(t, "runs/journal.txt", `"journal":2`, `"journal":7`)
	refused("its format is 7, and this untorn's 2", "small.yaml")
	write(t, "runs/journal.txt", strings.Replace(whole, `"row":`, `"now":`, 1))
	refused("line 2 is damaged: its checksum is not that of its content; allowed: to cut the file off before that line", "small.yaml")
	write(t, "runs/journal.txt", whole)
	rewrite(t, "runs/journal.txt", `"row":1`, `"row":2`)
	refused("is no row of this run", "small.yaml")

	// A new run keeps what it cannot use, and what was not finished.
	write(t, "runs/journal.txt", "what is this\n")
	code, _, errs := call(t, "run", "small.yaml")
	assert.Equal(t, run.ExitOK, code, errs)
	assert.Equal(t, "what is this\n", read(t, "runs/journal.old.txt"))
	first := strings.Join(strings.SplitAfter(whole, "\n")[:2], "")
	write(t, "runs/journal.txt", first)
	_, _, errs = call(t, "run", "small.yaml")
	assert.Contains(t, errs, "1 of 2 rows, is kept as journal.old.txt; --resume would have continued it")
	assert.Equal(t, first, read(t, "runs/journal.old.txt"))

	_, _, errs = call(t, "run", "cow-fork", "--timeout", "1ns", "--out", "other")
	assert.Equal(t, "untorn: to continue: untorn run cow-fork --timeout 1ns --out other --resume\n", errs)
}
