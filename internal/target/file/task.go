package file

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"

	"untorn/internal/blk"
	"untorn/internal/stamp"
	"untorn/internal/sys"
	"untorn/workloads"
)

// runner is one task on a thread of its own.
type runner struct {
	t    *Target
	ops  []int     // numbers of its operations, in order
	ring *sys.Ring // nil without io_uring
	busy map[int][]byte
}

func (t *Target) runner(name string) (*runner, error) {
	r := &runner{t: t, busy: make(map[int][]byte)}
	for i := range t.w.Ops {
		if t.w.Ops[i].Task == name {
			r.ops = append(r.ops, i+1)
		}
	}
	if t.cfg.Depth == 0 {
		return r, nil
	}
	var err error
	r.ring, err = sys.NewRing(t.cfg.Depth)
	if e := sys.ErrnoOf(err); e == sys.ENOSYS || e == sys.EPERM {
		return nil, unsupported("%v: this process may not use io_uring", err)
	}
	return r, err
}

func (r *runner) run(ctx context.Context, start <-chan struct{}) {
	// A thread that ends with its goroutine takes nothing along to another task.
	runtime.LockOSThread()
	// A store past the end of file is SIGBUS, which store makes an EFAULT of.
	debug.SetPanicOnFault(true)
	if r.ring != nil {
		defer r.ring.Close()
	}
	<-start
	for _, n := range r.ops {
		if ctx.Err() != nil {
			break
		}
		if !r.op(n) {
			break
		}
	}
	r.wait(len(r.busy))
}

// op runs one operation; false ends the task.
func (r *runner) op(n int) bool {
	o := r.t.history.Op(n)
	if r.ring != nil && (o.Kind == workloads.Pwrite || o.Syncs()) {
		return r.queue(n, o)
	}
	if !r.wait(len(r.busy)) {
		return false
	}
	var buf []byte
	if o.Writes() || o.Kind == workloads.Pread {
		var err error
		if buf, err = sys.Aligned(int(o.Length)); err != nil {
			r.t.fail(err)
			return false
		}
		defer sys.Unmap(buf)
	}
	if o.Writes() {
		fill(buf, r.t.epoch.write(n))
	}
	if !r.t.call(n) {
		return false
	}
	done, err := r.t.do(o, buf)
	if o.Kind == workloads.Pread && err == nil {
		return r.t.returned(n, workloads.Result(done), buf[:done/blk.SectorSize*blk.SectorSize])
	}
	return r.t.returned(n, result(done, err), nil)
}

// fill stamps a buffer as write number n.
func fill(b []byte, n int) {
	for i := 0; i < len(b); i += stamp.Size {
		stamp.Put(b[i:], n, i/stamp.Size)
	}
}

// result makes a result of what a call returned.
func result(n int, err error) workloads.Result {
	switch e := sys.ErrnoOf(err); {
	case err == nil:
		return workloads.Result(n)
	case e != 0:
		return workloads.Fail(workloads.Errno(e))
	}
	return workloads.Fail(workloads.EIO)
}

// flags returns those of pwritev2 for a write.
func flags(o *workloads.Op) (f int) {
	if o.Atomic && !o.Unflagged {
		f |= sys.Atomic
	}
	if o.Dsync {
		f |= sys.Dsync
	}
	if o.Append {
		f |= sys.Append
	}
	return f
}

// position returns the offset that a write is given. That of an append is for
// the kernel to find, after it has checked the one that it was given.
func position(o *workloads.Op) int64 {
	if o.Append {
		return 0
	}
	return o.Offset
}

// do makes the call of an operation.
func (t *Target) do(o *workloads.Op, buf []byte) (int, error) {
	fd := t.fds[of(o)]
	switch o.Kind {
	case workloads.Pwrite:
		return t.write(o, fd, buf)
	case workloads.Pread:
		return sys.Preadv2(fd, [][]byte{buf}, o.Offset, 0)
	case workloads.Fsync:
		return 0, sys.Fsync(fd)
	case workloads.Fdatasync:
		return 0, sys.Fdatasync(fd)
	case workloads.Store:
		return store(fd, o, buf)
	case workloads.Msync:
		return 0, mapped(fd, o, sys.Msync)
	case workloads.SyncFileRange:
		return 0, sys.SyncFileRange(fd, o.Offset, o.Length)
	case workloads.Truncate:
		return 0, sys.Ftruncate(fd, o.Offset)
	case workloads.Clone:
		return 0, sys.CloneRange(fd, o.Offset, t.fds[descriptor{file: o.FromFile, fd: o.FD}], o.From, o.Length)
	}
	return 0, sys.Fallocate(fd, modes[o.Kind], o.Offset, o.Length)
}

// modes are those of fallocate(2).
var modes = map[workloads.Kind]int{
	workloads.Fallocate: sys.Allocate, workloads.Punch: sys.PunchHole, workloads.ZeroRange: sys.ZeroRange,
	workloads.Collapse: sys.CollapseRange, workloads.Insert: sys.InsertRange,
}

// write makes one call; a short write is not continued, since that is for the
// caller of the kernel to see.
func (t *Target) write(o *workloads.Op, fd int, buf []byte) (int, error) {
	if o.Limit == 0 {
		return t.pwrite(fd, [][]byte{buf}, position(o), flags(o))
	}
	restore, err := sys.LimitFileSize(o.Limit)
	if err != nil {
		return 0, err
	}
	n, err := t.pwrite(fd, [][]byte{buf}, position(o), flags(o))
	return n, errors.Join(err, restore())
}

// mapped calls f with a mapping of the pages that a range of the file is on.
// The mapping of an earlier store is gone; the pages it made dirty are in the
// page cache.
func mapped(fd int, o *workloads.Op, f func([]byte) error) error {
	page := sys.PageSize()
	from := o.Offset / page * page
	m, err := sys.Map(fd, from, int(o.Offset+o.Length-from))
	if err != nil {
		return err
	}
	return errors.Join(f(m), sys.Unmap(m))
}

func store(fd int, o *workloads.Op, buf []byte) (n int, err error) {
	err = mapped(fd, o, func(m []byte) (err error) {
		defer func() {
			if recover() != nil {
				err = sys.EFAULT
			}
		}()
		n = copy(m[len(m)-len(buf):], buf)
		return nil
	})
	return n, err
}

// queue puts a write or a sync into the ring. Writes of a task may be in flight
// together when they do not overlap; a sync waits for what is before it, as
// whoever relies on it has to.
func (r *runner) queue(n int, o *workloads.Op) bool {
	wait := 0
	if o.Syncs() || o.Append {
		wait = len(r.busy)
	}
	for k := range r.busy {
		if x := r.t.history.Op(k); x.File == o.File && x.Offset < o.Offset+o.Length && o.Offset < x.Offset+x.Length {
			wait = len(r.busy)
		}
	}
	if len(r.busy) == r.t.cfg.Depth {
		wait = max(wait, 1)
	}
	if !r.wait(wait) {
		return false
	}
	var buf []byte
	if !o.Syncs() {
		var err error
		if buf, err = sys.Aligned(int(o.Length)); err != nil {
			r.t.fail(err)
			return false
		}
		fill(buf, r.t.epoch.write(n))
	}
	if !r.t.call(n) {
		return false
	}
	r.busy[n] = buf
	fd := r.t.fds[of(o)]
	if o.Syncs() {
		r.ring.Sync(fd, o.Kind == workloads.Fdatasync, uint64(n))
	} else {
		r.ring.Write(fd, buf, position(o), flags(o), uint64(n))
	}
	if err := r.ring.Submit(0); err != nil {
		r.t.fail(err)
		return false
	}
	if o.Syncs() || o.Append {
		return r.wait(len(r.busy))
	}
	return r.reap()
}

// wait waits until at least n calls of the ring are done.
func (r *runner) wait(n int) bool {
	if r.ring == nil || n == 0 {
		return true
	}
	if err := r.ring.Submit(n); err != nil {
		r.t.fail(err)
		return false
	}
	return r.reap()
}

// reap takes what is done out of the ring.
func (r *runner) reap() bool {
	ok := true
	for user, n, some := r.ring.Done(); some; user, n, some = r.ring.Done() {
		op := int(user)
		if buf := r.busy[op]; buf != nil {
			_ = sys.Unmap(buf)
		}
		delete(r.busy, op)
		ok = r.t.returned(op, workloads.Result(n), nil) && ok
	}
	return ok
}
