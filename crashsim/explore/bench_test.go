package explore

import "testing"

func benchmark(b *testing.B, cfg Config) {
	var executed, steps, hits uint64
	cfg.Workers, cfg.CacheBytes, cfg.StopAt = 1, 256<<20, -1
	for b.Loop() {
		r := explore(b, toyConfig{tasks: 2}, cfg)
		executed += r.Executed
		steps += r.Steps
		hits += r.CacheHits
	}
	b.ReportMetric(float64(executed)/b.Elapsed().Seconds(), "schedules/s")
	b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
	b.ReportMetric(float64(hits)/float64(b.N), "hits/op")
}

func BenchmarkPruned(b *testing.B)  { benchmark(b, Config{Bound: bound(2, 2)}) }
func BenchmarkNoCache(b *testing.B) { benchmark(b, Config{Bound: bound(1, 1), NoCache: true}) }

// BenchmarkWorkers2 is BenchmarkPruned on two cores.
func BenchmarkWorkers2(b *testing.B) {
	for b.Loop() {
		explore(b, toyConfig{tasks: 2}, Config{Bound: bound(2, 2), Workers: 2, CacheBytes: 256 << 20, StopAt: -1})
	}
}
