package probe

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const kib = 1 << 10

// identify builds the two structures as a disk would send them, the offsets
// being those of the NVMe base and NVM command set specifications.
func identify(change func(namespace, controller []byte)) (namespace, controller []byte) {
	namespace, controller = make([]byte, identifyLen), make([]byte, identifyLen)
	copy(controller[4:], "S4EVNX0M700000      ")
	copy(controller[24:], "Model 9000"+strings.Repeat(" ", 30))
	copy(controller[64:], "1.0     ")
	controller[77] = 5
	controller[525] = 1
	namespace[26] = 1         // format 1
	namespace[128+2] = 9      // format 0: 512 bytes
	namespace[132+2] = 12     // format 1: 4 KiB
	namespace[128+4*17+2] = 9 // format 17
	change(namespace, controller)
	return namespace, controller
}

func put(b []byte, at int, v uint16) { binary.LittleEndian.PutUint16(b[at:], v) }

func parsed(t *testing.T, change func(namespace, controller []byte)) *NVMe {
	t.Helper()
	n, err := ParseNVMe(identify(change))
	require.NoError(t, err)
	return n
}

// Every field is read from its own place: each has a value of its own.
func TestParseNVMe(t *testing.T) {
	n := parsed(t, func(ns, c []byte) {
		ns[24] = 2
		for i, at := range []int{34, 36, 40, 42, 44} {
			put(ns, at, uint16(3+i))
		}
		put(c, 526, 20)
		put(c, 528, 30)
	})
	require.Equal(t, &NVMe{Model: "Model 9000", Serial: "S4EVNX0M700000", Firmware: "1.0", LBA: 4 * kib, Namespaced: true,
		NAWUN: 16 * kib, NAWUPF: 20 * kib, NABSN: 24 * kib, NABO: 24 * kib, NABSPF: 32 * kib, AWUN: 84 * kib, AWUPF: 124 * kib,
		VolatileCache: true, MaxTransferLog: 5, Unasked: []string{}}, n)
	n = parsed(t, func(ns, c []byte) { ns[26] = 1 | 1<<5; c[525] = 0 })
	require.Equal(t, int64(512), n.LBA, "format 17 is 1 and a bit above")
	require.False(t, n.VolatileCache)
	require.Zero(t, n.NABSPF, "0 is no boundary")
	require.Equal(t, int64(512), n.NAWUPF, "0 is one LBA")
	_, err := ParseNVMe(make([]byte, identifyLen), make([]byte, identifyLen))
	require.ErrorContains(t, err, "not formatted")
	_, err = ParseNVMe(nil, nil)
	require.ErrorContains(t, err, "0 and 0 bytes")
}

// answers is a disk that knows some features. It tells which were asked for.
type answers struct {
	change   func(namespace, controller []byte)
	features map[uint8]uint32
	asked    []uint8
}

func (a *answers) Identify() (namespace, controller []byte, err error) {
	namespace, controller = identify(a.change)
	return namespace, controller, nil
}

func (a *answers) Feature(id uint8) (uint32, error) {
	a.asked = append(a.asked, id)
	v, ok := a.features[id]
	if !ok {
		return 0, fmt.Errorf("get feature 0x%02x: NVMe status 0x4002", id)
	}
	return v, nil
}

// DN and WCE are bit 0 of their features, and what they are worth is said. The
// cache is asked about where there is one.
func TestFeatures(t *testing.T) {
	cached, uncached := func(_, _ []byte) {}, func(_, c []byte) { c[525] = 0 }
	const dn, wce = 0x0a, 0x06
	yes, no := true, false
	for _, c := range []struct {
		name          string
		change        func(ns, c []byte)
		features      map[uint8]uint32
		asked         []uint8
		disable, on   *bool
		facts, absent string
		printed       string
	}{
		{"off and on", cached, map[uint8]uint32{dn: 0, wce: 1}, []uint8{dn, wce}, &no, &yes, "is on (WCE)", "DN", "DN 0\nwrite cache   volatile (VWC 1), WCE 1\n"},
		{"on and off", cached, map[uint8]uint32{dn: 1, wce: 0}, []uint8{dn, wce}, &yes, &no, "is off (WCE)", "is on (WCE)", "DN 1\nwrite cache   volatile (VWC 1), WCE 0\n"},
		{"DN alone counts", uncached, map[uint8]uint32{dn: 1, wce: 1}, []uint8{dn}, &yes, nil, "DN is 1", "WCE", "DN 1\nwrite cache   none (VWC 0)\n"},
		{"other bits", uncached, map[uint8]uint32{dn: 0xfffffffe}, []uint8{dn}, &no, nil, "no volatile write cache", "DN", "DN 0\n"},
		{"no answer", cached, nil, []uint8{dn, wce}, nil, nil, "not answered by the disk: get feature 0x0a: NVMe status 0x4002", "DN is 1", "DN unknown\nwrite cache   volatile (VWC 1), WCE unknown\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := &answers{change: c.change, features: c.features}
			n, err := askNVMe(disk)
			require.NoError(t, err)
			require.Equal(t, c.asked, disk.asked)
			require.Equal(t, c.disable, n.DisableNormal)
			require.Equal(t, c.on, n.CacheOn)
			facts := strings.Join(n.facts(Version{7, 3}), "\n")
			require.Contains(t, facts, c.facts)
			require.NotContains(t, facts, c.absent)
			var b strings.Builder
			require.NoError(t, (&Result{NVMe: n}).Write(&b))
			require.Contains(t, b.String(), c.printed)
		})
	}
	_, err := askNVMe(&answers{change: func(ns, _ []byte) { ns[132+2] = 0 }})
	require.ErrorContains(t, err, "not formatted")
}

// What this kernel says of a boundary and of a queue that it cuts.
func TestFacts(t *testing.T) {
	namespaced := func(units, boundary uint16) func(ns, c []byte) {
		return func(ns, _ []byte) { ns[24] = 2; put(ns, 34, units); put(ns, 36, units); put(ns, 44, boundary) }
	}
	facts := func(change func(ns, c []byte), q Queue) string {
		r := &Result{Kernel: "7.3.4", Kind: "block device", NVMe: parsed(t, change), Device: &Device{Name: "nvme0n1", Queue: q}}
		r.explain()
		return strings.Join(r.Facts, "\n")
	}
	require.Contains(t, facts(namespaced(3, 15), Queue{}), "multiple of 64KiB (NABSPF)")
	require.Contains(t, facts(namespaced(15, 3), Queue{}), "16KiB is below that, which this kernel takes as no support")
	require.Contains(t, facts(namespaced(3, 11), Queue{}), "48KiB is no power of two")
	require.Contains(t, facts(namespaced(3, 0), Queue{Atomic: true, Max: 8 * kib, UnitMax: 8 * kib}), "limit is 8KiB where these fields give 16KiB")
	require.Contains(t, facts(namespaced(15, 0), Queue{Atomic: true, Chunk: 32 * kib}), "cut at multiples of 32KiB")
	require.NotContains(t, facts(namespaced(3, 0), Queue{Atomic: true, Max: 16 * kib, UnitMax: 16 * kib, Chunk: 32 * kib}), "where these fields")
}

// What each kernel makes of the same fields.
func TestLimit(t *testing.T) {
	namespaced := func(ns, _ []byte) { ns[24] = 2; put(ns, 36, 3); put(ns, 44, 15) }
	controller := func(_, c []byte) { put(c, 528, 7) }
	unused := func(ns, _ []byte) { put(ns, 36, 3) } // NAWUPF without NSFEAT bit 1
	offset := func(ns, c []byte) { namespaced(ns, c); put(ns, 42, 1) }
	for _, c := range []struct {
		release         string
		change          func(ns, c []byte)
		limit, boundary int64
		why             string
	}{
		{"6.10.1", namespaced, 0, 0, "before 6.11"},
		{"6.12.0", namespaced, 16 * kib, 64 * kib, "NAWUPF is 16KiB"},
		{"7.3.4-cloud", namespaced, 16 * kib, 64 * kib, "NAWUPF is 16KiB"},
		{"6.11", controller, 32 * kib, 0, "takes AWUPF, 32KiB"},
		{"6.15.9", controller, 32 * kib, 0, "takes AWUPF, 32KiB"},
		{"6.18.44-x", controller, 32 * kib, 0, "takes AWUPF, 32KiB"},
		{"7.0.0", controller, 4 * kib, 0, "is not looked at"},
		{"7.3.4", controller, 4 * kib, 0, "is not looked at"},
		{"7.3.4", unused, 4 * kib, 0, "NAWUPF is not given"},
		{"6.15.0", offset, 0, 0, "no support"},
		{"7.3.4", offset, 0, 0, "no support"},
	} {
		v, err := ParseVersion(c.release)
		require.NoError(t, err)
		limit, boundary, why := parsed(t, c.change).Limit(v)
		require.Equal(t, []int64{c.limit, c.boundary}, []int64{limit, boundary}, c.release)
		require.Contains(t, why, c.why, c.release)
	}
	_, err := ParseVersion("next")
	require.Error(t, err)
}
