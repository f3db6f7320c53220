// Package workloads says what is done to a file: operations as text and as
// data, generators of them, and the history of what the caller saw.
package workloads

import "fmt"

// Kind is what an operation does. The zero value is invalid.
type Kind uint8

// The operations of a workload.
const (
	_ Kind = iota
	// Pwrite writes Length bytes at Offset.
	Pwrite
	// Fsync makes the file durable, fsync(2).
	Fsync
	// Fdatasync makes the file's data durable, fdatasync(2).
	Fdatasync
	// Pread reads Length bytes at Offset.
	Pread
	// Store stores Length bytes at Offset through mmap.
	Store
	// Msync makes a range durable, msync(2) with MS_SYNC.
	Msync
	// SyncFileRange writes a range back and waits for that, sync_file_range(2).
	// It makes nothing durable: neither metadata nor the device's cache.
	SyncFileRange
	// Truncate sets the size to Offset, ftruncate(2).
	Truncate
	// Fallocate allocates a range and extends the file over it, fallocate(2).
	Fallocate
	// Punch makes a hole of a range, FALLOC_FL_PUNCH_HOLE.
	Punch
	// ZeroRange makes a range read as zeros, FALLOC_FL_ZERO_RANGE.
	ZeroRange
	// Collapse takes a range out of the file and moves what follows it down,
	// FALLOC_FL_COLLAPSE_RANGE.
	Collapse
	// Insert makes a hole of Length at Offset and moves what was there up,
	// FALLOC_FL_INSERT_RANGE.
	Insert
	// Clone makes a range share the blocks of another range, FICLONERANGE.
	Clone
	numKinds
)

var kindNames = [...]string{"invalid", "pwrite", "fsync", "fdatasync", "pread", "store", "msync", "sync_file_range", "truncate",
	"fallocate", "punch", "zero", "collapse", "insert", "clone"}

func (k Kind) String() string { return kindNames[k] }

// SecondFile is where the second file begins in the space of both files, in
// bytes: one after the other, so that a place needs no number of its file. It is
// a multiple of all sizes of blocks. Stamps of version 0 count their places
// modulo twice MaxOfTwo, and this is an odd multiple of MaxOfTwo, so that
// version 0 of one file is told apart from that of the other.
const SecondFile = 65 * MaxOfTwo

// MaxOfTwo bounds the size in bytes of each of two files.
const MaxOfTwo = 16 << 20

// base returns where a file begins in the space of both.
func base(file int) int64 { return int64(file) * SecondFile }

// Op is one operation on a file. Offsets and lengths are bytes and
// multiples of 512; Start, End, Span and Carries speak of the space of both
// files. Operations are numbered from 1 in the order of the
// workload; the number names the write in stamps and histories, and 0 is the
// content before the run.
type Op struct {
	Task   string // the task that issues it
	Kind   Kind
	Offset int64 // where; for an append, where the file ended before the run's first operation
	Length int64
	Atomic bool // RWF_ATOMIC
	// Unit makes an atomic write one of several units: of each piece of Unit bytes
	// the write promises that it is untorn, and of the call nothing. 0 stands for
	// one unit as long as the write. No kernel has such a flag.
	Unit int64
	// Unflagged takes RWF_ATOMIC away from an atomic write that is judged as one:
	// the control of a write that the flag protects.
	Unflagged bool
	Append    bool // O_APPEND: the position is the end of file at the time
	Dsync     bool // RWF_DSYNC
	Direct    bool // O_DIRECT
	FD        int  // descriptor, for the reporting of errors
	File      int  // 0, or 1 for the second file
	// From and FromFile say where the source of a Clone begins.
	From     int64
	FromFile int
	// Limit is the RLIMIT_FSIZE of the caller of a Pwrite, in bytes, 0 for none.
	Limit int64
}

// Piece returns the length of the atomic units of a write.
func (o *Op) Piece() int64 {
	if o.Unit != 0 {
		return o.Unit
	}
	return o.Length
}

// Short reports whether a result of an atomic write is a success for a part of
// one of its units.
func (o *Op) Short(r Result) bool {
	return r >= 0 && int64(r) < o.Length && (o.Unit == 0 || int64(r)%o.Unit != 0)
}

// Writes reports whether the operation puts data of its own into sectors.
func (o *Op) Writes() bool { return o.Kind == Pwrite || o.Kind == Store }

// Changes reports whether the operation gives the sectors of its span a new
// version. Fallocate does not: what is there stays.
func (o *Op) Changes() bool { return o.Writes() || o.Zeroes() || o.Moves() }

// Moves reports whether the operation gives sectors of its span the content of
// other sectors.
func (o *Op) Moves() bool { return o.Kind == Collapse || o.Kind == Insert || o.Kind == Clone }

// Carries returns where the byte that an operation that moves content puts at a
// place of its span comes from; ok is false for a hole that it makes.
func (o *Op) Carries(at int64) (from int64, ok bool) {
	switch {
	case o.Kind == Collapse:
		return at + o.Length, true
	case o.Kind == Clone:
		return base(o.FromFile) + o.From + at - o.Start(), true
	case at < o.End():
		return 0, false
	}
	return at - o.Length, true
}

// Zeroes reports whether the operation leaves zeros, or nothing, in its span.
func (o *Op) Zeroes() bool { return o.Kind == Truncate || o.Kind == Punch || o.Kind == ZeroRange }

// Ranged reports whether the operation has a length.
func (o *Op) Ranged() bool { return o.Kind != Fsync && o.Kind != Fdatasync && o.Kind != Truncate }

// Start returns the first byte of the range.
func (o *Op) Start() int64 { return base(o.File) + o.Offset }

// End returns the first byte after the range.
func (o *Op) End() int64 { return o.Start() + o.Length }

// Span returns the bytes [from, to) that the operation gives a new version; a
// truncation and what shifts the rest of a file reach to the end of that file.
func (o *Op) Span() (from, to int64) {
	switch {
	case o.Kind != Truncate && o.Kind != Collapse && o.Kind != Insert:
		return o.Start(), o.End()
	case o.File == 0:
		return o.Start(), SecondFile
	}
	return o.Start(), maxFile
}

// Extends returns the size that the operation leaves its file at least, 0 for
// one that does not move the end. What shifts the rest of a file moves its end
// by Length.
func (o *Op) Extends() int64 {
	switch o.Kind {
	case Pwrite, Fallocate, ZeroRange, Clone:
		return o.Offset + o.Length
	case Truncate:
		return o.Offset
	}
	return 0
}

// Shifts returns by how much the operation moves the end of its file besides.
func (o *Op) Shifts() int64 {
	switch o.Kind {
	case Collapse:
		return -o.Length
	case Insert:
		return o.Length
	}
	return 0
}

// Syncs reports whether the operation makes all of the file durable.
func (o *Op) Syncs() bool { return o.Kind == Fsync || o.Kind == Fdatasync }

// MaxOps is the largest number of operations of one workload: histories keep
// sets of operations in one word, next to version 0.
const MaxOps = 62

// MaxMoves is the largest number of operations of one workload that move
// content, since what a sector holds may have gone through each of them.
const MaxMoves = 10

// Errno is an error number of Linux, positive.
type Errno int32

// The error numbers that operations return here.
const (
	EINTR      Errno = 4
	EIO        Errno = 5
	EAGAIN     Errno = 11
	ENOMEM     Errno = 12
	EFAULT     Errno = 14
	EBUSY      Errno = 16
	EINVAL     Errno = 22
	EFBIG      Errno = 27
	ENOSPC     Errno = 28
	EOPNOTSUPP Errno = 95
)

var errnoNames = map[Errno]string{
	EINTR: "EINTR", EIO: "EIO", EAGAIN: "EAGAIN", ENOMEM: "ENOMEM", EFAULT: "EFAULT", EBUSY: "EBUSY",
	EINVAL: "EINVAL", EFBIG: "EFBIG", ENOSPC: "ENOSPC", EOPNOTSUPP: "EOPNOTSUPP",
	// What a real kernel may return besides.
	1: "EPERM", 6: "ENXIO", 9: "EBADF", 13: "EACCES", 18: "EXDEV", 19: "ENODEV", 25: "ENOTTY", 26: "ETXTBSY", 30: "EROFS", 38: "ENOSYS",
	61: "ENODATA", 67: "ENOLINK", 75: "EOVERFLOW", 84: "EILSEQ", 110: "ETIMEDOUT", 117: "EUCLEAN", 121: "EREMOTEIO", 122: "EDQUOT",
}

func (e Errno) String() string {
	if s, ok := errnoNames[e]; ok {
		return s
	}
	return fmt.Sprintf("errno %d", int32(e))
}

// Error makes an Errno an error.
func (e Errno) Error() string { return e.String() }

// Result is what an operation returned: bytes, or a negative Errno.
type Result int32

// Fail returns the result of a failed operation.
func Fail(e Errno) Result { return Result(-int32(e)) }

// Err returns the error of a failed operation, 0 if it did not fail.
func (r Result) Err() Errno {
	if r < 0 {
		return Errno(-r)
	}
	return 0
}

func (r Result) String() string {
	if r < 0 {
		return "-" + r.Err().String()
	}
	return fmt.Sprint(int32(r))
}

// Layout is how a file or the free space lies on the disk. The zero value is invalid.
type Layout uint8

// Layouts of a file; free space is Contiguous or Fragmented.
const (
	_ Layout = iota
	// Contiguous: one extent, aligned to the largest unit of the workload.
	Contiguous
	// Unaligned: one extent that starts one block after such an address.
	Unaligned
	// Fragmented: no two neighbouring blocks are neighbours on the disk.
	Fragmented
	// Hole: no blocks.
	Hole
	// Unwritten: one extent of allocated blocks, never written.
	Unwritten
)

var layoutNames = [...]string{"invalid", "contiguous", "unaligned", "fragmented", "hole", "unwritten"}

func (l Layout) String() string { return layoutNames[l] }

// Workload is a file and what is done to it.
type Workload struct {
	File      int64  // size in bytes before the run
	Second    int64  // the same of the second file, where there is one
	Layout    Layout // of the files
	FreeSpace Layout // of what is not the file: Contiguous or Fragmented
	Ops       []Op   // Ops[i] is operation number i+1
}

// Files returns the number of files: two when an operation names the second.
func (w *Workload) Files() int {
	for i := range w.Ops {
		if o := &w.Ops[i]; o.File == 1 || o.FromFile == 1 {
			return 2
		}
	}
	return 1
}

// Size returns the size in bytes of a file before the run.
func (w *Workload) Size(file int) int64 {
	if file == 1 {
		return w.Second
	}
	return w.File
}

// Tasks returns the names of the tasks in the order of their first operation.
func (w *Workload) Tasks() []string {
	var names []string
next:
	for i := range w.Ops {
		for _, n := range names {
			if n == w.Ops[i].Task {
				continue next
			}
		}
		names = append(names, w.Ops[i].Task)
	}
	return names
}
