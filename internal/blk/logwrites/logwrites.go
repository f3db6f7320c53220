// Package logwrites reads and writes the format of the kernel's device mapper
// target log-writes (drivers/md/dm-log-writes.c), which replay-log of xfstests
// and other tools understand.
//
// The format, all numbers little endian, all positions and lengths in units
// of the sector size that the superblock names:
//
//	superblock (one sector) | entry (one sector) | its data | entry | ...
//
// The data of a mark lies in the entry's own sector, right after its header.
package logwrites

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"untorn/internal/blk"
)

// Magic and Version stand in the superblock of a log (WRITE_LOG_MAGIC,
// WRITE_LOG_VERSION).
const (
	Magic   = 0x6a736677736872
	Version = 1
)

// Flags of an entry.
const (
	Flush    = 1 << 0 // a cache flush precedes the write, or stands alone
	FUA      = 1 << 1
	Discard  = 1 << 2
	Mark     = 1 << 3
	Metadata = 1 << 4

	knownFlags = Flush | FUA | Discard | Mark | Metadata
)

const (
	superBytes  = 28
	headerBytes = 32

	// MaxMark is the longest mark in bytes: it shares a sector with its header.
	MaxMark = blk.SectorSize - headerBytes
)

// Entry is one record of a log. Sector and Sectors are in 512-byte sectors.
type Entry struct {
	Sector  uint64
	Sectors uint64
	Flags   uint64
	Data    []byte // Sectors sectors of a write, nothing of a discard, the text of a mark
}

var le = binary.LittleEndian

// Write writes a log with a sector size of 512. An entry whose data does not
// fit its length is an error.
func Write(w io.Writer, entries []Entry) error {
	var sector [blk.SectorSize]byte
	le.PutUint64(sector[0:], Magic)
	le.PutUint64(sector[8:], Version)
	le.PutUint64(sector[16:], uint64(len(entries)))
	le.PutUint32(sector[24:], blk.SectorSize)
	if _, err := w.Write(sector[:]); err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		if err := e.check(); err != nil {
			return fmt.Errorf("log-writes: entry %d: %w", i, err)
		}
		clear(sector[:])
		le.PutUint64(sector[0:], e.Sector)
		le.PutUint64(sector[8:], e.Sectors)
		le.PutUint64(sector[16:], e.Flags)
		data := e.Data
		if e.Flags&Mark != 0 {
			le.PutUint64(sector[24:], uint64(len(data)))
			copy(sector[headerBytes:], data)
			data = nil
		}
		if _, err := w.Write(sector[:]); err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return nil
}

func (e *Entry) check() error {
	switch {
	case e.Flags&^knownFlags != 0:
		return fmt.Errorf("flags %#x; known are %#x", e.Flags, knownFlags)
	case e.Flags&Mark != 0:
		if len(e.Data) > MaxMark || e.Sectors != 0 {
			return fmt.Errorf("a mark of %d bytes and %d sectors; it may have up to %d bytes and no sectors", len(e.Data), e.Sectors, MaxMark)
		}
	case e.Flags&Discard != 0:
		if len(e.Data) != 0 {
			return errors.New("a discard with data")
		}
	case uint64(len(e.Data)) != e.Sectors*blk.SectorSize:
		return fmt.Errorf("%d bytes of data for %d sectors", len(e.Data), e.Sectors)
	}
	return nil
}

// maxSectors bounds one entry, so that a damaged length asks for no more
// memory than a write can have.
const maxSectors = 1 << 21

// Read reads a log of any sector size. An error names the entry that is
// damaged or missing.
func Read(r io.Reader) ([]Entry, error) {
	var super [superBytes]byte
	if _, err := io.ReadFull(r, super[:]); err != nil {
		return nil, errors.New("log-writes: no superblock: the file is too short")
	}
	if m := le.Uint64(super[0:]); m != Magic {
		return nil, fmt.Errorf("log-writes: magic %#x; it should be %#x", m, uint64(Magic))
	}
	if v := le.Uint64(super[8:]); v != Version {
		return nil, fmt.Errorf("log-writes: version %d; only %d is known", v, Version)
	}
	n, size := le.Uint64(super[16:]), uint64(le.Uint32(super[24:]))
	if size < blk.SectorSize || size > 1<<16 || size&(size-1) != 0 {
		return nil, fmt.Errorf("log-writes: sector size %d; it is a power of two from 512 to 65536", size)
	}
	if _, err := io.CopyN(io.Discard, r, int64(size-superBytes)); err != nil {
		return nil, errors.New("log-writes: the superblock is cut off")
	}
	var entries []Entry
	sector := make([]byte, size)
	for i := range n {
		e, err := readEntry(r, sector, size)
		if err != nil {
			return nil, fmt.Errorf("log-writes: entry %d of %d: %w", i, n, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func readEntry(r io.Reader, sector []byte, size uint64) (Entry, error) {
	var e Entry
	if _, err := io.ReadFull(r, sector); err != nil {
		return e, errors.New("the log is cut off")
	}
	scale := size / blk.SectorSize
	n, dataLen := le.Uint64(sector[8:]), le.Uint64(sector[24:])
	e = Entry{Sector: le.Uint64(sector[0:]), Flags: le.Uint64(sector[16:])}
	switch {
	case e.Flags&^knownFlags != 0:
		return e, fmt.Errorf("flags %#x; known are %#x", e.Flags, knownFlags)
	case n > maxSectors/scale || e.Sector > 1<<54:
		return e, fmt.Errorf("%d sectors at %d are no write", n, e.Sector)
	case e.Flags&Mark != 0:
		if dataLen > size-headerBytes || n != 0 {
			return e, fmt.Errorf("a mark of %d bytes and %d sectors does not fit its sector", dataLen, n)
		}
		e.Data = append(e.Data, sector[headerBytes:headerBytes+dataLen]...)
		e.Sector *= scale
		return e, nil
	}
	e.Sector *= scale
	e.Sectors = n * scale
	if e.Flags&Discard == 0 && n > 0 {
		e.Data = make([]byte, e.Sectors*blk.SectorSize)
		if _, err := io.ReadFull(r, e.Data); err != nil {
			return e, errors.New("its data is cut off")
		}
	}
	return e, nil
}
