package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// NVMe is what a namespace and its controller say of atomic writes, in the two
// structures of the Identify command. Sizes are bytes; the fields count from 0
// on the wire and from 1 here.
type NVMe struct {
	Model    string `json:"model"`
	Serial   string `json:"serial"`
	Firmware string `json:"firmware"`
	LBA      int64  `json:"lba"` // as formatted
	// Namespaced: NSFEAT bit 1, the fields of the namespace are defined.
	Namespaced     bool  `json:"nsfeat_atomics"`
	NAWUN          int64 `json:"nawun"`
	NAWUPF         int64 `json:"nawupf"`
	NABSN          int64 `json:"nabsn"`            // 0 for no boundary
	NABO           int64 `json:"nabo"`             // offset of the first boundary
	NABSPF         int64 `json:"nabspf"`           // 0 for no boundary
	AWUN           int64 `json:"awun"`             // of the controller
	AWUPF          int64 `json:"awupf"`            // of the controller
	VolatileCache  bool  `json:"volatile_cache"`   // VWC bit 0: there is one
	MaxTransferLog int   `json:"max_transfer_log"` // MDTS: pages of the controller's smallest size, as a power of two; 0 for no limit
	// DisableNormal is DN of the feature Write Atomicity Normal: the host has
	// given up AWUN and NAWUN. CacheOn is WCE of the feature Volatile Write Cache.
	// Each is null when the disk did not say.
	DisableNormal *bool `json:"disable_normal"`
	CacheOn       *bool `json:"volatile_cache_on"`
	// Unasked says why a feature is not known.
	Unasked []string `json:"unasked"`
}

// The features that are asked for.
const (
	featureCache  = 0x06 // Volatile Write Cache; bit 0 is WCE
	featureNormal = 0x0a // Write Atomicity Normal; bit 0 is DN
)

// asker is a disk that answers, *sys.NVMe.
type asker interface {
	Identify() (namespace, controller []byte, err error)
	Feature(id uint8) (uint32, error)
}

// askNVMe asks a disk for all that it has to say. A feature that it keeps to
// itself is no error.
func askNVMe(disk asker) (*NVMe, error) {
	namespace, controller, err := disk.Identify()
	if err != nil {
		return nil, err
	}
	n, err := ParseNVMe(namespace, controller)
	if err != nil {
		return nil, err
	}
	feature := func(id uint8) *bool {
		v, err := disk.Feature(id)
		if err != nil {
			n.Unasked = append(n.Unasked, err.Error())
			return nil
		}
		on := v&1 == 1
		return &on
	}
	n.DisableNormal = feature(featureNormal)
	if n.VolatileCache { // without one the controller has no such feature
		n.CacheOn = feature(featureCache)
	}
	return n, nil
}

// identifyLen is the length of either structure.
const identifyLen = 4096

// ParseNVMe reads the Identify structures of a namespace (CNS 0) and of its
// controller (CNS 1).
func ParseNVMe(namespace, controller []byte) (*NVMe, error) {
	if len(namespace) != identifyLen || len(controller) != identifyLen {
		return nil, fmt.Errorf("identify: %d and %d bytes; each structure has %d", len(namespace), len(controller), identifyLen)
	}
	u16 := func(b []byte, at int) int64 { return int64(binary.LittleEndian.Uint16(b[at:])) }
	text := func(from, to int) string {
		return strings.TrimSpace(strings.TrimRight(string(controller[from:to]), "\x00"))
	}
	// FLBAS: bits 3:0 and, of more than 16 formats, 6:5 above them.
	flbas := int(namespace[26])
	format := flbas&0xf | flbas>>5&3<<4
	lbaf := 128 + 4*format
	shift := namespace[lbaf+2]
	if shift < 9 || shift > 31 {
		return nil, errors.New("identify: the namespace is not formatted")
	}
	lba := int64(1) << shift
	n := &NVMe{Serial: text(4, 24), Model: text(24, 64), Firmware: text(64, 72), LBA: lba,
		Namespaced: namespace[24]>>1&1 == 1,
		NAWUN:      (u16(namespace, 34) + 1) * lba, NAWUPF: (u16(namespace, 36) + 1) * lba,
		NABO:          u16(namespace, 42) * lba,
		AWUN:          (u16(controller, 526) + 1) * lba,
		AWUPF:         (u16(controller, 528) + 1) * lba,
		VolatileCache: controller[525]&1 == 1, MaxTransferLog: int(controller[77]), Unasked: []string{}}
	if b := u16(namespace, 40); b != 0 {
		n.NABSN = (b + 1) * lba
	}
	if b := u16(namespace, 44); b != 0 {
		n.NABSPF = (b + 1) * lba
	}
	return n, nil
}

// Version is a kernel's, major and minor.
type Version struct{ Major, Minor int }

// ParseVersion reads the beginning of a release such as 6.18.44-cloud.
func ParseVersion(release string) (v Version, err error) {
	if n, _ := fmt.Sscanf(release, "%d.%d", &v.Major, &v.Minor); n != 2 {
		return v, fmt.Errorf("%q is no release of a kernel", release)
	}
	return v, nil
}

// Before reports whether a kernel is older than major.minor.
func (v Version) Before(major, minor int) bool {
	return v.Major < major || v.Major == major && v.Minor < minor
}

// Limit returns the longest atomic write that a kernel of that version takes
// from the device, before its own limits on transfers, and the boundary; 0 for
// no support. why says which field decided (nvme_configure_atomic_write).
func (n *NVMe) Limit(v Version) (limit, boundary int64, why string) {
	switch {
	case v.Before(6, 11):
		return 0, 0, "kernels before 6.11 know no atomic writes"
	case n.NABO != 0:
		return 0, 0, fmt.Sprintf("NABO is %s, and a boundary with an offset is no support", size(n.NABO))
	case n.Namespaced && n.NAWUPF > n.LBA:
		return n.NAWUPF, n.NABSPF, fmt.Sprintf("NAWUPF is %s", size(n.NAWUPF))
	case v.Before(7, 0):
		return n.AWUPF, 0, fmt.Sprintf("NAWUPF is not given, so that this kernel takes AWUPF, %s; 7.0 and later do not", size(n.AWUPF))
	}
	why = "NAWUPF is not given, which is one LBA"
	if n.AWUPF > n.LBA {
		why += fmt.Sprintf("; AWUPF, %s, is not looked at since 7.0", size(n.AWUPF))
	}
	return n.LBA, 0, why
}

// facts says what the fields are worth, a line for each.
func (n *NVMe) facts(v Version) []string {
	limit, boundary, why := n.Limit(v)
	out := []string{why}
	switch {
	case limit == 0 || boundary == 0:
	case limit > boundary:
		out = append(out, fmt.Sprintf("the boundary %s is below that, which this kernel takes as no support", size(boundary)))
	case boundary&(boundary-1) != 0:
		out = append(out, fmt.Sprintf("the boundary %s is no power of two, which this kernel takes as no support", size(boundary)))
	default:
		out = append(out, fmt.Sprintf("a write must not cross a multiple of %s (NABSPF)", size(boundary)))
	}
	switch {
	case !n.VolatileCache:
		out = append(out, "the disk has no volatile write cache: what is acknowledged lasts, and the kernel sends no flush")
	case n.CacheOn == nil:
		out = append(out, "the disk has a volatile write cache, on or off: what is acknowledged needs a flush to last")
	case *n.CacheOn:
		out = append(out, "the volatile write cache of the disk is on (WCE): what is acknowledged needs a flush to last")
	default:
		out = append(out, "the volatile write cache of the disk is off (WCE): what is acknowledged lasts; the kernel flushes all the same")
	}
	switch {
	case n.DisableNormal == nil:
		out = append(out, "whether DN is set is not known: if it is, AWUN and NAWUN do not hold")
	case *n.DisableNormal:
		out = append(out, "DN is 1: AWUN and NAWUN do not hold, so that writes in flight together may mix on the blocks they share; "+
			"what holds under power loss stays, and the kernel does not look at DN")
	}
	if n.Namespaced && n.NAWUN < n.NAWUPF {
		out = append(out, "NAWUN is below NAWUPF, which the standard does not allow")
	}
	for _, s := range n.Unasked {
		out = append(out, "not answered by the disk: "+s)
	}
	return out
}
