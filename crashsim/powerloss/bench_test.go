package powerloss_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim/powerloss"
	"untorn/internal/blk"
	"untorn/internal/ondisk"
	"untorn/verifier"
	"untorn/workloads"
)

// BenchmarkImages judges every image of a cut with writes of 16 KiB in flight
// on LBAs of 512 bytes: one command to each of n units.
func BenchmarkImages(b *testing.B) {
	for _, c := range []struct {
		name string
		n    int
		torn bool
	}{{"1unit", 1, true}, {"2units", 2, true}, {"overlap", 1, false}} {
		b.Run(c.name, func(b *testing.B) {
			const sectors, unit = 128, 32
			w := &workloads.Workload{File: sectors * 512, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous}
			for i := range c.n {
				w.Ops = append(w.Ops, workloads.Op{Task: "db", Kind: workloads.Pwrite, Offset: int64(i * unit * 512), Length: unit * 512, Atomic: true})
			}
			if !c.torn {
				// Four operations that overlap make one group of many cells.
				for i := range 4 {
					w.Ops = append(w.Ops, workloads.Op{Task: "db", Kind: workloads.Pwrite, Offset: int64(i * 4096), Length: 8192, Atomic: true})
				}
			}
			super := ondisk.Geometry(1, 8, 32, 64, 8, 16)
			in := blk.NewInterner()
			image := make([]blk.Handle, super.TotalLen)
			sb := super.Encode()
			image[0] = in.Intern(sb[:])
			ino := ondisk.Inode{Size: [ondisk.Files]int64{w.File}, LSN: 1, Extents: []ondisk.Extent{{Len: sectors / 8}}}
			enc, err := ino.Encode(super.Inode[0].Len)
			require.NoError(b, err)
			for i := range enc {
				image[super.Inode[0].Start+int32(i)] = in.Intern(enc[i][:])
			}
			for i := range int32(sectors) {
				image[super.Sector(0)+i] = blk.Data(0, int(i))
			}
			h := workloads.NewHistory(w)
			s := powerloss.New(powerloss.Rules{NAWUPF: 1}, image)
			for i := range w.Ops {
				h.Call(i + 1)
				first, n := int32(w.Ops[i].Offset/512), int32(w.Ops[i].Length/512)
				e := blk.Event{Kind: blk.SubmitWrite, Cmd: int32(i), Range: blk.Range{Start: super.Sector(0) + first, Len: n}}
				for k := range n {
					e.Payload = append(e.Payload, blk.Data(i+1, int(k)))
				}
				s.Apply(&e)
				s.Apply(&blk.Event{Kind: blk.Complete, Cmd: int32(i)})
			}
			v, err := verifier.New(verifier.Config{Workload: w, Contract: verifier.Untorn, Super: super, Interner: in,
				Distinct: verifier.NewDistinct(1 << 20)})
			require.NoError(b, err)
			b.ReportAllocs()
			var judged uint64
			for b.Loop() {
				v.Begin(h)
				s.Images(v, v.Partition())
				r := v.Result()
				judged += r.Judged
			}
			b.ReportMetric(float64(judged)/b.Elapsed().Seconds(), "leaves/s")
			b.ReportMetric(float64(judged)/float64(b.N), "leaves/cut")
		})
	}
}
