package file

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/internal/stamp"
)

// Each sector is one of its epoch, zeros, or garbage; stamps of others count.
func TestEpoch(t *testing.T) {
	const e = Epoch(1<<EpochBits - 1)
	sectors := func(writes ...int) []byte {
		var b bytes.Buffer
		for i, w := range writes {
			s := stamp.Encode(w, i)
			b.Write(s[:])
		}
		return b.Bytes()
	}
	got, foreign := e.handles(append(sectors(e.write(0), e.write(blk.MaxWrite), e.write(63), 0, 5, (e-1).write(5)), make([]byte, 1024)...))
	require.Equal(t, []blk.Handle{blk.Data(0, 0), blk.Data(blk.MaxWrite, 1), blk.Garbage, blk.Garbage, blk.Garbage, blk.Garbage, blk.Zero, blk.Zero}, got)
	require.Equal(t, 3, foreign)
	torn := sectors(e.write(1))
	torn[100] ^= 1
	got, foreign = e.handles(torn)
	require.Equal(t, []blk.Handle{blk.Garbage}, got)
	require.Zero(t, foreign)
	got, foreign = Epoch(0).handles(sectors(0, 5, e.write(5)))
	require.Equal(t, []blk.Handle{blk.Data(0, 0), blk.Data(5, 1), blk.Garbage}, got)
	require.Zero(t, foreign)
}

// What a target with an epoch writes and reads is of that epoch alone.
func TestTargetEpoch(t *testing.T) {
	for _, depth := range []int{0, 2} {
		x := target(t, Config{Workload: work(t, "a: pwrite offset=0 length=4KiB", "a: pread offset=0 length=8KiB"),
			Path: t.TempDir() + "/f", Depth: depth})
		x.SetEpoch(7)
		require.NoError(t, x.Prepare())
		h, rep := finish(t, x)
		succeeded(t, h)
		require.False(t, rep.Verdict.Bad(), rep.Reason)
		_, foreign, err := ReadFile(x.cfg.Path, -1, 7)
		require.NoError(t, err)
		require.Zero(t, foreign)
		f, foreign, err := ReadFile(x.cfg.Path, -1, 8)
		require.NoError(t, err)
		require.Equal(t, len(f.Sectors), foreign)
		f, _, err = ReadFile(x.cfg.Path, -1, 0)
		require.NoError(t, err)
		require.Equal(t, blk.Garbage, f.Sectors[0])
	}
}
