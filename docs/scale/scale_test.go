package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/scenarios"
)

// TestPlotsAreOfTheFigures: the plots in this folder are made from scale.csv.
func TestPlotsAreOfTheFigures(t *testing.T) {
	points, err := readCSV("scale.csv")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, plotAll(dir, points))
	for _, f := range plots {
		want, err := os.ReadFile(filepath.Join(dir, f.file))
		require.NoError(t, err)
		got, err := os.ReadFile(f.file)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "go run ./docs/scale -plot makes %s", f.file)
	}
}

// TestScenarios: every point is a scenario of one row, and was measured.
func TestScenarios(t *testing.T) {
	points, err := readCSV("scale.csv")
	require.NoError(t, err)
	n := 0
	for _, a := range axes {
		for _, v := range a.values {
			sc, err := scenarios.Decode("scale.yaml", []byte(a.of(v).text()))
			require.NoError(t, err)
			require.Len(t, sc.Rows(), 1)
			require.Equal(t, a.name, points[n].axis)
			require.Equal(t, v, points[n].value)
			n++
		}
	}
	require.Len(t, points, n)
	require.Error(t, plotAll(t.TempDir(), points[:6]), "an axis that was not measured")
}
