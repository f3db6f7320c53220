package engine

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/workloads"
)

// runOn is what one operation returns on a file of the grid, with the commands
// that the device got before all was written back.
func runOn(t *testing.T, f conformFile, mutant string, op workloads.Op) (workloads.Result, int) {
	t.Helper()
	c := f.config()
	c.Design.Mutant = mutant
	op.Task = "db"
	c.Workload.Ops = []workloads.Op{op}
	require.NoError(t, CheckWorkload(&c.Design, &c.Device, c.Workload))
	k := newKernel(t, c)
	got, out := results(k, defaults, crashsim.Budget{})
	require.Equal(t, crashsim.Done, out.Kind, out.Detail)
	return got[1], countWrites(k)
}

// runFiles are a file of each kind.
func runFiles() []conformFile {
	dev := device{config: queue(512, 16*kib, 128*kib), unitMin: 512, unitMax: 16 * kib, name: "16 KiB"}
	return []conformFile{
		{filesystem: XFS, reflink: true, block: 4 * kib, device: dev},
		{filesystem: XFS, block: 4 * kib, device: dev},
		{filesystem: Ext4, block: 4 * kib, cluster: 32 * kib, device: dev},
		{filesystem: BlockDevice, block: 4 * kib, device: dev},
	}
}

// TestConformanceOfRuns makes the calls of a smaller grid through the whole
// path, buffered and direct, with DSYNC and without: what the facts refuse
// returns their error and reaches nothing, and the rest writes all of its
// length. Only on a block device a write that is too long is found out at
// submission.
func TestConformanceOfRuns(t *testing.T) {
	refused, written := 0, 0
	for _, f := range runFiles() {
		u := f.statx()
		for _, direct := range []bool{false, true} {
			for _, dsync := range []bool{false, true} {
				for _, offset := range []int64{0, 4 * kib, 16 * kib, 64 * kib, 96 * kib, gridSize, 128 * kib} {
					for _, length := range []int64{4 * kib, 8 * kib, 12 * kib, 16 * kib, 32 * kib, 64 * kib} {
						op := workloads.Op{Kind: workloads.Pwrite, Offset: offset, Length: length, Atomic: true, Direct: direct, Dsync: dsync}
						by := f.refusedBy(u, &ioCall{offset: offset, length: length, atomic: true, direct: direct, lifted: true})
						if by < 0 && offset+length > gridSize {
							continue // an extending write is not for step 1 to judge
						}
						want, reaches, why := workloads.Result(length), true, "accepted"
						if by >= 0 {
							want, reaches, why = workloads.Fail(facts[by].errno), false, facts[by].name
						} else if length > u.max {
							want, reaches, why = tooLong(length, direct, dsync), false, "too long for the device"
						}
						got, commands := runOn(t, f, "", op)
						at := fmt.Sprintf("%v\n%+v: %s", f, op, why)
						require.Equal(t, want, got, at)
						require.Equal(t, reaches, commands > 0, at)
						if reaches {
							written++
						} else {
							refused++
						}
					}
				}
			}
		}
	}
	require.NotZero(t, refused)
	require.NotZero(t, written)
	t.Logf("%d refused, %d written", refused, written)
}

// tooLong is what a write returns whose bio is refused: a direct one the error
// of the bio, a synchronous one the error of writeback. Any other has returned
// before.
func tooLong(length int64, direct, dsync bool) workloads.Result {
	switch {
	case direct:
		return workloads.Fail(workloads.EINVAL)
	case dsync:
		return workloads.Fail(workloads.EIO)
	}
	return workloads.Result(length)
}

// TestAfterValidation is what moves or shortens a call that step 1 has
// accepted. The defect that forgets the check has to change the answer.
func TestAfterValidation(t *testing.T) {
	const einval, efbig = -workloads.Result(workloads.EINVAL), -workloads.Result(workloads.EFBIG)
	fs := runFiles()
	xfs, ext4, bdev := fs[0], fs[2], fs[3]
	for _, c := range []struct {
		name   string
		file   conformFile
		op     workloads.Op
		want   workloads.Result
		mutant string           // forgets the check
		then   workloads.Result // and returns this
	}{
		{name: "append to an end that is a multiple of the length", file: xfs,
			op: workloads.Op{Offset: gridSize, Length: 4 * kib, Append: true, Atomic: true}, want: 4 * kib},
		{name: "append moves the position off its alignment", file: xfs,
			op: workloads.Op{Offset: gridSize, Length: 8 * kib, Append: true, Atomic: true}, want: einval, mutant: "append-unaligned", then: 8 * kib},
		{name: "a direct append as well", file: xfs,
			op: workloads.Op{Offset: gridSize, Length: 8 * kib, Append: true, Atomic: true, Direct: true}, want: einval,
			mutant: "append-unaligned", then: 8 * kib},
		{name: "append of a length that is no power of two", file: xfs,
			op: workloads.Op{Offset: gridSize, Length: 12 * kib, Append: true, Atomic: true}, want: einval},
		{name: "a plain append goes anywhere", file: xfs,
			op: workloads.Op{Offset: gridSize, Length: 8 * kib, Append: true}, want: 8 * kib},

		{name: "RLIMIT_FSIZE would shorten an atomic write", file: xfs,
			op: workloads.Op{Length: 16 * kib, Limit: 8 * kib, Atomic: true}, want: einval, mutant: "limit-shortens", then: 8 * kib},
		{name: "a direct one as well", file: xfs,
			op: workloads.Op{Length: 16 * kib, Limit: 8 * kib, Atomic: true, Direct: true}, want: einval, mutant: "limit-shortens", then: 8 * kib},
		{name: "on ext4 as well", file: ext4,
			op: workloads.Op{Length: 16 * kib, Limit: 8 * kib, Atomic: true}, want: einval, mutant: "limit-shortens", then: 8 * kib},
		{name: "RLIMIT_FSIZE comes after validation", file: xfs,
			op: workloads.Op{Offset: 4 * kib, Length: 8 * kib, Limit: 4 * kib, Atomic: true}, want: einval},
		{name: "up to RLIMIT_FSIZE", file: xfs,
			op: workloads.Op{Length: 16 * kib, Limit: 16 * kib, Atomic: true}, want: 16 * kib},
		{name: "at RLIMIT_FSIZE", file: xfs,
			op: workloads.Op{Offset: 16 * kib, Length: 16 * kib, Limit: 16 * kib, Atomic: true}, want: efbig},
		{name: "RLIMIT_FSIZE shortens a plain write", file: xfs,
			op: workloads.Op{Length: 16 * kib, Limit: 8 * kib}, want: 8 * kib},

		{name: "a block device has no RLIMIT_FSIZE", file: bdev,
			op: workloads.Op{Length: 16 * kib, Limit: 8 * kib, Atomic: true}, want: 16 * kib},
		{name: "the end of a block device shortens a plain write", file: bdev,
			op: workloads.Op{Offset: 96 * kib, Length: 16 * kib}, want: 4 * kib},
		{name: "and a direct one", file: bdev,
			op: workloads.Op{Offset: 96 * kib, Length: 16 * kib, Direct: true}, want: 4 * kib},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.op.Kind = workloads.Pwrite
			got, _ := runOn(t, c.file, "", c.op)
			require.Equal(t, c.want, got)
			if c.op.Direct || !c.op.Atomic {
				k := newKernel(t, c.file.config())
				k.Reset()
				call := Call{Offset: c.op.Offset, Length: c.op.Length, Atomic: c.op.Atomic, Direct: c.op.Direct, Append: c.op.Append, Limit: c.op.Limit}
				if call.Append {
					call.Offset = 0 // which is aligned, wherever the end of file is
				}
				require.Equal(t, c.want, k.Answer(call))
			}
			if c.mutant != "" {
				got, _ = runOn(t, c.file, c.mutant, c.op)
				require.Equal(t, c.then, got, c.mutant)
			}
		})
	}
}

// TestReadsAreValidated: a read asks step 1, too.
func TestReadsAreValidated(t *testing.T) {
	for _, f := range runFiles() {
		got, _ := runOn(t, f, "", workloads.Op{Kind: workloads.Pread, Length: 4 * kib})
		require.Equal(t, workloads.Result(4*kib), got, "%v", f)
		got, _ = runOn(t, f, "", workloads.Op{Kind: workloads.Pread, Length: 4 * kib, Atomic: true})
		require.Equal(t, workloads.Fail(workloads.EOPNOTSUPP), got, "%v", f)
	}
}

// TestBlockDeviceAppends: O_APPEND does nothing on a block device, so that a
// workload that counts on it makes no sense.
func TestBlockDeviceAppends(t *testing.T) {
	c := runFiles()[3].config()
	c.Workload.Ops = []workloads.Op{{Task: "db", Kind: workloads.Pwrite, Offset: gridSize, Length: 4 * kib, Append: true}}
	var nonsense *NonsenseError
	require.ErrorAs(t, CheckWorkload(&c.Design, &c.Device, c.Workload), &nonsense)
}
