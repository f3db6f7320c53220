package run

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/scenarios"
	"untorn/verifier"
)

// pacer is a pace with a clock that the test moves.
type pacer struct {
	*pace
	clock time.Time
	told  []string
}

func newPacer(rows ...int) (*pacer, []*scenarios.Scenario) {
	p := &pacer{clock: time.Unix(1e9, 0)}
	var plans []planned
	var of []*scenarios.Scenario
	for _, n := range rows {
		of = append(of, &scenarios.Scenario{})
		for range n {
			plans = append(plans, planned{row: &scenarios.Row{Scenario: of[len(of)-1]}})
		}
	}
	p.pace = newPace(plans, func() time.Time { return p.clock }, func(line string) { p.told = append(p.told, line) })
	return p, of
}

// each does n rows that take a time each.
func (p *pacer) each(of *scenarios.Scenario, n int, took time.Duration) {
	for range n {
		p.clock = p.clock.Add(took)
		p.add(of, took.Seconds())
	}
}

// TestPace: what is told of the rows to come is a range around what their
// scenario took until then, and nothing before that is known.
func TestPace(t *testing.T) {
	p, of := newPacer(100, 50, 5)
	p.each(of[0], 9, 2*time.Second)
	assert.Equal(t, "9 of 155 rows, 18s", p.text(), "too few rows")
	p.each(of[0], 91, 2*time.Second)
	assert.Equal(t, "100 of 155 rows, 3m20s", p.text(), "of one scenario only")
	p.each(of[1], 10, 9*time.Second)
	// 40 of 9 s, and 5 of 2 to 9 s.
	assert.Equal(t, "110 of 155 rows, 4m50s, 2 to 12 minutes left", p.text())
	p.each(of[1], 40, 9*time.Second)
	assert.Equal(t, "150 of 155 rows, 10m50s", p.text(), "10 to 45 s, widened, says nothing")
	p.each(of[2], 4, time.Second)
	assert.Equal(t, "154 of 155 rows, 10m54s", p.text())
	p.each(of[2], 1, time.Second)
	assert.Equal(t, "155 of 155 rows, 10m55s", p.text())

	p, of = newPacer(1000)
	p.each(of[0], 20, 100*time.Millisecond)
	assert.Equal(t, "20 of 1000 rows, 2s", p.text(), "too soon")
	assert.Len(t, p.told, 20)
	p.each(of[0], 100, time.Millisecond)
	assert.Len(t, p.told, 21, "not for each row")
	p.with("row: design: level 1 of 2")
	assert.Equal(t, "120 of 1000 rows, 2s: row: design: level 1 of 2", p.told[21])
	p.each(of[0], 400, 20*time.Millisecond) // 480 of 19.4 ms are 9.3 s
	assert.Equal(t, "520 of 1000 rows, 10s, 3 to 17 seconds left", p.text())

	// Rows that a run which is continued finds done tell what others take.
	p, of = newPacer(100)
	for range 50 {
		p.add(of[0], 60)
	}
	p.clock = p.clock.Add(20 * time.Second)
	assert.Equal(t, "50 of 100 rows, 20s, 20 to 88 minutes left", p.text())
}

// TestRowsTell: a run of rows too short to tell of themselves tells of the rows.
func TestRowsTell(t *testing.T) {
	held := explored(verifier.Held)
	o := options(t, &fake{design: held, control: explored(verifier.Held, verifier.Torn)})
	var told []string
	o.Progress = func(line string) { told = append(told, line) }
	_, _, err := Rows(context.Background(), rows(t, "design: {copy: [plain, pin]}"), o)
	require.NoError(t, err)
	require.NotEmpty(t, told)
	assert.Equal(t, "1 of 2 rows, 0s", told[0])
}
