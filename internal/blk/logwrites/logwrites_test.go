package logwrites

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
)

// content names handles by bytes, both ways.
func content(h blk.Handle) []byte {
	b := make([]byte, blk.SectorSize)
	binary.LittleEndian.PutUint32(b, uint32(h))
	return b
}

func handle(b []byte) blk.Handle { return blk.Handle(binary.LittleEndian.Uint32(b)) }

func data(n int) []byte { return bytes.Repeat([]byte{0xa5}, n*blk.SectorSize) }

func TestBytes(t *testing.T) {
	// The offsets are those of struct log_write_super and log_write_entry.
	var b bytes.Buffer
	require.NoError(t, Write(&b, []Entry{
		{Sector: 8, Sectors: 2, Flags: FUA, Data: data(2)},
		{Flags: Mark, Data: []byte("here")},
	}))
	p := b.Bytes()
	require.Len(t, p, 5*512)
	assert.Equal(t, []byte{0x72, 0x68, 0x73, 0x77, 0x66, 0x73, 0x6a, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0}, p[:28])
	assert.Equal(t, []byte{8, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, p[512:544])
	assert.Equal(t, byte(0xa5), p[1024])
	assert.Equal(t, "here", string(p[4*512+32:4*512+36]))
	assert.Equal(t, byte(4), p[4*512+24])
}

func TestRoundTrip(t *testing.T) {
	entries := []Entry{
		{Sector: 1 << 40, Sectors: 1, Data: data(1)},
		{Flags: Flush},
		{Sector: 3, Sectors: 4, Flags: Flush | FUA, Data: data(4)},
		{Sector: 9, Sectors: 100, Flags: Discard},
		{Flags: Mark, Data: bytes.Repeat([]byte{'m'}, MaxMark)},
	}
	var b bytes.Buffer
	require.NoError(t, Write(&b, entries))
	got, err := Read(&b)
	require.NoError(t, err)
	assert.Equal(t, entries, got)
}

func TestReadLargeSectors(t *testing.T) {
	p := make([]byte, 3*4096)
	binary.LittleEndian.PutUint64(p[0:], Magic)
	binary.LittleEndian.PutUint64(p[8:], Version)
	binary.LittleEndian.PutUint64(p[16:], 1)
	binary.LittleEndian.PutUint32(p[24:], 4096)
	binary.LittleEndian.PutUint64(p[4096:], 5)
	binary.LittleEndian.PutUint64(p[4104:], 1)
	got, err := Read(bytes.NewReader(p))
	require.NoError(t, err)
	assert.Equal(t, []Entry{{Sector: 40, Sectors: 8, Data: make([]byte, 4096)}}, got)
}

func TestBadLogs(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Write(&b, []Entry{{Sector: 8, Sectors: 1, Data: data(1)}}))
	good := b.Bytes()
	_, err := Read(bytes.NewReader(good))
	require.NoError(t, err)
	for _, tc := range []struct {
		change func(p []byte) []byte
		want   string
	}{
		{func(p []byte) []byte { return nil }, "too short"},
		{func(p []byte) []byte { return p[:100] }, "superblock is cut off"},
		{func(p []byte) []byte { return p[:600] }, "entry 0 of 1: the log is cut off"},
		{func(p []byte) []byte { return p[:len(p)-1] }, "entry 0 of 1: its data is cut off"},
		{func(p []byte) []byte { p[0]++; return p }, "magic"},
		{func(p []byte) []byte { p[8]++; return p }, "version 2"},
		{func(p []byte) []byte { p[25] = 3; return p }, "sector size 768"},
		{func(p []byte) []byte { p[512+16] = 0x80; return p }, "flags 0x80"},
		{func(p []byte) []byte { p[512+15] = 0x80; return p }, "are no write"},
		{func(p []byte) []byte { p[512+16] = Mark; return p }, "does not fit"},
	} {
		_, err := Read(bytes.NewReader(tc.change(bytes.Clone(good))))
		assert.ErrorContains(t, err, tc.want)
	}
	assert.ErrorContains(t, Write(&b, []Entry{{Sectors: 2, Data: data(1)}}), "512 bytes of data for 2 sectors")
	assert.ErrorContains(t, Write(&b, []Entry{{Flags: Mark, Data: data(1)}}), "a mark of 512 bytes")
}

func write(cmd int32, start blk.Sector, fua bool, h ...blk.Handle) blk.Event {
	return blk.Event{Kind: blk.SubmitWrite, Cmd: cmd, FUA: fua, Range: blk.Range{Start: start, Len: int32(len(h))}, Payload: h}
}

func complete(cmd int32) blk.Event { return blk.Event{Kind: blk.Complete, Cmd: cmd} }

// The kernel's own example: Wa,Wb,Wc,Cc,Ca,FLUSH,FUAd,Cb,CFLUSH,CFUAd is
// logged as c,a,flush,fuad,b.
func TestKernelOrder(t *testing.T) {
	var l blk.Log
	for _, e := range []blk.Event{
		{Kind: blk.Call, Op: 1},
		write(0, 0, false, 10), write(1, 1, false, 11), write(2, 2, false, 12, 13),
		complete(2), complete(0), {Kind: blk.SubmitFlush, Cmd: 3}, write(4, 9, true, 14), complete(1), complete(3), complete(4),
		{Kind: blk.Return, Op: 1, Result: -5},
		write(5, 20, false, 15),
	} {
		l.Append(e)
	}
	entries := FromLog(&l, content)
	var order []uint64
	for _, e := range entries {
		switch {
		case e.Flags&Mark != 0:
			order = append(order, 1000)
		case e.Flags&Flush != 0:
			order = append(order, 999)
		default:
			order = append(order, e.Sector)
		}
	}
	assert.Equal(t, []uint64{1000, 2, 0, 999, 9, 1000, 1, 1000}, order)
	assert.Equal(t, "return 1 -5", string(entries[5].Data))

	back, err := ToLog(entries, handle)
	require.NoError(t, err)
	var got []string
	for i := range back.Events {
		if e := &back.Events[i]; e.Kind != blk.Complete {
			got = append(got, e.String())
		}
	}
	assert.Equal(t, []string{"call op1", "write cmd0 2+2", "write cmd1 0+1", "flush cmd2", "write cmd3 9+1 fua", "return op1 = -5", "write cmd4 1+1"}, got)
	assert.Equal(t, []blk.Handle{12, 13}, back.Events[1].Payload)

	// A log in which commands do not overlap comes back as it was, but for
	// the place of writes that wait for a FLUSH.
	again, err := ToLog(FromLog(back, content), handle)
	require.NoError(t, err)
	assert.Equal(t, len(back.Events), len(again.Events))

	_, err = ToLog([]Entry{{Flags: Discard, Sectors: 1}}, handle)
	assert.ErrorContains(t, err, "a discard")
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	_ = Write(&b, []Entry{{Sector: 8, Sectors: 1, Data: data(1)}, {Flags: Mark, Data: []byte("x")}, {Flags: Flush}})
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, p []byte) {
		entries, err := Read(bytes.NewReader(p))
		if err != nil {
			return
		}
		var out bytes.Buffer
		for _, e := range entries {
			if e.Flags&Mark != 0 && len(e.Data) > MaxMark {
				return // a mark of a log with larger sectors
			}
		}
		require.NoError(t, Write(&out, entries))
		again, err := Read(&out)
		require.NoError(t, err)
		assert.Equal(t, entries, again)
	})
}
