package probe

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Device is a block device as sysfs shows it. Sizes are bytes.
type Device struct {
	Name string `json:"name"` // of the disk: nvme0n1
	// Partition is the number of the partition, 0 for the whole disk, and Start
	// where it begins on the disk.
	Partition int      `json:"partition"`
	Start     int64    `json:"start"`
	Slaves    []string `json:"slaves"`       // devices below this one, as of dm and md
	Backing   string   `json:"backing_file"` // of a loop device
	Queue     Queue    `json:"queue"`
}

// Queue is the limits of the queue of a disk.
type Queue struct {
	LogicalBlock  int64  `json:"logical_block"`
	PhysicalBlock int64  `json:"physical_block"`
	Cache         string `json:"cache"` // "write back" or "write through"
	FUA           bool   `json:"fua"`
	MaxTransfer   int64  `json:"max_transfer"`
	MaxSegments   int64  `json:"max_segments"`
	Chunk         int64  `json:"chunk"`
	StableWrites  bool   `json:"stable_writes"`
	// Atomic: the kernel has the limits that follow, 6.11 and later.
	Atomic   bool  `json:"atomic_known"`
	Max      int64 `json:"atomic_max"`
	UnitMin  int64 `json:"atomic_unit_min"`
	UnitMax  int64 `json:"atomic_unit_max"`
	Boundary int64 `json:"atomic_boundary"`
}

// ReadDevice reads what sysfs, mounted at root, says of the device with that
// number, "259:1". Without an entry, as for a file system that spans devices, it
// returns nil.
func ReadDevice(root, number string) (*Device, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(root, "dev/block", number))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d := &Device{Slaves: []string{}}
	disk := dir
	if text, err := os.ReadFile(filepath.Join(dir, "partition")); err == nil {
		if d.Partition, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "partition"), err)
		}
		r := reader{dir: dir}
		d.Start = r.number("start") * 512
		if r.err != nil {
			return nil, r.err
		}
		disk = filepath.Dir(dir)
	}
	d.Name = filepath.Base(disk)
	if below, err := os.ReadDir(filepath.Join(disk, "slaves")); err == nil {
		for _, s := range below {
			d.Slaves = append(d.Slaves, s.Name())
		}
	}
	if text, err := os.ReadFile(filepath.Join(disk, "loop", "backing_file")); err == nil {
		d.Backing = strings.TrimSpace(string(text))
	}
	r := reader{dir: filepath.Join(disk, "queue")}
	d.Queue = Queue{LogicalBlock: r.number("logical_block_size"), PhysicalBlock: r.number("physical_block_size"),
		Cache: r.text("write_cache"), FUA: r.number("fua") == 1, MaxTransfer: r.number("max_sectors_kb") * 1024,
		MaxSegments: r.number("max_segments"), Chunk: r.number("chunk_sectors") * 512, StableWrites: r.number("stable_writes") == 1}
	if r.err != nil {
		return nil, r.err
	}
	if _, err := os.Stat(filepath.Join(r.dir, "atomic_write_unit_max_bytes")); err == nil {
		d.Queue.Atomic = true
		d.Queue.Max, d.Queue.UnitMin = r.number("atomic_write_max_bytes"), r.number("atomic_write_unit_min_bytes")
		d.Queue.UnitMax, d.Queue.Boundary = r.number("atomic_write_unit_max_bytes"), r.number("atomic_write_boundary_bytes")
	}
	return d, r.err
}

// reader reads small files of a directory and keeps the first error.
type reader struct {
	dir string
	err error
}

func (r *reader) text(name string) string {
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil && r.err == nil {
		r.err = err
	}
	return strings.TrimSpace(string(b))
}

func (r *reader) number(name string) int64 {
	text := r.text(name)
	if r.err != nil {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.err = fmt.Errorf("%s: %w", filepath.Join(r.dir, name), err)
	}
	return n
}

// alignment returns what the start of a partition has to be a multiple of for
// the kernel to keep its atomic writes (bdev_can_atomic_write).
func (d *Device) alignment() int64 { return max(d.Queue.UnitMin, d.Queue.Boundary) }

// aligned reports whether a partition keeps the disk's atomic writes.
func (d *Device) aligned() bool { return d.alignment() == 0 || d.Start%d.alignment() == 0 }
