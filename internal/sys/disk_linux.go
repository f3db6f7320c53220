package sys

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// NotInterrupted makes the process leader of a session of its own, so that no
// terminal sends it a signal, setsid(2). A process that leads one already is
// left as it is.
func NotInterrupted() { _, _ = unix.Setsid() }

// LockMemory keeps what the process touches in memory, mlockall(2) with
// MCL_ONFAULT: a process below a file system must not wait for memory that only
// that file system can free.
func LockMemory() error { return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT) }

// FlushesIO tells the kernel that the process serves block I/O, so that its
// allocations do not wait for I/O that it has to do itself, PR_SET_IO_FLUSHER.
// It holds for the calling thread and those that it makes.
func FlushesIO() error { return unix.Prctl(unix.PR_SET_IO_FLUSHER, 1, 0, 0, 0) }

// MountFUSE mounts a FUSE file system where no path leads, and returns the
// descriptor by which it is served and that of its root. It ends when nothing
// holds the root and nothing in it is open any more.
func MountFUSE() (serve, root int, err error) {
	serve, err = Open("/dev/fuse", unix.O_RDWR)
	if err != nil {
		return -1, -1, fmt.Errorf("/dev/fuse: %w", err)
	}
	root, err = MountDetached("untorn", "fuse", map[string]string{
		"fd": strconv.Itoa(serve), "rootmode": "40000", "user_id": "0", "group_id": "0", "max_read": strconv.Itoa(1 << 20)})
	if err != nil {
		_ = Close(serve)
		return -1, -1, err
	}
	return serve, root, nil
}

// MemoryFile returns a file that has no name and lies in memory, memfd_create(2).
func MemoryFile(size int64) (int, error) {
	fd, err := unix.MemfdCreate("untorn", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	if err := unix.Ftruncate(fd, size); err != nil {
		_ = Close(fd)
		return -1, err
	}
	return fd, nil
}

// Further error numbers that say something about the machine.
const (
	ENOMEM = unix.ENOMEM
	ENODEV = unix.ENODEV
	EMFILE = unix.EMFILE
	ENFILE = unix.ENFILE
	ENOSPC = unix.ENOSPC
)
