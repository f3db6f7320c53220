package verifier

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/workloads"
)

// BenchmarkTargetImages judges images of a file with one unit of 16 KiB on LBAs of
// 512 bytes: each operation changes the image by a run of sectors, as
// powerloss does, and judges the group. The target is 10 million a second on
// one core, with all checks and no memory of images that were judged before.
func BenchmarkTargetImages(b *testing.B) {
	for _, c := range []struct {
		name     string
		distinct bool
	}{{"plain", false}, {"distinct", true}} {
		b.Run(c.name, func(b *testing.B) {
			d := mkfs(b, 64*kib, workloads.Contiguous, atomic).see("c1 r1")
			cfg := Config{Workload: d.w, Contract: Untorn, Super: d.super, Interner: d.in}
			if c.distinct {
				cfg.Distinct = NewDistinct(1 << 20)
			}
			v, err := New(cfg)
			require.NoError(b, err)
			v.Begin(d.h)
			v.Set(0, d.image)
			v.Recover()
			at := d.super.Sector(0)
			old := d.image[at : at+32]
			fresh := make([]blk.Handle, 32)
			for i := range fresh {
				fresh[i] = blk.Data(1, i)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				switch i % 3 {
				case 0:
					v.Set(at, old)
				case 1:
					v.Set(at+1, fresh[1:])
				case 2:
					v.Set(at, fresh)
				}
				v.Leaf(0, &one)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
