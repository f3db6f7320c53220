package model

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/explore"
)

// randomly answers with options at random, a few of them costing something.
type randomly struct{ *rand.Rand }

func (r randomly) Choose(p *crashsim.Point) int {
	if n := p.Len(); n > 1 && (p.Free() || r.IntN(12) == 0) {
		return r.IntN(n)
	}
	return 0
}

// BenchmarkTargetSchedules measures schedules executed one after the other,
// none left out, nothing judged: the speed of the machine, the engine, the
// device and what follows its log. The targets on one core are 10 million
// steps a second, 100,000 schedules a second, and no allocation.
func BenchmarkTargetSchedules(b *testing.B) {
	c := small()
	p, err := newProgram(c, NewShared(true))
	require.NoError(b, err)
	defer p.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	steps := 0
	b.ReportAllocs()
	for range b.N {
		steps += p.Run(randomly{rng}, bound(2, 2)).Steps
	}
	b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "schedules/s")
}

// BenchmarkExplore measures what an exploration covers in a second, known
// states being skipped.
func BenchmarkExplore(b *testing.B) {
	for _, bd := range []crashsim.Budget{bound(1, 1), bound(2, 2)} {
		b.Run(fmt.Sprintf("%d+%d", bd.Faults, bd.Preemptions), func(b *testing.B) {
			var executed, hits uint64
			for range b.N {
				res, _ := explored(b, small(), explore.Config{Bound: bd, StopAt: -1})
				executed += res.Executed
				hits += res.CacheHits
			}
			b.ReportMetric(float64(executed)/b.Elapsed().Seconds(), "runs/s")
			b.ReportMetric(float64(hits)/float64(b.N), "hits/op")
		})
	}
}

// BenchmarkTarget3370000 explores a space of more than 3.37 million schedules
// on two cores, each of them executed from its beginning to its end and every
// cut of it counted. The target is less than a minute for 3.37 million.
func BenchmarkTarget3370000(b *testing.B) {
	const target = 3_370_000
	var executed, steps uint64
	for b.Loop() {
		res, _ := explored(b, variants()["fragmented"], explore.Config{Bound: bound(2, 2), StopAt: -1, NoCache: true, NoCommute: true, Workers: 2})
		require.GreaterOrEqual(b, res.Executed, uint64(target))
		executed += res.Executed
		steps += res.Steps
	}
	perSecond := float64(executed) / b.Elapsed().Seconds()
	b.ReportMetric(target/perSecond, "s/3370000")
	b.ReportMetric(perSecond, "schedules/s")
	b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
}
