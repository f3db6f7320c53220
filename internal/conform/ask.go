package conform

import (
	"untorn/engine"
	"untorn/internal/blk"
	"untorn/internal/sys"
	"untorn/workloads"
)

// asked is a file of the running kernel.
type asked struct {
	path           string
	block, down    bool
	size           int64 // of the file; of a device, what the grid takes for it
	shift          int64 // of a device, where that begins
	cached, direct int
	buf            []byte
	ring           *sys.Ring
}

const longest = 2 * mib

func (f *asked) open() (err error) {
	f.cached, f.direct = -1, -1
	if f.buf, err = sys.Aligned(longest); err != nil {
		return err
	}
	flags := sys.ReadWrite
	if f.block {
		flags |= sys.Exclusive
	}
	if f.cached, err = sys.Open(f.path, flags); err == nil {
		f.direct, err = sys.Open(f.path, sys.ReadWrite|sys.Direct)
	}
	if err == nil {
		f.ring, err = sys.NewRing(1)
	}
	if err == nil {
		err = f.ring.Register(f.buf)
	}
	if err != nil {
		f.close()
	}
	return err
}

func (f *asked) close() {
	if f.ring != nil {
		_ = f.ring.Close()
	}
	for _, fd := range []int{f.cached, f.direct} {
		if fd >= 0 {
			_ = sys.Close(fd)
		}
	}
	_ = sys.Unmap(f.buf)
}

// ask makes a call, and puts the file back to its size. The error is of the
// machine; what the kernel answers is the result.
func (f *asked) ask(c *engine.Call) (got workloads.Result, err error) {
	fd, flags := f.cached, 0
	if c.Direct {
		fd = f.direct
	}
	for _, x := range []struct {
		on   bool
		flag int
	}{{c.Atomic, sys.Atomic}, {c.Append, sys.Append}, {c.Dsync, sys.Dsync}} {
		if x.on {
			flags |= x.flag
		}
	}
	b := f.buf[:c.Length]
	restore := func() error { return nil }
	if c.Limit != 0 {
		if restore, err = sys.LimitFileSize(c.Limit); err != nil {
			return 0, err
		}
	}
	var n int
	switch {
	case c.Registered:
		f.ring.Fixed(c.Read, fd, b, f.shift+c.Offset, flags, 1)
		if err := f.ring.Submit(1); err != nil {
			return 0, err
		}
		if _, n, _ = f.ring.Done(); n < 0 {
			err = sys.Errno(-n)
		}
	case c.Read:
		n, err = sys.Preadv2(fd, split(b, c.Iovecs), f.shift+c.Offset, flags)
	default:
		n, err = sys.Pwritev2(fd, split(b, c.Iovecs), f.shift+c.Offset, flags)
	}
	if err := restore(); err != nil {
		return 0, err
	}
	if !f.block && !f.down && !c.Read {
		if err := sys.Ftruncate(f.cached, f.size); err != nil {
			return 0, err
		}
	}
	if err != nil {
		return workloads.Fail(workloads.Errno(sys.ErrnoOf(err))), nil
	}
	return workloads.Result(n), nil
}

// split makes iovecs of a buffer, the first of one sector.
func split(b []byte, n int) [][]byte {
	if n < 2 {
		return [][]byte{b}
	}
	return [][]byte{b[:blk.SectorSize], b[blk.SectorSize:]}
}
