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
func (f *Found) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\ncut %d\n", savedMagic, f.Cut)
	for i := range f.Choices {
		c := &f.Choices[i]
		set := runs(c.Pieces, There)
		if set == "" {
			set = "none"
		}
		if bad := runs(c.Pieces, Garbage); bad != "" {
			set += " garbage " + bad
		}
		fmt.Fprintf(&b, "write %d of %d: %s\n", c.Write, len(c.Pieces), set)
	}
	return b.String()
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
	switch i {
	case 0:
		if line != savedMagic {
			return fmt.Errorf("%.40q where %q is expected", line, savedMagic)
		}
		return nil
	case 1:
		n, err := strconv.Atoi(strings.TrimPrefix(line, "cut "))
		if err != nil || n < 1 {
			return fmt.Errorf("%.40q where a cut is expected", line)
		}
		f.Cut = n
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
	f.Choices = append(f.Choices, c)
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
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Flags&logwrites.Mark == 0 {
			if end := int64(e.Sector + e.Sectors); end*blk.SectorSize > c.diskSize() {
				return nil, fmt.Errorf("entry %d ends at sector %d, beyond the disk", i, end)
			}
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
	cuts, err := s.cuts(r, &c.Device, f.Cut, f.Cut)
	if err != nil {
		return nil, nil, err
	}
	if len(cuts) == 0 {
		return nil, nil, fmt.Errorf("the log has no cut %d", f.Cut)
	}
	at := &cuts[0]
	if len(at.pending) != len(f.Choices) {
		return nil, nil, fmt.Errorf("%d writes are pending at cut %d, and %d are named", len(at.pending), f.Cut, len(f.Choices))
	}
	for k, w := range at.pending {
		x := &f.Choices[k]
		if x.Write != w.entry || len(x.Pieces) != w.pieces {
			return nil, nil, fmt.Errorf("write %d of %d pieces is named, and write %d of %d is pending", x.Write, len(x.Pieces), w.entry, w.pieces)
		}
		if x.count(Garbage) > 0 && !w.garbage {
			return nil, nil, fmt.Errorf("write %d holds garbage, which on this device it cannot", x.Write)
		}
	}
	sum, over := s.lay(at, f.Choices)
	return s.image(at, sum, over), s, nil
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
