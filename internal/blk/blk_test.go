package blk

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRange(t *testing.T) {
	r := Range{Start: 8, Len: 4}
	require.EqualValues(t, 12, r.End())
	require.Equal(t, "8+4", r.String())
	for s, in := range map[Sector]bool{7: false, 8: true, 11: true, 12: false} {
		require.Equal(t, in, r.Contains(s), "sector %d", s)
	}
	for _, c := range []struct {
		o    Range
		want bool
	}{
		{Range{4, 4}, false}, {Range{4, 5}, true}, {Range{11, 1}, true}, {Range{12, 4}, false}, {Range{0, 64}, true}, {r, true},
	} {
		require.Equal(t, c.want, r.Overlaps(c.o), "%v", c.o)
		require.Equal(t, c.want, c.o.Overlaps(r), "%v", c.o)
	}
}

func TestHandle(t *testing.T) {
	meta := NewInterner().Intern(make([]byte, SectorSize))
	for _, c := range []struct {
		h            Handle
		data, meta   bool
		write, place int
		text         string
	}{
		{h: Zero, text: "zero"},
		{h: Garbage, text: "garbage"},
		{h: 2, text: "bad#2"},
		{h: Data(InitialWrite, 0), data: true, text: "w0.0"},
		{h: Data(1, 5), data: true, write: 1, place: 5, text: "w1.5"},
		{h: Data(MaxWrite, MaxPlace-1), data: true, write: MaxWrite, place: MaxPlace - 1, text: "w62.65535"},
		{h: Data(FreeSpace, 9), data: true, write: FreeSpace, place: 9, text: "free.9"},
		{h: meta, meta: true, text: "meta#0"},
	} {
		require.Equal(t, c.data, c.h.IsData(), c.text)
		require.Equal(t, c.meta, c.h.IsMeta(), c.text)
		require.Equal(t, c.text, c.h.String())
		if c.data {
			require.Equal(t, c.write, c.h.Write(), c.text)
			require.Equal(t, c.place, c.h.Place(), c.text)
		}
	}
	seen := map[Handle]bool{Zero: true, Garbage: true}
	for _, w := range []int{InitialWrite, 1, 2, MaxWrite, FreeSpace} {
		for p := 0; p < MaxPlace; p += 255 {
			require.False(t, seen[Data(w, p)])
			seen[Data(w, p)] = true
		}
	}
}

func sectorOf(b byte) []byte {
	p := make([]byte, SectorSize)
	p[0], p[SectorSize-1] = b, b
	return p
}

func TestInterner(t *testing.T) {
	a, b := NewInterner(), NewInterner()
	const n = 200
	var handles [n]Handle
	for i := range n {
		p := sectorOf(byte(i))
		handles[i] = a.Intern(p)
		require.Equal(t, i, a.Index(handles[i]), "numbered in the order of interning")
		p[0]++ // the bytes are the Interner's own
	}
	for i := n - 1; i >= 0; i-- {
		require.Equal(t, handles[i], a.Intern(sectorOf(byte(i))), "equal bytes have one handle")
		require.Equal(t, sectorOf(byte(i)), a.Bytes(handles[i]))
		b.Intern(sectorOf(byte(i)))
	}
	require.NotEqual(t, handles[0], b.Intern(sectorOf(0)), "handles depend on the order")
	for i := range n {
		require.Equal(t, a.Content(handles[i]), b.Content(b.Intern(sectorOf(byte(i)))), "contents do not")
	}
	all := append(handles[:], Zero, Garbage, Data(InitialWrite, 0), Data(InitialWrite, 1), Data(1, 0), Data(FreeSpace, 7))
	for i := range all {
		for j := range all {
			require.Equal(t, i == j, a.Content(all[i]) == a.Content(all[j]), "%v and %v", all[i], all[j])
		}
	}
	p := sectorOf(1)
	require.Zero(t, testing.AllocsPerRun(100, func() { a.Intern(p) }))
}

func payload(from, n int) []Handle {
	p := make([]Handle, n)
	for i := range p {
		p[i] = Data(1, from+i)
	}
	return p
}

// Payloads stay what they were, however the arena grows, until Reset.
func TestLogArena(t *testing.T) {
	var l Log
	fill := func() {
		for i := range 300 {
			p := payload(i, 1+i%40)
			l.Append(Event{Kind: SubmitWrite, Cmd: int32(i), Payload: p})
			clear(p)
			l.Append(Event{Kind: Complete, Cmd: int32(i)})
		}
	}
	check := func() {
		require.Len(t, l.Events, 600)
		for i := range 300 {
			require.Equal(t, payload(i, 1+i%40), l.Events[2*i].Payload)
			require.Nil(t, l.Events[2*i+1].Payload)
		}
	}
	fill()
	check()
	for i := range l.Events {
		_ = append(l.Events[i].Payload, Garbage) // does not reach the neighbour
	}
	check()
	copied := l.Copy(l.Events[0].Payload)
	copied[0] = Garbage
	check()
	l.Reset()
	require.Empty(t, l.Events)
	fill()
	check()
	e := Event{Kind: SubmitWrite, Payload: payload(0, 64)}
	run := func() {
		l.Reset()
		for range 100 {
			l.Append(e)
		}
	}
	run()
	require.Zero(t, testing.AllocsPerRun(10, run))
}

func TestEventText(t *testing.T) {
	for want, e := range map[string]Event{
		"write cmd3 8+2":     {Kind: SubmitWrite, Cmd: 3, Range: Range{8, 2}},
		"write cmd3 8+2 fua": {Kind: SubmitWrite, Cmd: 3, Range: Range{8, 2}, FUA: true},
		"alter cmd3 8+1":     {Kind: Alter, Cmd: 3, Range: Range{8, 1}},
		"flush cmd4":         {Kind: SubmitFlush, Cmd: 4},
		"complete cmd4 = -5": {Kind: Complete, Cmd: 4, Result: -5},
		"call op1":           {Kind: Call, Op: 1},
		"return op1 = 512":   {Kind: Return, Op: 1, Result: 512},
		"invalid cmd0":       {},
	} {
		require.Equal(t, want, e.String())
	}
}
