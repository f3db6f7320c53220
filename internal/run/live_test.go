package run

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/internal/target/file"
	"untorn/scenarios"
	"untorn/verifier"
	"untorn/workloads"
)

const liveText = `name: live
design: {submit: direct, writeback: [cow, cow-or-atomic]}
workload:
  file: 16KiB
  ops: [{op: pwrite, offset: 0, length: 4KiB}, {op: fsync}]
`

func liveRows(t *testing.T, text string) []scenarios.Row {
	t.Helper()
	s, err := scenarios.Decode("live.yaml", []byte(text))
	require.NoError(t, err)
	return s.Rows()
}

// Rows that a live target cannot tell apart run once; the file is of the run and
// goes with it.
func TestLiveRows(t *testing.T) {
	t.Chdir(t.TempDir())
	o := Options{Out: "runs", Now: time.Now}
	rep, code, err := LiveRows(context.Background(), liveRows(t, liveText), o, Live{Path: "scratch", Repeat: 2})
	require.NoError(t, err)
	require.Equal(t, ExitOK, code)
	require.Equal(t, []string{"inconclusive", "skipped"}, []string{rep.Results[0].Verdict, rep.Results[1].Verdict})
	require.Equal(t, []string{LiveAssumption}, rep.Results[0].Assumptions)
	require.False(t, rep.Results[0].Exhaustive)
	require.NoFileExists(t, "scratch")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	rep, code, err = LiveRows(ctx, liveRows(t, liveText), o, Live{Path: "scratch"})
	require.NoError(t, err)
	require.Equal(t, ExitUnexpected, code)
	require.True(t, rep.Partial)
	const two = "name: two\ndesign: {submit: direct, writeback: cow}\n" +
		"workload: {file: 16KiB, second_file: 16KiB, ops: [{op: pwrite, offset: 0, length: 4KiB, file: 1}, {op: fsync}]}\n"
	_, code, err = LiveRows(context.Background(), liveRows(t, two), o, Live{Path: "scratch"})
	require.Equal(t, ExitUsage, code)
	require.ErrorContains(t, err, "with a second path")
	_, code, err = LiveRows(context.Background(), liveRows(t, two), o, Live{Path: "scratch", Second: "other"})
	require.NoError(t, err)
	require.Equal(t, ExitOK, code)
	require.NoFileExists(t, "other")
}

// A row that broke leaves what verify then judges in the same way.
func TestLiveRowThatBroke(t *testing.T) {
	t.Chdir(t.TempDir())
	rows := liveRows(t, "name: broke\ndesign: {submit: direct, writeback: cow}\nworkload: {file: 16KiB, ops: [{op: pwrite, offset: 0, length: 8KiB, atomic: true}]}\n")
	h := workloads.NewHistory(&rows[0].Workload)
	h.Contract = "untorn"
	h.Call(1)
	f := verifier.File{Size: 16 << 10, Sectors: make([]blk.Handle, 32)}
	for i := range f.Sectors {
		f.Sectors[i] = blk.Data(blk.InitialWrite, i)
	}
	f.Sectors[3] = blk.Data(1, 3)
	x := live{o: Options{Now: time.Now}, r: &rows[0], res: liveResult(&rows[0]), history: h.String(), content: []verifier.File{f}}
	x.res.Verdict = "torn"
	require.NoError(t, x.write(&output{root: "runs"}))
	dir := filepath.Join("runs", "broke", "single")
	require.Equal(t, "untorn verify --file runs/broke/single/file.raw --history runs/broke/single/history.txt", x.res.Counterexample.Replay)
	got, err := ReadHistory(filepath.Join(dir, "history.txt"))
	require.NoError(t, err)
	var out bytes.Buffer
	code, err := VerifyFile(&out, filepath.Join(dir, "file.raw"), "", -1, 0, got)
	require.NoError(t, err)
	require.Equal(t, ExitUnexpected, code)
	require.Contains(t, out.String(), "torn: unit of op 1")
	require.FileExists(t, filepath.Join(dir, "report.json"))
	_, err = os.Stat(filepath.Join(dir, "scenario.yaml"))
	require.NoError(t, err)
}

// What the limits say of a workload, and where the results do not fit them.
func TestLimits(t *testing.T) {
	op := func(text string) workloads.Op {
		o, err := workloads.ParseOp(text)
		require.NoError(t, err)
		return o
	}
	l := &file.Limits{UnitMin: 4 << 10, UnitMax: 64 << 10}
	for _, c := range []struct {
		text   string
		result workloads.Result
		allow  bool
		differ bool
	}{
		{"a: pwrite offset=0 length=16KiB atomic direct", 16 << 10, true, false},
		{"a: pwrite offset=0 length=16KiB atomic direct", workloads.Fail(workloads.EINVAL), true, true},
		{"a: pwrite offset=0 length=16KiB atomic direct", workloads.Fail(workloads.EIO), true, false},
		{"a: pwrite offset=8KiB length=16KiB atomic direct", workloads.Fail(workloads.EINVAL), false, false},
		{"a: pwrite offset=8KiB length=16KiB atomic direct", 16 << 10, false, true},
		{"a: pwrite offset=0 length=128KiB atomic direct", 128 << 10, false, true},
		{"a: pwrite offset=0 length=2KiB atomic direct", 2 << 10, false, true},
		{"a: pwrite offset=0 length=16KiB atomic", workloads.Fail(workloads.EOPNOTSUPP), false, false},
		{"a: pwrite offset=0 length=16KiB atomic", 16 << 10, false, false},
		{"a: pwrite offset=0 length=16KiB direct", 16 << 10, false, false},
	} {
		w := &workloads.Workload{File: 256 << 10, Layout: workloads.Contiguous, Ops: []workloads.Op{op(c.text)}}
		h := workloads.NewHistory(w)
		h.Call(1)
		h.Return(1, c.result)
		require.Equal(t, c.allow, l.Allow(w), c.text)
		require.Equal(t, c.differ, len(l.Differences(h)) > 0, "%s: %v", c.text, c.result)
	}
}

// A load that was ended before a write did has checked nothing, and says so. What
// it made it removes, and what was there stays.
func TestSpeedInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	l := Load{Path: "load", Size: 1 << 20, Unit: 4096, Time: time.Second}
	var out bytes.Buffer
	code, err := Speed(ctx, &out, l, false, "", false)
	require.EqualError(t, err, "load: interrupted before it was laid out")
	require.Equal(t, ExitUnexpected, code)
	require.NoFileExists(t, "load")
	require.NoError(t, os.WriteFile("load", make([]byte, 1<<20), 0o600))
	code, err = Speed(ctx, &out, l, true, "", false)
	require.EqualError(t, err, "load: ended before a write did")
	require.Equal(t, ExitUnexpected, code)
	require.FileExists(t, "load")
	require.Empty(t, out.String())
}
