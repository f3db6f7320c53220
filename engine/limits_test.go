package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/nvme"
	"untorn/workloads"
)

const kib = 1 << 10

// oneWrite is a kernel of one task that writes once.
func oneWrite(t testing.TB, op workloads.Op, change func(*Config)) *Kernel {
	c := testConfig()
	op.Task, op.Kind = "db", workloads.Pwrite
	c.Workload.Ops = []workloads.Op{op}
	if change != nil {
		change(c)
	}
	return newKernel(t, c)
}

// TestValidation is step 1 in the order of the kernel: a file without the
// capability, then the size, then what the position has to fulfil.
func TestValidation(t *testing.T) {
	design := func(w Writeback, nawupf, maxAtomic int64) func(*Config) {
		return func(c *Config) {
			c.Design.Writeback, c.Design.MaxAtomicWrite = w, maxAtomic
			c.Device.NAWUPF = nawupf
			if w == WritebackPlain {
				c.Design.Track = TrackNone
			}
		}
	}
	const none = workloads.Errno(0)
	cow := design(WritebackCow, 512, 0)
	inPlace := design(WritebackAtomic, 16*kib, 0)
	incapable := design(WritebackAtomic, 512, 0)
	capped := design(WritebackCow, 512, 8*kib)
	for _, c := range []struct {
		name           string
		change         func(*Config)
		offset, length int64
		plain          bool
		want           workloads.Errno
	}{
		{"one block", cow, 4 * kib, 4 * kib, false, none},
		{"below one block", cow, 0, 2 * kib, false, workloads.EINVAL},
		{"a sector, aligned to itself", cow, 512, 512, false, workloads.EINVAL},
		{"largest unit", cow, 0, MaxUnit, false, none},
		{"above it", cow, 0, 2 * MaxUnit, false, workloads.EINVAL},
		{"no power of two", cow, 0, 12 * kib, false, workloads.EINVAL},
		{"no power of two and misaligned", cow, 4 * kib, 12 * kib, false, workloads.EINVAL},
		{"misaligned by a block", cow, 4 * kib, 8 * kib, false, workloads.EINVAL},
		{"misaligned by a sector", cow, 512, 8 * kib, false, workloads.EINVAL},
		{"aligned to its length", cow, 24 * kib, 8 * kib, false, none},
		{"plain needs none of that", cow, 512, 12*kib + 512, true, none},

		{"mount option allows", capped, 8 * kib, 8 * kib, false, none},
		{"mount option caps", capped, 0, 16 * kib, false, workloads.EINVAL},
		{"mount option below a block leaves nothing", design(WritebackCow, 512, 2*kib), 0, 4 * kib, false, workloads.EOPNOTSUPP},
		{"mount option above the limit raises nothing", design(WritebackAtomic, 16*kib, 64*kib), 0, 32 * kib, false, workloads.EINVAL},

		{"hardware limit", inPlace, 16 * kib, 16 * kib, false, none},
		{"above the hardware limit", inPlace, 0, 32 * kib, false, workloads.EINVAL},
		{"hardware limit rounded down", design(WritebackAtomic, 24*kib, 0), 0, 32 * kib, false, workloads.EINVAL},
		{"CoW is not bound by the device", design(WritebackCowOrAtomic, 16*kib, 0), 0, 32 * kib, false, none},
		{"plain writeback accepts as well", design(WritebackPlain, 512, 0), 0, 16 * kib, false, none},

		{"no capability", incapable, 0, 4 * kib, false, workloads.EOPNOTSUPP},
		{"no capability comes before a bad size", incapable, 0, 2 * kib, false, workloads.EOPNOTSUPP},
		{"before no power of two", incapable, 0, 12 * kib, false, workloads.EOPNOTSUPP},
		{"before misaligned", incapable, 512, 8 * kib, false, workloads.EOPNOTSUPP},
		{"before too long", incapable, 0, 2 * MaxUnit, false, workloads.EOPNOTSUPP},
		{"no capability, plain", incapable, 0, 4 * kib, true, none},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := oneWrite(t, workloads.Op{Offset: c.offset, Length: c.length, Atomic: !c.plain}, c.change)
			require.Equal(t, c.want, k.validateWrite(&k.workload.Ops[0]))
			if c.length > MaxWrite {
				return // CheckWorkload keeps it from running
			}
			got, out := results(k, defaults, crashsim.Budget{})
			require.Equal(t, crashsim.Done, out.Kind, out.Detail)
			want := workloads.Result(c.length)
			if c.want != none {
				want = workloads.Fail(c.want)
				require.Zero(t, countWrites(k), "a refused write reaches nothing")
			}
			require.Equal(t, want, got[1])
		})
	}
}

// TestInPlaceOnly: where there are no new blocks to fall back to, a range
// that one atomic bio cannot overwrite is refused at step 5.
func TestInPlaceOnly(t *testing.T) {
	const refused = -workloads.Result(workloads.EINVAL)
	for _, c := range []struct {
		name           string
		layout         workloads.Layout
		file, boundary int64
		offset, length int64
		want           workloads.Result
	}{
		{name: "contiguous", layout: workloads.Contiguous, file: 64 * kib, length: 16 * kib, want: 16 * kib},
		{name: "the last unit", layout: workloads.Contiguous, file: 64 * kib, offset: 48 * kib, length: 16 * kib, want: 16 * kib},
		{name: "past EOF", layout: workloads.Contiguous, file: 64 * kib, offset: 64 * kib, length: 16 * kib, want: refused},
		{name: "straddling EOF", layout: workloads.Contiguous, file: 56 * kib, offset: 48 * kib, length: 16 * kib, want: refused},
		{name: "straddling EOF within the last block", layout: workloads.Contiguous, file: 62 * kib, offset: 48 * kib, length: 16 * kib, want: refused},
		{name: "up to the last whole block", layout: workloads.Contiguous, file: 62 * kib, offset: 56 * kib, length: 4 * kib, want: 4 * kib},
		{name: "within a boundary", layout: workloads.Contiguous, file: 64 * kib, boundary: 16 * kib, offset: 16 * kib, length: 16 * kib, want: 16 * kib},
		{name: "unaligned", layout: workloads.Unaligned, file: 64 * kib, length: 16 * kib, want: refused},
		{name: "unaligned, but one block is aligned", layout: workloads.Unaligned, file: 64 * kib, length: 4 * kib, want: 4 * kib},
		{name: "fragmented", layout: workloads.Fragmented, file: 64 * kib, length: 16 * kib, want: refused},
		{name: "fragmented, but one block is not", layout: workloads.Fragmented, file: 64 * kib, length: 4 * kib, want: 4 * kib},
		{name: "hole", layout: workloads.Hole, file: 64 * kib, length: 4 * kib, want: refused},
		{name: "unwritten", layout: workloads.Unwritten, file: 64 * kib, length: 4 * kib, want: refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := oneWrite(t, workloads.Op{Offset: c.offset, Length: c.length, Atomic: true}, func(cfg *Config) {
				cfg.Design.Writeback, cfg.Device.NAWUPF, cfg.Device.Boundary = WritebackAtomic, 16*kib, c.boundary
				cfg.Workload.File, cfg.Workload.Layout = c.file, c.layout
			})
			got, out := results(k, defaults, crashsim.Budget{})
			require.Equal(t, crashsim.Done, out.Kind, out.Detail)
			require.Equal(t, c.want, got[1])
			require.Equal(t, c.want > 0, countWrites(k) > 0)
		})
	}
}

// TestQueueLimits: what the block layer makes of the device's fields, in bytes.
func TestQueueLimits(t *testing.T) {
	for _, c := range []struct {
		name                             string
		lba, nawupf, transfer            int64
		boundary, boundaryOffset, offset int64
		hwMax, unitMin, unitMax          int64
	}{
		{name: "one LBA", lba: 512, nawupf: 512, transfer: 128 * kib, hwMax: 512, unitMin: 512, unitMax: 512},
		{name: "one LBA of 4 KiB", lba: 4096, nawupf: 4096, transfer: 128 * kib, hwMax: 4096, unitMin: 4096, unitMax: 4096},
		{name: "power of two", lba: 512, nawupf: 16 * kib, transfer: 128 * kib, hwMax: 16 * kib, unitMin: 512, unitMax: 16 * kib},
		{name: "rounded down, hw_max is not", lba: 512, nawupf: 24 * kib, transfer: 128 * kib, hwMax: 24 * kib, unitMin: 512, unitMax: 16 * kib},
		{name: "rounded down to one LBA of 4 KiB times two", lba: 4096, nawupf: 12 * kib, transfer: 128 * kib, hwMax: 12 * kib, unitMin: 4096, unitMax: 8 * kib},
		{name: "4 KiB LBAs fill the transfer", lba: 4096, nawupf: 256 * kib, transfer: 128 * kib, hwMax: 256 * kib, unitMin: 4096, unitMax: 128 * kib},
		{name: "segments that may be one LBA short", lba: 512, nawupf: 128 * kib, transfer: 128 * kib, hwMax: 128 * kib, unitMin: 512, unitMax: 64 * kib},
		{name: "boundary below the limit", lba: 512, nawupf: 16 * kib, transfer: 128 * kib, boundary: 8 * kib},
		{name: "boundary", lba: 512, nawupf: 16 * kib, transfer: 128 * kib, boundary: 32 * kib, hwMax: 16 * kib, unitMin: 512, unitMax: 16 * kib},
		{name: "boundary equal to the limit", lba: 512, nawupf: 16 * kib, transfer: 128 * kib, boundary: 16 * kib, hwMax: 16 * kib, unitMin: 512, unitMax: 16 * kib},
		{name: "boundary with an offset", lba: 512, nawupf: 16 * kib, transfer: 128 * kib, boundary: 16 * kib, boundaryOffset: 4 * kib},
		{name: "offset of one LBA", lba: 512, nawupf: 16 * kib, transfer: 128 * kib, boundary: 16 * kib, boundaryOffset: 512},
		{name: "aligned partition", lba: 512, nawupf: 16 * kib, transfer: 128 * kib, boundary: 16 * kib, offset: 48 * kib, hwMax: 16 * kib, unitMin: 512, unitMax: 16 * kib},
		{name: "partition off the boundary", lba: 512, nawupf: 16 * kib, transfer: 128 * kib, boundary: 16 * kib, offset: 8 * kib},
		{name: "without a boundary an LBA is enough", lba: 512, nawupf: 16 * kib, transfer: 128 * kib, offset: 512, hwMax: 16 * kib, unitMin: 512, unitMax: 16 * kib},
		{name: "partition off a 4 KiB LBA", lba: 4096, nawupf: 16 * kib, transfer: 128 * kib, offset: 2 * kib},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := newQueueLimits(&nvme.Config{LBA: c.lba, NAWUPF: c.nawupf, MaxTransfer: c.transfer, Boundary: c.boundary,
				BoundaryOffset: c.boundaryOffset, PartitionOffset: c.offset})
			require.Equal(t, [3]int64{c.hwMax, c.unitMin, c.unitMax},
				[3]int64{int64(q.hwMax) * 512, int64(q.unitMin) * 512, int64(q.unitMax) * 512}, "hw_max, unit_min, unit_max")
			require.Equal(t, c.transfer, int64(q.maxTransfer)*512)
			if c.hwMax == 0 {
				require.Zero(t, q.boundary)
				return
			}
			require.Equal(t, c.boundary, int64(q.boundary)*512)
			require.LessOrEqual(t, q.unitMin, q.unitMax)
			require.LessOrEqual(t, q.unitMax, q.hwMax)
		})
	}
}

func TestCrossesBoundary(t *testing.T) {
	for _, c := range []struct {
		boundary, partition, start, n int32
		want                          bool
	}{
		{0, 0, 0, 1000, false},
		{16, 0, 0, 16, false},
		{16, 0, 16, 16, false},
		{16, 0, 15, 1, false},
		{16, 0, 15, 2, true},
		{16, 0, 8, 16, true},
		{16, 0, 0, 17, true},
		{16, 8, 0, 8, false}, // boundaries count from the start of the namespace
		{16, 8, 0, 9, true},
		{16, 8, 8, 16, false},
	} {
		q := queueLimits{boundary: c.boundary, partition: c.partition}
		require.Equal(t, c.want, q.crossesBoundary(c.start, c.n), "%+v", c)
	}
}
