package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/cost"
)

// figures has a value of its own in every field that a table shows.
func figures() *cost.Figures {
	return &cost.Figures{
		Steps: 901, Writes: 48, Refused: 2, NoSpace: 1, Asked: 384 << 10, Data: 768 << 10, Log: 8704, Metadata: 512, Commands: 64, DataCommands: 53,
		SmallestData: 4096, LargestData: 128 << 10, Flushes: 6, FUA: 7, QueueDepth: 16, LostMerges: 3, Block: 4096, Allocated: 144,
		ExtraBlocks: 17, ExtentsBefore: 1, ExtentsAfter: 35, ExtentsAtSync: []int64{13, 24, 35}, Ranges: 4, TrackBits: 10, PinnedPeak: 8192,
		PinnedSteps: cost.Spread{Calls: 50, Some: 48, Total: 672, Median: 14, P99: 22, Worst: 23}, PrivatePeak: 12 << 10, CopiedTwice: 96 << 10,
		Stable: cost.Spread{Calls: 50, Some: 1, Total: 31, Median: 3, P99: 4, Worst: 5},
		Lock:   cost.Spread{Calls: 50, Some: 1, Total: 161, Median: 6, P99: 7, Worst: 8},
		Own:    cost.Spread{Calls: 50, Some: 1, Total: 9, Median: 10, P99: 11, Worst: 12},
		Sync:   cost.Spread{Calls: 3, Some: 1, Total: 1059, Median: 234, P99: 396, Worst: 397},
	}
}

// costs has a scenario of one row, a product with a long label, a row that
// wrote nothing, and one of each kind without figures.
func costs() *Costs {
	design := Fields{{"block", json.RawMessage("4096")}}
	row := func(scenario, label string) CostRow {
		return CostRow{Scenario: scenario, Row: label, Design: design, Device: Fields{}, Cost: figures()}
	}
	nothing := row("refused", "")
	nothing.Cost = &cost.Figures{Refused: 3, Block: 4096, ExtentsAtSync: []int64{}}
	skip := CostRow{Scenario: "product", Row: "track=state-bits", Verdict: "skipped", Reason: "folios of one block have no state, and nothing else would remember the unit"}
	stuck := CostRow{Scenario: "stuck", Verdict: "stuck", Reason: "the quiet run is stuck: panic\nof a task"}
	return &Costs{Schema: 1, Tool: "untorn", Version: "0.1.0", Engine: "xfs-1", Results: []CostRow{
		row("single", ""),
		row("product", "writeback=cow-or-atomic submit=write-through-wait free_space=fragmented layout=contiguous"),
		row("product", "writeback=cow submit=writeback free_space=fragmented layout=contiguous"),
		skip, nothing, stuck,
	}}
}

// TestCostFormats: each form is as it was, and a writer that fails is an error.
func TestCostFormats(t *testing.T) {
	files := map[string]string{"text": "cost.txt", "json": "cost.json", "markdown": "cost.md", "csv": "cost.csv"}
	for _, f := range CostFormats() {
		var b bytes.Buffer
		require.NoError(t, f.Write(&b, costs()))
		golden(t, files[f.Name], b.String())
		require.ErrorIs(t, f.Write(full{}, costs()), errFull)
		if f.Name == "text" {
			for line := range strings.Lines(b.String()) {
				assert.LessOrEqual(t, len(line), Width+1, line)
			}
		}
	}
	assert.Len(t, CostFormats(), len(files))
}

// TestCostTables: only those that were asked for are printed.
func TestCostTables(t *testing.T) {
	require.Equal(t, []string{"write", "cow", "batching", "memory", "waits", "io"}, CostTables())
	c := costs()
	c.Tables = []string{"memory", "io"}
	for _, write := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return WriteCostText(b, c) },
		func(b *bytes.Buffer) error { return WriteCostMarkdown(b, c) },
	} {
		var b bytes.Buffer
		require.NoError(t, write(&b))
		require.Contains(t, b.String(), "Memory")
		require.Contains(t, b.String(), "Waits for I/O")
		require.NotContains(t, b.String(), "Batching")
	}
}

// TestCostCSV: a column for each figure, by its name in JSON.
func TestCostCSV(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteCostCSV(&b, costs()))
	lines, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	row := make(map[string]string)
	for i, name := range lines[0] {
		row[name] = lines[1][i]
	}
	require.Len(t, row, len(lines[0]), "a column is there twice")
	for name, want := range map[string]string{"data_bytes": "786432", "extents_at_sync": "13 24 35", "wait_stable_p99": "4", "pinned_steps_total": "672"} {
		assert.Equal(t, want, row[name], name)
	}
}

func TestFixed(t *testing.T) {
	for _, c := range []struct {
		a, b     int64
		decimals int
		want     string
	}{
		{1, 3, 2, "0.33"}, {2, 3, 2, "0.67"}, {1, 200, 2, "0.01"}, {1, 201, 2, "0.00"}, {5, 2, 0, "3"}, {7, 0, 2, "-"}, {0, 0, 2, "-"}, {1999, 1000, 2, "2.00"},
		{3 << 50, 1 << 20, 1, "3221225472.0"},
	} {
		assert.Equal(t, c.want, fixed(c.a, c.b, c.decimals))
	}
	assert.Equal(t, "0.125", inBytes(1, 1))
	assert.Equal(t, "40", inBytes(320, 1))
	assert.Equal(t, "-", inBytes(0, 0))
	assert.Equal(t, "191.5", kib(196096))
}
