package recorded

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk/logwrites"
	"untorn/verifier"
	"untorn/workloads"
)

// remounted records and judges two writes of 16 extents, with power lost again in
// mounts.
func remounted(t *testing.T, times, images int) (*Config, *Result) {
	cfg := config(t, "xfs", "db: pwrite offset=0 length=64KiB direct atomic", "db: fsync", "db: pwrite offset=0 length=64KiB direct atomic", "db: fsync")
	cfg.Workload.Layout = workloads.Fragmented
	cfg.Remounts = times
	return cfg, record(t, cfg, images)
}

// sameMedium compares two images of one recording, of different spaces.
func sameMedium(t *testing.T, a, b *Space, x, y *Image) {
	t.Helper()
	require.Equal(t, len(x.delta), len(y.delta))
	for i := range x.delta {
		require.Equal(t, x.delta[i].sector, y.delta[i].sector)
		require.Equal(t, a.contents.sector(x.delta[i].content), b.contents.sector(y.delta[i].content))
	}
}

// The kernel's recovery is cut at its own commands, and what that leaves recovers
// to the same units; a saved cut of a mount makes the same image again.
func TestRecoveryPowerLoss(t *testing.T) {
	for _, times := range []int{1, 2} {
		cfg, res := remounted(t, times, 30)
		s := res.Space
		require.Equal(t, verifier.Held, res.Worst(), "%v", res.Verdicts)
		require.Greater(t, res.Again, 30)
		require.Equal(t, len(s.Images), res.Mounted)
		require.LessOrEqual(t, len(s.Images), 30*(times+1))
		require.Len(t, s.logs, 30*times, "each image is mounted once, those of the last loss with no log")
		require.Len(t, res.Deepest.Found.Again, times)
		replayed := 0
		for image, losses := range s.again {
			at := -1
			for i := range s.Found {
				if s.Found[i].Image == image {
					at = i
				}
			}
			if at < 0 {
				continue
			}
			f := s.story(Found{Loss: s.Found[at].Loss, Again: losses[len(losses)-1:]})
			saved, err := ParseFound(f.Text())
			require.NoError(t, err)
			_, _, err = cfg.image(res.Recording, saved)
			require.ErrorContains(t, err, "the logs of 0 are there")
			saved.Mounts = f.Mounts
			img, own, err := cfg.image(res.Recording, saved)
			require.NoError(t, err)
			sameMedium(t, s, own, &s.Images[f.left()], img)
			replayed++
		}
		require.Greater(t, replayed, 10)
		e, err := cfg.Rejudge(context.Background(), res.Recording, &res.Deepest.Found)
		require.NoError(t, err)
		require.Equal(t, verifier.Held, e.Verdict)
		require.Contains(t, cfg.Trace(res.Recording, &e.Found), "mount 1 of what that left")
	}
}

// On a disk whose flushes lie while an image is mounted, recovery goes on over log
// that it has not cleared: there are images that cannot be mounted.
func TestRecoveryPowerLossBreaks(t *testing.T) {
	cfg, res := remounted(t, 1, 60)
	s, lies := res.Space, cfg.Device
	lies.FlushLies = true
	before := len(s.Images)
	for i := range before {
		// What has nothing to replay only clears the log.
		if log := s.logs[i]; len(log) > 10 {
			for _, c := range s.cuts(log, s.medium(&s.Images[i]), &lies, 10, len(log)) {
				c.parent = i
				s.take(&c, c.choice(func(k int) Piece { return thereIf(k != 0) }), before+100)
			}
		}
	}
	broken := 0
	for i := before; i < len(s.Images); i++ {
		x, err := cfg.recoverOne(res.Recording, s, &s.Images[i])
		require.NoError(t, err)
		if x.File == nil {
			broken++
		}
	}
	require.Positive(t, broken, "of %d images", len(s.Images)-before)
}

// A log of a mount that writes past the disk is refused.
func TestMountOutside(t *testing.T) {
	cfg := config(t, "block", "db: pwrite offset=0 length=4KiB direct")
	rec := &Recording{Entries: []logwrites.Entry{said("call 1")}}
	_, _, err := cfg.image(rec, &Found{Loss: Loss{Cut: 1}, Again: []Loss{{Cut: 1}}, Mounts: [][]logwrites.Entry{{entry('a', 1<<20, 1)}}})
	require.ErrorContains(t, err, "mount 1: entry 0 ends at sector 1048577, beyond the disk")
}
