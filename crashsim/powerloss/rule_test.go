package powerloss_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim/powerloss"
	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/key"
)

// lister is a sink that writes down every image as one digit a sector. It
// takes all of the disk for metadata, so that nothing stands for anything.
type lister struct {
	image  []blk.Handle
	images map[string]uint64 // with the number of ways to get each
}

func (l *lister) Set(s blk.Sector, content []blk.Handle) { copy(l.image[s:], content) }
func (l *lister) Recover() ([]blk.Cell, int)             { return nil, 0 }
func (l *lister) Leaf(int, *count.Count)                 { panic("no groups") }
func (l *lister) Choice(*count.Count)                    { panic("no groups") }
func (l *lister) Component()                             { panic("no groups") }
func (l *lister) State(n *count.Count) bool {
	ways, _ := n.Uint64()
	l.images[digits(l.image)] += ways
	return false
}

func digits(image []blk.Handle) string {
	var b strings.Builder
	for _, h := range image {
		switch {
		case h == blk.Garbage:
			b.WriteByte('G')
		default:
			fmt.Fprint(&b, h.Write())
		}
	}
	return b.String()
}

// run plays a line of events on a disk of eight sectors that hold write 0:
//
//	w1:0-3     write 1 is submitted to sectors 0 to 3; W1:0-3 has FUA
//	f5         flush 5 is submitted
//	k1 x1      command 1 completes, fails
//	a1:0-1=7   for sectors 0 to 1 the device may have read write 7 instead
//	p0-0=7     a read of sector 0 returned write 7
func run(t testing.TB, rules powerloss.Rules, line string) *powerloss.State {
	initial := make([]blk.Handle, 8)
	for i := range initial {
		initial[i] = blk.Data(0, i)
	}
	s := powerloss.New(rules, initial)
	s.Reset()
	for _, word := range strings.Fields(line) {
		e := event(t, word)
		s.Apply(&e)
	}
	return s
}

func event(t testing.TB, word string) blk.Event {
	number := func(s string) int32 {
		n, err := strconv.Atoi(s)
		require.NoError(t, err, word)
		return int32(n)
	}
	e := blk.Event{}
	rest, write, altered := strings.Cut(word[1:], "=")
	id, rng, hasRange := strings.Cut(rest, ":")
	if word[0] == 'p' {
		id, rng, hasRange = "0", rest, true
	}
	e.Cmd = number(id)
	if !altered {
		write = id
	}
	if hasRange {
		from, to, _ := strings.Cut(rng, "-")
		e.Range = blk.Range{Start: number(from), Len: number(to) - number(from) + 1}
		for s := e.Range.Start; s < e.Range.End(); s++ {
			e.Payload = append(e.Payload, blk.Data(int(number(write)), int(s)))
		}
	}
	switch word[0] {
	case 'w':
		e.Kind = blk.SubmitWrite
	case 'W':
		e.Kind, e.FUA = blk.SubmitWrite, true
	case 'f':
		e.Kind = blk.SubmitFlush
	case 'k':
		e.Kind = blk.Complete
	case 'x':
		e.Kind, e.Result = blk.Complete, -5
	case 'a':
		e.Kind = blk.Alter
	case 'p':
		e.Kind = blk.Pin
	default:
		t.Fatalf("%q is no event", word)
	}
	return e
}

func TestCrashRule(t *testing.T) {
	lba := powerloss.Rules{}
	atomic := powerloss.Rules{NAWUPF: 8, NAWUN: 8}
	for _, c := range []struct {
		name   string
		rules  powerloss.Rules
		events string
		want   string // images, and how often each if not once
	}{
		{"nothing", lba, "", "00000000"},
		{"each LBA on its own", lba, "w1:0-1", "00000000 01000000 10000000 11000000"},
		{"a command that fits is one piece", atomic, "w1:0-1", "00000000 11000000"},
		{"one that does not fit is not", powerloss.Rules{NAWUPF: 2}, "w1:0-2",
			"00000000 00100000 01000000 01100000 10000000 10100000 11000000 11100000"},
		{"LBAs of two sectors", powerloss.Rules{LBA: 2}, "w1:0-3", "00000000 00110000 11000000 11110000"},
		{"across a boundary", powerloss.Rules{NAWUPF: 4, Boundary: 4}, "w1:3-4", "00000000 00001000 00010000 00011000"},
		{"up to a boundary", powerloss.Rules{NAWUPF: 4, Boundary: 4}, "w1:2-3", "00000000 00110000"},
		{"the partition moves the boundary", powerloss.Rules{NAWUPF: 4, Boundary: 4, PartitionOffset: 1}, "w1:2-3", "00000000 00010000 00100000 00110000"},
		{"and its offset moves it back", powerloss.Rules{NAWUPF: 4, Boundary: 4, PartitionOffset: 1, BoundaryOffset: 1}, "w1:2-3", "00000000 00110000"},
		{"before the first boundary", powerloss.Rules{NAWUPF: 4, Boundary: 4, BoundaryOffset: 2}, "w1:1-2", "00000000 00100000 01000000 01100000"},

		{"acknowledged is not hardened", atomic, "w1:0-1 k1", "00000000 11000000"},
		{"a flush hardens what was acknowledged", atomic, "w1:0-1 k1 f2 k2", "11000000"},
		{"near: the flush has not completed", atomic, "w1:0-1 k1 f2", "00000000 11000000"},
		{"near: acknowledged after the flush was submitted", atomic, "w1:0-1 f2 k1 k2", "00000000 11000000"},
		{"near: the flush failed", atomic, "w1:0-1 k1 f2 x2", "00000000 11000000"},
		{"near: the flush lies", powerloss.Rules{NAWUPF: 8, FlushLies: true}, "w1:0-1 k1 f2 k2", "00000000 11000000"},
		{"FUA hardens itself", atomic, "W1:0-1 k1", "11000000"},
		{"near: not before it completes", atomic, "W1:0-1", "00000000 11000000"},
		{"near: and nothing else", atomic, "w1:0-0 k1 W2:1-1 k2", "02000000 12000000"},
		{"a protected cache", powerloss.Rules{Protected: true}, "w1:0-1 k1 w2:2-2", "11000000 11200000"},
		{"a failed command may be there", atomic, "w1:0-1 x1 f2 k2", "00000000 11000000"},
		{"a cache of LBAs", powerloss.Rules{NAWUPF: 8, CachedLBA: true}, "w1:0-1 k1 w2:2-3",
			"00000000 00220000 01000000 01220000 10000000 10220000 11000000 11220000"},

		{"acknowledged before submitted: in order", atomic, "w1:0-1 k1 w2:0-0", "00000000 11000000 20000000 21000000"},
		{"in flight together: either order", atomic, "w1:0-1 w2:0-0", "00000000*2 11000000*2 20000000*2 11000000 21000000"},
		{"either order, as wholes", atomic, "W1:0-1 W2:0-1 k1 k2", "11000000 22000000"},
		{"either order, LBA by LBA", powerloss.Rules{NAWUPF: 8}, "W1:0-1 W2:0-1 k1 k2", "11000000 12000000 21000000 22000000"},
		{"one does not fit NAWUN", powerloss.Rules{NAWUPF: 8, NAWUN: 1}, "W1:0-1 W2:0-0 k1 k2", "11000000 21000000"},
		{"a later write decides", atomic, "W1:0-1 W2:0-1 k1 k2 W3:0-0 k3", "31000000 32000000"},
		{"hardened over a maybe", atomic, "w1:0-1 k1 W2:0-0 k2", "20000000 21000000"},
		{"hardened, but a command flew beside it", atomic, "w1:0-0 W2:0-0 k2", "20000000*3 10000000"},
		{"no order in a circle", atomic, "W1:0-1 W2:1-2 W3:2-3 k1 k2 k3", "11230000 11330000 12230000 12330000"},
		{"no order in a circle, closed", atomic, "W1:0-2 W2:0-2 W3:0-2 k1 k2 k3", "11100000*2 22200000*2 33300000*2"},

		{"a circle through what was overwritten", atomic, "w1:0-1 w2:0-2 k1 w3:1-2 k2 k3",
			"00000000*3 03300000*3 11000000*3 11200000 13300000*4 22200000*7 23300000*3"},
		{"near: a flush decides, and no order comes back", atomic, "w1:0-1 w2:0-2 k1 w3:1-2 k2 k3 f4 k4", "13300000 22200000 23300000"},
		{"a whole below what was written over a part of it", powerloss.Rules{NAWUPF: 8, NAWUN: 4},
			"w1:0-1 W2:0-3 k2 W3:2-5 k3 W4:1-5 k4 f5 f6 k1", "11444400 14444400 24444400*4"},

		{"garbage", powerloss.Rules{Garbage: true}, "w1:0-1",
			"00000000 01000000 0G000000 10000000 11000000 1G000000 G0000000 G1000000 GG000000"},
		{"near: one LBA fits", powerloss.Rules{Garbage: true}, "w1:0-0", "00000000 10000000"},
		{"near: hardened", powerloss.Rules{Garbage: true}, "W1:0-1 k1", "11000000"},

		{"altered memory", atomic, "W1:0-1 a1:0-1=7 k1", "11000000 17000000 71000000 77000000"},
		{"altered twice", atomic, "W1:0-0 a1:0-0=7 a1:0-0=8 k1", "10000000 70000000 80000000"},
		{"altered in flight", atomic, "w1:0-1 a1:0-0=7", "00000000*2 11000000 71000000"},
		{"near: altered after it completed", atomic, "W1:0-1 k1 a1:0-1=7", "11000000"},
		{"overwritten", atomic, "W1:0-1 a1:0-1=7 k1 W2:0-0 k2", "21000000 27000000"},
		{"a read decides", atomic, "W1:0-1 a1:0-1=7 k1 p0-0=7", "71000000 77000000"},
		{"a read decides for what was written", atomic, "W1:0-1 a1:0-1=7 k1 p0-1=1", "11000000"},
		{"a read of the cache decides", atomic, "w1:0-0 a1:0-0=7 k1 p0-0=7", "00000000 70000000"},
		{"a read of half an LBA decides nothing of the rest", powerloss.Rules{LBA: 2}, "W1:0-1 a1:1-1=7 k1 p0-0=1", "11000000 17000000"},
		{"near: a read of the other half", powerloss.Rules{LBA: 2}, "W1:0-1 a1:1-1=7 k1 p1-1=7", "17000000"},
		{"a read of half an LBA leaves the alterations that fit", powerloss.Rules{LBA: 2}, "W1:0-1 a1:0-0=7 a1:1-1=7 k1 p0-0=7", "71000000 77000000"},
		{"what was altered back is one content after a read", powerloss.Rules{LBA: 2}, "W1:0-1 a1:0-0=7 a1:0-0=1 a1:1-1=7 k1 p0-0=1", "11000000 17000000"},
		{"half an LBA is altered", powerloss.Rules{LBA: 2}, "W1:0-1 a1:1-1=7 k1", "11000000 17000000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := make(map[string]uint64)
			var covered uint64
			for _, w := range strings.Fields(c.want) {
				image, times, many := strings.Cut(w, "*")
				n := 1
				if many {
					n, _ = strconv.Atoi(times)
				}
				want[image] += uint64(n)
				covered += uint64(n)
			}
			s := run(t, c.rules, c.events)
			require.Equal(t, want, imagesOf(s))
			n := s.Covered()
			require.Equal(t, count.Of(covered), n)
		})
	}
}

// What a read of a part of an LBA leaves open does not change what the rest
// of it reads as.
func TestPartialPinKeepsContents(t *testing.T) {
	s := run(t, powerloss.Rules{LBA: 2}, "W1:0-1 a1:0-0=7 a1:0-0=1 a1:1-1=7 k1")
	require.Equal(t, 7, s.Contents(1).Write())
	e := event(t, "p0-0=1")
	s.Apply(&e)
	require.Equal(t, 7, s.Contents(1).Write())
	e = event(t, "p1-1=7")
	s.Apply(&e)
	require.Equal(t, map[string]uint64{"17000000": 1}, imagesOf(s))
}

// Seven writes in flight over each other are gone through; more than that
// ends with a panic that says so, never with fewer images.
func TestTooManyOrdersPanic(t *testing.T) {
	line := func(n int, at string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "w%d:%s ", i+1, at)
		}
		return b.String()
	}
	atomic := powerloss.Rules{NAWUPF: 8, NAWUN: 8}
	s := run(t, atomic, line(7, "0-1"))
	n := s.Covered()
	require.Equal(t, "645120", n.String(), "7! orders of 2^7")
	images := func(rules powerloss.Rules, line string) func() {
		s := run(t, rules, line)
		return func() { s.Covered() }
	}
	require.PanicsWithValue(t, "powerloss: more than 65536 orders of 66 overlapping pairs of writes in flight; "+
		"use a smaller queue depth or fewer overlapping writes", images(atomic, line(12, "0-0")))
	require.Panics(t, images(powerloss.Rules{NAWUPF: 8}, line(9, "0-1")))
	require.NotPanics(t, images(powerloss.Rules{NAWUPF: 8}, line(6, "0-1")))
}

func TestContents(t *testing.T) {
	atomic := powerloss.Rules{NAWUPF: 8, NAWUN: 8}
	for events, want := range map[string]string{
		"":                                "00000000",
		"w1:0-1":                          "00000000",
		"w1:0-1 k1":                       "11000000",
		"w1:0-1 k1 w2:1-2 k2":             "12200000",
		"w1:0-1 w2:0-1 k2 k1":             "11000000",
		"w1:0-1 x1":                       "00000000",
		"w1:0-1 a1:0-0=7 k1":              "71000000",
		"w1:0-1 a1:0-0=7 k1 f2 k2 p0-0=1": "11000000",
		"W1:0-1 k1 w2:0-0":                "11000000",
	} {
		s := run(t, atomic, events)
		var got []blk.Handle
		for i := range int32(8) {
			got = append(got, s.Contents(i))
		}
		require.Equal(t, want, digits(got), events)
	}
}

func handleKey(h blk.Handle) key.Key { return key.Key{uint64(h), uint64(h)} }

// Equal hashes where nothing later can differ, other hashes where it can.
func TestStateHash(t *testing.T) {
	of := func(rules powerloss.Rules, events string) key.Key {
		var h key.Hasher
		run(t, rules, events).Hash(&h, handleKey)
		return h.Sum()
	}
	atomic := powerloss.Rules{NAWUPF: 8, NAWUN: 8}
	require.Equal(t, of(atomic, "W1:0-1 k1"), of(atomic, "w1:0-1 k1 f5 k5"), "the same medium")
	require.Equal(t, of(atomic, "W2:0-0 k2 W1:0-1 k1"), of(atomic, "W1:0-1 k1"), "what was overwritten is gone")
	different := []string{"", "w1:0-1", "W1:0-1", "w1:0-1 k1", "w1:0-1 x1", "W1:0-1 k1", "w1:0-2", "w2:0-1",
		"w1:0-1 f5", "w1:0-1 k1 f5", "w1:0-1 f5 k1", "w1:0-1 a1:0-0=7", "w1:0-1 a1:0-1=7",
		"w1:0-1 w2:0-0", "w1:0-1 k1 w2:0-0", "w1:0-1 w2:0-0 k1", "w1:0-1 w2:0-0 k1 k2", "w1:0-1 w2:0-0 k2 k1", "w1:0-1 k1 w2:0-0 k2"}
	seen := make(map[key.Key]string)
	for _, events := range different {
		k := of(atomic, events)
		require.Empty(t, seen[k], events)
		seen[k] = events + " "
	}
}

// The fingerprint of the medium is kept up to date, whenever it is asked for.
func TestHashIsIncremental(t *testing.T) {
	words := strings.Fields("w1:0-1 k1 w2:1-4 f5 k2 k5 W3:2-3 a3:2-2=7 k3 w4:0-7 k4 f6 k6")
	content := handleKey
	s := run(t, powerloss.Rules{NAWUPF: 4}, "")
	for range 2 {
		s.Reset()
		for i, word := range words {
			e := event(t, word)
			s.Apply(&e)
			var a, b key.Hasher
			s.Hash(&a, content)
			run(t, powerloss.Rules{NAWUPF: 4}, strings.Join(words[:i+1], " ")).Hash(&b, content)
			require.Equal(t, b.Sum(), a.Sum(), word)
		}
	}
}

func TestImpossibleEventsPanic(t *testing.T) {
	for _, c := range []struct {
		rules  powerloss.Rules
		events string
	}{
		{powerloss.Rules{LBA: 2}, "w1:0-2"},
		{powerloss.Rules{}, "w1:7-8"},
		{powerloss.Rules{}, "k1"},
		{powerloss.Rules{}, "w1:0-0 k1 k1"},
		{powerloss.Rules{}, "w1:0-0 a1:0-0=7 k1 p0-0=5"},
	} {
		require.Panics(t, func() { run(t, c.rules, c.events) }, c.events)
	}
}

func BenchmarkHash(b *testing.B) {
	s := run(b, powerloss.Rules{NAWUPF: 4}, "w1:0-1 k1 w2:1-4 f5 k2 w3:5-6")
	b.ReportAllocs()
	for b.Loop() {
		var h key.Hasher
		s.Hash(&h, handleKey)
	}
}

// BenchmarkApply follows a write of 16 KiB through its life.
func BenchmarkApply(b *testing.B) {
	initial := make([]blk.Handle, 1024)
	s := powerloss.New(powerloss.Rules{NAWUPF: 8}, initial)
	payload := make([]blk.Handle, 32)
	for i := range payload {
		payload[i] = blk.Data(1, i)
	}
	events := []blk.Event{
		{Kind: blk.SubmitWrite, Range: blk.Range{Start: 64, Len: 32}, Payload: payload},
		{Kind: blk.Complete}, {Kind: blk.SubmitFlush, Cmd: 1}, {Kind: blk.Complete, Cmd: 1},
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Reset()
		for i := range events {
			s.Apply(&events[i])
		}
	}
}
