package sys

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os/signal"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Errno is an error number of Linux; every call of this package that fails in
// the kernel returns one, possibly wrapped.
type Errno = unix.Errno

// ErrnoOf returns the error number in err, 0 if there is none.
func ErrnoOf(err error) Errno {
	var e Errno
	if errors.As(err, &e) {
		return e
	}
	return 0
}

// Flags of Open. Close-on-exec is always set.
const (
	ReadOnly  = unix.O_RDONLY
	ReadWrite = unix.O_RDWR
	Create    = unix.O_CREAT
	// Exclusive refuses an existing file together with Create, and a block
	// device that is in use without it.
	Exclusive = unix.O_EXCL
	Direct    = unix.O_DIRECT
	// NoWait keeps an open from waiting for the other end of a pipe.
	NoWait = unix.O_NONBLOCK
)

// Open opens a file, open(2). A file that it creates is for its owner alone.
func Open(path string, flags int) (int, error) {
	for {
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// Close closes a descriptor.
func Close(fd int) error { return unix.Close(fd) }

// Flags of Pwritev2 and Preadv2.
const (
	Atomic = unix.RWF_ATOMIC
	Dsync  = unix.RWF_DSYNC
	Append = unix.RWF_APPEND
	// DontCache is RWF_DONTCACHE.
	DontCache = 0x80
)

// Pwritev2 writes at an offset in bytes, pwritev2(2).
func Pwritev2(fd int, bufs [][]byte, offset int64, flags int) (int, error) {
	return unix.Pwritev2(fd, bufs, offset, flags)
}

// PwriteAlone is Pwritev2 of one buffer that does not tell the Go runtime that
// the thread waits. That saves the runtime's watching over it, which costs as
// much as the write when processors are short; meanwhile a goroutine less can
// run, and a collection of garbage waits. Between two calls the runtime stops
// the goroutine as it does any other, so that a signal is handled once the call
// is over. For a program that only writes.
func PwriteAlone(fd int, b []byte, offset int64, flags int) (int, error) {
	v := unix.Iovec{Base: &b[0], Len: uint64(len(b))}
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_PWRITEV2, uintptr(fd), uintptr(unsafe.Pointer(&v)), 1, uintptr(offset), uintptr(uint64(offset)>>32), uintptr(flags))
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return -1, e
		}
		return int(n), nil
	}
}

// Preadv2 reads at an offset in bytes, preadv2(2).
func Preadv2(fd int, bufs [][]byte, offset int64, flags int) (int, error) {
	return unix.Preadv2(fd, bufs, offset, flags)
}

// Fsync makes a file durable, fsync(2).
func Fsync(fd int) error { return unix.Fsync(fd) }

// Fdatasync makes the data of a file durable, fdatasync(2).
func Fdatasync(fd int) error { return unix.Fdatasync(fd) }

// SyncFileRange writes a range back and waits for that, before and after.
func SyncFileRange(fd int, offset, length int64) error {
	return unix.SyncFileRange(fd, offset, length,
		unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
}

// Ftruncate sets the size of a file in bytes.
func Ftruncate(fd int, size int64) error { return unix.Ftruncate(fd, size) }

// Modes of Fallocate.
const (
	Allocate      = 0
	PunchHole     = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	ZeroRange     = unix.FALLOC_FL_ZERO_RANGE
	CollapseRange = unix.FALLOC_FL_COLLAPSE_RANGE
	InsertRange   = unix.FALLOC_FL_INSERT_RANGE
)

// Fallocate changes what a range of a file is made of, fallocate(2).
func Fallocate(fd, mode int, offset, length int64) error {
	return unix.Fallocate(fd, uint32(mode), offset, length)
}

// CloneRange makes a range of dst share the blocks of a range of src,
// FICLONERANGE.
func CloneRange(dst int, to int64, src int, from, length int64) error {
	return unix.IoctlFileCloneRange(dst, &unix.FileCloneRange{Src_fd: int64(src), Src_offset: uint64(from),
		Src_length: uint64(length), Dest_offset: uint64(to)})
}

// PageSize is the size of a page of memory in bytes.
func PageSize() int64 { return int64(unix.Getpagesize()) }

// Map maps a range of a file, shared, for reading and writing. The offset is a
// multiple of the page size.
func Map(fd int, offset int64, length int) ([]byte, error) {
	return unix.Mmap(fd, offset, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// Unmap takes a mapping or a buffer of Aligned away.
func Unmap(b []byte) error { return unix.Munmap(b) }

// Msync makes what is mapped durable, msync(2) with MS_SYNC.
func Msync(b []byte) error { return unix.Msync(b, unix.MS_SYNC) }

// Aligned returns memory that starts at a page, which is enough for O_DIRECT,
// and that lies outside of the garbage collector's sight. Unmap frees it.
func Aligned(length int) ([]byte, error) {
	return unix.Mmap(-1, 0, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
}

// Statx is what statx(2) says of a file. Sizes are bytes.
type Statx struct {
	Kind                       Kind
	Size                       int64
	Block                      int64 // stx_blksize
	Major, Minor               uint32
	RdevMajor, RdevMinor       uint32 // of a block device
	DirectMemory, DirectOffset uint32 // alignment that O_DIRECT asks for, 0 for no O_DIRECT or not known

	// AtomicKnown: the kernel filled in the fields below. AtomicAttr: it says
	// that the file takes atomic writes.
	AtomicKnown, AtomicAttr      bool
	UnitMin, UnitMax, UnitMaxOpt uint32
	SegmentsMax                  uint32

	Mount uint64 // number of the mount in mountinfo, 0 where the kernel does not say
}

// Kind is what a path is. The zero value is none of those named.
type Kind uint8

// Kinds of files.
const (
	OtherKind Kind = iota
	Regular
	BlockDevice
	Directory
)

// Stat asks statx(2) for a path, following symbolic links.
func Stat(path string) (*Statx, error) {
	var st unix.Statx_t
	const mask = unix.STATX_BASIC_STATS | unix.STATX_DIOALIGN | unix.STATX_WRITE_ATOMIC | unix.STATX_MNT_ID
	if err := unix.Statx(unix.AT_FDCWD, path, 0, mask, &st); err != nil {
		return nil, err
	}
	s := &Statx{Size: int64(st.Size), Block: int64(st.Blksize), Major: st.Dev_major, Minor: st.Dev_minor,
		RdevMajor: st.Rdev_major, RdevMinor: st.Rdev_minor, DirectMemory: st.Dio_mem_align, DirectOffset: st.Dio_offset_align,
		AtomicKnown: st.Mask&unix.STATX_WRITE_ATOMIC != 0, AtomicAttr: st.Attributes&unix.STATX_ATTR_WRITE_ATOMIC != 0,
		UnitMin: st.Atomic_write_unit_min, UnitMax: st.Atomic_write_unit_max, UnitMaxOpt: st.Atomic_write_unit_max_opt,
		SegmentsMax: st.Atomic_write_segments_max, Mount: st.Mnt_id}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		s.Kind = Regular
	case unix.S_IFBLK:
		s.Kind = BlockDevice
	case unix.S_IFDIR:
		s.Kind = Directory
	}
	return s, nil
}

// Extent is a run of a file on its disk, in bytes.
type Extent struct {
	File, Disk, Length int64
	Unwritten          bool
	Shared             bool
}

// The FIEMAP ioctl, linux/fiemap.h.
const (
	fiemapIoctl     = 0xc020660b
	fiemapSync      = 1
	fiemapLast      = 1
	fiemapUnwritten = 0x800
	fiemapShared    = 0x2000
	fiemapBatch     = 128
)

type fiemapExtent struct {
	logical, physical, length uint64
	_                         [2]uint64
	flags                     uint32
	_                         [3]uint32
}

type fiemap struct {
	start, length        uint64
	flags, mapped, count uint32
	_                    uint32
	extents              [fiemapBatch]fiemapExtent
}

// Extents returns where a file lies on its disk, FIEMAP. What is delayed is
// allocated first.
func Extents(fd int) ([]Extent, error) {
	var all []Extent
	from := uint64(0)
	for {
		m := fiemap{start: from, length: 1<<63 - 1 - from, flags: fiemapSync, count: fiemapBatch}
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), fiemapIoctl, uintptr(unsafe.Pointer(&m)))
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return nil, fmt.Errorf("FIEMAP: %w", e)
		}
		for i := range m.extents[:m.mapped] {
			x := &m.extents[i]
			all = append(all, Extent{int64(x.logical), int64(x.physical), int64(x.length), x.flags&fiemapUnwritten != 0, x.flags&fiemapShared != 0})
			if x.flags&fiemapLast != 0 {
				return all, nil
			}
			from = x.logical + x.length
		}
		if m.mapped == 0 {
			return all, nil
		}
	}
}

// LimitFileSize sets RLIMIT_FSIZE of the process to n bytes and returns a
// function that puts it back. Until then SIGXFSZ is ignored, so that a write past
// the limit returns EFBIG and does not end the process.
func LimitFileSize(n int64) (restore func() error, err error) {
	var old unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, nil, &old); err != nil {
		return nil, err
	}
	signal.Ignore(unix.SIGXFSZ)
	limit := unix.Rlimit{Cur: uint64(n), Max: old.Max}
	if err := unix.Prlimit(0, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		signal.Reset(unix.SIGXFSZ)
		return nil, err
	}
	return func() error {
		defer signal.Reset(unix.SIGXFSZ)
		return unix.Prlimit(0, unix.RLIMIT_FSIZE, &old, nil)
	}, nil
}

// Kernel returns the release of the running kernel, "6.18.44".
func Kernel() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}

// Error numbers that callers tell apart.
const (
	EPERM      = unix.EPERM
	ENOENT     = unix.ENOENT
	EBADF      = unix.EBADF
	EACCES     = unix.EACCES
	EBUSY      = unix.EBUSY
	EEXIST     = unix.EEXIST
	EINVAL     = unix.EINVAL
	EIO        = unix.EIO
	EFAULT     = unix.EFAULT
	ENOSYS     = unix.ENOSYS
	ENOTTY     = unix.ENOTTY
	EOPNOTSUPP = unix.EOPNOTSUPP
)

// filesystems are the magic numbers of linux/magic.h that matter here.
var filesystems = map[int64]string{0x58465342: "xfs", 0xef53: "ext4", 0x9123683e: "btrfs", 0x01021994: "tmpfs", 0xf2f52010: "f2fs",
	0x794c7630: "overlay", 0x6969: "nfs", 0x65735546: "fuse", 0xca451a4e: "bcachefs", 0x2fc12fc1: "zfs"}

// Filesystem names the file system that a path is on. ext2, ext3 and ext4 are
// one; an unknown one is named by its number.
func Filesystem(path string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return "", err
	}
	if name, ok := filesystems[st.Type]; ok {
		return name, nil
	}
	return fmt.Sprintf("%#x", st.Type), nil
}

// FilesystemUUID returns the UUID of the file system that a directory is on, as
// hexadecimal digits: FS_IOC_GETFSUUID. ENOTTY where the file system has none, or
// the kernel, before 6.9, does not say.
func FilesystemUUID(dir string) (string, error) {
	// linux/fs.h, struct fsuuid2
	const getUUID = 0x80111500
	var u struct {
		length uint8
		uuid   [16]byte
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), getUUID, uintptr(unsafe.Pointer(&u))); e != 0 {
		return "", e
	}
	return hex.EncodeToString(u.uuid[:min(int(u.length), len(u.uuid))]), nil
}

// BlockSize returns the block of the file system that a path is on, in bytes.
func BlockSize(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return st.Bsize, nil
}

// Lock takes the lock of an open file or directory, flock(2), and waits for
// whoever has it. It goes with the last descriptor.
func Lock(fd int) error {
	for {
		if err := unix.Flock(fd, unix.LOCK_EX); err != unix.EINTR {
			return err
		}
	}
}

// TryLock is Lock that does not wait; it fails when another one has the lock.
func TryLock(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) }

// Unnamed makes a file in a directory that has no name there, O_TMPFILE, so that
// nothing is left of it when the last descriptor goes.
func Unnamed(dir string) (int, error) {
	return Open(dir, unix.O_TMPFILE|ReadWrite)
}
