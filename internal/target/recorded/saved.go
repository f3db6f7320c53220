package recorded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"untorn/internal/blk"
	"untorn/internal/blk/logwrites"
	"untorn/internal/disk"
	"untorn/verifier"
)

// savedMagic is the first line of a saved cut.
const savedMagic = "untorn recorded 1"

// Text is the cut of an image, and which pieces of each pending write are on the
// medium or hold garbage, as ParseFound reads it:
//
//	untorn recorded 1
//	cut 57
//	write 52 of 1: 0
//	write 55 of 32: 0-15 garbage 16 18-19
//	write 56 of 8: none
//	mount cut 3
//	write 2 of 8: 0-5
//
// After a cut may stand "swap 52 55": the second of two writes that were in flight
// together came first. What follows a mount is of the log of that mount, in which power was lost again.
func (f *Found) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\ncut %d\n", savedMagic, f.Cut)
	f.Loss.text(&b)
	for i := range f.Again {
		fmt.Fprintf(&b, "mount cut %d\n", f.Again[i].Cut)
		f.Again[i].text(&b)
	}
	return b.String()
}

func (l *Loss) text(b *strings.Builder) {
	if l.Swap != (swap{}) {
		fmt.Fprintf(b, "swap %d %d\n", l.Swap[0], l.Swap[1])
	}
	for i := range l.Choices {
		c := &l.Choices[i]
		set := runs(c.Pieces, There)
		if set == "" {
			set = "none"
		}
		if bad := runs(c.Pieces, Garbage); bad != "" {
			set += " garbage " + bad
		}
		fmt.Fprintf(b, "write %d of %d: %s\n", c.Write, len(c.Pieces), set)
	}
}

// maxSavedPieces bounds the pieces of a write that is parsed.
const maxSavedPieces = 1 << 21

// ParseFound reads what Text prints. Whatever does not fit is an error that names
// the line.
func ParseFound(text string) (*Found, error) {
	f := &Found{}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if err := f.line(i, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if f.Cut == 0 {
		return nil, errors.New("it names no cut")
	}
	return f, nil
}

func (f *Found) line(i int, line string) error {
	if i == 0 {
		if line != savedMagic {
			return fmt.Errorf("%.40q where %q is expected", line, savedMagic)
		}
		return nil
	}
	if rest, mount := strings.CutPrefix(line, "mount "); mount || i == 1 {
		digits, ok := strings.CutPrefix(rest, "cut ")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 1 || mount == (i == 1) {
			return fmt.Errorf("%.40q where a cut is expected", line)
		}
		if mount {
			f.Again = append(f.Again, Loss{Cut: n})
		} else {
			f.Cut = n
		}
		return nil
	}
	l := &f.Loss
	if n := len(f.Again); n > 0 {
		l = &f.Again[n-1]
	}
	if rest, ok := strings.CutPrefix(line, "swap "); ok {
		var x swap
		if n, err := fmt.Sscanf(rest, "%d %d", &x[0], &x[1]); n != 2 || err != nil || x[0] < 0 || x[1] <= x[0] || l.Swap != (swap{}) || len(l.Choices) > 0 {
			return fmt.Errorf("%.40q where a swap or a write is expected", line)
		}
		l.Swap = x
		return nil
	}
	head, set, ok := strings.Cut(line, ": ")
	c, n := Choice{}, 0
	if _, err := fmt.Sscanf(head, "write %d of %d", &c.Write, &n); err != nil || !ok || n < 1 || n > maxSavedPieces {
		return fmt.Errorf("%.40q where a write is expected", line)
	}
	c.Pieces = make([]Piece, n)
	is := There
	for i, word := range strings.Fields(set) {
		if word == "garbage" && is == There && i > 0 {
			is = Garbage
			continue
		}
		if word == "none" && i == 0 {
			continue
		}
		lo, hi, both := strings.Cut(word, "-")
		from, err := strconv.Atoi(lo)
		to := from
		if err == nil && both {
			to, err = strconv.Atoi(hi)
		}
		if err != nil || from < 0 || to < from || to >= n {
			return fmt.Errorf("%.40q is no set of %d pieces", word, n)
		}
		for k := from; k <= to; k++ {
			c.Pieces[k] = is
		}
	}
	l.Choices = append(l.Choices, c)
	return nil
}

// Log returns the whole log, as dm-log-writes has it: replayed onto a disk of
// zeros up to StartMark it gives the disk before the operations.
func (r *Recording) Log() []logwrites.Entry {
	return append(slices.Clip(r.Base), append([]logwrites.Entry{{Flags: logwrites.Flush}, {Flags: logwrites.Mark, Data: []byte(disk.StartMark)}}, r.Entries...)...)
}

// FromLog makes a recording of the log of a disk that others wrote to. It has no
// history.
func FromLog(log []logwrites.Entry) (*Recording, error) {
	r := &Recording{}
	return r, r.split(log)
}

// Load makes a recording of a saved log. Its history is made of the marks.
func Load(c *Config, log []logwrites.Entry) (*Recording, error) {
	r, err := FromLog(log)
	if err != nil {
		return nil, err
	}
	called := make(map[int32]bool)
	if err := c.inside(r.Entries); err != nil {
		return nil, err
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Flags&logwrites.Mark == 0 || strings.HasPrefix(string(e.Data), disk.TogetherMark+" ") {
			continue
		}
		m, ok := logwrites.ParseMark(string(e.Data))
		if !ok || m.Op < 1 || int(m.Op) > len(c.Workload.Ops) || called[m.Op] != (m.Kind == blk.Return) {
			return nil, fmt.Errorf("entry %d: %.40q is no mark of this workload", i, e.Data)
		}
		called[m.Op] = m.Kind == blk.Call
	}
	r.History = r.HistoryAt(c.Workload, len(r.Entries))
	return r, nil
}

// inside refuses a log that writes past the end of the disk.
func (c *Config) inside(entries []logwrites.Entry) error {
	for i := range entries {
		if end := int64(entries[i].Sector + entries[i].Sectors); end*blk.SectorSize > c.diskSize() {
			return fmt.Errorf("entry %d ends at sector %d, beyond the disk", i, end)
		}
	}
	return nil
}

// Rejudge lets the running kernel recover one image of a recording again and
// judges it.
func (c *Config) Rejudge(ctx context.Context, r *Recording, f *Found) (*Example, error) {
	img, s, err := c.image(r, f)
	if err != nil {
		return nil, err
	}
	x, err := c.recoverOne(r, s, img)
	if err != nil || ctx.Err() != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	v, err := verifier.NewFiles(c.Workload, c.Contract)
	if err != nil {
		return nil, err
	}
	e := &Example{Found: *f, History: r.HistoryAt(c.Workload, f.Cut)}
	e.History.Contract = c.Contract.String()
	e.Verdict, e.Reason, err = judgeOne(v, x, e.History)
	return e, err
}

// image makes the image that a saved cut names.
func (c *Config) image(r *Recording, f *Found) (*Image, *Space, error) {
	s := newSpace(r)
	events, err := s.events(r.Entries, &c.Device)
	if err != nil {
		return nil, nil, err
	}
	img, err := s.leaves(events, s.medium(nil), &c.Device, &f.Loss)
	if err == nil {
		img, err = c.replayed(s, img, f)
	}
	return img, s, err
}

// Medium calls put for the runs that make the medium of an image out of zeros,
// with the offset of each in bytes; later ones replace earlier ones.
func (c *Config) Medium(r *Recording, f *Found, put func(b []byte, offset int64) error) error {
	img, s, err := c.image(r, f)
	if err != nil {
		return err
	}
	return r.eachRun(s, img, func(b []byte, sector int64) error { return put(b, sector*blk.SectorSize) })
}

// Size returns the size of the disk in bytes.
func (c *Config) Size() int64 { return c.diskSize() }
