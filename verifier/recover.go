package verifier

import (
	"cmp"
	"errors"
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
	shared   string // which block is mapped twice, "" if none is
	size     [ondisk.Files]int64
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

// extentMap maps the blocks of a file to disk blocks.
type extentMap struct {
	first     int32 // number of the first block
	block     []int32
	unwritten []bool
}

// extentMaps has the blocks of both files.
type extentMaps struct {
	super  *ondisk.Super
	of     [ondisk.Files]extentMap
	staged []bool // by disk block
}

func newExtentMaps(super *ondisk.Super) *extentMaps {
	m := &extentMaps{super: super}
	m.of[1].first = super.Second
	return m
}

// maxFileBlocks bounds the map of a damaged image.
const maxFileBlocks = 1 << 20

// find returns the map that all of an extent belongs to, nil if there is none,
// and the number of its first block there.
func (m *extentMaps) find(e ondisk.Extent) (*extentMap, int32) {
	if e.Off < 0 || e.Len <= 0 {
		return nil, 0
	}
	f := m.super.FileOf(e.Off)
	if f == 0 && m.super.Second != 0 && e.Off > m.super.Second-e.Len {
		return nil, 0
	}
	off := e.Off - m.of[f].first
	if off > maxFileBlocks-e.Len {
		return nil, 0
	}
	return &m.of[f], off
}

func (m *extentMaps) set(e ondisk.Extent, blocks int32) error {
	f, off := m.find(e)
	if f == nil || e.Block < 0 || e.Block > blocks-e.Len {
		return fmt.Errorf("extent [%d+%d) at block %d is out of range", e.Off, e.Len, e.Block)
	}
	for int32(len(f.block)) < off+e.Len {
		f.block = append(f.block, unmapped)
		f.unwritten = append(f.unwritten, false)
	}
	for i := range e.Len {
		f.block[off+i], f.unwritten[off+i] = e.Block+i, e.Unwritten
	}
	return nil
}

// clear takes file blocks out of the map.
func (m *extentMaps) clear(e ondisk.Extent) error {
	f, off := m.find(e)
	if f == nil {
		return fmt.Errorf("log: unmapping of [%d+%d) is out of range", e.Off, e.Len)
	}
	for b := off; b < min(off+e.Len, int32(len(f.block))); b++ {
		f.block[b], f.unwritten[b] = unmapped, false
	}
	return nil
}

// mount recovers the file system of the present image without writing: the
// newer inode, the checkpoints after it, intents that are not done.
func (v *Verifier) mount() *mounted {
	m := new(mounted)
	size, blocks, err := v.replay()
	if err == nil {
		m.shared, err = v.check(blocks)
	}
	if err != nil {
		m.broken = "recovery: " + err.Error()
		return m
	}
	m.size = size
	v.place(m, blocks)
	var h key.Hasher
	for _, n := range size {
		h.Word(uint64(n))
	}
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

func (v *Verifier) replay() (size [ondisk.Files]int64, m *extentMaps, err error) {
	b := v.bytes(0)
	if b == nil {
		return size, nil, fmt.Errorf("no superblock")
	}
	super, err := ondisk.DecodeSuper(b)
	if err != nil {
		return size, nil, err
	}
	if super != v.super {
		return size, nil, fmt.Errorf("superblock: another geometry")
	}
	ino, err := v.inode()
	if err != nil {
		return size, nil, err
	}
	m = newExtentMaps(&v.super)
	end := int32(0)
	for _, e := range ino.Extents {
		if e.Off < end {
			return size, nil, fmt.Errorf("inode: extents overlap at file block %d", e.Off)
		}
		if err := m.set(e, super.Blocks()); err != nil {
			return size, nil, fmt.Errorf("inode: %w", err)
		}
		end = e.Off + e.Len
	}
	items, err := v.log(ino.LSN)
	if err != nil {
		return size, nil, err
	}
	size = ino.Size
	if err := m.apply(items, &size); err != nil {
		return size, nil, err
	}
	for f, n := range size {
		if n < 0 || n%blk.SectorSize != 0 {
			return size, nil, fmt.Errorf("a size of %d bytes%s", n, ofFile(f))
		}
	}
	return size, m, nil
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
func (m *extentMaps) apply(items []ondisk.Item, size *[ondisk.Files]int64) error {
	var intents []ondisk.Item
	blocks := m.super.Blocks()
	m.staged = make([]bool, blocks)
	stage := func(e ondisk.Extent, on bool) error {
		if e.Len <= 0 || e.Block < 0 || e.Block > blocks-e.Len {
			return fmt.Errorf("log: staging of blocks [%d+%d) is out of range", e.Block, e.Len)
		}
		for i := range e.Len {
			m.staged[e.Block+i] = on
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
			size[it.ID] = it.Bytes
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

// check refuses a map that no file system may have. A block may be shared by
// places that a clone connects; shared says which, for a history without one.
func (v *Verifier) check(m *extentMaps) (shared string, err error) {
	used := make([]int32, len(m.staged)) // the file block that it is mapped at, plus one
	for f := range m.of {
		for i, b := range m.of[f].block {
			off := m.of[f].first + int32(i)
			switch {
			case b == unmapped:
			case m.staged[b]:
				return "", fmt.Errorf("block %d is mapped at file block %d and staged", b, off)
			case used[b] != 0:
				why := fmt.Sprintf("block %d is mapped twice, again at file block %d", b, off)
				if !v.connected(used[b]-1, off) {
					return "", errors.New(why)
				}
				if shared == "" {
					shared = "recovery: " + why
				}
			default:
				used[b] = off + 1
			}
		}
	}
	return shared, nil
}

// connected reports whether what two file blocks hold is judged together.
func (v *Verifier) connected(a, b int32) bool {
	bs := v.super.Block
	for i := range bs {
		x, y := v.layout.groupAt(a*bs+i), v.layout.groupAt(b*bs+i)
		if x >= 0 && y >= 0 && x != y {
			return false
		}
	}
	return v.layout.clones != 0
}

// place splits each stretch of the files where the disk or the size does, and
// at the ends of durable short writes.
func (v *Verifier) place(m *mounted, blocks *extentMaps) {
	bs := v.super.Block
	for i := range v.layout.stretches {
		st := &v.layout.stretches[i]
		for len(m.piecesOf) <= int(st.group) {
			m.piecesOf = append(m.piecesOf, int32(len(m.pieces)))
		}
		f := &blocks.of[st.file]
		end := baseOf(int(st.file)) + int32(min(m.size[st.file]/blk.SectorSize, maxFileSize/blk.SectorSize))
		first := len(m.pieces)
		for s := st.from; s < st.to; s++ {
			disk := int32(zeros)
			switch b := s/bs - f.first; {
			case s >= end:
				disk = absent
			case b < int32(len(f.block)) && f.block[b] != unmapped && !f.unwritten[b]:
				disk = v.super.Sector(f.block[b]) + s%bs
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
	if m.shared != "" {
		m.cells = apart(m.cells)
	}
}

// apart cuts cells that share sectors where one of them begins or ends, so that
// what all of them see alike is one cell. Those that overlap are of one group.
func apart(cells []blk.Cell) []blk.Cell {
	var edges []blk.Sector
	for _, c := range cells {
		edges = append(edges, c.Start, c.End())
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	var out []blk.Cell
	for _, c := range cells {
		k, _ := slices.BinarySearch(edges, c.Start)
		for ; edges[k] < c.End(); k++ {
			out = append(out, blk.Cell{Range: blk.Range{Start: edges[k], Len: edges[k+1] - edges[k]}, Group: c.Group})
		}
	}
	slices.SortFunc(out, func(a, b blk.Cell) int { return cmp.Compare(a.Start, b.Start) })
	return slices.CompactFunc(out, func(a, b blk.Cell) bool { return a.Start == b.Start })
}
