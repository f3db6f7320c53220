package run

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/internal/blk"
	"untorn/internal/blk/logwrites"
	"untorn/internal/needs"
	"untorn/internal/ondisk"
	"untorn/internal/target/model"
	"untorn/internal/target/recorded"
	"untorn/scenarios"
	"untorn/verifier"
)

// TestMain is the process of a recorded disk when it is asked to be.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "disk-server" {
		if err := ServeDisk(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// both is scenarios that the model and the running kernel run: one task, and one
// group of units.
var both = []string{`name: both-mapped
design: {submit: direct, writeback: cow}
device: {nawupf: 512}
workload:
  file: 16KiB
  ops:
    - {op: pwrite, offset: 0, length: 16KiB, atomic: true}
    - {op: fsync}
    - {op: pwrite, offset: 0, length: 16KiB, atomic: true}
    - {op: fsync}
`, `name: both-fragmented
design: {submit: direct, writeback: cow}
device: {nawupf: 4KiB}
workload:
  file: 8KiB
  layout: fragmented
  ops:
    - {op: pwrite, offset: 0, length: 8KiB, atomic: true}
    - {op: pwrite, offset: 0, length: 8KiB, atomic: true, dsync: true}
    - {op: pwrite, offset: 4KiB, length: 4KiB, atomic: true}
    - {op: fsync}
`, `name: both-hole
design: {submit: direct, writeback: cow}
device: {nawupf: 512}
workload:
  file: 8KiB
  layout: hole
  ops:
    - {op: pwrite, offset: 0, length: 8KiB, atomic: true}
    - {op: fsync}
    - {op: pwrite, offset: 0, length: 8KiB, atomic: true}
    - {op: fsync}
`}

// item is one thing of a log, as both sides have it.
type item struct {
	class    recorded.Class // 0 for what the caller saw
	op       int            // of data, call and return
	returned bool           // of what the caller saw
	from, to int64          // sectors of data
}

// modelItems classes the log of the model by where its commands lie.
func modelItems(l *blk.Log, super *ondisk.Super) (out []item) {
	for i := range l.Events {
		e := &l.Events[i]
		switch e.Kind {
		case blk.Call, blk.Return:
			out = append(out, item{op: int(e.Op), returned: e.Kind == blk.Return})
		case blk.SubmitFlush:
			out = append(out, item{class: recorded.Flush})
		case blk.SubmitWrite:
			x := item{class: recorded.Metadata, from: int64(e.Range.Start), to: int64(e.Range.End())}
			switch {
			case e.Range.Start >= super.Data.Start:
				x.class, x.op = recorded.Data, e.Payload[0].Write()
			case super.Log.Overlaps(e.Range):
				x.class = recorded.Log
			}
			// A FUA write is followed by a flush where there is none.
			if out = append(out, x); e.FUA {
				out = append(out, item{class: recorded.Flush})
			}
		}
	}
	return out
}

// kernelItems classes the log of a recording.
func kernelItems(c *recorded.Config, r *recorded.Recording) (out []item) {
	classes := r.Classes(c.Filesystem)
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Flags&logwrites.Mark != 0 {
			if m, ok := logwrites.ParseMark(string(e.Data)); ok {
				out = append(out, item{op: int(m.Op), returned: m.Kind == blk.Return})
			}
			continue
		}
		x := item{class: classes[i], from: int64(e.Sector), to: int64(e.Sector + e.Sectors)}
		if x.class == recorded.Data {
			x.op = recorded.WriteOf(e)
		}
		out = append(out, x)
	}
	return out
}

// disorder lists what in a log of one task breaks the order on which CoW relies,
// where nothing but its syncs forces the log: data is flushed before the log says where it is; a sync returns
// when all before it is flushed; metadata is written in place after the log was
// flushed; and no atomic write goes where the write before it lies.
func disorder(items []item, syncs func(op int) bool) (out []string) {
	say := func(i int, format string, args ...any) {
		out = append(out, fmt.Sprintf("%d: "+format, append([]any{i}, args...)...))
	}
	var data, anything, logged bool // since the last flush
	everLogged := false
	var newest, before []item // data of the last write, and of the one before it
	for i, x := range items {
		switch x.class {
		case recorded.Flush:
			data, anything, logged = false, false, false
		case recorded.Data:
			data, anything = true, true
			if len(newest) > 0 && newest[0].op != x.op {
				newest, before = nil, newest
			}
			newest = append(newest, x)
			for _, o := range before {
				if o.from < x.to && x.from < o.to {
					say(i, "data of op %d over that of op %d", x.op, o.op)
				}
			}
		case recorded.Log:
			if data {
				say(i, "the log is written and data before it is not flushed")
			}
			anything, logged, everLogged = true, true, true
		case recorded.Metadata:
			if logged || !everLogged {
				say(i, "metadata is written and the log before it is not flushed")
			}
		case 0:
			if x.returned && syncs(x.op) && anything {
				say(i, "op %d returns and what is before it is not flushed", x.op)
			}
		}
	}
	return out
}

var (
	replacedNote = regexp.MustCompile(`, which op \d+ replaced`)
	heldVersion  = regexp.MustCompile(`hold (version 0|op \d+)`)
)

// classOf is what a verdict sees of units: the set of versions in each.
func classOf(units string) string {
	var out []string
	for _, u := range strings.Split(replacedNote.ReplaceAllString(units, ""), " | ") {
		var set []string
		for _, m := range heldVersion.FindAllStringSubmatch(u, -1) {
			set = append(set, m[1])
		}
		slices.Sort(set)
		out = append(out, strings.Join(slices.Compact(set), "+"))
	}
	return strings.Join(out, " | ")
}

// The running kernel and the model agree: commands come in an order that the
// model keeps, too, and every file that the kernel recovers is one that the
// model allows. Both are shown to be able to fail.
func TestModelAgainstKernel(t *testing.T) {
	if err := recorded.Missing("xfs"); err != nil {
		needs.Or(t, err)
	}
	for _, text := range both {
		s, err := scenarios.Decode("both.yaml", []byte(text))
		require.NoError(t, err)
		r := s.Rows()[0]
		t.Run(s.Name, func(t *testing.T) {
			for _, arm := range []string{"design", "control"} {
				workload := &r.Workload
				cfg := designArm(&r).cfg
				if arm == "control" {
					workload, cfg = &r.Control.Workload, controlArm(&r).cfg
				}
				c := recordedConfig(&r, workload, Recorded{Server: []string{os.Args[0], "disk-server"}})
				sameFiles(t, arm, &cfg, c)
				sameOrder(t, arm, &cfg, c)
			}
		})
	}
}

// sameFiles compares the files that the kernel recovers with those of the model,
// with the log forced at any moment on both sides.
func sameFiles(t *testing.T, arm string, cfg *model.Config, c *recorded.Config) {
	forced := *cfg
	forced.Faults.Kinds[crashsim.LogForce] = true
	allowed := map[string]bool{}
	require.NoError(t, model.Watch(&forced, crashsim.Budget{Faults: 1, Preemptions: 1, Total: 2}, model.Watcher{
		Units: func(units string) { allowed[classOf(units)] = true },
		Log:   func(*blk.Log, *ondisk.Super) {},
	}))
	c.ForceLog = true
	rec, err := recorded.Record(context.Background(), c)
	require.NoError(t, err)
	res, err := c.Judge(context.Background(), rec, recorded.Bounds{Images: 70, Seed: 1, Workers: 4})
	require.NoError(t, err)
	v, err := verifier.NewFiles(c.Workload, verifier.Untorn)
	require.NoError(t, err)
	seen := map[string]bool{}
	for i := range res.Space.Found {
		f := &res.Space.Found[i]
		file := res.Recovered[f.Image].File
		require.NotNil(t, file)
		_, err := v.JudgeFiles([]verifier.File{*file}, rec.HistoryAt(c.Workload, f.Cut))
		require.NoError(t, err)
		k := classOf(v.Units())
		require.True(t, allowed[k], "the kernel recovered %q; the model allows %v", k, allowed)
		seen[k] = true
	}
	t.Logf("%s: %d recovered files of the model, %d of them of the kernel in %d images", arm, len(allowed), len(seen), res.Judged)
	require.Greater(t, len(seen), 2, "versions come and go")
	// A mixture of two versions is allowed in the control only.
	for _, set := range []map[string]bool{allowed, seen} {
		mixtures := 0
		for k := range set {
			if strings.HasPrefix(k, "op 1+") {
				mixtures++
			}
		}
		require.Equal(t, arm == "control", mixtures > 0, "%v", set)
	}
}

// sameOrder compares the order of commands, where nothing but the workload forces
// the log.
func sameOrder(t *testing.T, arm string, cfg *model.Config, c *recorded.Config) {
	syncs := func(op int) bool { return c.Workload.Ops[op-1].Syncs() || c.Workload.Ops[op-1].Dsync }
	logs := 0
	require.NoError(t, model.Watch(cfg, crashsim.Budget{}, model.Watcher{
		Units: func(string) {},
		Log: func(l *blk.Log, super *ondisk.Super) {
			logs++
			if bad := disorder(modelItems(l, super), syncs); arm == "design" {
				require.Empty(t, bad)
			} else {
				require.NotEmpty(t, bad, "in place")
			}
		},
	}))
	require.Positive(t, logs)
	c.ForceLog = false
	rec, err := recorded.Record(context.Background(), c)
	require.NoError(t, err)
	items := kernelItems(c, rec)
	bad := disorder(items, syncs)
	if arm == "control" {
		require.NotEmpty(t, bad, "in place")
		return
	}
	require.Empty(t, bad)
	// A kernel that left a flush out, or wrote in place, would have been seen.
	var noFlush, moved []item
	for _, x := range items {
		if x.class != recorded.Flush {
			noFlush = append(noFlush, x)
		}
		if x.class == recorded.Data {
			x.from, x.to = 0, 1
		}
		moved = append(moved, x)
	}
	require.NotEmpty(t, disorder(noFlush, syncs))
	require.NotEmpty(t, disorder(moved, syncs))
}
