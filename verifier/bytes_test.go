package verifier

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/workloads"
)

func TestBytesRoundTrip(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, atomic)
	d.put(1, 0, 8*kib, 0)
	d.image[d.super.Sector(20)] = blk.Garbage
	d.image[d.super.Log.Start+3] = blk.Garbage
	d.checkpoint(mapped(0, 16, 4))
	require.Equal(t, d.image, Handles(Bytes(d.image, d.in), d.super.Data.Start, d.in))
}

func TestJudgeBytesRefuses(t *testing.T) {
	d := mkfs(t, 64*kib, workloads.Contiguous, atomic)
	good := Bytes(d.image, d.in)
	h, err := workloads.ParseHistory(d.history(Untorn))
	require.NoError(t, err)
	_, err = JudgeBytes(good, h)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		image []byte
		want  string
	}{
		"empty":         {nil, "image: 0 bytes, less than one sector"},
		"truncated":     {good[:len(good)-512], "image: truncated: "},
		"half a sector": {good[:len(good)-1], "image: truncated: "},
		"too long":      {append(append([]byte{}, good...), 0), "image: too long: "},
		"not an image":  {make([]byte, len(good)), "image: superblock: "},
	} {
		_, err := JudgeBytes(c.image, h)
		require.ErrorContains(t, err, c.want, name)
	}
	h.Contract = "best-effort"
	_, err = JudgeBytes(good, h)
	require.ErrorContains(t, err, `"best-effort" is no contract`)
	h.Contract = "untorn"
	h.Workload().Ops[0].Offset = 1 << 39
	_, err = JudgeBytes(good, h)
	require.ErrorContains(t, err, "the judge takes files up to 512MiB")
}

// Damage in any byte of the metadata ends in a verdict or an error, never in
// a panic.
func FuzzJudgeBytes(f *testing.F) {
	d := mkfs(f, 16*kib, workloads.Contiguous, atomic, fsync)
	d.see("c1 r1 c2")
	d.put(1, 0, 16*kib, 16)
	d.checkpoint(mapped(0, 16, 4), sized(16*kib))
	good := Bytes(d.image, d.in)
	h, err := workloads.ParseHistory(d.history(Untorn))
	require.NoError(f, err)
	f.Add(uint32(0), []byte{1})
	f.Add(uint32(512*3), []byte("URTL"))
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		image := append([]byte{}, good...)
		n := copy(image[int(at)%len(image):], patch)
		report, err := JudgeBytes(image, h)
		if err == nil && n > 0 {
			require.NotEqual(t, NotChecked, report.Verdict)
			require.NotEmpty(t, report.Reason)
		}
	})
}
