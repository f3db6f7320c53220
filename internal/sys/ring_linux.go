package sys

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ring is an io_uring. One thread uses it at a time.
type Ring struct {
	// Alone: the runtime is not told that a thread waits, see PwriteAlone.
	Alone bool

	fd          int
	rings, sqes []byte
	sqHead      *uint32
	sqTail      *uint32
	sqMask      uint32
	array       unsafe.Pointer
	cqHead      *uint32
	cqTail      *uint32
	cqMask      uint32
	cqes        unsafe.Pointer
	depth       uint32
	queued      uint32 // entries that the kernel has not been told of
	inFlight    uint32
}

// ringOffsets is struct io_sqring_offsets, and io_cqring_offsets with other
// names: head, tail, mask, entries, flags or overflow, dropped or cqes, array
// or flags.
type ringOffsets struct {
	head, tail, mask, entries, fifth, sixth, seventh, _ uint32
	_                                                   uint64
}

type ringParams struct {
	sqEntries, cqEntries, flags, cpu, idle, features, wq uint32
	_                                                    [3]uint32
	sq, cq                                               ringOffsets
}

type submission struct {
	opcode, flags uint8
	_             uint16
	fd            int32
	offset, addr  uint64
	length        uint32
	opFlags       uint32
	user          uint64
	_             [3]uint64
}

type completion struct {
	user   uint64
	result int32
	_      uint32
}

// linux/io_uring.h.
const (
	opFsync, opReadFixed  = 3, 4
	opWriteFixed, opWrite = 5, 23
	registerBuffers       = 0
	fsyncDatasync         = 1
	enterGetEvents        = 1
	featureSingleMap      = 1
	offsetRings           = 0
	offsetSubmissions     = 0x10000000
	sizeofSubmission      = 64
)

// NewRing makes a ring with room for depth calls in flight, which the kernel
// rounds up to a power of two.
func NewRing(depth int) (*Ring, error) {
	var p ringParams
	fd, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(depth), uintptr(unsafe.Pointer(&p)), 0)
	if e != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", e)
	}
	r := &Ring{fd: int(fd), depth: uint32(depth)}
	if p.features&featureSingleMap == 0 {
		r.Close()
		return nil, errors.New("io_uring: the kernel maps its rings apart, which kernels before 5.4 do")
	}
	size := max(p.sq.seventh+p.sqEntries*4, p.cq.sixth+p.cqEntries*uint32(unsafe.Sizeof(completion{})))
	var err error
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	if r.rings, err = unix.Mmap(r.fd, offsetRings, int(size), prot, flags); err == nil {
		r.sqes, err = unix.Mmap(r.fd, offsetSubmissions, int(p.sqEntries)*sizeofSubmission, prot, flags)
	}
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("io_uring: %w", err)
	}
	at := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[off])) }
	r.sqHead, r.sqTail, r.sqMask, r.array = at(p.sq.head), at(p.sq.tail), *at(p.sq.mask), unsafe.Pointer(at(p.sq.seventh))
	r.cqHead, r.cqTail, r.cqMask, r.cqes = at(p.cq.head), at(p.cq.tail), *at(p.cq.mask), unsafe.Pointer(at(p.cq.sixth))
	return r, nil
}

// Close ends the ring. Calls in flight go on; their buffers stay in use.
func (r *Ring) Close() error {
	for _, b := range [][]byte{r.rings, r.sqes} {
		if b != nil {
			_ = unix.Munmap(b)
		}
	}
	return unix.Close(r.fd)
}

// InFlight returns how many calls have not been waited for.
func (r *Ring) InFlight() int { return int(r.inFlight) }

func (r *Ring) queue(s submission) {
	if r.inFlight == r.depth {
		panic("sys: more calls than the ring has room for")
	}
	tail := *r.sqTail
	i := tail & r.sqMask
	*(*submission)(unsafe.Pointer(&r.sqes[i*sizeofSubmission])) = s
	*(*uint32)(unsafe.Add(r.array, i*4)) = i
	atomic.StoreUint32(r.sqTail, tail+1)
	r.queued++
	r.inFlight++
}

// Write queues a write of b, which stays untouched until it is done. user is
// returned with the result. At most as many calls as the ring is deep may be in
// flight.
func (r *Ring) Write(fd int, b []byte, offset int64, flags int, user uint64) {
	r.queue(submission{opcode: opWrite, fd: int32(fd), offset: uint64(offset), addr: uint64(uintptr(unsafe.Pointer(&b[0]))),
		length: uint32(len(b)), opFlags: uint32(flags), user: user})
}

// Sync queues an fsync or fdatasync.
func (r *Ring) Sync(fd int, data bool, user uint64) {
	s := submission{opcode: opFsync, fd: int32(fd), user: user}
	if data {
		s.opFlags = fsyncDatasync
	}
	r.queue(s)
}

// Submit tells the kernel of what was queued, and waits until at least wait
// calls are done and not taken by Done.
func (r *Ring) Submit(wait int) error {
	flags := 0
	if wait > 0 {
		flags = enterGetEvents
	}
	enter := unix.Syscall6
	if r.Alone {
		enter = unix.RawSyscall6
	}
	// A signal ends the wait; when something was submitted it is not told.
	for r.queued > 0 || int(atomic.LoadUint32(r.cqTail)-*r.cqHead) < wait {
		n, _, e := enter(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(r.queued), uintptr(wait), uintptr(flags), 0, 0)
		if e != 0 && e != unix.EINTR {
			return fmt.Errorf("io_uring_enter: %w", e)
		}
		if e == 0 {
			r.queued -= min(uint32(n), r.queued)
		}
	}
	return nil
}

// Done returns one call that is done: what was given as user, and the bytes
// or the negative Errno. ok is false when there is none.
func (r *Ring) Done() (user uint64, result int, ok bool) {
	head := *r.cqHead
	if head == atomic.LoadUint32(r.cqTail) {
		return 0, 0, false
	}
	c := (*completion)(unsafe.Add(r.cqes, uintptr(head&r.cqMask)*unsafe.Sizeof(completion{})))
	user, result = c.user, int(c.result)
	atomic.StoreUint32(r.cqHead, head+1)
	r.inFlight--
	return user, result, true
}

// Register makes b the buffer of ReadFixed and WriteFixed.
func (r *Ring) Register(b []byte) error {
	v := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	if _, _, e := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerBuffers, uintptr(unsafe.Pointer(&v)), 1, 0, 0); e != 0 {
		return fmt.Errorf("io_uring_register: %w", e)
	}
	return nil
}

// Fixed queues a read or write of b, which lies in the registered buffer.
func (r *Ring) Fixed(read bool, fd int, b []byte, offset int64, flags int, user uint64) {
	op := uint8(opWriteFixed)
	if read {
		op = opReadFixed
	}
	r.queue(submission{opcode: op, fd: int32(fd), offset: uint64(offset), addr: uint64(uintptr(unsafe.Pointer(&b[0]))),
		length: uint32(len(b)), opFlags: uint32(flags), user: user})
}
