package scenarios

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNearest(t *testing.T) {
	names := []string{"no-pin", "no-space", "two-units", "two-writers", "cow-fork"}
	for word, want := range map[string]string{
		"no-pni": "nearest: no-pin; ", "nopin": "nearest: no-pin; ", "fork": "nearest: cow-fork; ", "two-": "nearest: two-units, two-writers; ",
		"cow-fork": "nearest: cow-fork; ", "nobody": "", "": "", "no-pace": "nearest: no-space; ",
	} {
		require.Equal(t, want, Nearest(word, names), word)
	}
	require.Equal(t, "nearest: aa, ab, ac; ", Nearest("aa", []string{"ad", "ac", "ab", "aa", "bbb"}))
}

func TestDistance(t *testing.T) {
	for _, x := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		require.Equal(t, x.want, distance(x.a, x.b), "%s %s", x.a, x.b)
		require.Equal(t, x.want, distance(x.b, x.a))
	}
}

// Of an unknown name the error has one short line.
func TestUnknownScenario(t *testing.T) {
	_, err := Embedded("cow-frok")
	require.EqualError(t, err, `cow-frok: no such scenario; nearest: cow-fork; allowed: a file, or a name that "untorn scenario list --suite all" prints`)
	_, err = Embedded("nobody")
	require.EqualError(t, err, `nobody: no such scenario; allowed: a file, or a name that "untorn scenario list --suite all" prints`)
}
