package sys

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// DeviceSize returns the size of a block device in bytes, BLKGETSIZE64.
func DeviceSize(fd int) (int64, error) {
	var n uint64
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&n))); e != 0 {
		return 0, e
	}
	return int64(n), nil
}

// LogicalBlock returns the logical block of a block device in bytes, BLKSSZGET.
func LogicalBlock(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.BLKSSZGET) }

// LoopOptions say how a loop device is made.
type LoopOptions struct {
	ReadOnly bool
	Direct   bool // the backing file is read and written with O_DIRECT
	Block    int  // logical block in bytes, 0 for 512
}

// AttachLoop makes a loop device of a file and returns its path, and a
// descriptor of it that is the caller's to close. The device goes away when
// nothing has it open or mounted any more (LO_FLAGS_AUTOCLEAR), so that it
// outlives no process that was killed.
func AttachLoop(file string, o LoopOptions) (path string, fd int, err error) {
	mode := unix.O_RDWR
	if o.ReadOnly {
		mode = unix.O_RDONLY
	}
	back, err := Open(file, mode)
	if err != nil {
		return "", -1, fmt.Errorf("%s: %w", file, err)
	}
	defer Close(back)
	control, err := Open("/dev/loop-control", unix.O_RDWR)
	if err != nil {
		return "", -1, fmt.Errorf("/dev/loop-control: %w", err)
	}
	defer Close(control)
	c := unix.LoopConfig{Fd: uint32(back), Size: uint32(o.Block)}
	c.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	if o.Direct {
		c.Info.Flags |= unix.LO_FLAGS_DIRECT_IO
	}
	if o.ReadOnly {
		c.Info.Flags |= unix.LO_FLAGS_READ_ONLY
	}
	copy(c.Info.File_name[:len(c.Info.File_name)-1], file)
	// Another process may take the free device first.
	for range 64 {
		n, err := unix.IoctlRetInt(control, unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return "", -1, fmt.Errorf("LOOP_CTL_GET_FREE: %w", err)
		}
		path = fmt.Sprintf("/dev/loop%d", n)
		fd, err := Open(path, mode)
		if err != nil {
			return "", -1, fmt.Errorf("%s: %w", path, err)
		}
		if err = unix.IoctlLoopConfigure(fd, &c); err == nil {
			return path, fd, nil
		}
		Close(fd)
		if err != unix.EBUSY {
			return "", -1, fmt.Errorf("%s: LOOP_CONFIGURE: %w", path, err)
		}
	}
	return "", -1, fmt.Errorf("no free loop device: %w", unix.EBUSY)
}

// DetachLoop takes the file away from a loop device, LOOP_CLR_FD; while it is in
// use that happens when the last user is gone.
func DetachLoop(fd int) error { return unix.IoctlSetInt(fd, unix.LOOP_CLR_FD, 0) }

// Root reports whether the process runs as root, who may still lack what root has
// elsewhere, see Capable and OwnUsers.
func Root() bool { return os.Geteuid() == 0 }

// Capable reports whether the process has CAP_SYS_ADMIN, capget(2).
func Capable() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	err := unix.Capget(&header, &sets[0])
	return err == nil && sets[0].Effective>>unix.CAP_SYS_ADMIN&1 != 0
}

// OwnUsers reports whether the process is in a user namespace that is not the
// machine's. Its capabilities hold for what belongs to that one then, and no block
// device does.
func OwnUsers() bool {
	var st unix.Stat_t
	err := unix.Stat("/proc/self/ns/user", &st)
	return err == nil && st.Ino != machineUsers
}

// machineUsers is the inode of the first user namespace, USER_NS_INIT_INO of
// linux/nsfs.h.
const machineUsers = 0xEFFFFFFD

// MountDetached mounts a device where no path leads: what is in it is reached
// through the returned descriptor, and the mount ends when that is closed, or
// when the process ends in whatever way. options are names and values, "" for
// an option without one.
func MountDetached(device, filesystem string, options map[string]string) (int, error) {
	fs, err := unix.Fsopen(filesystem, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen %s: %w", filesystem, err)
	}
	defer Close(fs)
	if err := unix.FsconfigSetString(fs, "source", device); err != nil {
		return -1, fmt.Errorf("fsconfig source: %w", err)
	}
	for name, value := range options {
		if value == "" {
			err = unix.FsconfigSetFlag(fs, name)
		} else {
			err = unix.FsconfigSetString(fs, name, value)
		}
		if err != nil {
			return -1, fmt.Errorf("mount option %s: %w", name, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("mount of %s: %w", device, err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("fsmount: %w", err)
	}
	return fd, nil
}

// goingDown is XFS_IOC_GOINGDOWN, which ext4 has under the same number.
const goingDown = 0x8004587d

// ShutDown shuts the file system of a descriptor down after its log was written.
func ShutDown(fd int) error { return unix.IoctlSetPointerInt(fd, goingDown, 0) }
