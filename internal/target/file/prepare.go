package file

import (
	"errors"
	"fmt"
	"path/filepath"

	"untorn/internal/blk"
	"untorn/internal/stamp"
	"untorn/internal/sys"
	"untorn/workloads"
)

// maxPieces bounds the file blocks of a layout that has to be made block by
// block.
const maxPieces = 2048

// Prepare gives the files the content and the layout that the workload asks
// for, and makes that durable: version 0. It looks at what the file system made
// of it, and refuses with an *UnsupportedError what did not come out so.
func (t *Target) Prepare() error {
	for file := range t.w.Files() {
		err := t.prepare(file)
		if err == nil && !t.block {
			err = t.syncName(t.path(file))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.path(file), err)
		}
	}
	return nil
}

func (t *Target) prepare(file int) error {
	fd, size := t.fds[descriptor{file: file}], t.w.Size(file)
	if !t.block {
		if err := sys.Ftruncate(fd, 0); err != nil {
			return err
		}
		if err := t.lay(fd, size); err != nil {
			return err
		}
	}
	if t.w.Layout != workloads.Hole && t.w.Layout != workloads.Unwritten {
		if err := t.stamp0(fd, file, size); err != nil {
			return err
		}
	}
	if err := t.fsync(fd); err != nil {
		return err
	}
	if t.block || size == 0 {
		return nil
	}
	return t.layAsAsked(fd)
}

// syncName makes the name of a file durable, which an fsync of the file alone does
// not promise.
func (t *Target) syncName(path string) error {
	dir, err := sys.Open(filepath.Dir(path), sys.ReadOnly)
	if err != nil {
		return fmt.Errorf("its directory: %w", err)
	}
	err = t.fsync(dir)
	if sys.ErrnoOf(err) == sys.EINVAL {
		err = nil // a file system that keeps names without being asked
	}
	return errors.Join(err, sys.Close(dir))
}

// stamp0 writes version 0 as stamps.
func (t *Target) stamp0(fd, file int, size int64) error {
	const chunk = 1 << 20
	base := int64(file) * workloads.SecondFile
	b := make([]byte, chunk)
	for at := int64(0); at < size; {
		n := min(chunk, size-at)
		for i := int64(0); i < n; i += stamp.Size {
			s := stamp.Encode(t.epoch.write(blk.InitialWrite), int((base+at+i)/blk.SectorSize%blk.MaxPlace))
			copy(b[i:], s[:])
		}
		k, err := sys.Pwritev2(fd, [][]byte{b[:n]}, at, 0)
		if err != nil {
			return err
		}
		if k%blk.SectorSize != 0 || k == 0 {
			return fmt.Errorf("a write of %d bytes at %d wrote %d", n, at, k)
		}
		at += int64(k)
	}
	return nil
}

// lay allocates a file. An extent is put where it has to begin by allocating
// too much and collapsing what is before that; every second block is collapsed
// to leave no two neighbours.
func (t *Target) lay(fd int, size int64) error {
	if t.w.Layout == workloads.Hole || size == 0 {
		return sys.Ftruncate(fd, size)
	}
	st, err := sys.Stat(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return err
	}
	block := st.Block
	rounded := (size + block - 1) / block * block
	unit := t.largestUnit(block)
	room := rounded + unit
	if t.w.Layout == workloads.Fragmented {
		if room = 2 * rounded; room/block > maxPieces {
			return unsupported("layout fragmented of %d blocks; allowed: up to %d", rounded/block, maxPieces/2)
		}
	}
	err = sys.Fallocate(fd, sys.Allocate, 0, room)
	if sys.ErrnoOf(err) == sys.EOPNOTSUPP && t.w.Layout == workloads.Contiguous {
		return nil // writing in order is the best that can be done
	}
	if err != nil {
		return fmt.Errorf("fallocate: %w", err)
	}
	if t.w.Layout == workloads.Fragmented {
		for b := block; b < rounded; b += block {
			if err := sys.Fallocate(fd, sys.CollapseRange, b, block); err != nil {
				return unsupported("layout fragmented: collapse: %v", err)
			}
		}
		return sys.Ftruncate(fd, size)
	}
	extents, err := sys.Extents(fd)
	if err != nil || len(extents) == 0 {
		return sys.Ftruncate(fd, size) // where it lies cannot be known
	}
	skip := (unit - extents[0].Disk%unit) % unit
	if t.w.Layout == workloads.Unaligned {
		skip = (skip + block) % unit
	}
	if skip%block == 0 && skip > 0 {
		// What fails here shows when the layout is looked at.
		_ = sys.Fallocate(fd, sys.CollapseRange, 0, skip)
	}
	return sys.Ftruncate(fd, size)
}

// largestUnit returns the length of the longest atomic write, at least a block.
func (t *Target) largestUnit(block int64) int64 {
	unit := block
	for i := range t.w.Ops {
		if o := &t.w.Ops[i]; o.Atomic {
			unit = max(unit, o.Length)
		}
	}
	return unit
}

// layAsAsked compares the layout with what was asked for. What cannot be seen
// is taken as asked for only where nothing depends on it.
func (t *Target) layAsAsked(fd int) error {
	extents, err := sys.Extents(fd)
	if err != nil {
		if t.w.Layout == workloads.Contiguous {
			return nil
		}
		return unsupported("layout %s: where the file lies cannot be seen: %v", t.w.Layout, err)
	}
	st, err := sys.Stat(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return err
	}
	joined := join(extents)
	first, unit := int64(-1), t.largestUnit(st.Block)
	if len(extents) > 0 {
		first = extents[0].Disk
	}
	ok := true
	switch t.w.Layout {
	case workloads.Hole:
		ok = len(extents) == 0
	case workloads.Contiguous:
		ok = joined == 1
	case workloads.Unaligned:
		ok = joined == 1 && first%unit == st.Block%unit
	case workloads.Fragmented:
		ok = int64(joined) == (st.Size+st.Block-1)/st.Block
	case workloads.Unwritten:
		for _, x := range extents {
			ok = ok && x.Unwritten
		}
		ok = ok && len(extents) > 0
	}
	if !ok {
		return unsupported("layout %s: the file system made %d extents of it, the first at %d", t.w.Layout, joined, first)
	}
	return nil
}

// join counts runs of extents that are neighbours both in the file and on the
// disk.
func join(extents []sys.Extent) int {
	n := 0
	for i, x := range extents {
		if i == 0 || x.File != extents[i-1].File+extents[i-1].Length || x.Disk != extents[i-1].Disk+extents[i-1].Length {
			n++
		}
	}
	return n
}
