package run

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"untorn/crashsim/explore"
	"untorn/internal/temp"
	"untorn/scenarios"
)

// stateFiles is the pattern of the files that keep what the search of a row
// found out about states until the row is done.
const stateFiles = "states-*.bin"

// stateMagic begins such a file; a digest of what the states belong to, what
// explore saved, and a checksum follow.
const stateMagic = "untorn states 1\n"

// states is the file of one arm of a row.
type states struct {
	file   string
	digest [sha256.Size]byte
	notice func(string)
}

// states returns the file of an arm of a row, nil for a run without a journal.
// Both searches that a control may need know the same states.
func (o *Options) states(r *scenarios.Row, name string) *states {
	if o.log == nil || o.SaveEvery <= 0 {
		return nil
	}
	row := o.log.rows[r]
	belongs := *o.log.head
	belongs.Command, belongs.Started, belongs.Limit, belongs.Sample = "", "", 0, 0
	text, err := json.Marshal(belongs)
	if err != nil {
		panic(err) // a head always has a JSON form
	}
	return &states{
		file:   filepath.Join(o.log.root, fmt.Sprintf("states-%d-%s.bin", row, name)),
		digest: sha256.Sum256(fmt.Appendf(text, "%d %s", row, name)),
		notice: o.notice,
	}
}

// checkpoint prepares a search that saves to the file and begins with what is
// there. The caller closes.
func (s *states) checkpoint(every time.Duration) (c *explore.Checkpoint, closed func()) {
	c = &explore.Checkpoint{Every: every, Save: s.save}
	f, err := os.Open(s.file)
	if err != nil {
		return c, func() {}
	}
	from, err := s.check(f)
	if err != nil {
		// Only time is lost. The file stays until it is replaced.
		s.notice(fmt.Sprintf("%s: %v; the row is explored from its beginning", s.file, err))
		_ = f.Close()
		return c, func() {}
	}
	c.From = from
	return c, func() { _ = f.Close() }
}

// castagnoli is the polynomial of the checksums.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// check sees that a file is whole and belongs to this search, and returns what
// explore saved in it.
func (s *states) check(f *os.File) (io.Reader, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	head := append([]byte(stateMagic), s.digest[:]...)
	body := st.Size() - crc32.Size
	if body < int64(len(head)) {
		return nil, errors.New("too short")
	}
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, body)); err != nil {
		return nil, err
	}
	var end [crc32.Size]byte
	if _, err := f.ReadAt(end[:], body); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(end[:]) != sum.Sum32() {
		return nil, errors.New("damaged: its checksum is not that of its content")
	}
	begin := make([]byte, len(head))
	if _, err := f.ReadAt(begin, 0); err != nil {
		return nil, err
	}
	if !bytes.Equal(begin, head) {
		return nil, errors.New("of another run or another version")
	}
	return io.NewSectionReader(f, int64(len(head)), body-int64(len(head))), nil
}

// save replaces the file, whole or not at all. What cannot be saved is told of
// and costs time only.
func (s *states) save(known func(io.Writer) error) {
	if err := s.write(known); err != nil {
		s.notice(fmt.Sprintf("states could not be saved: %v", err))
	}
}

func (s *states) write(known func(io.Writer) error) (err error) {
	tmp, err := temp.New(filepath.Dir(s.file))
	if err != nil {
		return err
	}
	defer tmp.Remove()
	f, err := os.Create(filepath.Join(tmp.Path, "states"))
	if err != nil {
		return err
	}
	out := &summed{w: bufio.NewWriter(f), sum: crc32.New(castagnoli)}
	_, _ = out.Write([]byte(stateMagic))
	_, _ = out.Write(s.digest[:])
	err = known(out)
	_, _ = out.w.Write(binary.LittleEndian.AppendUint32(nil, out.sum.Sum32()))
	if err = errors.Join(err, out.w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), s.file)
}

// summed is a writer that keeps a checksum; Flush of w tells of errors.
type summed struct {
	w   *bufio.Writer
	sum hash.Hash32
}

func (s *summed) Write(p []byte) (int, error) {
	_, _ = s.sum.Write(p)
	return s.w.Write(p)
}

// forget removes the saved states of the rows that a function names, when the
// disk has what was noted of them.
func (l *log) forget(named func(row int) bool) error {
	files, err := filepath.Glob(filepath.Join(globQuote(l.root), stateFiles))
	var old []string
	for _, f := range files {
		var row int
		if _, e := fmt.Sscanf(filepath.Base(f), "states-%d-", &row); e == nil && named(row) {
			old = append(old, f)
		}
	}
	if len(old) > 0 {
		err = errors.Join(err, l.Sync()) // the row must not be lost together with its states
	}
	for _, f := range old {
		if e := os.Remove(f); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}
