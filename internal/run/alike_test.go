package run

import (
	"context"
	"math/bits"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"untorn/engine"
	"untorn/internal/reduce"
	"untorn/internal/report"
	"untorn/scenarios"
)

// TestAlikeDesigns runs rows of the debate, once all of them and once with those
// left out whose designs are alike: all that is promised is the same. On each
// axis some rows are left out.
func TestAlikeDesigns(t *testing.T) {
	var shared engine.Alike
	for name, faults := range map[string][]string{"xfs": {"power", "reclaim"}, "ext4": {"page-gone", "short-copy"}, "block": {"no-memory"}} {
		sc, err := scenarios.Embedded(name)
		require.NoError(t, err)
		var rows []scenarios.Row
		n := 0
		for _, r := range sc.Rows() {
			at := slices.Index(faults, r.Faults.Name)
			// One submit and one size of folio for each kind of fault, and some of their designs.
			if at < 0 || r.Skip != "" || r.Design.Submit != engine.SubmitWriteback+engine.Submit(at) || (r.Design.FolioMax == 4096) != (at%2 == 0) {
				continue
			}
			if n++; n%3 == 0 {
				rows = append(rows, r)
			}
		}
		run := func(off reduce.Set) *report.Report {
			rep, code, err := Rows(context.Background(), rows, Options{Target: Model{}, Out: t.TempDir(), Workers: 2, NoReduce: off, Now: time.Now})
			require.NoError(t, err)
			require.Equal(t, ExitOK, code)
			return rep
		}
		want, got := run(reduce.Of(reduce.Designs)), run(0)
		require.Greater(t, len(rows), 15)
		for i := range rows {
			w, g := &want.Results[i], &got.Results[i]
			require.Equal(t, "0", w.Work.Saved.Get("designs"))
			if g.Work.Saved.Get("designs") == "1" {
				shared = shared.With(&rows[i].Design)
			}
			w.Work, g.Work = report.Work{}, report.Work{}
			for _, c := range []*report.Counterexample{w.Counterexample, g.Counterexample} {
				if c != nil {
					c.Replay = "" // names the folder
				}
			}
			require.Equal(t, w, g, "%s %s", name, w.Row)
		}
		require.Equal(t, want.Coverage, got.Coverage)
	}
	t.Logf("values whose rows were left out: %+v", shared)
	for _, values := range []uint8{shared.Copy, shared.Track, shared.Writeback, shared.Stable} {
		require.Greater(t, bits.OnesCount8(values), 1)
	}
}

// TestAlikeLimited: what was sampled of a row over the limit is no result of
// another row, which is sampled itself.
func TestAlikeLimited(t *testing.T) {
	sc, err := scenarios.Embedded("xfs")
	require.NoError(t, err)
	var rows []scenarios.Row
	for _, r := range sc.Rows() {
		d := &r.Design
		if d.Track == engine.TrackCowFork && d.Writeback == engine.WritebackCow && d.Submit == engine.SubmitWriteThroughWait && d.Stable == engine.StableWait &&
			d.FolioMax == 8192 && r.Faults.Name == "power" && r.Skip == "" {
			rows = append(rows, r)
		}
	}
	require.Len(t, rows, 5)
	run := func(limit uint64) *report.Report {
		rep, _, err := Rows(context.Background(), rows, Options{Target: Model{}, Out: t.TempDir(), Workers: 1, Limit: limit, Sample: 20, Now: time.Now})
		require.NoError(t, err)
		return rep
	}
	taken := 0
	whole, limited := run(0), run(1)
	for i := range rows {
		if whole.Results[i].Work.Saved.Get("designs") == "1" {
			taken++
		}
		require.Equal(t, "0", limited.Results[i].Work.Saved.Get("designs"))
		require.False(t, limited.Results[i].Exhaustive)
	}
	require.Positive(t, taken)
}
