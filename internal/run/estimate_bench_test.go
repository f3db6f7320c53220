package run

import (
	"context"
	"fmt"
	"testing"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/internal/reduce"
	"untorn/scenarios"
)

// BenchmarkEstimate explores designs level by level and reports the estimates
// of all states, made one to four levels before the last one, over the truth.
func BenchmarkEstimate(b *testing.B) {
	for _, c := range []struct {
		name   string
		bounds [2]int // faults, preemptions
	}{
		{"cow-fork", [2]int{2, 2}}, {"cow-fork", [2]int{4, 1}}, {"append", [2]int{2, 2}}, {"boundary", [2]int{3, 3}}, {"bounce", [2]int{3, 3}},
		{"direct-cow", [2]int{3, 3}}, {"ext4-ordered", [2]int{2, 1}}, {"fsync-durable", [2]int{2, 2}}, {"merge", [2]int{3, 2}},
		{"retry-dirty", [2]int{3, 3}}, {"short-copy", [2]int{3, 3}}, {"stable-bounce", [2]int{3, 2}}, {"sub-folio", [2]int{2, 2}},
		{"two-units", [2]int{2, 2}}, {"two-writers", [2]int{1, 2}},
	} {
		b.Run(fmt.Sprintf("%s/%d+%d", c.name, c.bounds[0], c.bounds[1]), func(b *testing.B) {
			sc, err := scenarios.Embedded(c.name)
			if err != nil {
				b.Fatal(err)
			}
			a := designArm(&sc.Rows()[0])
			a.cfg.NoReduce = reduce.Of(reduce.Levels)
			last := c.bounds[0] + c.bounds[1]
			for b.Loop() {
				var states []uint64
				e, err := Model{}.Explore(context.Background(), &a.cfg, explore.Config{Workers: 1, CacheBytes: CacheBytes, StopAt: -1,
					Bound: crashsim.Budget{Faults: c.bounds[0], Preemptions: c.bounds[1], Total: last},
					Grown: func(g explore.Grown) explore.Next {
						states = append(states, g.States)
						return explore.Deeper
					}})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(e.States), "states")
				for ahead := 1; ahead <= 4 && last-ahead >= 2; ahead++ {
					b.ReportMetric(Estimate(states[:last-ahead+1], last)/float64(e.States), fmt.Sprintf("ahead%d", ahead))
				}
			}
		})
	}
}
