//go:build !linux

package sys

import (
	"errors"
	"os"
	"syscall"
)

// What follows lets the rest of untorn, the model above all, be built for other
// systems: each call fails with ErrUnsupported.

// Errno is an error number.
type Errno = syscall.Errno

// ErrnoOf returns the error number in err, 0 if there is none.
func ErrnoOf(err error) Errno {
	var e Errno
	if errors.As(err, &e) {
		return e
	}
	return 0
}

// The constants have the values of Linux.
const (
	ReadOnly  = 0
	ReadWrite = 2
	Create    = 0x40
	Exclusive = 0x80
	Direct    = 0x4000
	NoWait    = 0x800

	Atomic    = 0x40
	Dsync     = 0x2
	Append    = 0x10
	DontCache = 0x80

	Allocate      = 0
	PunchHole     = 3
	ZeroRange     = 0x10
	CollapseRange = 0x8
	InsertRange   = 0x20

	EPERM      = Errno(1)
	ENOENT     = Errno(2)
	EIO        = Errno(5)
	ENXIO      = Errno(6)
	EBADF      = Errno(9)
	ENOMEM     = Errno(12)
	EACCES     = Errno(13)
	EFAULT     = Errno(14)
	EBUSY      = Errno(16)
	EEXIST     = Errno(17)
	ENODEV     = Errno(19)
	EINVAL     = Errno(22)
	ENFILE     = Errno(23)
	EMFILE     = Errno(24)
	ENOTTY     = Errno(25)
	ENOSPC     = Errno(28)
	ENOSYS     = Errno(38)
	EOPNOTSUPP = Errno(95)
)

// Kind is what a path is.
type Kind uint8

// Kinds of files.
const (
	OtherKind Kind = iota
	Regular
	BlockDevice
	Directory
)

// Statx is what statx(2) says of a file.
type Statx struct {
	Kind                         Kind
	Size, Block                  int64
	Major, Minor                 uint32
	RdevMajor, RdevMinor         uint32
	DirectMemory, DirectOffset   uint32
	AtomicKnown, AtomicAttr      bool
	UnitMin, UnitMax, UnitMaxOpt uint32
	SegmentsMax                  uint32
	Mount                        uint64
}

// NVMe asks the controller of an NVMe namespace.
type NVMe struct{}

func OpenNVMe(int) (*NVMe, error)                                 { return nil, errNone }
func (*NVMe) Identify() (namespace, controller []byte, err error) { return nil, nil, errNone }
func (*NVMe) Feature(uint8) (uint32, error)                       { return 0, errNone }

// Extent is a run of a file on its disk.
type Extent struct {
	File, Disk, Length int64
	Unwritten, Shared  bool
}

// Run is a run of a disk, in bytes.
type Run struct{ Disk, Length int64 }

// LoopOptions say how a loop device is made.
type LoopOptions struct {
	ReadOnly, Direct bool
	Block            int
}

var errNone = errors.ErrUnsupported

func Open(string, int) (int, error)                         { return -1, errNone }
func Close(int) error                                       { return errNone }
func Pwritev2(int, [][]byte, int64, int) (int, error)       { return 0, errNone }
func PwriteAlone(int, []byte, int64, int) (int, error)      { return 0, errNone }
func Preadv2(int, [][]byte, int64, int) (int, error)        { return 0, errNone }
func Fsync(int) error                                       { return errNone }
func Fdatasync(int) error                                   { return errNone }
func SyncFileRange(int, int64, int64) error                 { return errNone }
func Ftruncate(int, int64) error                            { return errNone }
func Fallocate(int, int, int64, int64) error                { return errNone }
func CloneRange(int, int64, int, int64, int64) error        { return errNone }
func PageSize() int64                                       { return 4096 }
func Map(int, int64, int) ([]byte, error)                   { return nil, errNone }
func Unmap([]byte) error                                    { return errNone }
func Msync([]byte) error                                    { return errNone }
func Aligned(int) ([]byte, error)                           { return nil, errNone }
func Stat(string) (*Statx, error)                           { return nil, errNone }
func Extents(int) ([]Extent, error)                         { return nil, errNone }
func FreeSpace(int) ([]Run, error)                          { return nil, errNone }
func LimitFileSize(int64) (restore func() error, err error) { return nil, errNone }
func Kernel() (string, error)                               { return "", errNone }
func Filesystem(string) (string, error)                     { return "", errNone }
func FilesystemUUID(string) (string, error)                 { return "", errNone }
func Lock(int) error                                        { return errNone }
func TryLock(int) error                                     { return errNone }
func Unnamed(string) (int, error)                           { return -1, errNone }
func BlockSize(string) (int64, error)                       { return 0, errNone }
func DeviceSize(int) (int64, error)                         { return 0, errNone }
func LogicalBlock(int) (int, error)                         { return 0, errNone }
func AttachLoop(string, LoopOptions) (string, int, error)   { return "", -1, errNone }
func DetachLoop(int) error                                  { return errNone }
func Root() bool                                            { return false }
func Capable() bool                                         { return false }
func OwnUsers() bool                                        { return false }
func MountDetached(_, _ string, _ map[string]string) (int, error) {
	return -1, errNone
}
func ShutDown(int) error                    { return errNone }
func NotInterrupted()                       {}
func LockMemory() error                     { return errNone }
func FlushesIO() error                      { return errNone }
func MountFUSE() (serve, root int, e error) { return -1, -1, errNone }
func MemoryFile(int64) (int, error)         { return -1, errNone }

// Ring is an io_uring.
type Ring struct{ Alone bool }

func NewRing(int) (*Ring, error)                          { return nil, errNone }
func (*Ring) Close() error                                { return errNone }
func (*Ring) InFlight() int                               { return 0 }
func (*Ring) Write(int, []byte, int64, int, uint64)       {}
func (*Ring) Sync(int, bool, uint64)                      {}
func (*Ring) Submit(int) error                            { return errNone }
func (*Ring) Done() (user uint64, result int, ok bool)    { return 0, 0, false }
func (*Ring) Register([]byte) error                       { return errNone }
func (*Ring) Fixed(bool, int, []byte, int64, int, uint64) {}

// MaxResident is not known here.
func MaxResident(*os.ProcessState) (bytes int64, ok bool) { return 0, false }
