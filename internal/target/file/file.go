// Package file is the target that runs operations on a file or a block device
// of the machine it is on, by the system calls themselves: one thread for each
// task, every sector stamped, every read checked, and what the callers saw kept
// as a history.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"untorn/internal/blk"
	"untorn/internal/sys"
	"untorn/verifier"
	"untorn/workloads"
)

// An UnsupportedError says that this kernel, this file system or this target
// cannot do what a workload asks for.
type UnsupportedError struct{ What string }

func (e *UnsupportedError) Error() string { return e.What }

func unsupported(format string, args ...any) error {
	return &UnsupportedError{fmt.Sprintf(format, args...)}
}

// Hook is told what the callers see, in the order in which it stands in the
// history: Call before an operation is issued, Return after it has returned.
// Calls of the hook never overlap, and no task goes on before the hook has
// returned. An error ends the run.
type Hook interface {
	Call(op int) error
	Return(op int, r workloads.Result) error
}

// Config says what runs where.
type Config struct {
	Workload *workloads.Workload
	// Path is a file, or a block device. Second is the second file, for a
	// workload of two.
	Path, Second string
	// Existing allows regular files that exist; their content is lost. Without
	// it they are an error.
	Existing bool
	// Depth is how many writes of a task may be in flight together, through
	// io_uring. 0 is one after the other, by pwritev2.
	Depth int
	Hook  Hook // may be nil
}

// SetEpoch sets what the stamps of Prepare and Run are told from others by.
func (t *Target) SetEpoch(e Epoch) { t.epoch = e }

// Target is an open file or device, or two.
type Target struct {
	cfg   Config
	epoch Epoch
	w     *workloads.Workload
	block bool
	size  int64 // of a block device, in bytes
	lba   int   // of a block device, in bytes
	fds   map[descriptor]int
	judge *verifier.Verifier

	// pwrite is sys.Pwritev2, and fsync sys.Fsync of Prepare, but in tests.
	pwrite func(fd int, bufs [][]byte, offset int64, flags int) (int, error)
	fsync  func(fd int) error

	mu       sync.Mutex // guards what follows, and orders the hook
	history  *workloads.History
	lostData bool
	failed   error // of the hook or the machine: ends the run
}

// descriptor names an open file of the workload. O_DIRECT belongs to the open
// file, so that a descriptor of the workload is two here.
type descriptor struct {
	file, fd int
	direct   bool
}

// Open opens or creates what the configuration names, with a descriptor for
// each that the workload uses. A block device is opened exclusively: it must not
// be mounted or in use. Close closes all. Nothing is written yet.
func Open(cfg Config) (*Target, error) {
	w := cfg.Workload
	if err := w.Check(); err != nil {
		return nil, err
	}
	judge, err := verifier.NewFiles(w, verifier.Untorn)
	if errors.Is(err, verifier.ErrNotJudged) {
		return nil, &UnsupportedError{err.Error()}
	}
	if err != nil {
		return nil, err
	}
	t := &Target{cfg: cfg, w: w, fds: make(map[descriptor]int), judge: judge, pwrite: sys.Pwritev2, fsync: sys.Fsync, history: workloads.NewHistory(w)}
	if err := t.open(); err != nil {
		t.Close()
		return nil, err
	}
	if err := t.check(); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Target) open() error {
	const two = "a workload of two files; allowed: with a second path, which is another one"
	if t.w.Files() > 1 && (t.cfg.Second == "" || t.cfg.Second == t.cfg.Path) {
		return refused(two)
	}
	for file := range t.w.Files() {
		path := t.path(file)
		first := descriptor{file: file}
		flags := sys.ReadWrite
		st, err := sys.Stat(path)
		switch {
		case err != nil:
			flags |= sys.Create | sys.Exclusive
		case st.Kind == sys.BlockDevice && file == 0:
			t.block = true
			flags |= sys.Exclusive
		case st.Kind != sys.Regular:
			return refused("%s is no regular file and no block device", path)
		case !t.cfg.Existing:
			return refused("%s exists; allowed: a file that does not, which is created", path)
		}
		fd, err := sys.Open(path, flags)
		if t.fds[first] = fd; err != nil {
			delete(t.fds, first)
			if sys.ErrnoOf(err) == sys.EBUSY {
				return refused("%s is in use", path)
			}
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if t.w.Files() > 1 && sameFile(t.cfg.Path, t.cfg.Second) {
		return refused(two+": %s and %s are one", t.cfg.Path, t.cfg.Second)
	}
	if t.block {
		if t.w.Files() > 1 {
			return unsupported("a workload of two files on a block device")
		}
		var err error
		if t.size, err = sys.DeviceSize(t.fds[descriptor{}]); err == nil {
			t.lba, err = sys.LogicalBlock(t.fds[descriptor{}])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.cfg.Path, err)
		}
	}
	for i := range t.w.Ops {
		o := &t.w.Ops[i]
		if err := t.need(of(o)); err != nil {
			return err
		}
		if o.Kind == workloads.Clone {
			if err := t.need(descriptor{file: o.FromFile, fd: o.FD}); err != nil {
				return err
			}
		}
	}
	return nil
}

// of returns the descriptor that an operation uses.
func of(o *workloads.Op) descriptor {
	return descriptor{file: o.File, fd: o.FD, direct: o.Direct}
}

func (t *Target) path(file int) string {
	if file == 1 {
		return t.cfg.Second
	}
	return t.cfg.Path
}

// need opens a descriptor that is not open yet.
func (t *Target) need(d descriptor) error {
	if _, ok := t.fds[d]; ok {
		return nil
	}
	flags := sys.ReadWrite
	if d.direct {
		flags |= sys.Direct
	}
	fd, err := sys.Open(t.path(d.file), flags)
	if sys.ErrnoOf(err) == sys.EINVAL && d.direct {
		return unsupported("%s: its file system has no O_DIRECT", t.path(d.file))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", t.path(d.file), err)
	}
	t.fds[d] = fd
	return nil
}

// check refuses what a workload asks for and cannot be done here.
func (t *Target) check() error {
	limited := false
	for i := range t.w.Ops {
		o := &t.w.Ops[i]
		limited = limited || o.Limit != 0
		switch {
		case o.Piece() != o.Length && !o.Unflagged:
			return unsupported("operation %d: an atomic write of several units, for which no kernel has a flag", i+1)
		case !t.block:
		case o.Append || o.Kind == workloads.Truncate || o.Kind == workloads.Fallocate || o.Moves():
			return unsupported("operation %d: %s on a block device", i+1, o)
		case o.Ranged() && o.End() > t.w.File:
			return unsupported("operation %d ends at %s, past the %s that are known of the device before the run", i+1,
				workloads.FormatSize(o.End()), workloads.FormatSize(t.w.File))
		}
	}
	switch {
	case limited && (len(t.w.Tasks()) > 1 || t.cfg.Depth > 0):
		return unsupported("a limit on the size of files holds for the whole process: allowed with one task and without io_uring")
	case t.block && t.w.File > t.size:
		return unsupported("%s of content on a device of %s", workloads.FormatSize(t.w.File), workloads.FormatSize(t.size))
	case t.block && t.w.Layout != workloads.Contiguous:
		return unsupported("layout %s on a block device", t.w.Layout)
	}
	return nil
}

// Close closes all descriptors. What was created stays.
func (t *Target) Close() error {
	var first error
	for _, fd := range t.fds {
		if err := sys.Close(fd); err != nil && first == nil {
			first = err
		}
	}
	t.fds = nil
	return first
}

// Run runs the operations, each task on a thread of its own, and returns what
// the callers saw. When ctx ends, tasks end before their next operation and the
// history holds what was done until then. The history belongs to the target.
func (t *Target) Run(ctx context.Context) (*workloads.History, error) {
	names := t.w.Tasks()
	start := make(chan struct{})
	var wg sync.WaitGroup
	for _, name := range names {
		r, err := t.runner(name)
		if err != nil {
			t.fail(err)
			break
		}
		wg.Go(func() { r.run(ctx, start) })
	}
	close(start)
	wg.Wait()
	if t.failed != nil {
		return t.history, t.failed
	}
	return t.history, ctx.Err()
}

func (t *Target) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = err
	}
}

// call notes that an operation is issued; false ends the run.
func (t *Target) call(op int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed != nil {
		return false
	}
	if t.cfg.Hook != nil {
		if t.failed = t.cfg.Hook.Call(op); t.failed != nil {
			return false
		}
	}
	t.history.Call(op)
	return true
}

// returned notes that an operation returned, and judges what a read got.
func (t *Target) returned(op int, r workloads.Result, content []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := r.Err(); e == workloads.EIO || e == workloads.ENOSPC {
		t.lostData = true
	}
	if content != nil {
		from := t.history.Op(op).Start() / blk.SectorSize
		sectors, _ := t.epoch.handles(content)
		if v := t.judge.JudgeRead(t.history, op, int32(from), sectors, t.lostData); v.Bad() {
			t.history.SetMisread(workloads.Misread{Op: op, Verdict: uint8(v)})
		}
	}
	t.history.Return(op, r)
	if t.failed == nil && t.cfg.Hook != nil {
		t.failed = t.cfg.Hook.Return(op, r)
	}
	return t.failed == nil
}

// Read reads what is now in the files, through the page cache. Of a block
// device it reads as much as the workload is about.
func (t *Target) Read() ([]verifier.File, error) {
	var out []verifier.File
	for file := range t.w.Files() {
		limit := int64(-1)
		if t.block {
			limit = t.w.File
		}
		f, _, err := ReadFile(t.path(file), limit, t.epoch)
		if err != nil {
			return nil, err
		}
		out = append(out, *f)
	}
	return out, nil
}

// ReadFile reads the sectors of a file, or the first size bytes of it, or of a
// device, when size is not negative. foreign counts those that another epoch
// wrote.
func ReadFile(path string, size int64, e Epoch) (f *verifier.File, foreign int, err error) {
	st, err := sys.Stat(path)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	if size < 0 {
		size = st.Size
	}
	if size > verifier.MaxFile {
		return nil, 0, fmt.Errorf("%s: %d bytes; allowed: up to %d", path, size, verifier.MaxFile)
	}
	fd, err := sys.Open(path, sys.ReadOnly)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	defer sys.Close(fd)
	b := make([]byte, size)
	for n := 0; n < len(b); {
		k, err := sys.Preadv2(fd, [][]byte{b[n:min(len(b), n+1<<20)]}, int64(n), 0)
		if err == nil && k == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%s: at %d: %w", path, n, err)
		}
		n += k
	}
	sectors, foreign := e.handles(b[:size/blk.SectorSize*blk.SectorSize])
	return &verifier.File{Size: size, Sectors: sectors}, foreign, nil
}
