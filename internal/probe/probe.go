// Package probe finds out what decides whether atomic writes to a file or device
// can be trusted: the limits that the kernel reports, what the disk says of
// itself, and, where a scratch file is named, what really succeeds.
package probe

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"untorn/internal/sys"
	"untorn/workloads"
)

// Result is what was found out about one path. Sizes are bytes.
type Result struct {
	Path   string `json:"path"`
	Kind   string `json:"kind"` // "file", "block device", "directory"
	Kernel string `json:"kernel"`
	// Filesystem and Mount, the options, are empty for a block device.
	Filesystem string   `json:"filesystem"`
	Mount      string   `json:"mount_options"`
	Statx      Limits   `json:"statx"`
	Device     *Device  `json:"device"` // null when no single device is below
	NVMe       *NVMe    `json:"nvme"`   // null when the disk is none, or does not say
	Facts      []string `json:"facts"`
	Tries      []Try    `json:"tries"` // of the scratch file
	Claim      string   `json:"claim"`
}

// Limits are what statx(2) says.
type Limits struct {
	Known        bool  `json:"known"` // the kernel and the file system say something
	UnitMin      int64 `json:"unit_min"`
	UnitMax      int64 `json:"unit_max"`
	UnitMaxOpt   int64 `json:"unit_max_opt"`
	SegmentsMax  int64 `json:"segments_max"`
	DirectMemory int64 `json:"direct_memory_align"`
	DirectOffset int64 `json:"direct_offset_align"`
}

// Try is atomic writes of one length that were tried.
type Try struct {
	Length   int64  `json:"length"`
	Direct   string `json:"direct"` // "ok", or the error
	Buffered string `json:"buffered"`
}

func limitsOf(st *sys.Statx) Limits {
	return Limits{Known: st.AtomicKnown, UnitMin: int64(st.UnitMin), UnitMax: int64(st.UnitMax), UnitMaxOpt: int64(st.UnitMaxOpt),
		SegmentsMax: int64(st.SegmentsMax), DirectMemory: int64(st.DirectMemory), DirectOffset: int64(st.DirectOffset)}
}

// Probe looks at a path without writing anything. scratch, unless it is empty,
// is a file that must not exist: it is made, written to and removed, and its
// limits are taken where the path is a directory.
func Probe(path, scratch string) (*Result, error) {
	st, err := sys.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r := &Result{Path: path, Statx: limitsOf(st), Facts: []string{}, Tries: []Try{}}
	if r.Kernel, err = sys.Kernel(); err != nil {
		return nil, err
	}
	number := fmt.Sprintf("%d:%d", st.Major, st.Minor)
	switch st.Kind {
	case sys.Regular:
		r.Kind = "file"
	case sys.Directory:
		r.Kind = "directory"
	case sys.BlockDevice:
		r.Kind = "block device"
		number = fmt.Sprintf("%d:%d", st.RdevMajor, st.RdevMinor)
	default:
		return nil, fmt.Errorf("%s: no file, directory or block device", path)
	}
	if st.Kind != sys.BlockDevice {
		if r.Filesystem, err = sys.Filesystem(path); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if r.Mount, err = mountOptions("/proc/self/mountinfo", st.Mount); err != nil {
			return nil, err
		}
	}
	if r.Device, err = ReadDevice("/sys", number); err != nil {
		return nil, err
	}
	if scratch != "" {
		if err := besides(st, path, scratch); err != nil {
			return nil, err
		}
		if err := r.try(scratch); err != nil {
			return nil, err
		}
	}
	r.identify()
	r.explain()
	return r, nil
}

// besides returns an error unless a scratch file would lie on the file system of
// the path, so that what is tried there speaks of it.
func besides(st *sys.Statx, path, scratch string) error {
	dir, err := sys.Stat(filepath.Dir(scratch))
	there, _ := sys.Stat(scratch)
	switch {
	case st.Kind == sys.BlockDevice:
		return fmt.Errorf("%s is a block device, which a probe never writes to; allowed with --write: a file or directory of the file system to try", path)
	case err != nil:
		return fmt.Errorf("%s: %w", filepath.Dir(scratch), err)
	case there != nil && there.Kind == sys.Directory:
		return fmt.Errorf("%s is a directory; allowed: a new file on the file system of %s", scratch, path)
	case dir.Mount != st.Mount:
		return fmt.Errorf("%s would not lie on the mount of %s; allowed: a new file there", scratch, path)
	}
	return nil
}

// identify asks an NVMe disk.
func (r *Result) identify() {
	if r.Device == nil || !strings.HasPrefix(r.Device.Name, "nvme") {
		return
	}
	fd, err := sys.Open(filepath.Join("/dev", r.Device.Name), sys.ReadOnly|sys.NoWait)
	if err == nil {
		defer sys.Close(fd)
		var disk *sys.NVMe
		if disk, err = sys.OpenNVMe(fd); err == nil {
			r.NVMe, err = askNVMe(disk)
		}
	}
	if err != nil {
		r.Facts = append(r.Facts, fmt.Sprintf("the disk does not say what it keeps whole when power fails (NAWUPF): %v; root may ask", err))
	}
}

// mountOptions returns those of a mount and of its file system, "" when none of
// mountinfo has that number.
func mountOptions(mountinfo string, mount uint64) (string, error) {
	f, err := os.Open(mountinfo)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		head, tail, ok := strings.Cut(lines.Text(), " - ")
		fields, rest := strings.Fields(head), strings.Fields(tail)
		if !ok || len(fields) < 6 || len(rest) < 3 || fields[0] != fmt.Sprint(mount) {
			continue
		}
		options := strings.Split(fields[5], ",")
		for _, o := range strings.Split(rest[2], ",") {
			if !slices.Contains(options, o) {
				options = append(options, o)
			}
		}
		return strings.Join(options, ","), nil
	}
	return "", lines.Err()
}

// tryMax bounds the writes that are tried.
const tryMax = 16 << 20

// try writes atomic units of every length to a new file.
func (r *Result) try(path string) (err error) {
	fd, err := sys.Open(path, sys.ReadWrite|sys.Create|sys.Exclusive)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists; allowed: a file that does not, which is made and removed", path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() { err = errors.Join(err, sys.Close(fd), os.Remove(path)) }()
	st, err := sys.Stat(path)
	if err != nil {
		return err
	}
	if r.Kind == "directory" {
		r.Statx = limitsOf(st)
	}
	direct, directErr := sys.Open(path, sys.ReadWrite|sys.Direct)
	if directErr == nil {
		defer sys.Close(direct)
	}
	longest := min(tryMax, max(2*int64(st.UnitMax), 64<<10))
	buf, err := sys.Aligned(int(longest))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sys.Unmap(buf)) }()
	// Allocated and written, so that neither a hole nor an unwritten extent is in
	// the way of a write in place.
	if _, err := sys.Pwritev2(fd, [][]byte{buf}, 0, 0); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := sys.Fsync(fd); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for n := int64(512); n <= longest; n *= 2 {
		t := Try{Length: n, Buffered: outcome(fd, buf[:n])}
		if t.Direct = "no O_DIRECT here"; directErr == nil {
			t.Direct = outcome(direct, buf[:n])
		}
		r.Tries = append(r.Tries, t)
	}
	return nil
}

// outcome writes one unit and says how that ended.
func outcome(fd int, b []byte) string {
	switch n, err := sys.Pwritev2(fd, [][]byte{b}, 0, sys.Atomic); {
	case err != nil:
		return workloads.Errno(sys.ErrnoOf(err)).String()
	case n != len(b):
		return fmt.Sprintf("short: %d", n)
	}
	return "ok"
}
