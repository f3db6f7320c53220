package run

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"untorn/scenarios"
)

// BenchmarkDebate runs a sample of the debate on one core, at more and more
// faults and preemptions, and says how many minutes all of it would take on two
// cores. The sample is every 23rd class of rows that differ in their designs alone. Every
// verdict has to be what the suite expects.
func BenchmarkDebate(b *testing.B) {
	for _, c := range []struct {
		name                string
		faults, preemptions int
	}{{"1fault1preemption", 1, 1}, {"2faults2preemptions", 2, 2}, {"3faults2preemptions", 3, 2}} {
		b.Run(c.name, func(b *testing.B) {
			var rows []scenarios.Row
			all, classes := 0, map[string]int{}
			for _, name := range scenarios.List(scenarios.Debate) {
				sc, err := scenarios.Embedded(name)
				require.NoError(b, err)
				for _, r := range sc.Rows() {
					if r.Skip != "" {
						continue
					}
					all++
					k := alikeKey(designArm(&r), &r)
					if _, ok := classes[k]; !ok {
						classes[k] = len(classes)
					}
					if classes[k]%23 != 0 {
						continue
					}
					if r.Faults.Budget > 0 {
						r.Faults.Budget = max(r.Faults.Budget, c.faults)
					}
					r.Explore.Preemptions = c.preemptions
					rows = append(rows, r)
				}
			}
			b.Logf("%d of %d rows, of %d classes", len(rows), all, len(classes))
			var executed, steps uint64
			for b.Loop() {
				rep, code, err := Rows(context.Background(), rows, Options{Target: Model{}, Out: b.TempDir(), Workers: 1, Now: time.Now})
				require.NoError(b, err)
				require.Equal(b, ExitOK, code)
				for i := range rep.Results {
					executed += rep.Results[i].Work.Executed
					steps += rep.Results[i].Work.Steps
				}
			}
			n, seconds := float64(b.N), b.Elapsed().Seconds()
			b.ReportMetric(float64(executed)/n, "runs/op")
			b.ReportMetric(float64(steps)/n, "steps/op")
			b.ReportMetric(float64(executed)/seconds, "runs/s")
			b.ReportMetric(seconds/n*float64(all)/float64(len(rows))/2/60, "min/debate")
		})
	}
}
