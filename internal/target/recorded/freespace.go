package recorded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"untorn/internal/sys"
	"untorn/internal/target/file"
)

// FreeSpace says how the free space of a file system lies, as it says itself
// (FS_IOC_GETFSMAP). Sizes are bytes.
type FreeSpace struct {
	Total, Longest int64
	Runs           int
}

func freeSpace(fd int) (f FreeSpace, all []sys.Run, err error) {
	all, err = sys.FreeSpace(fd)
	for _, r := range all {
		f.Total += r.Length
		f.Longest = max(f.Longest, r.Length)
	}
	f.Runs = len(all)
	return f, all, err
}

// maxFills bounds how often the rest of a file system is filled. What it keeps
// for its own trees becomes free for a file when blocks elsewhere are given back.
const maxFills = 16

// fragment leaves free blocks no two of which are neighbours: a file takes all
// that lies in one piece, and gives every second block back. An error is a
// *file.UnsupportedError when the file system does not let it come out so.
func (c *Config) fragment(dev, dir string) (f FreeSpace, err error) {
	unit := c.Block
	if c.Filesystem == "ext4" {
		unit = max(unit, c.Cluster)
		// ext4 takes the best of the first 200 free runs that it sees, and what it
		// kept for itself lies behind them. Where that cannot be said the free
		// space shows it.
		_ = os.WriteFile(filepath.Join("/sys/fs/ext4", filepath.Base(dev), "mb_max_to_scan"), []byte("1000000"), 0)
	}
	fd, err := sys.Open(filepath.Join(dir, "filler"), sys.ReadWrite|sys.Create|sys.Exclusive)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, sys.Close(fd)) }()
	at := int64(0)
	for range maxFills {
		var free []sys.Run
		if f, free, err = freeSpace(fd); err != nil {
			return f, unsupported("free_space fragmented: how it lies cannot be seen: %v", err)
		}
		if f.Longest <= unit {
			return f, nil
		}
		if at, err = fill(fd, at, free, unit); err != nil {
			return f, fmt.Errorf("free_space fragmented: %w", err)
		}
	}
	return f, unsupported("free_space fragmented: of %d free bytes %d lie in one piece", f.Total, f.Longest)
}

func unsupported(format string, args ...any) error {
	return &file.UnsupportedError{What: fmt.Sprintf(format, args...)}
}

// fill makes a file longer by what lies in runs of more than one unit, and punches
// what is not to stay out of it. It returns the new end.
func fill(fd int, from int64, free []sys.Run, unit int64) (to int64, err error) {
	to = from
	for _, r := range free {
		for n := r.Length / unit * unit; n > unit; n = n / 2 / unit * unit {
			err := sys.Fallocate(fd, sys.Allocate, to, n)
			if err == nil {
				to += n
				break
			}
			if sys.ErrnoOf(err) != sys.ENOSPC {
				return to, fmt.Errorf("fallocate: %w", err)
			}
			// A part of it may be there.
			if to, err = end(fd, to); err != nil {
				return to, err
			}
		}
	}
	extents, err := sys.Extents(fd)
	if err != nil {
		return to, err
	}
	for _, x := range extents {
		if x.File < from {
			continue
		}
		// The ends stay, whatever lies next to them.
		for b := unit; b < x.Length-unit; b += 2 * unit {
			if err := sys.Fallocate(fd, sys.PunchHole, x.File+b, unit); err != nil {
				return to, fmt.Errorf("punch: %w", err)
			}
		}
	}
	return to, sys.Fsync(fd)
}

// end returns where the last extent of a file ends, at least from.
func end(fd int, from int64) (int64, error) {
	extents, err := sys.Extents(fd)
	if n := len(extents); n > 0 {
		from = max(from, extents[n-1].File+extents[n-1].Length)
	}
	return from, err
}
