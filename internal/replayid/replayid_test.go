package replayid

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/tape"
)

var sample = ID{Engine: "2", Row: Row{1, 2, 3, 4, 5}, Event: 9, Verdict: 4, Answers: []tape.Answer{{Skip: 3, Option: 1}, {Skip: 200, Option: 9}}}

func random(r *rand.Rand) ID {
	id := ID{Engine: "12", Event: r.IntN(1000), Verdict: uint8(r.IntN(10))}
	for i := range id.Row {
		id.Row[i] = byte(r.Uint32())
	}
	for range r.IntN(12) {
		id.Answers = append(id.Answers, tape.Answer{Skip: r.IntN(1 << r.IntN(16)), Option: 1 + r.IntN(12)})
	}
	return id
}

func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		id := random(r)
		got, err := Parse(id.String())
		require.NoError(t, err, id.String())
		require.Equal(t, &id, got)
	}
	// The encoding is a promise: this line never changes, or format does.
	require.Equal(t, "u2-040g40r40m4g86e71g1dn1d9x0", sample.String())
}

// What a mail or a reader makes of an id is no matter.
func TestForgiving(t *testing.T) {
	s := sample.String()
	for _, text := range []string{strings.ToUpper(s), " " + s[:7] + "\n  " + s[7:] + "\r\n", s[:9] + "-" + s[9:], strings.ReplaceAll(s, "0", "O"), strings.ReplaceAll(s, "1", "l")} {
		got, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, &sample, got)
	}
}

// No id passes with one character wrong, missing or doubled, or with two
// neighbours that changed places.
func TestMistyped(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		id := random(r)
		s := id.String()
		refused := func(text string) {
			if text == s {
				return
			}
			got, err := Parse(text)
			require.Error(t, err, "%s for %s gave %v", text, s, got)
		}
		for i := range s {
			for _, c := range "0123456789abcdefghjkmnpqrstvwxyzu!" {
				refused(s[:i] + string(c) + s[i+1:])
			}
			if s[i] == '-' {
				continue // a dash more or less between digits is no matter
			}
			refused(s[:i] + s[i+1:])
			refused(s[:i] + s[i:i+1] + s[i:])
			if i+1 < len(s) && s[i+1] != '-' {
				refused(s[:i] + s[i+1:i+2] + s[i:i+1] + s[i+2:])
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "not a replay id",
		"u2":                               "not a replay id",
		"ux-04106":                         "not a replay id",
		"2-04106":                          "not a replay id",
		"u2-":                              "damaged",
		"u2-0410608":                       "damaged",
		"u3-" + sample.String()[3:]:        "damaged",
		"u2-" + strings.Repeat("0", 1<<20): "allowed: up to",
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, want, "%.40s", text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample.String())
	f.Fuzz(func(t *testing.T, s string) {
		id, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(id.String())
		require.NoError(t, err)
		require.Equal(t, id, again)
	})
}
