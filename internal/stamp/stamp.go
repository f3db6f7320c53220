// Package stamp makes sector payloads that name their write and their place
// in it, so that any sector of an image tells on its own where it comes from.
//
// A stamp fills its 512 bytes: magic, write, place, checksum of those, and then
// words derived from write and place. Two stamps that differ in either differ
// in each of those words and in nearly every byte, and a sector put together
// from two, or shifted, is no stamp.
package stamp

import (
	"encoding/binary"
	"hash/crc32"
)

// Size is the length of a stamp in bytes.
const Size = 512

const (
	magic   = 0x4e524f544e55 // "UNTORN"
	version = 3
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
	fill(b, mix(uint64(uint32(write))<<32|uint64(uint32(place))))
	le.PutUint64(b[0:], magic|version<<48)
	le.PutUint64(b[8:], uint64(uint32(place))<<32|uint64(uint32(write)))
	le.PutUint64(b[16:], uint64(crc32.Checksum(b[:16], table)))
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
	fill(&b, mix(0x6761726261676521))
	le.PutUint64(b[0:], magic|version<<48)
	le.PutUint64(b[8:], 0x6761726261676521)
	le.PutUint64(b[16:], 0x6761726261676521)
	return b
}

// factors has an odd number for each word of a sector.
var factors = func() (f [Size / 8]uint64) {
	for i := range f {
		f[i] = mix(uint64(i)) | 1
	}
	return f
}()

// fill writes all words, those of the header too, and does little for each
// because whoever measures writes measures it too: four words that nothing but
// the key decides, over and over, each time with another factor on top. Each
// step can be undone, so that two keys differ in each word.
func fill(b *[Size]byte, key uint64) {
	down := func(z uint64) uint64 { return z ^ z>>32 }
	k0, k1, k2, k3 := down(key*factors[0]), down(key*factors[1]), down(key*factors[2]), down(key*factors[3])
	for i := 0; i < Size/8; i += 4 {
		f, w := (*[4]uint64)(factors[i:]), (*[32]byte)(b[i*8:])
		le.PutUint64(w[0:], k0^f[0])
		le.PutUint64(w[8:], k1^f[1])
		le.PutUint64(w[16:], k2^f[2])
		le.PutUint64(w[24:], k3^f[3])
	}
}

// mix is what splitmix64 does to its state: different for different z, and
// each bit of z changes half of the bits.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
