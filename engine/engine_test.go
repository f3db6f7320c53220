package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/nvme"
	"untorn/internal/blk"
	"untorn/workloads"
)

// pick answers from a list of choices, then with the default.
type pick func(*crashsim.Point) int

func (p pick) Choose(at *crashsim.Point) int { return p(at) }

var defaults = pick(func(*crashsim.Point) int { return 0 })

func testDesign() Design {
	return Design{Filesystem: XFS, Block: 4096, FolioMin: 4096, FolioMax: 4096, Copy: CopyPin, Track: TrackCowFork,
		Writeback: WritebackCow, Submit: SubmitWriteback, Stable: StableWait, Cluster: 4096}
}

func testDevice() nvme.Config {
	return nvme.Config{LBA: 512, NAWUPF: 512, AWUN: 512, MaxTransfer: 128 << 10, CachedAtomicity: nvme.CommandUnit, FUA: true,
		Tear: nvme.OldOrNew}
}

func testWorkload() *workloads.Workload {
	return &workloads.Workload{File: 64 << 10, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous, Ops: []workloads.Op{
		{Task: "db", Kind: workloads.Pwrite, Offset: 0, Length: 16 << 10, Atomic: true},
		{Task: "db", Kind: workloads.Pwrite, Offset: 16 << 10, Length: 16 << 10, Atomic: true},
		{Task: "db", Kind: workloads.Fsync},
	}}
}

func testConfig() *Config {
	return &Config{Design: testDesign(), Device: testDevice(), Workload: testWorkload(), Interner: blk.NewInterner()}
}

// newKernel returns a kernel that the end of the test closes.
func newKernel(t testing.TB, c *Config) *Kernel {
	k := New(c)
	t.Cleanup(k.Machine().Close)
	return k
}

// results runs the kernel and returns what each operation returned.
func results(k *Kernel, c crashsim.Chooser, b crashsim.Budget) (map[int32]workloads.Result, crashsim.Outcome) {
	got := map[int32]workloads.Result{}
	k.Device().OnEvent = func(e *blk.Event) {
		if e.Kind == blk.Return {
			got[e.Op] = workloads.Result(e.Result)
		}
	}
	out := k.Machine().Run(c, b)
	return got, out
}

// TestRandomSchedules runs every design that is built under random faults and
// switches: none may deadlock, panic or run without end.
func TestRandomSchedules(t *testing.T) {
	overlapping := testWorkload()
	overlapping.Layout = workloads.Fragmented
	overlapping.Ops = []workloads.Op{
		{Task: "a", Kind: workloads.Pwrite, Offset: 0, Length: 16 << 10, Atomic: true},
		{Task: "a", Kind: workloads.Fsync},
		{Task: "b", Kind: workloads.Pwrite, Offset: 8 << 10, Length: 8 << 10, Atomic: true},
		{Task: "b", Kind: workloads.Pwrite, Offset: 60 << 10, Length: 2 << 10},
		{Task: "b", Kind: workloads.Pwrite, Offset: 64 << 10, Length: 32 << 10, Atomic: true},
		{Task: "b", Kind: workloads.Fsync},
		{Task: "a", Kind: workloads.Pwrite, Offset: 512, Length: 12 << 10},
		{Task: "a", Kind: workloads.Pwrite, Offset: 0, Length: 64 << 10, Atomic: true},
	}
	for _, w := range []*workloads.Workload{testWorkload(), overlapping} {
		for _, layout := range []workloads.Layout{workloads.Contiguous, workloads.Unaligned, workloads.Fragmented, workloads.Hole, workloads.Unwritten} {
			for _, d := range builtDesigns() {
				w := *w
				w.Layout = layout
				t.Run(fmt.Sprintf("%v/%v-%v-%v-%v-%d", layout, d.Copy, d.Track, d.Writeback, d.Stable, d.FolioMax), func(t *testing.T) {
					c := &Config{Design: d, Device: testDevice(), Workload: &w, Interner: blk.NewInterner()}
					c.Device.NAWUPF, c.Device.AWUN = 16<<10, 16<<10
					for i := range c.Faults {
						c.Faults[i] = true
					}
					k := newKernel(t, c)
					for seed := range uint64(25) {
						out := k.Machine().Run(randomly(rand.New(rand.NewPCG(seed, 1))), wide)
						require.Equal(t, crashsim.Done, out.Kind, "seed %d: %v %s", seed, out.Kind, out.Detail)
					}
				})
			}
		}
	}
}

// builtDesigns varies the axes two by two: all ways to copy and to track, and
// all ways to write back and to keep pages stable.
func builtDesigns() (all []Design) {
	add := func(d Design) {
		if d.Check() == nil {
			all = append(all, d)
		}
	}
	for _, folio := range []int64{4 << 10, 16 << 10} {
		for copy := CopyPlain; copy <= CopyBounce; copy++ {
			for track := TrackNone; track <= TrackSidecar; track++ {
				d := testDesign()
				d.Copy, d.Track, d.FolioMax = copy, track, folio
				add(d)
			}
		}
		for _, track := range []Track{TrackNone, TrackCowFork, TrackSidecar} {
			for wb := WritebackPlain; wb <= WritebackCowOrAtomic; wb++ {
				for stable := StableNone; stable <= StableBounce; stable++ {
					d := testDesign()
					d.Track, d.Writeback, d.Stable, d.FolioMax = track, wb, stable, folio
					add(d)
				}
			}
		}
	}
	for submit := SubmitWriteThrough; submit <= SubmitDontcache; submit++ {
		for _, track := range []Track{TrackNone, TrackCowFork, TrackPageFlag} {
			for wb := WritebackPlain; wb <= WritebackCowOrAtomic; wb++ {
				for stable := StableNone; stable <= StableBounce; stable++ {
					d := testDesign()
					d.Submit, d.Track, d.Writeback, d.Stable = submit, track, wb, stable
					add(d)
				}
			}
		}
	}
	for _, fs := range []Filesystem{Ext4, BlockDevice} {
		for track := TrackNone; track <= TrackSidecar; track++ {
			for wb := WritebackPlain; wb <= WritebackAtomic; wb++ {
				for submit := SubmitWriteback; submit <= SubmitDontcache; submit++ {
					d := testDesign()
					d.Filesystem, d.Track, d.Writeback, d.Submit, d.Cluster, d.FolioMax = fs, track, wb, submit, 16<<10, 8<<10
					add(d)
				}
			}
		}
	}
	return all
}

func BenchmarkSteps(b *testing.B) {
	k := newKernel(b, testConfig())
	b.ReportAllocs()
	steps := 0
	for i := 0; i < b.N; i++ {
		steps += k.Machine().Run(defaults, crashsim.Budget{}).Steps
	}
	b.ReportMetric(float64(steps)/b.Elapsed().Seconds(), "steps/s")
}
