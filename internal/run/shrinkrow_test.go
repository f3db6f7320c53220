package run

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/report"
	"untorn/scenarios"
)

// shrunkRows runs a row that breaks as expected, and then one that was not
// expected to.
func shrunkRows(t *testing.T, ctx context.Context, o Options) (*report.Report, int) {
	t.Helper()
	late := lateWriter(t, 2, 3)
	late.Explore.Strategy, late.Explore.Runs = "pct", 300
	rep, code, err := Rows(ctx, append(append([]scenarios.Row{}, embedded(t, "no-pin").Rows()...), *late), o)
	require.NoError(t, err)
	return rep, code
}

// replays fails unless the counterexample that a report names in dir is there
// and gives its verdict.
func replays(t *testing.T, dir string, x *report.Shrunk) {
	t.Helper()
	require.Equal(t, replayCommand(dir), x.Replay)
	code, err := Replay(&bytes.Buffer{}, Model{}, dir)
	require.NoError(t, err)
	require.Equal(t, ExitOK, code)
	own := onlyResult(t, dir).Counterexample
	require.Equal(t, [3]int{own.Faults, own.Preemptions, own.Steps}, [3]int{x.Faults, x.Preemptions, x.Steps})
	require.Equal(t, own.ID, x.ID)
}

// A row that breaks and was not expected to is shrunk at once, as the command
// does it; others only when all are to be.
func TestShrinkRows(t *testing.T) {
	for _, which := range []ShrinkRows{ShrinkNone, ShrinkUnexpected, ShrinkAll} {
		o := options(t, Model{})
		o.Shrink = which
		rep, code := shrunkRows(t, context.Background(), o)
		require.Equal(t, ExitUnexpected, code)
		expected, not := rep.Results[0].Counterexample, rep.Results[1].Counterexample
		pin, late := filepath.Join(o.Out, "no-pin", "single-shrunk"), filepath.Join(o.Out, "late", "single-shrunk")
		if which == ShrinkAll {
			require.True(t, expected.Shrunk.Minimal)
			replays(t, pin, expected.Shrunk)
		} else {
			require.Nil(t, expected.Shrunk)
			require.NoDirExists(t, pin)
		}
		if which == ShrinkNone {
			require.Nil(t, not.Shrunk)
			require.NoDirExists(t, late)
			continue
		}
		require.Greater(t, not.Steps, 200)
		require.Equal(t, [4]int{2, 2, 0, 1}, [4]int{not.Shrunk.Operations, not.Shrunk.Tasks, not.Shrunk.Faults, not.Shrunk.Preemptions})
		replays(t, late, not.Shrunk)
		var text bytes.Buffer
		require.NoError(t, report.WriteText(&text, rep))
		lines := strings.Split(strings.TrimSpace(text.String()), "\n")
		require.Contains(t, lines[len(lines)-1], replayCommand(late), "the last line")

		out := filepath.Join(t.TempDir(), "small")
		shrunk(t, context.Background(), filepath.Join(o.Out, "late", "single"), out)
		sameRun(t, out, late)
	}
}

// Ctrl-C while a row is shrunk leaves the best so far, and a run that is
// continued ends as one that was not interrupted.
func TestShrinkRowsEndsEarly(t *testing.T) {
	o := options(t, Model{})
	o.Shrink, o.Resume = ShrinkUnexpected, true
	whole, _ := shrunkRows(t, context.Background(), o)
	o.Out = options(t, Model{}).Out
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	o.Progress = func(line string) {
		if strings.Contains(line, "late: shrink: ") {
			if n++; n == 3 {
				cancel()
			}
		}
	}
	rep, code := shrunkRows(t, ctx, o)
	require.LessOrEqual(t, n, 4, "what was under way, and nothing after it")
	require.Equal(t, ExitUnexpected, code)
	require.True(t, rep.Partial)
	x := rep.Results[1].Counterexample.Shrunk
	require.False(t, x.Minimal)
	require.Greater(t, x.Operations, 2)
	late := filepath.Join(o.Out, "late", "single-shrunk")
	replays(t, late, x)
	var text bytes.Buffer
	require.NoError(t, report.WriteText(&text, rep))
	require.Contains(t, text.String(), "SHRUNK IN PART, ended early, replay with:\n  untorn replay "+late)

	// The row is done again, and once more when its smaller directory was changed.
	o.Progress = nil
	for _, damage := range []bool{false, true} {
		if damage {
			require.NoError(t, os.WriteFile(filepath.Join(late, "tape.txt"), []byte("damaged"), 0o600))
		}
		again, _ := shrunkRows(t, context.Background(), o)
		require.False(t, again.Partial)
		x, want := again.Results[1].Counterexample.Shrunk, *whole.Results[1].Counterexample.Shrunk
		want.Replay = replayCommand(late)
		require.Equal(t, want, *x)
		replays(t, late, x)
	}
	o.Shrink = ShrinkAll
	_, _, err := Rows(context.Background(), embedded(t, "no-pin").Rows(), o)
	require.ErrorContains(t, err, "--shrink or --shrink-all is not the same")
}
