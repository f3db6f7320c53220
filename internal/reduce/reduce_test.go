package reduce

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for r := range NumRules {
		s, err := Parse([]string{r.String()})
		require.NoError(t, err)
		require.Equal(t, Of(r), s)
		for o := range NumRules {
			require.Equal(t, o == r, s.Has(o))
		}
	}
	all, err := Parse(Names())
	require.NoError(t, err)
	require.Equal(t, Set(1<<NumRules-1), all)
	_, err = Parse([]string{"cuts", "corners"})
	require.EqualError(t, err, `"corners" is no rule of reduction; allowed: cuts, cells, groups, commute, states, levels, designs`)
}
