package tape

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestText(t *testing.T) {
	tp := Tape{
		{"db", "copy", 0, "short copy 512"},
		{"machine", "pick", 12, "complete write 8+8"},
		{"", "", 3, ""},
		{"#a", "b\nc", 4, "\xff\x00\""},
		{"a\\b", "é\u00a0ü", 2147483647, "#"},
	}
	want := `db copy 0 "short copy 512"
machine pick 12 "complete write 8+8"
"" "" 3 ""
"#a" "b\nc" 4 "\xff\x00\""
"a\\b" "é\u00a0ü" 2147483647 "#"
`
	require.Equal(t, want, tp.String())
	got, err := Parse(want)
	require.NoError(t, err)
	require.Equal(t, tp, got)
	got, err = Parse("\n  # what the writer did\n\tdb\t copy 0   x \r\n\n")
	require.NoError(t, err)
	require.Equal(t, Tape{{"db", "copy", 0, "x"}}, got)
	got, err = Parse("")
	require.NoError(t, err)
	require.Empty(t, got)
	e, err := ParseEntry(tp[0].String())
	require.NoError(t, err)
	require.Equal(t, tp[0], e)
}

func TestMalformed(t *testing.T) {
	for text, want := range map[string]string{
		"a b 0 c\ndb copy 1":       "line 2: no option",
		"db":                       "line 1: no site",
		"db copy x y":              `visit "x" is not a number`,
		"db copy -1 y":             `visit "-1" is not a number`,
		"db copy 01 y":             `visit "01" is not a number`,
		"db copy 2147483648 y":     "is not a number",
		"db copy 1 y z":            "line 1: more than",
		`db copy 1 "y`:             "bad quotes",
		`db "co\py" 1 y`:           "site: bad quotes",
		`db copy 1 y"z`:            "needs quotes",
		`"db"copy 1 y`:             "no space before the site",
		"\n\ndb copy 1 \xff":       "line 3: option",
		"db copy 1 'it is quoted'": "more than",
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, want, "%q", text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("db copy 0 \"short copy 512\"\n# x\n\"\" \"\\n\" 7 a")
	f.Fuzz(func(t *testing.T, text string) {
		tp, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(tp.String())
		require.NoError(t, err)
		require.Equal(t, tp, again)
	})
}

func FuzzEntry(f *testing.F) {
	f.Add("db", "copy", 3, "short copy")
	f.Fuzz(func(t *testing.T, task, site string, visit int, option string) {
		if visit < 0 || visit > 1<<31-1 {
			return
		}
		tp := Tape{{task, site, visit, option}}
		got, err := Parse(tp.String())
		require.NoError(t, err)
		require.Equal(t, tp, got)
	})
}

// program asks at a few points, the later ones depending on the answers
// before, and returns what was chosen.
func program(c Chooser) string {
	var got []string
	visits := map[string]int{}
	ask := func(task, site string, options ...string) int {
		i := c.Choose(&fakePoint{task, site, visits[task+site], options})
		visits[task+site]++
		if i >= 0 {
			got = append(got, options[i])
		}
		return i
	}
	if ask("a", "copy", "go on", "short") == 1 {
		ask("a", "copy", "go on", "short", "gone")
	}
	ask("b", "pick", "x", "y", "z")
	return strings.Join(got, ",")
}

type fakePoint struct {
	task, site string
	visit      int
	options    []string
}

func (p *fakePoint) Task() string        { return p.task }
func (p *fakePoint) Site() string        { return p.site }
func (p *fakePoint) Visit() int          { return p.visit }
func (p *fakePoint) Len() int            { return len(p.options) }
func (p *fakePoint) Option(i int) string { return p.options[i] }

// Each tape is enumerated once, recorded, and replayed to the same choices.
func TestEnumerateRecordReplay(t *testing.T) {
	e := &Enumerator{}
	seen := map[string]Tape{}
	for more := true; more; more = e.Next() {
		r := &Recorder{From: e}
		seen[program(r)] = r.Tape
	}
	require.NoError(t, e.Err())
	require.Len(t, seen, 3+3*3)
	require.Empty(t, seen["go on,x"])
	require.Equal(t, Tape{{"a", "copy", 0, "short"}, {"a", "copy", 1, "gone"}, {"b", "pick", 0, "y"}}, seen["short,gone,y"])
	for choices, tp := range seen {
		r, err := NewReplayer(tp)
		require.NoError(t, err)
		require.Equal(t, choices, program(r))
		require.NoError(t, r.Err())
	}
	require.Equal(t, "go on,x", program(Default{}))
}

func TestReplayerMisfit(t *testing.T) {
	for name, c := range map[string]struct {
		tape Tape
		want string
	}{
		"no such option": {Tape{{"b", "pick", 0, "w"}}, `entry 1: its point has no such option: b pick 0 w`},
		"never reached":  {Tape{{"b", "pick", 0, "y"}, {"a", "copy", 1, "short"}}, "entry 2: its point was never reached: a copy 1 short"},
		"no such task":   {Tape{{"c", "pick", 0, "y"}}, "entry 1: its point was never reached"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := NewReplayer(c.tape)
			require.NoError(t, err)
			program(r)
			require.ErrorContains(t, r.Err(), c.want)
		})
	}
	_, err := NewReplayer(Tape{{"a", "copy", 0, "x"}, {"a", "copy", 0, "y"}})
	require.ErrorContains(t, err, "entries 1 and 2 are for the same point")

	r, err := NewReplayer(Tape{{"a", "s", 0, "x"}})
	require.NoError(t, err)
	require.Equal(t, Stop, r.Choose(&fakePoint{"a", "s", 0, []string{"go on", "x", "x"}}))
	require.ErrorContains(t, r.Err(), "two options have its name")
	require.Equal(t, Stop, r.Choose(&fakePoint{"a", "t", 0, []string{"go on"}}), "nothing follows a misfit")

	r, err = NewReplayer(Tape{{"a", "s", 0, "x"}})
	require.NoError(t, err)
	require.Equal(t, 1, r.Choose(&fakePoint{"a", "s", 0, []string{"go on", "x"}}))
	require.Equal(t, Stop, r.Choose(&fakePoint{"a", "s", 0, []string{"go on", "x"}}))
	require.ErrorContains(t, r.Err(), "came twice")
}

func TestEnumeratorNotices(t *testing.T) {
	e := &Enumerator{}
	e.Choose(&fakePoint{"a", "s", 0, []string{"0"}})
	e.Choose(&fakePoint{"a", "s", 0, []string{"0", "1"}})
	require.True(t, e.Next())
	require.Equal(t, Stop, e.Choose(&fakePoint{"a", "s", 0, []string{"0", "1"}}))
	require.False(t, e.Next())
	require.ErrorContains(t, e.Err(), "2 options, before it had 1")

	e = &Enumerator{}
	e.Choose(&fakePoint{"a", "s", 0, []string{"0", "1"}})
	require.True(t, e.Next())
	require.False(t, e.Next())
	require.ErrorContains(t, e.Err(), "ended after 0 choices")
}

func draws(s *Sampler, sites ...string) (got []int) {
	for _, site := range sites {
		got = append(got, s.Draw(site, 1000))
	}
	return got
}

func TestSampler(t *testing.T) {
	require.Equal(t, draws(NewSampler(1), "a", "b", "a", "b"), draws(NewSampler(1), "a", "b", "a", "b"))
	require.NotEqual(t, draws(NewSampler(1), "a", "a", "a"), draws(NewSampler(2), "a", "a", "a"))
	require.NotEqual(t, draws(NewSampler(1), "a", "a", "a"), draws(NewSampler(1), "b", "b", "b"))

	with, without := NewSampler(9), NewSampler(9)
	for range 100 {
		with.Draw("new site", 3)
		require.Equal(t, without.Draw("a", 1000), with.Draw("a", 1000), "a new site shifts nothing")
	}
	with.Seed(9)
	require.Equal(t, draws(NewSampler(9), "a", "b"), draws(with, "a", "b"))

	// The streams are a promise: these numbers never change.
	require.Equal(t, []int{793, 440, 801, 44}, draws(NewSampler(1), "copy", "pick", "copy", "pick"))
	require.Equal(t, uint64(18350238978914854945), Derive(1, 2))
}

func TestSamplerIsFair(t *testing.T) {
	s := NewSampler(3)
	var n [6]int
	for range 60000 {
		n[s.Choose(&fakePoint{"a", "s", 0, make([]string, len(n))})]++
	}
	for i, got := range n {
		require.InDelta(t, 10000, got, 400, "option %d", i)
	}
	require.Panics(t, func() { s.Draw("a", 0) })
	require.NotEqual(t, Derive(1, 0), Derive(1, 1))
	require.NotEqual(t, Derive(1, 1), Derive(2, 0))
}

// A loose tape plays what fits and nothing else.
func TestLoose(t *testing.T) {
	l := NewLoose(Tape{{"a", "s", 1, "complete write cmd7 [0,8)"}, {"b", "s", 0, "x"}})
	for want, p := range map[int]*fakePoint{
		0: {"a", "s", 0, []string{"go on", "complete write cmd7 [0,8)"}},
		2: {"a", "s", 1, []string{"go on", "complete flush cmd6", "complete write cmd5 [0,4)"}},
		3: {"a", "s", 1, []string{"go on", "complete write cmd1 [0,4)", "run x", "complete write cmd7 [0,8)"}},
	} {
		require.Equal(t, want, l.Choose(p))
	}
	require.Zero(t, l.Choose(&fakePoint{"b", "s", 0, []string{"go on", "y"}}))
}
