package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim/explore"
	"untorn/internal/target/model"
	"untorn/scenarios"
	"untorn/verifier"
)

// finder tells when an image counts against the design.
type finder struct {
	explore.Program
	found *atomic.Bool
}

func (f *finder) Take(t *explore.Tally) {
	f.Program.Take(t)
	for c := range model.ClassOf(verifier.Stale) + 1 {
		if t.First[c] != explore.Never {
			f.found.Store(true)
		}
	}
}

// runsToFind returns how many schedules a strategy draws until an image counts
// against the design, at most limit.
func runsToFind(t testing.TB, r *scenarios.Row, s explore.Strategy, seed uint64, limit int) int {
	c := designArm(r).cfg
	shared := model.NewShared(false)
	var found atomic.Bool
	res, err := explore.RunRandom(context.Background(), func() explore.Program {
		p, err := model.NewProgram(&c, shared)
		require.NoError(t, err)
		return &finder{p, &found}
	}, explore.Config{Bound: budget(r), Workers: 1, Runs: limit, Seed: seed, Strategy: s, Depth: 2, Enough: found.Load})
	require.NoError(t, err)
	return int(res.Sample.Runs)
}

// lateWriter is a task that writes one unit while others have written and
// synced many: its write has to come late and in the middle of another one, with
// a defect that lets two writers into a unit at once.
func lateWriter(t testing.TB, tasks, rounds int) *scenarios.Row {
	var ops []string
	unit := 1
	for task := range tasks {
		for range rounds {
			ops = append(ops, fmt.Sprintf("{task: busy%d, op: pwrite, offset: %dKiB, length: 8KiB, atomic: true}, {task: busy%d, op: fsync}", task, 8*unit, task))
			unit++
		}
	}
	ops = append(ops, "{task: busy0, op: pwrite, offset: 0, length: 8KiB, atomic: true}", "{task: late, op: pwrite, offset: 0, length: 8KiB, atomic: true}")
	s, err := scenarios.Decode("late.yaml", []byte(`name: late
mutant: shared-writer-lock
design: {folio: {min: 4KiB, max: 4KiB}}
workload: {file: 256KiB, ops: [`+strings.Join(ops, ", ")+`]}
faults: {power_loss: every-step, reclaim: off, short_copy: off, budget: 0}
explore: {mode: random, preemptions: 2}
`))
	require.NoError(t, err)
	return &s.Rows()[0]
}

// Each strategy that looks ahead finds the late writer sooner than one that
// does not, over several seeds.
func TestStrategiesFindSooner(t *testing.T) {
	r := lateWriter(t, 1, 2)
	total := map[string]int{}
	for name, s := range strategies {
		for seed := range uint64(4) {
			total[name] += runsToFind(t, r, s, seed, 6000)
		}
	}
	t.Log(total)
	require.Less(t, 20*total["pct"], total["uniform"])
	require.Less(t, 3*total["coverage"], 2*total["uniform"])
}

// BenchmarkRunsToFind reports the schedules until a defect is found, the
// median over seeds, and how many seeds had not found it by the limit: the late
// writer, and a defect that a fault shows.
func BenchmarkRunsToFind(b *testing.B) {
	s, err := scenarios.Embedded("random", "mutant=copy-before-wait")
	require.NoError(b, err)
	benchmarkRunsToFind(b, "copy-before-wait", &s.Rows()[0])
	for _, tc := range []struct{ tasks, rounds int }{{1, 2}, {1, 4}, {2, 1}, {2, 3}, {4, 1}} {
		benchmarkRunsToFind(b, fmt.Sprintf("busy=%d/rounds=%d", tc.tasks, tc.rounds), lateWriter(b, tc.tasks, tc.rounds))
	}
}

func benchmarkRunsToFind(b *testing.B, name string, r *scenarios.Row) {
	const seeds, limit = 9, 10000
	for _, strategy := range []string{"uniform", "pct", "coverage"} {
		b.Run(name+"/"+strategy, func(b *testing.B) {
			for b.Loop() {
				var all []int
				missed := 0
				for seed := range uint64(seeds) {
					n := runsToFind(b, r, strategies[strategy], seed, limit)
					if all = append(all, n); n == limit {
						missed++
					}
				}
				slices.Sort(all)
				b.ReportMetric(float64(all[seeds/2]), "schedules")
				b.ReportMetric(float64(missed), "missed")
			}
		})
	}
}
