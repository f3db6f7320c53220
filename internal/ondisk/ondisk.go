// Package ondisk is the format of the model file system: how a superblock, an
// inode and log records lie in sectors of 512 bytes. It encodes and decodes
// and decides nothing; the engine's recovery and the judge's share it and
// nothing else.
//
// The disk, in sectors, each part starting at an LBA:
//
//	superblock | inode, copy A | inode, copy B | log | data blocks
//
// An inode is the copy with a valid checksum and the higher LSN. Checkpoints
// whose LSN is above that of the inode follow one another from the start of
// the log with consecutive LSNs; the first one that is not whole ends the log.
package ondisk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"untorn/internal/blk"
)

const (
	superMagic = 0x53545255 // "URTS"
	inodeMagic = 0x49545255
	logMagic   = 0x4c545255
)

var le = binary.LittleEndian

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// seal puts the checksum of a sector into its bytes 4 to 8.
func seal(b []byte) {
	le.PutUint32(b[4:], 0)
	le.PutUint32(b[4:], crc32.Checksum(b[:blk.SectorSize], crcTable))
}

// sealed reports whether a sector has the magic and a valid checksum.
func sealed(b []byte, magic uint32) bool {
	if le.Uint32(b) != magic {
		return false
	}
	want := le.Uint32(b[4:])
	sum := crc32.Update(0, crcTable, b[:4])
	sum = crc32.Update(sum, crcTable, []byte{0, 0, 0, 0})
	sum = crc32.Update(sum, crcTable, b[8:blk.SectorSize])
	return sum == want
}

// SectorIndex returns which sector of its record b is: 0 for the first sector
// of an inode or of a checkpoint, for the superblock, and for a sector that is
// none of these.
func SectorIndex(b []byte) int32 {
	switch {
	case sealed(b, inodeMagic):
		return int32(le.Uint32(b[24:]))
	case sealed(b, logMagic):
		return int32(le.Uint32(b[16:]))
	}
	return 0
}

// Super is the superblock: where everything is. Positions and lengths are
// sectors.
type Super struct {
	LBA        int32 // sectors per LBA
	Block      int32 // sectors per file system block
	Inode      [2]blk.Range
	Log        blk.Range
	Data       blk.Range // block b starts at Data.Start + b*Block
	TotalLen   int32
	MaxExtents int32
	// Second is the number of the first block of the second file, since the
	// blocks of both files are numbered through; 0 where there is one file.
	Second int32
}

// Geometry lays out a disk. lba and block are sectors, blocks is the number of
// data blocks, logLen the length of the log in sectors, align the alignment
// of the data area in sectors and maxExtents the extents an inode can hold.
func Geometry(lba, block, blocks, logLen, align, maxExtents int32) Super {
	s := Super{LBA: lba, Block: block, MaxExtents: maxExtents}
	pos := lba
	inodeLen := roundUp((maxExtents+extentsPerSector-1)/extentsPerSector, lba)
	for i := range s.Inode {
		s.Inode[i] = blk.Range{Start: pos, Len: inodeLen}
		pos += inodeLen
	}
	s.Log = blk.Range{Start: pos, Len: roundUp(logLen, lba)}
	s.Data = blk.Range{Start: roundUp(s.Log.End(), align), Len: blocks * block}
	s.TotalLen = s.Data.End()
	return s
}

func roundUp(v, to int32) int32 { return (v + to - 1) / to * to }

// Sector returns the first sector of a data block.
func (s *Super) Sector(block int32) blk.Sector { return s.Data.Start + block*s.Block }

// Blocks returns the number of data blocks.
func (s *Super) Blocks() int32 { return s.Data.Len / s.Block }

// Encode returns the superblock's sector, which is sector 0.
func (s *Super) Encode() [blk.SectorSize]byte {
	var b [blk.SectorSize]byte
	le.PutUint32(b[0:], superMagic)
	for i, v := range []int32{s.LBA, s.Block, s.Inode[0].Start, s.Inode[0].Len, s.Inode[1].Start, s.Inode[1].Len,
		s.Log.Start, s.Log.Len, s.Data.Start, s.Data.Len, s.TotalLen, s.MaxExtents, s.Second} {
		le.PutUint32(b[8+4*i:], uint32(v))
	}
	seal(b[:])
	return b
}

// DecodeSuper reads a superblock and checks that its parts lie one after the
// other within the disk.
func DecodeSuper(b []byte) (Super, error) {
	var s Super
	if !sealed(b, superMagic) {
		return s, errors.New("superblock: bad magic or checksum")
	}
	for i, p := range []*int32{&s.LBA, &s.Block, &s.Inode[0].Start, &s.Inode[0].Len, &s.Inode[1].Start, &s.Inode[1].Len,
		&s.Log.Start, &s.Log.Len, &s.Data.Start, &s.Data.Len, &s.TotalLen, &s.MaxExtents, &s.Second} {
		*p = int32(le.Uint32(b[8+4*i:]))
	}
	end := s.LBA
	for _, r := range []blk.Range{s.Inode[0], s.Inode[1], s.Log, s.Data} {
		if r.Len <= 0 || r.Start < end || r.End() < r.Start {
			return s, fmt.Errorf("superblock: parts overlap at sector %d", r.Start)
		}
		end = r.End()
	}
	if s.LBA <= 0 || s.Block <= 0 || s.Block%s.LBA != 0 || s.Second < 0 || end != s.TotalLen {
		return s, errors.New("superblock: impossible sizes")
	}
	return s, nil
}

// FileOf returns the file that a file block belongs to, 0 or 1.
func (s *Super) FileOf(off int32) int {
	if s.Second != 0 && off >= s.Second {
		return 1
	}
	return 0
}

// Extent maps Len file blocks from Off to disk blocks from Block. The blocks of
// both files are numbered through, those of the second from Super.Second.
type Extent struct {
	Off, Block, Len int32
	Unwritten       bool // allocated, reads as zeros
}

const (
	inodeHeader      = 40 // magic, checksum, LSN, size, number, extents, size of the second file
	extentBytes      = 12
	extentsPerSector = (blk.SectorSize - inodeHeader) / extentBytes
)

// Inode is the files, which share one record as inodes share a cluster: their
// sizes in bytes and their extents, sorted by Off and not overlapping. LSN is
// that of the last checkpoint it contains.
type Inode struct {
	Size    [Files]int64
	LSN     uint64
	Extents []Extent
}

// Files is the number of files of a disk; one that is not used is empty.
const Files = 2

// Encode returns the sectors of one copy of the inode; it has as many as the
// copy's place on the disk.
func (ino *Inode) Encode(sectors int32) ([][blk.SectorSize]byte, error) {
	if len(ino.Extents) > int(sectors)*extentsPerSector {
		return nil, fmt.Errorf("inode: %d extents, room for %d", len(ino.Extents), int(sectors)*extentsPerSector)
	}
	out := make([][blk.SectorSize]byte, sectors)
	rest := ino.Extents
	for i := range out {
		b := out[i][:]
		n := min(len(rest), extentsPerSector)
		le.PutUint32(b[0:], inodeMagic)
		le.PutUint64(b[8:], ino.LSN)
		le.PutUint64(b[16:], uint64(ino.Size[0]))
		le.PutUint32(b[24:], uint32(i))
		le.PutUint32(b[28:], uint32(n))
		le.PutUint64(b[32:], uint64(ino.Size[1]))
		for j, e := range rest[:n] {
			p := b[inodeHeader+extentBytes*j:]
			putExtent(p, e)
		}
		rest = rest[n:]
		seal(b)
	}
	return out, nil
}

func putExtent(p []byte, e Extent) {
	le.PutUint32(p[0:], uint32(e.Off))
	le.PutUint32(p[4:], uint32(e.Block))
	n := uint32(e.Len)
	if e.Unwritten {
		n |= 1 << 31
	}
	le.PutUint32(p[8:], n)
}

func getExtent(p []byte) Extent {
	n := le.Uint32(p[8:])
	return Extent{Off: int32(le.Uint32(p[0:])), Block: int32(le.Uint32(p[4:])), Len: int32(n &^ (1 << 31)), Unwritten: n>>31 != 0}
}

// DecodeInode reads one copy of the inode. sector returns the bytes of its
// i-th sector, nil for one that holds no metadata.
func DecodeInode(sectors int32, sector func(i int32) []byte) (Inode, error) {
	var ino Inode
	for i := range sectors {
		b := sector(i)
		if b == nil || !sealed(b, inodeMagic) || le.Uint32(b[24:]) != uint32(i) {
			return ino, fmt.Errorf("inode: sector %d: bad magic, number or checksum", i)
		}
		lsn, size := le.Uint64(b[8:]), [Files]int64{int64(le.Uint64(b[16:])), int64(le.Uint64(b[32:]))}
		if i == 0 {
			ino.LSN, ino.Size = lsn, size
		} else if lsn != ino.LSN || size != ino.Size {
			return ino, fmt.Errorf("inode: sector %d is of another version", i)
		}
		n := le.Uint32(b[28:])
		if n > extentsPerSector {
			return ino, fmt.Errorf("inode: sector %d: %d extents", i, n)
		}
		for j := range int(n) {
			ino.Extents = append(ino.Extents, getExtent(b[inodeHeader+extentBytes*j:]))
		}
	}
	return ino, nil
}
