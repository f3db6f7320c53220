package report

import (
	"bytes"
	"encoding/csv"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readCSV returns the rows by column. The reader refuses lines of different
// lengths.
func readCSV(t *testing.T, r *Report) []map[string]string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, WriteCSV(&b, r))
	lines, err := csv.NewReader(&b).ReadAll()
	require.NoError(t, err)
	var out []map[string]string
	for _, l := range lines[1:] {
		row := make(map[string]string)
		for i, name := range lines[0] {
			row[name] = l[i]
		}
		require.Len(t, row, len(lines[0]), "a column is there twice")
		out = append(out, row)
	}
	return out
}

func TestCSV(t *testing.T) {
	rows := readCSV(t, sample())
	require.Len(t, rows, 6)
	assert.Equal(t, "1339001234567890123456789", rows[0]["covered"], "exact")
	assert.Equal(t, "100000000", rows[0]["behind_1"])
	assert.Equal(t, "99999999", rows[0]["fired_power_loss"])
	assert.Equal(t, "torn", rows[0]["control"])
	assert.Empty(t, rows[0]["cheapest_steps"])
	assert.Equal(t, "123", rows[1]["cheapest_steps"])
	assert.Equal(t, "false", rows[2]["as_expected"])
	assert.Equal(t, "false", rows[2]["distinct_exact"])
	assert.Equal(t, "true", rows[5]["not_built"])
	assert.Equal(t, "2026-01-02T03:04:05Z", rows[5]["started"])

	rows = readCSV(t, nasty())
	assert.Equal(t, nasty().Results[0].Reason, rows[0]["reason"])
	assert.Equal(t, "x=|# y=<&>", rows[1]["row"])

	rows = readCSV(t, debate())
	assert.Equal(t, "copy=pin track=cow-fork writeback=cow-or-atomic", rows[6]["design"])
	assert.Equal(t, "reclaim", rows[6]["faults"])
}

// TestMarkdownTables: the lines of a table have the same number of cells,
// whatever is in them.
func TestMarkdownTables(t *testing.T) {
	bar := regexp.MustCompile(`(^|[^\\])\|`)
	for _, r := range []*Report{sample(), nasty(), debate()} {
		var b bytes.Buffer
		require.NoError(t, WriteMarkdown(&b, r))
		cells, tables := 0, 0
		for line := range strings.Lines(b.String()) {
			n := len(bar.FindAllString(line, -1))
			if !strings.HasPrefix(line, "|") {
				cells = 0
				continue
			}
			if cells == 0 {
				cells = n
				tables++
			}
			assert.Equal(t, cells, n, line)
		}
		assert.GreaterOrEqual(t, tables, 3)
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"boundary_offset=0": "boundary_offset=0",
		"_x_":               `\_x\_`,
		"a|b`c*d":           "a\\|b\\`c\\*d",
		`a\b`:               `a\\b`,
		"<a&b>":             `\<a\&b>`,
		"two\nlines":        "two lines",
	} {
		assert.Equal(t, want, escape(in))
	}
	assert.Equal(t, "````sh\na ``` b\n````\n", codeBlock([]string{"a ``` b"}))
}

// Rows of a running kernel that lost power have a table of their own, next to
// what their control earned; others have none.
func TestKernels(t *testing.T) {
	require.Empty(t, kernels(sample()).lines)
	r := sample()
	res := &r.Results[0]
	res.Design = Fields{}.Text("filesystem", "xfs")
	res.Device = Fields{}.Text(FieldKernel, "6.18.1").Text(FieldUnitMin, "4KiB").Text(FieldUnitMax, "1MiB").Text(FieldPath, "direct").Text(FieldPowerFail, "512")
	var b bytes.Buffer
	require.NoError(t, WriteText(&b, r))
	require.Contains(t, b.String(), "kernel 6.18.1 takes direct atomic writes of 4KiB to 1MiB on xfs here")
	g := kernels(r)
	require.Len(t, g.lines, 1)
	require.Equal(t, []string{"xfs", "direct", "512", "held", short(res.Covered), "torn", short(res.Control.Covered)}, g.lines[0].cells)
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(line, "untorn replay") {
			require.LessOrEqual(t, len(strings.TrimSuffix(line, "\n")), Width, line)
		}
	}
}
