package run

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/replayid"
	"untorn/internal/report"
	"untorn/internal/target/model"
	"untorn/scenarios"
)

func embedded(t *testing.T, name string, sets ...string) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.Embedded(name, sets...)
	require.NoError(t, err)
	return s
}

// sameRun fails unless two run directories hold the same run: all files but
// report.json, which tells of different explorations.
func sameRun(t *testing.T, want, got string) {
	t.Helper()
	for _, name := range []string{"scenario.yaml", "ops.txt", "tape.txt", "history.txt", "trace.txt", "log.bin", "image.raw"} {
		a, err := os.ReadFile(filepath.Join(want, name))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(got, name))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(a, b), "%s of %s and %s", name, want, got)
	}
}

// A replay id and the scenario give the run directory again, of either arm and
// of whichever row, faults and cuts of mounts included.
func TestReplayID(t *testing.T) {
	for name, sets := range map[string][]string{"no-pin": nil, "mlock": nil, "io-error-direct": nil, "recovery": nil} {
		s := embedded(t, name, sets...)
		o := options(t, Model{})
		o.Keep = true
		rep, _, err := Rows(context.Background(), s.Rows(), o)
		require.NoError(t, err)
		seen := 0
		for i := range rep.Results {
			dir := filepath.Join(o.Out, name, s.Rows()[i].ID())
			for _, d := range []string{dir, filepath.Join(dir, "control")} {
				id := onlyResult(t, d).Counterexample.ID
				again := filepath.Join(t.TempDir(), "again")
				var out bytes.Buffer
				code, err := ReplayID(&out, Model{}, s, id, again, o.Now)
				require.NoError(t, err, d)
				require.Equal(t, ExitOK, code)
				sameRun(t, d, again)
				trace, err := os.ReadFile(filepath.Join(d, "trace.txt"))
				require.NoError(t, err)
				require.Equal(t, string(trace), out.String())
				code, err = Replay(&bytes.Buffer{}, Model{}, again)
				require.NoError(t, err)
				require.Equal(t, ExitOK, code)
				require.Equal(t, id, onlyResult(t, again).Counterexample.ID)
				seen++
			}
		}
		require.GreaterOrEqual(t, seen, 2)
	}
}

func onlyResult(t *testing.T, dir string) *report.Result {
	t.Helper()
	rep, err := ReadReport(dir)
	require.NoError(t, err)
	require.Len(t, rep.Results, 1)
	return &rep.Results[0]
}

func TestReplayIDRefused(t *testing.T) {
	s := embedded(t, "no-pin")
	c := &designArm(&s.Rows()[0]).cfg
	id := replayid.ID{Engine: EngineVersion, Row: fingerprint(c), Event: 3, Verdict: 9}
	good, err := replayID(Model{}, c, nil)
	require.NoError(t, err)
	misfit, newer := id, id
	misfit.Event = 9999
	newer.Engine = "999"
	for _, tc := range []struct {
		scenario *scenarios.Scenario
		id       string
		code     int
		want     string
	}{
		{s, "u2", ExitUsage, "replay id: not a replay id"},
		{s, good[:len(good)-1], ExitUsage, "replay id: damaged"},
		{s, newer.String(), ExitNotBuilt, "made by engine 999, and this is engine " + EngineVersion},
		{embedded(t, "retry"), good, ExitUsage, "of no row of retry"},
		{embedded(t, "no-pin", "nawupf=4KiB"), good, ExitUsage, "of no row of no-pin"},
		{s, misfit.String(), ExitUnexpected, "no image of this schedule"},
	} {
		var out bytes.Buffer
		code, err := ReplayID(&out, Model{}, tc.scenario, tc.id, "", time.Now)
		assert.ErrorContains(t, err, tc.want, tc.id)
		assert.Equal(t, tc.code, code, tc.want)
		assert.Empty(t, out.String())
	}
	// What bounds the exploration, or is only said, is no part of the row.
	for _, set := range []string{"faults.budget=5", "explore.preemptions=0", "expect=held"} {
		code, err := ReplayID(&bytes.Buffer{}, Model{}, embedded(t, "no-pin", set), good, "", time.Now)
		assert.NoError(t, err, set)
		assert.Equal(t, ExitOK, code, set)
	}
	// Nothing that exists is overwritten.
	dir := t.TempDir()
	code, err := ReplayID(&bytes.Buffer{}, Model{}, s, good, dir, time.Now)
	assert.ErrorContains(t, err, "exists; allowed: the name of a directory to make")
	assert.Equal(t, ExitUsage, code)
}

// Rows that differ in anything that decides a schedule have fingerprints of
// their own.
func TestFingerprint(t *testing.T) {
	rows := map[string][]string{}
	for _, name := range scenarios.List(scenarios.Main) {
		s := embedded(t, name)
		for _, r := range s.Rows() {
			a := designArm(&r)
			a.cfg.Faults.Name, a.cfg.Faults.Budget = "", 0
			text := strings.TrimSpace(printed(&a.cfg))
			print := fingerprint(&a.cfg)
			rows[string(print[:])] = append(rows[string(print[:])], text)
		}
	}
	for _, same := range rows {
		for _, text := range same {
			assert.Equal(t, same[0], text)
		}
	}
	assert.Greater(t, len(rows), 100)
}

func printed(c *model.Config) string {
	var b strings.Builder
	for _, part := range []any{c.Design, c.Device, c.Workload, c.Faults, c.Contract} {
		b.WriteString(strings.ReplaceAll(fmt.Sprintf("%+v", part), "\n", " "))
	}
	return b.String()
}
