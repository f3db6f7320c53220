package ondisk

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
)

func TestGeometry(t *testing.T) {
	for _, lba := range []int32{1, 8} {
		s := Geometry(lba, 8, 40, 20, 32, 100)
		b := s.Encode()
		got, err := DecodeSuper(b[:])
		require.NoError(t, err)
		require.Equal(t, s, got)
		for _, r := range []blk.Range{s.Inode[0], s.Inode[1], s.Log, s.Data} {
			require.Zero(t, r.Start%lba, "parts begin at an LBA")
		}
		require.Zero(t, s.Data.Start%32)
		require.Equal(t, int32(40), s.Blocks())
		require.Equal(t, s.Data.Start+8*3, s.Sector(3))
		require.Equal(t, s.TotalLen, s.Sector(40))
	}
}

func TestFileOf(t *testing.T) {
	s := Geometry(1, 8, 40, 20, 32, 100)
	require.Zero(t, s.FileOf(1<<30))
	s.Second = 1 << 18
	require.Zero(t, s.FileOf(1<<18-1))
	require.Equal(t, 1, s.FileOf(1<<18))
}

// A superblock whose parts do not fit is refused although its checksum is right.
func TestImpossibleSuper(t *testing.T) {
	for name, damage := range map[string]func(*Super){
		"overlap":     func(s *Super) { s.Log.Start = s.Inode[0].Start },
		"empty":       func(s *Super) { s.Log.Len = 0 },
		"overflow":    func(s *Super) { s.Data.Len = 1<<31 - 1 },
		"total":       func(s *Super) { s.TotalLen++ },
		"block":       func(s *Super) { s.Block = 0 },
		"lba":         func(s *Super) { s.LBA = 3 },
		"out of disk": func(s *Super) { s.Inode[0].Start = -1 },
		"second":      func(s *Super) { s.Second = -1 },
	} {
		s := Geometry(1, 8, 40, 20, 32, 100)
		damage(&s)
		b := s.Encode()
		_, err := DecodeSuper(b[:])
		require.ErrorContains(t, err, "superblock: ", name)
	}
}

func inode(n int) Inode {
	ino := Inode{Size: [Files]int64{64 << 10, 12 << 10}, LSN: 9}
	for i := range int32(n) {
		ino.Extents = append(ino.Extents, Extent{Off: 2 * i, Block: 7 * i, Len: 1, Unwritten: i%2 == 1})
	}
	return ino
}

func TestInodeRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, extentsPerSector, extentsPerSector + 1, 2 * extentsPerSector} {
		ino := inode(n)
		sectors, err := ino.Encode(2)
		require.NoError(t, err)
		got, err := DecodeInode(2, func(i int32) []byte { return sectors[i][:] })
		require.NoError(t, err)
		require.Equal(t, ino, got)
		require.Equal(t, []int32{0, 1}, []int32{SectorIndex(sectors[0][:]), SectorIndex(sectors[1][:])})
	}
	ino := inode(2*extentsPerSector + 1)
	_, err := ino.Encode(2)
	require.ErrorContains(t, err, "room for")
}

func TestInodeOfTwoVersions(t *testing.T) {
	old, fresh := inode(1), inode(1)
	fresh.LSN++
	a, _ := old.Encode(2)
	b, _ := fresh.Encode(2)
	for name, sectors := range map[string][][]byte{
		"mixed":   {a[0][:], b[1][:]},
		"swapped": {a[1][:], a[0][:]},
		"missing": {a[0][:], nil},
	} {
		_, err := DecodeInode(2, func(i int32) []byte { return sectors[i] })
		require.Error(t, err, name)
	}
}

func TestCheckpointRoundTrip(t *testing.T) {
	for _, lba := range []int32{1, 8} {
		for _, n := range []int{0, 1, ItemsPerSector, ItemsPerSector + 1} {
			var items []Item
			for i := range n {
				items = append(items, Item{Kind: Intent + ItemKind(i%6), ID: uint32(i % 2), Bytes: int64(i) << 40,
					Ext: Extent{Off: int32(i), Block: 3, Len: 2, Unwritten: i%2 == 0}})
			}
			count := CheckpointSectors(n, lba)
			require.Zero(t, count%lba)
			var got []Item
			for i := range count {
				var b [512]byte
				EncodeLogSector(&b, 77, i, count, items)
				s, ok, err := DecodeLogSector(b[:])
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, []int32{i, count}, []int32{s.Index, s.Count})
				require.EqualValues(t, 77, s.LSN)
				require.Equal(t, i, SectorIndex(b[:]))
				got = append(got, s.Items...)
			}
			require.Equal(t, items, got)
		}
	}
}

func TestImpossibleLogSectors(t *testing.T) {
	var good [512]byte
	EncodeLogSector(&good, 1, 0, 1, []Item{{Kind: Size}})
	for name, at := range map[string]struct {
		at int
		v  byte
	}{"kind": {logHeader, 99}, "file": {logHeader + 4, Files}, "index": {16, 1}, "items": {24, ItemsPerSector + 1}} {
		b := good
		b[at.at] = at.v
		_, ok, err := DecodeLogSector(b[:])
		require.False(t, ok, name)
		require.NoError(t, err, "a bad checksum is only the end of the log")
		seal(b[:])
		_, ok, err = DecodeLogSector(b[:])
		require.False(t, ok, name)
		require.ErrorContains(t, err, "log: ", name)
	}
}

// No byte of any structure may change unseen.
func TestEveryByteIsCovered(t *testing.T) {
	sb := Geometry(1, 8, 40, 20, 32, 100)
	super := sb.Encode()
	ino := inode(3)
	sectors, _ := ino.Encode(1)
	var log [512]byte
	EncodeLogSector(&log, 1, 0, 1, []Item{{Kind: Size}})
	for i := range 512 {
		b := super
		b[i] ^= 0x10
		_, err := DecodeSuper(b[:])
		require.Error(t, err, i)
		b = sectors[0]
		b[i] ^= 0x10
		_, err = DecodeInode(1, func(int32) []byte { return b[:] })
		require.Error(t, err, i)
		b = log
		b[i] ^= 0x10
		_, ok, err := DecodeLogSector(b[:])
		require.False(t, ok, i)
		require.NoError(t, err, i)
	}
}

// Decoders take any bytes, even those with a right checksum.
func FuzzDecode(f *testing.F) {
	sb := Geometry(1, 8, 40, 20, 32, 100)
	super := sb.Encode()
	f.Add(super[:])
	ino := inode(3)
	sectors, _ := ino.Encode(1)
	f.Add(sectors[0][:])
	var log [512]byte
	EncodeLogSector(&log, 5, 0, 2, []Item{{Kind: Map, Ext: Extent{Len: 1}}})
	f.Add(log[:])
	f.Fuzz(func(t *testing.T, data []byte) {
		var b [512]byte
		copy(b[:], data)
		for _, sealIt := range []bool{false, true} {
			if sealIt {
				seal(b[:])
			}
			if s, err := DecodeSuper(b[:]); err == nil {
				e := s.Encode()
				again, err := DecodeSuper(e[:])
				require.NoError(t, err)
				require.Equal(t, s, again)
			}
			if ino, err := DecodeInode(1, func(int32) []byte { return b[:] }); err == nil {
				e, err := ino.Encode(1)
				require.NoError(t, err)
				again, err := DecodeInode(1, func(int32) []byte { return e[0][:] })
				require.NoError(t, err)
				require.Equal(t, ino, again)
			}
			if s, ok, err := DecodeLogSector(b[:]); ok {
				require.NoError(t, err)
				require.LessOrEqual(t, len(s.Items), ItemsPerSector)
				require.Less(t, s.Index, s.Count)
			}
			SectorIndex(b[:])
		}
	})
}
