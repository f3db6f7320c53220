package ondisk

import (
	"fmt"

	"untorn/internal/blk"
)

// ItemKind is what a log item says. The zero value is invalid.
type ItemKind uint8

// Log items. Recovery applies them in order; a checkpoint is applied whole or
// not at all.
const (
	_ ItemKind = iota
	// Intent: file blocks [Off, Off+Len) will map to blocks from Block.
	// Recovery finishes an intent that no Done follows.
	Intent
	// Done: the intent of number ID is finished.
	Done
	// Map: file blocks [Off, Off+Len) map to blocks from Block.
	Map
	// Size: the file of number ID, 0 or 1, has Bytes bytes.
	Size
	// Stage: blocks [Block, Block+Len) are allocated to the COW fork. Those
	// still staged after recovery are free.
	Stage
	// Unstage: blocks [Block, Block+Len) are no longer staged.
	Unstage
	// Unmap: file blocks [Off, Off+Len) map to nothing.
	Unmap
)

// Item is one log item.
type Item struct {
	Kind  ItemKind
	ID    uint32
	Ext   Extent // Off and Len in file blocks, Block on the disk
	Bytes int64
}

// ItemSize is the length in bytes of an encoded item.
const ItemSize = 28

const (
	logHeader = 28
	// ItemsPerSector is how many items a sector of the log holds.
	ItemsPerSector = (blk.SectorSize - logHeader) / ItemSize
)

func (it *Item) put(p []byte) {
	p[0] = byte(it.Kind)
	le.PutUint32(p[4:], it.ID)
	putExtent(p[8:], it.Ext)
	le.PutUint64(p[20:], uint64(it.Bytes))
}

func getItem(p []byte) (Item, error) {
	it := Item{Kind: ItemKind(p[0]), ID: le.Uint32(p[4:]), Ext: getExtent(p[8:]), Bytes: int64(le.Uint64(p[20:]))}
	if it.Kind < Intent || it.Kind > Unmap {
		return it, fmt.Errorf("log: item of unknown kind %d", it.Kind)
	}
	if it.Kind == Size && it.ID >= Files {
		return it, fmt.Errorf("log: size of file %d", it.ID)
	}
	return it, nil
}

// CheckpointSectors returns how many sectors a checkpoint of n items takes, a
// multiple of lba sectors.
func CheckpointSectors(n int, lba int32) int32 {
	return roundUp(int32(max(1, (n+ItemsPerSector-1)/ItemsPerSector)), lba)
}

// EncodeLogSector writes into b sector index of count of the checkpoint lsn,
// with the items that belong there. items are all items of the checkpoint.
func EncodeLogSector(b *[blk.SectorSize]byte, lsn uint64, index, count int32, items []Item) {
	*b = [blk.SectorSize]byte{}
	le.PutUint32(b[0:], logMagic)
	le.PutUint64(b[8:], lsn)
	le.PutUint32(b[16:], uint32(index))
	le.PutUint32(b[20:], uint32(count))
	from := min(int(index)*ItemsPerSector, len(items))
	to := min(from+ItemsPerSector, len(items))
	le.PutUint32(b[24:], uint32(to-from))
	for i, it := range items[from:to] {
		it.put(b[logHeader+ItemSize*i:])
	}
	seal(b[:])
}

// LogSector is one decoded sector of the log.
type LogSector struct {
	LSN          uint64
	Index, Count int32
	Items        []Item
}

// DecodeLogSector reads a sector of the log. It reports ok false for a sector
// that is no valid log sector, and an error for one that has a valid checksum
// and impossible content.
func DecodeLogSector(b []byte) (s LogSector, ok bool, err error) {
	if !sealed(b, logMagic) {
		return s, false, nil
	}
	s.LSN = le.Uint64(b[8:])
	s.Index, s.Count = int32(le.Uint32(b[16:])), int32(le.Uint32(b[20:]))
	n := le.Uint32(b[24:])
	if n > ItemsPerSector || s.Index < 0 || s.Index >= s.Count {
		return s, false, fmt.Errorf("log: sector %d of %d with %d items", s.Index, s.Count, n)
	}
	for i := range int(n) {
		it, err := getItem(b[logHeader+ItemSize*i:])
		if err != nil {
			return s, false, err
		}
		s.Items = append(s.Items, it)
	}
	return s, true, nil
}
