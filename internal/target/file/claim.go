package file

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"untorn/internal/sys"
	"untorn/workloads"
)

// A RefusedError says why a device or file is not touched: it is in use, or it
// is not what the user named.
type RefusedError struct{ What string }

func (e *RefusedError) Error() string { return e.What }

func refused(format string, args ...any) error { return &RefusedError{fmt.Sprintf(format, args...)} }

// Claim checks that a path may be written to. A block device must not be
// mounted, swapped on, or held by another device, and destroy must be its serial
// number or its size. Open then opens it exclusively, which also keeps out what
// no list shows. A regular file, or none, needs no such word, and takes none;
// neither may be what a loop device has its content in.
func Claim(path, destroy string) error {
	st, err := sys.Stat(path)
	if err != nil || st.Kind != sys.BlockDevice {
		if destroy != "" {
			return refused("%s is no block device; only the content of one needs the word to destroy it", path)
		}
		return unlooped(path, func(backing string) bool { return sameFile(path, backing) })
	}
	number := fmt.Sprintf("%d:%d", st.RdevMajor, st.RdevMinor)
	dir := filepath.Join("/sys/dev/block", number)
	if err := unused(path, number, dir); err != nil {
		return err
	}
	size, err := deviceSize(path)
	if err != nil {
		return err
	}
	serial := serialOf(dir)
	allowed := workloads.FormatSize(size)
	if serial != "" {
		allowed = fmt.Sprintf("its serial number %q, or its size %s", serial, allowed)
	} else {
		allowed = "its size " + allowed
	}
	given, err := workloads.ParseSize(destroy)
	switch {
	case destroy == "":
		return refused("%s would lose its content; allowed: with its serial number or size given to be destroyed: %s", path, allowed)
	case serial != "" && destroy == serial, err == nil && given == size:
		return nil
	}
	return refused("%q is not what %s is; allowed: %s", destroy, path, allowed)
}

func deviceSize(path string) (int64, error) {
	fd, err := sys.Open(path, sys.ReadOnly|sys.NoWait)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	defer sys.Close(fd)
	return sys.DeviceSize(fd)
}

// unused refuses a device that something uses, and says what.
func unused(path, number, dir string) error {
	numbers := map[string]string{number: path} // of the device and its partitions
	entries, err := os.ReadDir(dir + "/")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	dirs := []string{dir}
	for _, e := range entries {
		part := filepath.Join(dir, e.Name())
		if dev, err := os.ReadFile(filepath.Join(part, "dev")); err == nil {
			if _, err := os.Stat(filepath.Join(part, "partition")); err == nil {
				numbers[strings.TrimSpace(string(dev))] = "/dev/" + e.Name()
				dirs = append(dirs, part)
			}
		}
	}
	for _, d := range dirs {
		if holders, _ := os.ReadDir(filepath.Join(d, "holders")); len(holders) > 0 {
			return refused("%s is in use by %s", path, holders[0].Name())
		}
	}
	for number := range numbers {
		if err := unlooped(path, func(backing string) bool { return sameDevice(backing, number) }); err != nil {
			return err
		}
	}
	where, err := mountOf("/proc/self/mountinfo", numbers)
	if err != nil {
		return err
	}
	if where != "" {
		return refused("%s is mounted at %s", path, where)
	}
	swaps, err := os.ReadFile("/proc/swaps")
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, line := range strings.Split(string(swaps), "\n") {
		name, _, _ := strings.Cut(line, " ")
		if st, err := sys.Stat(name); err == nil && st.Kind == sys.BlockDevice && numbers[fmt.Sprintf("%d:%d", st.RdevMajor, st.RdevMinor)] != "" {
			return refused("%s is swapped on", path)
		}
	}
	return nil
}

// unlooped refuses what a loop device has its content in, of which the kernel
// keeps no claim: neither a holder nor an exclusive opening.
func unlooped(path string, is func(backing string) bool) error {
	loops, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return err
	}
	for _, l := range loops {
		// One that cannot be read was detached since.
		if backing, err := os.ReadFile(l); err == nil && is(strings.TrimSuffix(string(backing), "\n")) {
			return refused("%s is in use: %s has its content there", path, "/dev/"+filepath.Base(filepath.Dir(filepath.Dir(l))))
		}
	}
	return nil
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y)
}

// mountOf returns where one of some devices is mounted, "" for nowhere. Where a
// file system has a number of its own, as btrfs has, its source tells.
func mountOf(mountinfo string, numbers map[string]string) (string, error) {
	f, err := os.Open(mountinfo)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 {
			continue
		}
		_, tail, _ := strings.Cut(lines.Text(), " - ")
		rest := strings.Fields(tail)
		source := ""
		if len(rest) > 1 {
			source = rest[1]
		}
		for number := range numbers {
			if fields[2] == number || source != "" && sameDevice(source, number) {
				return fields[4], nil
			}
		}
	}
	return "", lines.Err()
}

func sameDevice(source, number string) bool {
	if !strings.HasPrefix(source, "/") {
		return false
	}
	st, err := sys.Stat(source)
	return err == nil && st.Kind == sys.BlockDevice && fmt.Sprintf("%d:%d", st.RdevMajor, st.RdevMinor) == number
}

// serialOf returns the serial number of a device, or of the disk that a
// partition is on, "" if it has none.
func serialOf(dir string) string {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return ""
	}
	if _, err := os.Stat(filepath.Join(real, "partition")); err == nil {
		real = filepath.Dir(real)
	}
	for _, name := range []string{"serial", "device/serial", "device/../serial"} {
		if b, err := os.ReadFile(filepath.Join(real, name)); err == nil && strings.TrimSpace(string(b)) != "" {
			return strings.TrimSpace(string(b))
		}
	}
	return ""
}

// Vanished reports whether a file that was durable is lost: a path names nothing,
// in a directory of a file system that is not in memory. A device that has no
// name is in one that is.
func Vanished(path string) bool {
	if _, err := sys.Stat(path); sys.ErrnoOf(err) != sys.ENOENT {
		return false
	}
	dir := filepath.Dir(path)
	st, err := sys.Stat(dir)
	if err != nil || st.Kind != sys.Directory {
		return false
	}
	in, err := sys.Filesystem(dir)
	return err == nil && in != "tmpfs"
}

// Place returns the UUID of the file system that a path is on and the path's name
// there, "" where the kernel does not say. It outlives a reboot and a copy of the
// disk, and need not name anything.
func Place(path string) string {
	uuid, err := sys.FilesystemUUID(filepath.Dir(path))
	if err != nil {
		return ""
	}
	return uuid + "/" + filepath.Base(path)
}

// IsDevice reports whether a path is a block device.
func IsDevice(path string) (bool, error) {
	st, err := sys.Stat(path)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	return st.Kind == sys.BlockDevice, nil
}
