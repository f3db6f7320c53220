// Package journal keeps records in a file that only grows, so that a program
// that may be killed at any moment can go on where it was. A record is one line:
// a checksum and JSON. The first one, the head, says what the others belong to.
//
// A process that is killed leaves at most one line that is not whole; a machine
// that loses power may lose the records of the last moments. Such a tail is
// dropped when the file is opened again. A line that is damaged with whole ones
// after it is an error, because nobody can say what else is wrong.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// MaxBytes bounds the files that Read reads.
const MaxBytes = 1 << 32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksumLen is the length of a checksum and the space after it.
const checksumLen = 8 + 1

// line encodes one record.
func line(record any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b) // ends with the newline
	enc.SetEscapeHTML(false)
	if err := enc.Encode(record); err != nil {
		return nil, err
	}
	text := b.Bytes()
	return append(fmt.Appendf(nil, "%08x ", crc32.Checksum(text[:len(text)-1], castagnoli)), text...), nil
}

// parse returns the JSON of a line without its newline, nil for one that is
// not whole.
func parse(text []byte) json.RawMessage {
	if len(text) <= checksumLen || text[checksumLen-1] != ' ' {
		return nil
	}
	sum, err := strconv.ParseUint(string(text[:checksumLen-1]), 16, 32)
	if body := text[checksumLen:]; err == nil && uint32(sum) == crc32.Checksum(body, castagnoli) {
		return body
	}
	return nil
}

// A DamagedError says that a line of a journal is not what was written, though
// lines after it are.
type DamagedError struct {
	File string
	Line int
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s: line %d is damaged: its checksum is not that of its content", e.File, e.Line)
}

// Contents is what a journal holds.
type Contents struct {
	Head    json.RawMessage // nil when the file ends within its first line
	Records []json.RawMessage
	Whole   int64 // bytes of whole lines; what comes after is a torn tail

	lock *flock.Flock // nil for who only reads
}

// ErrBusy says that another process adds to the journal.
var ErrBusy = errors.New("another process is at work with it")

// Take reads a journal and keeps other processes from taking it, until Release
// or, of a Writer, Close. A process that is killed keeps nobody away.
func Take(file string) (*Contents, error) {
	lock, err := lock(file)
	if err != nil {
		return nil, err
	}
	c, err := Read(file)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	c.lock = lock
	return c, nil
}

// Release gives up a journal that was taken.
func (c *Contents) Release() error { return c.lock.Close() }

func lock(file string) (*flock.Flock, error) {
	l := flock.New(file, flock.SetFlag(os.O_RDWR))
	ok, err := l.TryLock()
	if err == nil && !ok {
		err = &fs.PathError{Op: "lock", Path: file, Err: ErrBusy}
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Read reads a journal and changes nothing. The error is a *DamagedError, or
// one of the file system.
func Read(file string) (*Contents, error) {
	st, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: file, Err: errors.New("not a regular file")}
	case st.Size() > MaxBytes:
		return nil, &fs.PathError{Op: "read", Path: file, Err: fmt.Errorf("%d bytes; allowed: up to %d", st.Size(), int64(MaxBytes))}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	c := &Contents{}
	bad := 0 // the first line that is not whole
	at := int64(0)
	for n := 1; len(data) > 0; n++ {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			break // torn
		}
		body := parse(data[:end])
		data = data[end+1:]
		at += int64(end + 1)
		switch {
		case body == nil && bad == 0:
			bad = n
		case body == nil:
		case bad > 0:
			return nil, &DamagedError{file, bad}
		case n == 1:
			c.Head, c.Whole = body, at
		default:
			c.Records, c.Whole = append(c.Records, body), at
		}
	}
	if bad == 1 { // the head is written before anything else goes on
		return nil, &DamagedError{file, 1}
	}
	return c, nil
}

// SyncEvery is the longest time between a record being written and the disk
// being asked to keep it.
const SyncEvery = time.Second

// Writer adds records to a journal.
type Writer struct {
	file *os.File
	lock *flock.Flock

	mu  sync.Mutex
	bad error // why nothing is written any more

	news   chan struct{} // something was written that the disk need not have yet
	closed chan struct{}
	idle   sync.WaitGroup
}

// Create makes and takes a journal, which must not exist, and returns when its
// head is on the disk.
func Create(file string, head any) (*Writer, error) {
	text, err := line(head)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	lock, err := lock(file)
	if err == nil {
		err = errors.Join(writeAndSync(f, text), syncFolder(filepath.Dir(file)))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return start(f, lock), nil
}

// Open adds to a journal that was taken, after its last whole line.
func (c *Contents) Open(file string) (*Writer, error) {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	if err = f.Truncate(c.Whole); err == nil {
		_, err = f.Seek(c.Whole, 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return start(f, c.lock), nil
}

func start(f *os.File, lock *flock.Flock) *Writer {
	w := &Writer{file: f, lock: lock, news: make(chan struct{}, 1), closed: make(chan struct{})}
	w.idle.Go(w.syncs)
	return w
}

// syncs brings what was written to the disk, all of SyncEvery at once.
func (w *Writer) syncs() {
	for {
		select {
		case <-w.closed:
			return
		case <-w.news:
		}
		select {
		case <-w.closed:
			return
		case <-time.After(SyncEvery):
			_ = w.Sync() // the next Add tells
		}
	}
}

func writeAndSync(f *os.File, text []byte) error {
	if _, err := f.Write(text); err != nil {
		return err
	}
	return f.Sync()
}

// syncFolder makes the name of a new file durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Add adds a record. When it returns the record is in the file, so that a
// process that is killed then keeps it; it is on the disk SyncEvery later, or a
// later Add and Close tell why not. Any number of goroutines may add.
func (w *Writer) Add(record any) error {
	text, err := line(record)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bad == nil {
		_, w.bad = w.file.Write(text)
	}
	select {
	case w.news <- struct{}{}:
	default: // a sync is to come that has not begun
	}
	return w.bad
}

// Sync returns when all records that were added are on the disk, or why one is
// not.
func (w *Writer) Sync() error {
	err := w.file.Sync()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bad == nil {
		w.bad = err
	}
	return w.bad
}

// Close is the last Sync.
func (w *Writer) Close() error {
	close(w.closed)
	w.idle.Wait()
	return errors.Join(w.Sync(), w.file.Close(), w.lock.Close())
}
