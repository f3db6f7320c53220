package tape

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Every schedule of the program plays the same by numbers, and stops once the
// numbers are used up.
func TestByNumber(t *testing.T) {
	e := &Enumerator{}
	for more := true; more; more = e.Next() {
		n := &Numberer{From: e}
		want := &Recorder{From: n}
		program(want)
		b := NewByNumber(n.Answers)
		got := &Recorder{From: b}
		program(got)
		require.NoError(t, b.Err())
		require.Equal(t, want.Tape, got.Tape)
	}
	require.NoError(t, e.Err())

	n := &Numberer{From: &Recorder{From: mustReplay(t, Tape{{"b", "pick", 0, "z"}})}}
	program(n)
	require.Equal(t, []Answer{{1, 2}}, n.Answers)
}

func mustReplay(t *testing.T, tp Tape) Chooser {
	r, err := NewReplayer(tp)
	require.NoError(t, err)
	return r
}

func TestByNumberMisfit(t *testing.T) {
	for want, answers := range map[string][]Answer{
		"answer 1: option 2 at a point with 2 options: a copy 0": {{0, 2}},
		"answer 2: option 3 at a point with 3 options: b pick 0": {{0, 1}, {1, 3}},
		"answer 1: option 0 at a point":                          {{0, 0}},
		"answer 2: its question was never asked":                 {{0, 1}, {7, 1}},
	} {
		b := NewByNumber(answers)
		program(b)
		require.ErrorContains(t, b.Err(), want)
	}
}
