package verifier

import (
	"cmp"
	"fmt"
	"slices"

	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/key"
	"untorn/internal/ondisk"
)

// Where a piece of the file lies, when it is not on the disk.
const (
	zeros  = -1 // a hole or unwritten: reads as zeros
	absent = -2 // beyond the end of file
)

// A piece is a run of file sectors that lie in one run on the disk and in one
// stretch.
type piece struct {
	file, n int32
	disk    int32 // first sector, or zeros, or absent
	stretch int32
}

// mounted is a file as recovery finds it. It depends on the metadata of the
// image and on where durable short writes ended.
type mounted struct {
	broken   string // why recovery failed, "" if it did not
	size     int64
	id       key.Key
	pieces   []piece
	piecesOf []int32 // pieces[piecesOf[g]:piecesOf[g+1]] are those of group g
	cells    []blk.Cell

	// What mounts of the image leave that are cut, see Config.Remount: how many
	// images with this file, and those with another one.
	same   count.Count
	others []remounted
}

// unmapped is the block of a file block without an extent.
const unmapped = -1

// extentMap maps file blocks to disk blocks.
type extentMap struct {
	block     []int32
	unwritten []bool
}

// maxFileBlocks bounds the map of a damaged image.
const maxFileBlocks = 1 << 20

func (m *extentMap) set(e ondisk.Extent, blocks int32) error {
	if e.Off < 0 || e.Len <= 0 || e.Block < 0 || e.Block > blocks-e.Len || e.Off > maxFileBlocks-e.Len {
		return fmt.Errorf("extent [%d+%d) at block %d is out of range", e.Off, e.Len, e.Block)
	}
	for int32(len(m.block)) < e.Off+e.Len {
		m.block = append(m.block, unmapped)
		m.unwritten = append(m.unwritten, false)
	}
	for i := range e.Len {
		m.block[e.Off+i], m.unwritten[e.Off+i] = e.Block+i, e.Unwritten
	}
	return nil
}

// clear takes file blocks out of the map.
func (m *extentMap) clear(e ondisk.Extent) error {
	if e.Off < 0 || e.Len <= 0 || e.Off > maxFileBlocks-e.Len {
		return fmt.Errorf("log: unmapping of [%d+%d) is out of range", e.Off, e.Len)
	}
	for b := e.Off; b < min(e.Off+e.Len, int32(len(m.block))); b++ {
		m.block[b], m.unwritten[b] = unmapped, false
	}
	return nil
}

// mount recovers the file system of the present image without writing: the
// newer inode, the checkpoints after it, intents that are not done.
func (v *Verifier) mount() *mounted {
	m := new(mounted)
	size, blocks, err := v.replay()
	if err != nil {
		m.broken = "recovery: " + err.Error()
		return m
	}
	m.size = size
	v.place(m, blocks)
	var h key.Hasher
	h.Word(uint64(size))
	for _, p := range m.pieces {
		h.Word(uint64(uint32(p.file))<<32 | uint64(uint32(p.n)))
		h.Word(uint64(uint32(p.disk)))
	}
	m.id = h.Sum()
	return m
}

// bytes returns the bytes of a metadata sector, nil for anything else.
func (v *Verifier) bytes(s blk.Sector) []byte {
	if h := v.image[s]; h.IsMeta() {
		return v.in.Bytes(h)
	}
	return nil
}

func (v *Verifier) replay() (int64, *extentMap, error) {
	b := v.bytes(0)
	if b == nil {
		return 0, nil, fmt.Errorf("no superblock")
	}
	super, err := ondisk.DecodeSuper(b)
	if err != nil {
		return 0, nil, err
	}
	if super != v.super {
		return 0, nil, fmt.Errorf("superblock: another geometry")
	}
	ino, err := v.inode()
	if err != nil {
		return 0, nil, err
	}
	m := new(extentMap)
	end := int32(0)
	for _, e := range ino.Extents {
		if e.Off < end {
			return 0, nil, fmt.Errorf("inode: extents overlap at file block %d", e.Off)
		}
		if err := m.set(e, super.Blocks()); err != nil {
			return 0, nil, fmt.Errorf("inode: %w", err)
		}
		end = e.Off + e.Len
	}
	size := ino.Size[0]
	items, err := v.log(ino.LSN)
	if err != nil {
		return 0, nil, err
	}
	staged := make([]bool, super.Blocks())
	if err := apply(items, m, &size, staged); err != nil {
		return 0, nil, err
	}
	return size, m, check(m, size, staged)
}

func (v *Verifier) inode() (ondisk.Inode, error) {
	var best ondisk.Inode
	found := false
	var errs [2]error
	for i, r := range v.super.Inode {
		ino, err := ondisk.DecodeInode(r.Len, func(k int32) []byte { return v.bytes(r.Start + k) })
		errs[i] = err
		if err == nil && (!found || ino.LSN > best.LSN) {
			best, found = ino, true
		}
	}
	if !found {
		return best, errs[0]
	}
	return best, nil
}

// log reads the items of the whole checkpoints that follow lsn, one after the
// other from the start of the log.
func (v *Verifier) log(lsn uint64) ([]ondisk.Item, error) {
	var items []ondisk.Item
	r := v.super.Log
	for pos := r.Start; pos < r.End(); {
		lsn++
		n := int32(1)
		var checkpoint []ondisk.Item
		for i := int32(0); i < n; i++ {
			b := v.bytes(pos + i)
			if b == nil {
				return items, nil
			}
			s, ok, err := ondisk.DecodeLogSector(b)
			if err != nil {
				return nil, err
			}
			if !ok || s.LSN != lsn || s.Index != i || (i > 0 && s.Count != n) {
				return items, nil
			}
			if i == 0 {
				n = s.Count
				if n > r.End()-pos {
					return nil, fmt.Errorf("log: checkpoint %d reaches over the end", lsn)
				}
			}
			checkpoint = append(checkpoint, s.Items...)
		}
		items = append(items, checkpoint...)
		pos += n
	}
	return items, nil
}

// apply applies log items in order and then finishes the intents that are not
// done. A finished intent takes its blocks out of staging.
func apply(items []ondisk.Item, m *extentMap, size *int64, staged []bool) error {
	var intents []ondisk.Item
	blocks := int32(len(staged))
	stage := func(e ondisk.Extent, on bool) error {
		if e.Len <= 0 || e.Block < 0 || e.Block > blocks-e.Len {
			return fmt.Errorf("log: staging of blocks [%d+%d) is out of range", e.Block, e.Len)
		}
		for i := range e.Len {
			staged[e.Block+i] = on
		}
		return nil
	}
	for _, it := range items {
		var err error
		switch it.Kind {
		case ondisk.Intent:
			intents = append(intents, it)
		case ondisk.Done:
			intents = slices.DeleteFunc(intents, func(x ondisk.Item) bool { return x.ID == it.ID })
		case ondisk.Map:
			err = m.set(it.Ext, blocks)
		case ondisk.Size:
			*size = it.Bytes
		case ondisk.Stage:
			err = stage(it.Ext, true)
		case ondisk.Unstage:
			err = stage(it.Ext, false)
		case ondisk.Unmap:
			err = m.clear(it.Ext)
		}
		if err != nil {
			return err
		}
	}
	for _, it := range intents {
		if err := m.set(it.Ext, blocks); err != nil {
			return err
		}
		if err := stage(it.Ext, false); err != nil {
			return err
		}
	}
	return nil
}

// check refuses a map that no file system may have.
func check(m *extentMap, size int64, staged []bool) error {
	if size < 0 || size%blk.SectorSize != 0 {
		return fmt.Errorf("a size of %d bytes", size)
	}
	used := make([]bool, len(staged))
	for off, b := range m.block {
		switch {
		case b == unmapped:
		case used[b]:
			return fmt.Errorf("block %d is mapped twice, again at file block %d", b, off)
		case staged[b]:
			return fmt.Errorf("block %d is mapped at file block %d and staged", b, off)
		default:
			used[b] = true
		}
	}
	return nil
}

// place splits each stretch of the file where the disk or the size does, and
// at the ends of durable short writes.
func (v *Verifier) place(m *mounted, blocks *extentMap) {
	bs := v.super.Block
	end := int32(min(m.size/blk.SectorSize, int64(v.layout.sectors)))
	for i := range v.layout.stretches {
		st := &v.layout.stretches[i]
		for len(m.piecesOf) <= int(st.group) {
			m.piecesOf = append(m.piecesOf, int32(len(m.pieces)))
		}
		first := len(m.pieces)
		for s := st.from; s < st.to; s++ {
			disk := int32(zeros)
			switch b := s / bs; {
			case s >= end:
				disk = absent
			case b < int32(len(blocks.block)) && blocks.block[b] != unmapped && !blocks.unwritten[b]:
				disk = v.super.Sector(blocks.block[b]) + s%bs
			}
			if n := len(m.pieces); n > first {
				p := &m.pieces[n-1]
				joins := p.disk >= 0 && disk == p.disk+p.n || p.disk < 0 && disk == p.disk
				if _, split := slices.BinarySearch(v.ends, s); joins && !split {
					p.n++
					continue
				}
			}
			m.pieces = append(m.pieces, piece{file: s, n: 1, disk: disk, stretch: int32(i)})
		}
	}
	m.piecesOf = append(m.piecesOf, int32(len(m.pieces)))
	for _, p := range m.pieces {
		if p.disk >= 0 {
			m.cells = append(m.cells, blk.Cell{Range: blk.Range{Start: p.disk, Len: p.n}, Group: int(v.layout.stretches[p.stretch].group)})
		}
	}
	slices.SortFunc(m.cells, func(a, b blk.Cell) int { return cmp.Compare(a.Start, b.Start) })
}
