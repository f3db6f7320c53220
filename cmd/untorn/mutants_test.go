package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/run"
)

// score is what a program may rely on in the JSON form.
type score struct {
	Killed      *int `json:"killed"`
	Total       *int `json:"total"`
	FalseAlarms *int `json:"false_alarms"`
	Mutants     []struct {
		Name     *string `json:"name"`
		KilledBy *string `json:"killed_by"`
		Faults   *int    `json:"faults"`
		Steps    *int    `json:"steps"`
		Replay   *string `json:"replay"`
	} `json:"mutants"`
}

func scoreOf(t *testing.T, text string) score {
	t.Helper()
	var s score
	require.NoError(t, json.Unmarshal([]byte(text), &s))
	require.NotNil(t, s.Killed)
	require.NotNil(t, s.Total)
	require.NotNil(t, s.FalseAlarms)
	for _, m := range s.Mutants {
		require.NotNil(t, m.Name)
		require.NotNil(t, m.KilledBy)
		require.NotNil(t, m.Faults)
		require.NotNil(t, m.Steps)
		require.NotNil(t, m.Replay)
	}
	return s
}

// TestMutantKilled: a defect that a scenario catches is a kill, and the
// command that is printed with it shows the verdict again.
func TestMutantKilled(t *testing.T) {
	t.Chdir(t.TempDir())
	code, out, errs := call(t, "mutants", "split-atomic", "--scenario", "split", "--format", "json")
	require.Equal(t, run.ExitOK, code, errs)
	assert.Empty(t, errs)
	s := scoreOf(t, out)
	assert.Equal(t, []int{1, 1, 0}, []int{*s.Killed, *s.Total, *s.FalseAlarms})
	require.Len(t, s.Mutants, 1)
	m := s.Mutants[0]
	assert.Equal(t, []string{"split-atomic", "split"}, []string{*m.Name, *m.KilledBy})
	assert.Positive(t, *m.Steps)

	command := strings.Fields(*m.Replay)
	require.Equal(t, "untorn", command[0])
	code, trace, errs := call(t, command[1:]...)
	require.Equal(t, run.ExitOK, code, errs)
	assert.Contains(t, trace, "\ntorn: ")

	code, text, errs := call(t, "mutants", "split-atomic", "--scenario", "split")
	require.Equal(t, run.ExitOK, code, errs)
	assert.Contains(t, text, "1 of 1 killed, 0 false alarms in 1 row without a defect")
	assert.Contains(t, text, *m.Replay)
}

// TestMutantSurvives: a suite that does not catch a defect has failed, and
// leaves nothing to replay.
func TestMutantSurvives(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "small.yaml", small)
	code, out, errs := call(t, "mutants", "append-unaligned", "split-atomic", "--scenario", "small.yaml", "--scenario", "split", "--format", "json")
	require.Equal(t, run.ExitUnexpected, code, errs)
	s := scoreOf(t, out)
	assert.Equal(t, []int{1, 2, 0}, []int{*s.Killed, *s.Total, *s.FalseAlarms})
	for _, m := range s.Mutants {
		if *m.Name == "append-unaligned" {
			assert.Empty(t, *m.KilledBy)
			assert.Empty(t, *m.Replay)
		}
	}
	_, out, _ = call(t, "mutants", "append-unaligned", "--scenario", "small.yaml")
	assert.Contains(t, out, "SURVIVED")
	assert.NotContains(t, out, "Replay with:")
}

// TestFalseAlarm: a row that breaks without a defect fails the score, though
// every defect was killed.
func TestFalseAlarm(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "wrong.yaml", strings.Replace(small, "name: small\ndesign: {", "name: wrong\ndesign: {copy: plain, track: none, writeback: plain, ", 1))
	code, out, errs := call(t, "mutants", "split-atomic", "--scenario", "split", "--scenario", "wrong.yaml", "--format", "json")
	require.Equal(t, run.ExitUnexpected, code, errs)
	s := scoreOf(t, out)
	assert.Equal(t, []int{1, 1, 2}, []int{*s.Killed, *s.Total, *s.FalseAlarms})
}

// TestMutantDocument: the table in the documentation has every defect, killed.
func TestMutantDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/mutants.md")
	require.NoError(t, err)
	for _, name := range run.MutantNames() {
		assert.Regexp(t, `(?m)^`+name+` +[a-z0-9-]+ +[a-z]+ +\d+\+\d+ +\d+$`, string(text))
	}
	n := len(run.MutantNames())
	assert.Contains(t, string(text), fmt.Sprintf("%d of %d killed, 0 false alarms", n, n))
}

// TestMutantList: the list has the defects of run.MutantNames and runs
// nothing.
func TestMutantList(t *testing.T) {
	t.Chdir(t.TempDir())
	code, out, _ := call(t, "mutants", "--list")
	assert.Equal(t, run.ExitOK, code)
	var names []string
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		require.Greater(t, len(words), 2, line)
		names = append(names, words[0])
	}
	assert.Equal(t, run.MutantNames(), names)
	_, out, _ = call(t, "mutants", "--list", "split-atomic")
	assert.Equal(t, "split-atomic            an atomic bio is split at the transfer limit\n", out)
	assert.Empty(t, glob(t, "*"))
	code, _, errs := call(t, "mutants", "none")
	assert.Equal(t, run.ExitUsage, code)
	assert.Contains(t, errs, `"none" is no planted defect; allowed: one that "untorn mutants --list" prints`)
	code, out, _ = call(t, "__completeNoDesc", "mutants", "")
	assert.Equal(t, run.ExitOK, code)
	assert.Contains(t, out, "split-atomic\n")
}
