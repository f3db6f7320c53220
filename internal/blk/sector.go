// Package blk holds the vocabulary that the device, the crash images and the
// judge share: sectors, handles of interned content, device events and the
// block log, and the interfaces by which images reach a judge.
//
// Everything is counted in sectors of 512 bytes, whatever the size of the
// device's LBA.
package blk

import (
	"fmt"

	"untorn/internal/key"
)

// SectorSize is the size in bytes of a sector, the unit of this package.
const SectorSize = 512

// Sector is the number of a 512-byte sector on a device.
type Sector = int32

// Range is a run of sectors.
type Range struct {
	Start Sector
	Len   int32
}

// End returns the first sector after the range.
func (r Range) End() Sector { return r.Start + r.Len }

// Overlaps reports whether two ranges share a sector.
func (r Range) Overlaps(o Range) bool { return r.Start < o.End() && o.Start < r.End() }

// Contains reports whether s lies in the range.
func (r Range) Contains(s Sector) bool { return s >= r.Start && s < r.End() }

func (r Range) String() string { return fmt.Sprintf("%d+%d", r.Start, r.Len) }

// Handle names the content of one sector. Equal handles are equal bytes.
//
//	0                 zeros
//	1                 garbage: bytes that nobody wrote
//	Data(w, place)    sector number place of write w, a stamp
//	top bit set       metadata bytes, kept by an Interner
type Handle uint32

const (
	// Zero is a sector of zeros.
	Zero Handle = 0
	// Garbage is a sector whose bytes no write ever carried.
	Garbage Handle = 1

	metaBit Handle = 1 << 31
)

// Numbers of writes that are not operations of a workload.
const (
	// InitialWrite is version 0: the content of the file before the run.
	InitialWrite = 0
	// FreeSpace is what free blocks held before the run; its place is the
	// number of the disk sector modulo MaxPlace.
	FreeSpace = 0x7ff0
	// MaxWrite is the highest number an operation may have.
	MaxWrite = 62
	// MaxPlace is the number of places one write may have.
	MaxPlace = 1 << 16
)

// Data returns the handle of sector place of write w.
func Data(write, place int) Handle { return Handle(write+1)<<16 | Handle(place) }

// IsData reports whether the handle is a stamp.
func (h Handle) IsData() bool { return h>>16 != 0 && h&metaBit == 0 }

// IsMeta reports whether the handle is an interned metadata sector.
func (h Handle) IsMeta() bool { return h&metaBit != 0 }

// Write returns the number of the write whose stamp the handle is.
func (h Handle) Write() int { return int(h>>16) - 1 }

// Place returns the sector's place in its write.
func (h Handle) Place() int { return int(h & 0xffff) }

func (h Handle) String() string {
	switch {
	case h == Zero:
		return "zero"
	case h == Garbage:
		return "garbage"
	case h.IsMeta():
		return fmt.Sprintf("meta#%d", h&^metaBit)
	case h.IsData() && h.Write() == FreeSpace:
		return fmt.Sprintf("free.%d", h.Place())
	case h.IsData():
		return fmt.Sprintf("w%d.%d", h.Write(), h.Place())
	}
	return fmt.Sprintf("bad#%d", uint32(h))
}

// Interner keeps the bytes of metadata sectors and names them by handles.
// Handles depend on the order of interning; use Content where two Interners
// have to agree. An Interner is not safe for concurrent use.
type Interner struct {
	byKey   map[key.Key]Handle
	sectors [][SectorSize]byte
	content []key.Key
}

// NewInterner returns an empty Interner.
func NewInterner() *Interner { return &Interner{byKey: make(map[key.Key]Handle)} }

// Intern returns the handle of a metadata sector. b has SectorSize bytes.
func (in *Interner) Intern(b []byte) Handle {
	var h key.Hasher
	h.Bytes(b)
	k := h.Sum()
	if x, ok := in.byKey[k]; ok {
		return x
	}
	x := metaBit | Handle(len(in.sectors))
	in.sectors = append(in.sectors, [SectorSize]byte(b))
	in.content = append(in.content, k)
	in.byKey[k] = x
	return x
}

// Bytes returns the bytes of a metadata sector. They must not be changed.
func (in *Interner) Bytes(h Handle) []byte { return in.sectors[h&^metaBit][:] }

// Index returns the number of a metadata sector, from 0 in the order of
// interning.
func (in *Interner) Index(h Handle) int { return int(h &^ metaBit) }

// Content returns a key that names the content of any handle, the same in
// every process.
func (in *Interner) Content(h Handle) key.Key {
	if h.IsMeta() {
		return in.content[h&^metaBit]
	}
	return key.Key{uint64(h), uint64(h)}
}
