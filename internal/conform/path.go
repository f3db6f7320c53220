package conform

import (
	"context"
	"errors"
	"fmt"
	"os"

	"untorn/engine"
	"untorn/internal/loopfs"
	"untorn/internal/sys"
)

// An ExistsError says that a file is there, where only a new one is allowed.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string {
	return e.Path + " exists; allowed: a file that does not, which is made and removed, or a block device"
}

// ComparePath asks all of the grid on a new file that it makes there and
// removes, or on the end of a block device, whose content is lost. The model
// has the limits that statx reports. The error is an *ExistsError for a file
// that is there, a *loopfs.MissingError for a file system that the model does
// not know.
func ComparePath(ctx context.Context, path string) (c *Comparison, err error) {
	f := &asked{path: path, size: Size}
	st, err := sys.Stat(path)
	switch {
	case err == nil && st.Kind == sys.BlockDevice:
		f.block = true
	case err == nil:
		return nil, &ExistsError{path}
	case !errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", path, err)
	default:
		if err := make100(path); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.Remove(path)) }()
		if st, err = sys.Stat(path); err != nil {
			return nil, err
		}
	}
	change, lba, err := likeThat(path, st)
	if err != nil {
		return nil, err
	}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer f.close()
	if f.block {
		whole, err := sys.DeviceSize(f.cached)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		f.size, f.shift = end(whole)
	}
	fs := fsOf(change)
	limit := int64(st.UnitMax) // of the hardware
	if fs == engine.XFS {
		limit = int64(st.UnitMaxOpt)
	}
	boundary := int64(0)
	if limit == 0 {
		limit, boundary = noHardware, noHardware/2
	}
	m := model(f.size, lba, limit, boundary, change)
	defer m.Machine().Close()
	c = &Comparison{Kind: path, filesystem: fs, lba: lba}
	return c, c.ask(ctx, st, f, m)
}

// make100 makes a file of Size bytes, written.
func make100(path string) error {
	fd, err := sys.Open(path, sys.ReadWrite|sys.Create|sys.Exclusive)
	if errors.Is(err, os.ErrExist) {
		return &ExistsError{path}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	_, err = sys.Pwritev2(fd, [][]byte{make([]byte, Size)}, 0, 0)
	if err = errors.Join(err, sys.Fsync(fd), sys.Close(fd)); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", path, err), os.Remove(path))
	}
	return nil
}

// likeThat returns how the model is told of a file or device, and its logical
// block.
func likeThat(path string, st *sys.Statx) (func(*engine.Design), int64, error) {
	lba := max(int64(st.DirectOffset), 512)
	if st.Kind == sys.BlockDevice {
		return inPlace(engine.BlockDevice), lba, nil
	}
	name, err := sys.Filesystem(path)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	block, err := sys.BlockSize(path)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	unitMax := int64(st.UnitMax)
	var change func(*engine.Design)
	switch {
	case name == "ext4":
		change = func(d *engine.Design) { inPlace(engine.Ext4)(d); d.Cluster = max(block, unitMax) }
	case name == "xfs" && unitMax == 0:
		change = inPlace(engine.XFS)
	case name == "xfs" && unitMax < engine.MaxUnit:
		change = xfs(unitMax)
	case name == "xfs":
		change = xfs(0)
	default:
		return nil, 0, &loopfs.MissingError{What: fmt.Sprintf("%s is on %s; the model knows xfs, ext4 and block devices", path, name)}
	}
	return func(d *engine.Design) {
		change(d)
		d.Block = block
		d.FolioMin, d.FolioMax = max(d.FolioMin, block), max(d.FolioMax, block)
	}, lba, nil
}

func fsOf(change func(*engine.Design)) engine.Filesystem {
	var d engine.Design
	change(&d)
	return d.Filesystem
}

// end returns how much of a device's end the grid is asked on, and where that
// begins: at a multiple of the longest unit of the grid, so that what is aligned
// on it is aligned on the device.
func end(whole int64) (size, begin int64) {
	if whole < 2*longest {
		return whole, 0
	}
	size = whole%longest + longest
	return size, whole - size
}
