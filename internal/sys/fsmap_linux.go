package sys

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Run is a run of a disk, in bytes.
type Run struct{ Disk, Length int64 }

// The FS_IOC_GETFSMAP ioctl, linux/fsmap.h.
const (
	getFsmap     = 0xc0c0583b
	fsmapSpecial = 0x10
	fsmapLast    = 0x20
	fsmapFree    = 1
	fsmapBatch   = 1024
)

type fsmapRecord struct {
	device, flags                   uint32
	physical, owner, offset, length uint64
	_                               [3]uint64
}

type fsmapHead struct {
	iflags, oflags, count, entries uint32
	_                              [6]uint64
	low, high                      fsmapRecord
	records                        [fsmapBatch]fsmapRecord
}

// FreeSpace returns the free runs of the file system of a descriptor, in the
// order in which they lie, no two of them neighbours. It needs root.
func FreeSpace(fd int) ([]Run, error) {
	var free []Run
	h := &fsmapHead{count: fsmapBatch}
	h.high = fsmapRecord{device: 1<<32 - 1, flags: 1<<32 - 1, physical: 1<<64 - 1, owner: 1<<64 - 1, offset: 1<<64 - 1}
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), getFsmap, uintptr(unsafe.Pointer(h)))
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return nil, fmt.Errorf("GETFSMAP: %w", e)
		}
		if h.entries == 0 {
			return free, nil
		}
		for i := range h.records[:h.entries] {
			r := &h.records[i]
			if r.flags&fsmapSpecial == 0 || r.owner != fsmapFree {
				continue
			}
			at := int64(r.physical)
			if n := len(free); n > 0 && free[n-1].Disk+free[n-1].Length == at {
				free[n-1].Length += int64(r.length)
			} else {
				free = append(free, Run{at, int64(r.length)})
			}
		}
		last := h.records[h.entries-1]
		if last.flags&fsmapLast != 0 {
			return free, nil
		}
		h.low = last
	}
}
