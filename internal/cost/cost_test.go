package cost

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpread(t *testing.T) {
	upTo := func(n int64) (list []int64) {
		for i := n; i > 0; i-- {
			list = append(list, i)
		}
		return list
	}
	for name, c := range map[string]struct {
		steps []int64
		want  Spread
	}{
		"no calls":  {nil, Spread{}},
		"one":       {[]int64{7}, Spread{1, 1, 7, 7, 7, 7}},
		"two":       {[]int64{9, 0}, Spread{2, 1, 9, 0, 9, 9}},
		"three":     {[]int64{5, 0, 1}, Spread{3, 2, 6, 1, 5, 5}},
		"a hundred": {upTo(100), Spread{100, 100, 5050, 50, 99, 100}},
		"and one":   {upTo(101), Spread{101, 101, 5151, 51, 100, 101}},
		"all zero":  {make([]int64, 4), Spread{4, 0, 0, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, SpreadOf(c.steps)) })
	}
}
