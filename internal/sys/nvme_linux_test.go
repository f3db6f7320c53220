package sys

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// fakeNVMe takes ioctls as the driver of a disk would, by the bytes of the
// command at the places of linux/nvme_ioctl.h. It fails what changes anything.
type fakeNVMe struct {
	t        *testing.T
	features map[byte]uint32
	status   int
	errno    error
}

func (f *fakeNVMe) ioctl(request uintptr, arg unsafe.Pointer) (int, error) {
	if request == 0x4e40 {
		require.Nil(f.t, arg)
		return 3, nil
	}
	require.Equal(f.t, uintptr(0xc0484e41), request)
	// The size of the command stands in the number of the ioctl.
	c := unsafe.Slice((*byte)(arg), int(request>>16&0x3fff))
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(c[at:]) }
	if f.errno != nil || f.status != 0 {
		return f.status, f.errno
	}
	id := u32(40)
	switch c[0] {
	case 0x06:
		require.Equal(f.t, uint32(4096), u32(36))
		require.Equal(f.t, map[uint32]uint32{0: 3, 1: 0}[id], u32(4), "the namespace's number")
		page := unsafe.Slice(*(**byte)(unsafe.Pointer(&c[24])), 4096)
		page[0], page[4095] = byte(10+id), byte(20+id)
	case 0x0a:
		require.Zero(f.t, u32(36), "no buffer")
		v, ok := f.features[byte(id)]
		require.Zero(f.t, id>>8, "the current value")
		if !ok {
			return 0x4002, nil // invalid field, do not retry
		}
		binary.LittleEndian.PutUint32(c[68:], v)
	default:
		require.Fail(f.t, "a command that may change something", "%#x", c[0])
	}
	return 0, nil
}

func TestNVMe(t *testing.T) {
	f := &fakeNVMe{t: t, features: map[byte]uint32{0x0a: 1, 0x06: 0xfffffffe}}
	n, err := openNVMe(f.ioctl)
	require.NoError(t, err)
	namespace, controller, err := n.Identify()
	require.NoError(t, err)
	require.Equal(t, []byte{10, 20, 11, 21}, []byte{namespace[0], namespace[4095], controller[0], controller[4095]})
	v, err := n.Feature(0x0a)
	require.NoError(t, err)
	require.Equal(t, uint32(1), v)
	v, err = n.Feature(0x06)
	require.NoError(t, err)
	require.Equal(t, uint32(0xfffffffe), v)
	_, err = n.Feature(0x07)
	require.EqualError(t, err, "get feature 0x07: NVMe status 0x4002")
	f.status = 0x400b
	_, _, err = n.Identify()
	require.EqualError(t, err, "identify namespace: NVMe status 0x400b")
	f.status, f.errno = 0, EACCES
	_, err = n.Feature(0x0a)
	require.ErrorIs(t, err, EACCES)
	_, err = OpenNVMe(-1)
	require.ErrorIs(t, err, EBADF)
}
