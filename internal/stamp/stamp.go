// Package stamp makes sector payloads that name their write and their place
// in it, so that any sector of an image tells on its own where it comes from.
//
// A stamp fills its 512 bytes: magic, write, place, checksum, and then bytes
// derived from write and place. Two stamps that differ in either differ in
// nearly every byte, and a sector put together from two, or shifted, fails
// its checksum.
package stamp

import (
	"encoding/binary"
	"hash/crc32"
)

// Size is the length of a stamp in bytes.
const Size = 512

const (
	magic   = 0x4e524f544e55 // "UNTORN"
	version = 1
	header  = 24
)

var table = crc32.MakeTable(crc32.Castagnoli)

var le = binary.LittleEndian

// Encode returns sector place of write number write. Both fit 32 bits.
func Encode(write, place int) [Size]byte {
	var b [Size]byte
	Put(b[:], write, place)
	return b
}

// Put stamps the first Size bytes of p as Encode does.
func Put(p []byte, write, place int) {
	b := (*[Size]byte)(p)
	le.PutUint64(b[0:], magic|version<<48)
	le.PutUint32(b[8:], uint32(write))
	le.PutUint32(b[12:], uint32(place))
	le.PutUint32(b[20:], 0)
	fill(b[header:], uint64(uint32(write))<<32|uint64(uint32(place)))
	le.PutUint32(b[16:], checksum(b))
}

// Decode reads a sector. ok is false unless it is, byte for byte, what Encode
// returns for some write and place.
func Decode(b []byte) (write, place int, ok bool) {
	if len(b) != Size || le.Uint64(b) != magic|version<<48 {
		return 0, 0, false
	}
	write, place = int(le.Uint32(b[8:])), int(le.Uint32(b[12:]))
	if Encode(write, place) != [Size]byte(b) {
		return 0, 0, false
	}
	return write, place, true
}

// Garbage returns a sector that no write ever carried: it looks like a stamp
// and fails its checksum.
func Garbage() [Size]byte {
	b := Encode(0, 0)
	fill(b[8:], 0x6761726261676521)
	return b
}

// checksum covers the whole sector but itself.
func checksum(b *[Size]byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:16], table), table, b[20:])
}

// fill writes the stream of splitmix64 that starts at seed.
func fill(p []byte, seed uint64) {
	for ; len(p) >= 8; p = p[8:] {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		le.PutUint64(p, z^z>>31)
	}
}
