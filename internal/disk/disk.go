// Package disk is a disk in memory that a process of its own serves as a file,
// through FUSE, to a loop device. It keeps a log of every write, discard and
// flush that it gets, in order, and of the marks that its user puts between
// them.
package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strings"
	"sync"
	"time"

	"untorn/internal/blk"
	"untorn/internal/blk/logwrites"
	"untorn/internal/sys"
)

// Faults are defects of the disk. Commands are counted from 1, writes and
// flushes together, from the start of the recording. 0 is none.
type Faults struct {
	FailAt int // the command that ends with EIO; nothing of it is done
	// ShortAt is the command from which on the first write ends after half of its
	// sectors. Where commands come one after the other (StartSerial) a loop device
	// takes it for a whole one: half of it is lost without a word. Otherwise it is
	// an EIO.
	ShortAt    int
	FlushMicro int // how long a flush takes, in microseconds
}

// Struck says how many commands came in a recording, and how many of them each
// defect struck.
type Struck struct{ Commands, Failed, Short, Slow int }

// String names the defects that are on.
func (f Faults) String() string {
	var out []string
	if f.FailAt > 0 {
		out = append(out, fmt.Sprintf("command %d ends with EIO", f.FailAt))
	}
	if f.ShortAt > 0 {
		out = append(out, fmt.Sprintf("the first write from command %d on is short", f.ShortAt))
	}
	if f.FlushMicro > 0 {
		out = append(out, fmt.Sprintf("a flush takes %d us", f.FlushMicro))
	}
	return strings.Join(out, ", ")
}

// StartMark is the mark between what was on the disk before the recording and
// what came after.
const StartMark = "start"

// maxLog bounds the memory of a log, in bytes of data.
const maxLog = 1 << 30

// chunkSize is the unit in which memory is used, in bytes.
const chunkSize = 64 << 10

// Disk is the content and the log. Its methods may be called from any
// goroutine.
type Disk struct {
	size int64

	mu        sync.Mutex
	chunks    map[int64][]byte // by number; what is not there is zeros
	recording bool
	log       []logwrites.Entry
	bytes     int64 // of data in log
	full      bool
	faults    Faults
	struck    Struck
	first     int // of log, the entry that is number 0 of the recording
	flying    map[*inFlight]bool
}

// inFlight is a write that the disk was sent and has not answered.
type inFlight struct {
	offset, length int64
	entry          int         // number in the recording, -1 until it has taken effect
	with           []*inFlight // those of them that overlap it
}

// New returns a disk of zeros. The size is a multiple of 512.
func New(size int64) (*Disk, error) {
	if size <= 0 || size%blk.SectorSize != 0 {
		return nil, fmt.Errorf("a disk of %d bytes; allowed: a multiple of %d", size, blk.SectorSize)
	}
	return &Disk{size: size, chunks: make(map[int64][]byte), flying: make(map[*inFlight]bool)}, nil
}

// Start begins the recording: what is on the disk now is its first part.
func (d *Disk) Start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log, d.bytes, d.full, d.struck = nil, 0, false, Struck{}
	d.content()
	d.append(logwrites.Entry{Flags: logwrites.Flush})
	d.append(logwrites.Entry{Flags: logwrites.Mark, Data: []byte(StartMark)})
	d.first, d.recording = len(d.log), true
}

// Load makes the disk what logs of writes onto zeros say, one after the other, with
// no defects, and begins a recording that holds what comes then and nothing else.
func (d *Disk) Load(logs ...[]logwrites.Entry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chunks = make(map[int64][]byte)
	for _, log := range logs {
		for i := range log {
			e := &log[i]
			offset := int64(e.Sector) * blk.SectorSize
			if err := d.check(offset, int64(len(e.Data))); err != nil || e.Flags != 0 {
				return fmt.Errorf("entry %d is no write to this disk", i)
			}
			d.put(e.Data, offset)
		}
	}
	d.log, d.bytes, d.full, d.struck, d.faults = nil, 0, false, Struck{}, Faults{}
	d.first, d.recording = 0, true
	return nil
}

// content logs what is on the disk as writes, block by block where it is not
// zeros.
func (d *Disk) content() {
	const block = 4096
	var zeros [block]byte
	numbers := make([]int64, 0, len(d.chunks))
	for n := range d.chunks {
		numbers = append(numbers, n)
	}
	sort.Slice(numbers, func(i, j int) bool { return numbers[i] < numbers[j] })
	for _, n := range numbers {
		c := d.chunks[n]
		for at := 0; at < len(c); {
			to := at
			for to < len(c) && !bytes.Equal(c[to:to+block], zeros[:]) {
				to += block
			}
			if to > at {
				d.append(logwrites.Entry{Sector: uint64(n*chunkSize+int64(at)) / blk.SectorSize, Sectors: uint64(to-at) / blk.SectorSize,
					Data: bytes.Clone(c[at:to])})
			}
			at = to + block
		}
	}
}

// SetFaults turns defects on.
func (d *Disk) SetFaults(f Faults) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = f
}

// Struck returns what the defects have struck since the recording began.
func (d *Disk) Struck() Struck {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.struck
}

// Mark puts a mark into the log, after all that the disk has answered.
func (d *Disk) Mark(text string) error {
	if len(text) > logwrites.MaxMark {
		return fmt.Errorf("a mark of %d bytes; allowed: up to %d", len(text), logwrites.MaxMark)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.append(logwrites.Entry{Flags: logwrites.Mark, Data: []byte(text)})
	return nil
}

// WriteLog ends the recording and writes its log, in the format of
// dm-log-writes.
func (d *Disk) WriteLog(w io.Writer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recording = false
	if d.full {
		return fmt.Errorf("more than %d bytes were written to the disk; its log ends there", int64(maxLog))
	}
	return logwrites.Write(w, d.log)
}

func (d *Disk) append(e logwrites.Entry) {
	if d.bytes += int64(len(e.Data)); d.bytes > maxLog {
		d.full = true
		return
	}
	d.log = append(d.log, e)
}

// errFault is what a command with a fault ends with.
var errFault = sys.EIO

var errRange = errors.New("out of range")

// command counts a command and reports whether it fails.
func (d *Disk) command() (n int, fails bool) {
	if !d.recording {
		return 0, false
	}
	d.struck.Commands++
	if d.struck.Commands == d.faults.FailAt {
		d.struck.Failed++
		return d.struck.Commands, true
	}
	return d.struck.Commands, false
}

// Read fills b from an offset on.
func (d *Disk) Read(b []byte, offset int64) error {
	if offset < 0 || offset+int64(len(b)) > d.size {
		return errRange
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(b) > 0 {
		in := offset % chunkSize
		n := min(int64(len(b)), chunkSize-in)
		if c := d.chunks[offset/chunkSize]; c != nil {
			copy(b[:n], c[in:])
		} else {
			clear(b[:n])
		}
		b, offset = b[n:], offset+n
	}
	return nil
}

// TogetherMark begins the mark that follows two writes that overlap and were in
// flight together, so that either may have come first. The numbers of their entries
// follow, from 0 at the start of the recording.
const TogetherMark = "together"

// holdTime is how long the answer to a write is kept back while recording: a write
// that whoever is above sends without waiting for it arrives meanwhile.
const holdTime = 100 * time.Microsecond

// Write writes whole sectors and returns how many bytes it wrote.
func (d *Disk) Write(b []byte, offset int64) (int, error) {
	if err := d.check(offset, int64(len(b))); err != nil {
		return 0, err
	}
	f := d.takeOff(offset, int64(len(b)))
	defer d.land(f)
	n, recording, err := d.write(b, f)
	if recording {
		time.Sleep(holdTime)
	}
	return n, err
}

// takeOff notes a write that was sent.
func (d *Disk) takeOff(offset, length int64) *inFlight {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &inFlight{offset: offset, length: length, entry: -1}
	for o := range d.flying {
		if o.offset < offset+length && offset < o.offset+o.length {
			f.with, o.with = append(f.with, o), append(o.with, f)
		}
	}
	d.flying[f] = true
	return f
}

// land notes that a write is answered.
func (d *Disk) land(f *inFlight) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.flying, f)
}

// write lets a write take effect.
func (d *Disk) write(b []byte, f *inFlight) (done int, recording bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, fails := d.command()
	if fails {
		return 0, d.recording, errFault
	}
	if d.faults.ShortAt > 0 && n >= d.faults.ShortAt && d.struck.Short == 0 {
		d.struck.Short++
		b = b[:len(b)/2/blk.SectorSize*blk.SectorSize]
	}
	d.put(b, f.offset)
	if d.recording && len(b) > 0 {
		f.entry = len(d.log) - d.first
		d.append(logwrites.Entry{Sector: uint64(f.offset) / blk.SectorSize, Sectors: uint64(len(b)) / blk.SectorSize, Data: bytes.Clone(b)})
		for _, o := range f.with {
			if o.entry >= 0 {
				d.append(logwrites.Entry{Flags: logwrites.Mark, Data: fmt.Appendf(nil, "%s %d %d", TogetherMark, o.entry, f.entry)})
			}
		}
	}
	return len(b), d.recording, nil
}

func (d *Disk) put(b []byte, offset int64) {
	for len(b) > 0 {
		in := offset % chunkSize
		n := min(int64(len(b)), chunkSize-in)
		c := d.chunks[offset/chunkSize]
		if c == nil {
			c = make([]byte, chunkSize)
			d.chunks[offset/chunkSize] = c
		}
		copy(c[in:], b[:n])
		b, offset = b[n:], offset+n
	}
}

// Zero makes whole sectors zeros, which is what a discard and a write of zeros
// do on this disk.
func (d *Disk) Zero(offset, length int64) error {
	if err := d.check(offset, length); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, fails := d.command(); fails {
		return errFault
	}
	if d.recording {
		d.append(logwrites.Entry{Sector: uint64(offset) / blk.SectorSize, Sectors: uint64(length) / blk.SectorSize, Flags: logwrites.Discard})
	}
	for length > 0 {
		in := offset % chunkSize
		n := min(length, chunkSize-in)
		if n == chunkSize {
			delete(d.chunks, offset/chunkSize)
		} else if c := d.chunks[offset/chunkSize]; c != nil {
			clear(c[in : in+n])
		}
		offset, length = offset+n, length-n
	}
	return nil
}

// flushTime returns how long the flush that came takes.
func (d *Disk) flushTime() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.recording && d.faults.FlushMicro > 0 {
		d.struck.Slow++
	}
	return time.Duration(d.faults.FlushMicro) * time.Microsecond
}

// Flush notes a flush: all that was answered before is on the medium.
func (d *Disk) Flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, fails := d.command(); fails {
		return errFault
	}
	if d.recording {
		d.append(logwrites.Entry{Flags: logwrites.Flush})
	}
	return nil
}

func (d *Disk) check(offset, length int64) error {
	if offset < 0 || length < 0 || length > math.MaxInt64-offset || offset+length > d.size || offset%blk.SectorSize != 0 || length%blk.SectorSize != 0 {
		return errRange
	}
	return nil
}
