package recorded

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/internal/blk/logwrites"
	"untorn/internal/stamp"
)

// entry makes a write of n sectors whose content names it.
func entry(name byte, sector, n int) logwrites.Entry {
	e := logwrites.Entry{Sector: uint64(sector), Sectors: uint64(n)}
	for i := range n {
		b := make([]byte, blk.SectorSize)
		b[0], b[1] = name, byte(i)
		e.Data = append(e.Data, b...)
	}
	return e
}

func said(text string) logwrites.Entry {
	return logwrites.Entry{Flags: logwrites.Mark, Data: []byte(text)}
}

var flush = logwrites.Entry{Flags: logwrites.Flush}

// named is a small disk as bytes that name the writes: two a sector.
func (s *Space) named(img *Image, sectors int) string {
	out := make([]byte, 2*sectors)
	for i := range sectors {
		copy(out[2*i:], s.contents.sector(s.base[int64(i)])[:2])
	}
	for _, c := range img.delta {
		copy(out[2*c.sector:], s.contents.sector(c.content)[:2])
	}
	return string(out)
}

// contentOf is the same as a write of all of it.
func (s *Space) contentOf(img *Image, sectors int) []logwrites.Entry {
	e := logwrites.Entry{Sectors: uint64(sectors)}
	m := s.medium(img)
	for i := range sectors {
		e.Data = append(e.Data, s.contents.sector(m.get(int64(i)))...)
	}
	return []logwrites.Entry{e}
}

// bruteForce lists every medium that the crash rule allows at a cut, written
// down without looking at how enumerate does it.
func bruteForce(base, entries []logwrites.Entry, d *Device, sectors int) map[string]bool {
	type piece struct {
		e, from, to int
		garbage     bool
	}
	var pieces []piece
	first := 0
	for i, e := range entries {
		if e.Flags&logwrites.Flush != 0 && !d.FlushLies {
			first = i + 1
		}
		if d.Protected && e.Flags&(logwrites.Flush|logwrites.Mark) == 0 {
			first = i
		}
	}
	medium := make([]byte, 2*sectors)
	put := func(m []byte, e *logwrites.Entry, from, to int) {
		for k := from; k < to; k++ {
			at := m[2*(int(e.Sector)+k):]
			at[0], at[1] = 0, 0
			if e.Flags&logwrites.Discard == 0 {
				copy(at[:2], e.Data[k*blk.SectorSize:])
			}
		}
	}
	for i := range base {
		if base[i].Flags == 0 {
			put(medium, &base[i], 0, int(base[i].Sectors))
		}
	}
	for i := range entries {
		e := &entries[i]
		if e.Flags&(logwrites.Flush|logwrites.Mark) != 0 {
			continue
		}
		n := int(e.Sectors)
		if i < first {
			put(medium, e, 0, n)
			continue
		}
		size, start := int64(n)*blk.SectorSize, int64(e.Sector)*blk.SectorSize
		crosses := d.Boundary > 0 && start/d.Boundary != (start+size-1)/d.Boundary
		fits := size <= max(d.NAWUPF, d.LBA) && (!crosses || size <= d.LBA)
		if e.Flags&logwrites.Discard == 0 && fits && !d.CachedLBA {
			pieces = append(pieces, piece{i, 0, n, false})
			continue
		}
		for k := 0; k < n; k += int(d.LBA / blk.SectorSize) {
			pieces = append(pieces, piece{i, k, k + int(d.LBA/blk.SectorSize), d.Garbage && !fits && e.Flags&logwrites.Discard == 0})
		}
	}
	bad := stamp.Garbage()
	out := make(map[string]bool)
	var lay func(img []byte, rest []piece)
	lay = func(img []byte, rest []piece) {
		if len(rest) == 0 {
			out[string(img)] = true
			return
		}
		p := rest[0]
		lay(img, rest[1:])
		img = append([]byte(nil), img...)
		put(img, &entries[p.e], p.from, p.to)
		lay(img, rest[1:])
		for k := p.from; k < p.to && p.garbage; k++ {
			copy(img[2*(int(entries[p.e].Sector)+k):][:2], bad[:2])
		}
		lay(img, rest[1:])
	}
	lay(medium, pieces)
	return out
}

// Every image is one that the crash rule allows, and of a small log every one is
// there; of a larger one, those that break most.
func TestImagesKeepToTheCrashRule(t *testing.T) {
	const sectors = 24
	r := rand.New(rand.NewSource(7))
	whole, bad, again := 0, 0, 0
	for run := range 300 {
		d := Device{LBA: []int64{512, 1024}[r.Intn(2)], NAWUPF: []int64{512, 2048, 4096}[r.Intn(3)], Boundary: []int64{0, 4096}[r.Intn(2)],
			Protected: r.Intn(5) == 0, CachedLBA: r.Intn(5) == 0, Garbage: r.Intn(4) == 0, FlushLies: r.Intn(8) == 0}
		lba := int(d.LBA / 512)
		commands := func(count int, name byte) (out []logwrites.Entry) {
			for i := range count {
				n := (1 + r.Intn(3)) * lba
				at := r.Intn((sectors-n)/lba) * lba
				switch r.Intn(6) {
				case 0:
					out = append(out, flush)
				case 1:
					out = append(out, logwrites.Entry{Flags: logwrites.Discard, Sector: uint64(at), Sectors: uint64(n)})
				default:
					out = append(out, entry(name+byte(i), at, n))
				}
			}
			return out
		}
		rec := &Recording{Base: []logwrites.Entry{entry('0', 0, sectors)}, Entries: append([]logwrites.Entry{said("call 1")}, commands(4, 'a')...)}
		s, err := rec.enumerate(&d, 1000, uint64(run))
		require.NoError(t, err)
		at := make(map[int]map[string]bool)
		for _, f := range s.Found {
			if at[f.Cut] == nil {
				at[f.Cut] = make(map[string]bool)
			}
			at[f.Cut][s.named(&s.Images[f.Image], sectors)] = true
		}
		for cut := 1; cut <= len(rec.Entries); cut++ {
			want := bruteForce(rec.Base, rec.Entries[:cut], &d, sectors)
			for m := range at[cut] {
				require.True(t, want[m], "run %d cut %d: an image that no loss of power leaves", run, cut)
				if garbage := stamp.Garbage(); strings.Contains(m, string(garbage[:2])) {
					bad++
				}
			}
			if s.Whole {
				require.Equal(t, want, at[cut], "run %d cut %d", run, cut)
			}
		}
		if s.Whole {
			whole++
		}

		// The same of the log of a mount, over one of the images.
		mounted := r.Intn(len(s.Images))
		base := s.contentOf(&s.Images[mounted], sectors)
		log := commands(2, 'm')
		events, err := s.events(log, &d)
		require.NoError(t, err)
		cuts := s.cuts(events, s.medium(&s.Images[mounted]), &d, 1, len(log))
		for i := range cuts {
			cuts[i].parent = mounted
		}
		s.Whole = true
		s.takeAll(cuts, len(s.Images)+1000, uint64(run))
		got := map[string]bool{}
		for _, l := range s.again[mounted] {
			got[s.named(&s.Images[l.Image], sectors)] = true
		}
		want := map[string]bool{}
		for cut := 1; cut <= len(log); cut++ {
			for m := range bruteForce(base, log[:cut], &d, sectors) {
				want[m] = true
			}
		}
		for m := range got {
			require.True(t, want[m], "run %d: an image that no loss of power in a mount leaves", run)
		}
		if s.Whole {
			require.Equal(t, want, got, "run %d", run)
			again++
		}
	}
	require.Greater(t, again, 150)
	require.Greater(t, whole, 50)
	require.Less(t, whole, 250)
	require.Greater(t, bad, 100, "images with garbage")
}

// A large space is a sample: no more images than asked for, half a write next to
// the write after it among the first, and another seed gives others.
func TestSample(t *testing.T) {
	d := Device{LBA: 512, NAWUPF: 512}
	rec := &Recording{Entries: []logwrites.Entry{said("call 1"), entry('a', 0, 16), entry('b', 16, 1), said("return 1 8192")}}
	spaces := make([]*Space, 3)
	for i, seed := range []uint64{1, 1, 2} {
		var err error
		spaces[i], err = rec.enumerate(&d, 60, seed)
		require.NoError(t, err)
		require.False(t, spaces[i].Whole)
		require.Len(t, spaces[i].Images, 60)
	}
	text := func(s *Space) (all []string) {
		for i := range s.Found {
			all = append(all, fmt.Sprint(s.Found[i].Cut, s.Found[i].String()))
		}
		return all
	}
	require.Equal(t, text(spaces[0]), text(spaces[1]))
	require.NotEqual(t, text(spaces[0]), text(spaces[2]))
	require.Contains(t, text(spaces[0]), "3writes 1 8 of 16 pieces (0-7), 2 whole")
	require.Contains(t, text(spaces[0]), "3writes 1 lost, 2 whole")
	require.Contains(t, text(spaces[0]), "3writes 1 15 of 16 pieces (1-15), 2 whole")
}

// Power is lost between the moments that are named and at no other, also where
// nobody was called.
func TestBetween(t *testing.T) {
	rec := &Recording{Entries: []logwrites.Entry{entry('a', 0, 1), entry('b', 1, 1), said("killed"), flush, entry('c', 2, 1)}}
	d := Device{LBA: 512, NAWUPF: 512}
	for _, c := range []struct {
		from, to int
		want     map[int]int // images by cut
	}{
		{1, 1, map[int]int{1: 2}},
		{2, 3, map[int]int{2: 4, 3: 4}},
		{3, 99, map[int]int{3: 4, 4: 1, 5: 2}},
		{6, 99, map[int]int{}},
	} {
		s, err := rec.Enumerate(&d, c.from, c.to, 100, 1)
		require.NoError(t, err)
		require.True(t, s.Whole)
		got := make(map[int]int)
		for _, f := range s.Found {
			got[f.Cut]++
		}
		require.Equal(t, c.want, got, "%d to %d", c.from, c.to)
	}
	s, err := rec.enumerate(&d, 100, 1)
	require.NoError(t, err)
	require.Zero(t, s.Cuts)
}

// A saved cut reads back, and damage to it is an error that names the line.
func TestSavedCut(t *testing.T) {
	f := &Found{Loss: Loss{Cut: 57, Choices: []Choice{
		{Write: 50, Pieces: []Piece{There}},
		{Write: 51, Pieces: []Piece{There, There, Lost, Lost, There}},
		{Write: 52, Pieces: make([]Piece, 3)},
		{Write: 53, Pieces: []Piece{Garbage, There, Garbage, Garbage}},
		{Write: 54, Pieces: []Piece{Garbage, Lost}},
	}}}
	require.Equal(t, "writes 50 whole, 51 3 of 5 pieces (0-1 4), 52 lost, 53 1 of 4 pieces (1), garbage in (0 2-3), 54 lost, garbage in (0)", f.String())
	text := "untorn recorded 1\ncut 57\nwrite 50 of 1: 0\nwrite 51 of 5: 0-1 4\nwrite 52 of 3: none\nwrite 53 of 4: 1 garbage 0 2-3\nwrite 54 of 2: none garbage 0\n"
	f.Swap = swap{50, 53}
	text = strings.Replace(text, "cut 57\n", "cut 57\nswap 50 53\n", 1)
	require.Contains(t, f.String(), "53 came before 50, writes 50 whole")
	f.Again = []Loss{{Cut: 4}, {Cut: 1, Choices: []Choice{{Write: 0, Pieces: []Piece{There, Lost}}}}}
	text += "mount cut 4\nmount cut 1\nwrite 0 of 2: 0\n"
	require.Equal(t, text, f.Text())
	require.Contains(t, f.String(), "; power is lost again before entry 4 of mount 1: nothing is pending; power is lost again before entry 1 of mount 2: writes 0 1 of 2 pieces (0)")
	got, err := ParseFound(text)
	require.NoError(t, err)
	require.Equal(t, f, got)
	for bad, want := range map[string]string{
		"":                           "line 1",
		"untorn recorded 2\ncut 1\n": "line 1",
		"untorn recorded 1\n":        "no cut",
		"untorn recorded 1\ncut 0\n": "line 2",
		"untorn recorded 1\ncut 1\nwrite 1 of 2: 2\n":         "line 3",
		"untorn recorded 1\ncut 1\nwrite 1 of 2: 1-0\n":       "line 3",
		"untorn recorded 1\ncut 1\nwrite 1 of 2: garbage 0\n": "line 3",
		"untorn recorded 1\ncut 1\nwrite 1 of 2: 0 none\n":    "line 3",
		"untorn recorded 1\nmount cut 1\n":                    "line 2",
		"untorn recorded 1\ncut 1\nswap 3 3\n":                "line 3",
		"untorn recorded 1\ncut 1\nswap 3\n":                  "line 3",
		"untorn recorded 1\ncut 1\nwrite 1 of 1: 0\nswap 1 2": "line 4",
		"untorn recorded 1\ncut 1\nmount cut 0\n":             "line 3",
		"untorn recorded 1\ncut 1\nmount 1\n":                 "line 3",
		"untorn recorded 1\ncut 1\nwrite 1 of 0: none":        "line 3",
		"untorn recorded 1\ncut 1\nwrite 1 of 2":              "line 3",
		"untorn recorded 1\ncut 1\nwrite 1 of 99999999: none": "line 3",
	} {
		_, err := ParseFound(bad)
		require.ErrorContains(t, err, want, "%q", bad)
	}
}

func FuzzParseFound(f *testing.F) {
	f.Add("untorn recorded 1\ncut 57\nswap 51 52\nwrite 51 of 5: 0-1 4\n")
	f.Add("untorn recorded 1\ncut 57\nwrite 51 of 5: none garbage 4\nmount cut 3\nwrite 1 of 2: 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		if x, err := ParseFound(text); err == nil {
			again, err := ParseFound(x.Text())
			require.NoError(t, err)
			require.Equal(t, x, again)
		}
	})
}
