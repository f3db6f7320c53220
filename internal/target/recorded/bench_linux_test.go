package recorded

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkImages is images mounted, read and judged: an iteration is one.
func BenchmarkImages(b *testing.B) {
	for _, filesystem := range []string{"xfs", "ext4", "block"} {
		b.Run(filesystem, func(b *testing.B) {
			flags := " direct atomic"
			if filesystem != "xfs" {
				flags += " unflagged"
			}
			c := config(b, filesystem, "db: pwrite offset=0 length=64KiB"+flags, "db: fsync", "db: pwrite offset=0 length=64KiB"+flags)
			r, err := Record(context.Background(), c)
			require.NoError(b, err)
			b.ResetTimer()
			res, err := c.Judge(context.Background(), r, Bounds{Images: b.N, Seed: 1, Workers: 4})
			require.NoError(b, err)
			require.Equal(b, b.N, res.Mounted)
		})
	}
}
