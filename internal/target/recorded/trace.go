package recorded

import (
	"encoding/binary"
	"fmt"

	"untorn/internal/blk"
	"untorn/internal/blk/logwrites"
	"untorn/internal/stamp"
)

// Class is what a command is for.
type Class uint8

// Classes of commands. The zero value is invalid.
const (
	_ Class = iota
	Data
	Log // of XFS, or the journal of ext4
	Metadata
	Flush
	Discard
)

var classNames = [...]string{"invalid", "data", "log", "metadata", "flush", "discard"}

func (c Class) String() string { return classNames[c] }

// Classes returns the class of every command, 0 for a mark. Data is what carries
// the stamp of a write, or lies where no metadata can be.
func (r *Recording) Classes(filesystem string) []Class { return r.classes(filesystem, r.Entries) }

// classes is Classes of another log of the same disk.
func (r *Recording) classes(filesystem string, entries []logwrites.Entry) []Class {
	from, to := r.logArea(filesystem)
	out := make([]Class, len(entries))
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Flags&logwrites.Mark != 0:
		case e.Flags&logwrites.Flush != 0:
			out[i] = Flush
		case e.Flags&logwrites.Discard != 0:
			out[i] = Discard
		case int64(e.Sector) >= from && int64(e.Sector) < to:
			out[i] = Log
		case filesystem == "block" || WriteOf(e) >= 0:
			out[i] = Data
		default:
			out[i] = Metadata
		}
	}
	return out
}

// WriteOf returns the number of the write that stamps the data of a command, -1
// for none: that of the operation, unless whoever wrote it had an epoch.
func WriteOf(e *logwrites.Entry) int {
	if len(e.Data) >= blk.SectorSize {
		if w, _, ok := stamp.Decode(e.Data[:blk.SectorSize]); ok {
			return w
		}
	}
	return -1
}

// logArea returns the sectors [from, to) of the log, as the superblock says.
func (r *Recording) logArea(filesystem string) (from, to int64) {
	super := r.baseSectors(0, 8)
	switch filesystem {
	case "xfs": // struct xfs_dsb
		be := binary.BigEndian
		block, start, agBlocks := int64(be.Uint32(super[4:])), int64(be.Uint64(super[48:])), int64(be.Uint32(super[84:]))
		n, shift := int64(be.Uint32(super[96:])), super[124]
		at := start>>shift*agBlocks + start&(1<<shift-1)
		return at * block / blk.SectorSize, (at + n) * block / blk.SectorSize
	case "ext4": // s_jnl_blocks of struct ext4_super_block: the inode's extents, and its size
		le := binary.LittleEndian
		super = super[1024:]
		block := int64(1024) << le.Uint32(super[24:])
		const jnl = 0x10c
		if le.Uint16(super[jnl:]) != 0xf30a || le.Uint16(super[jnl+6:]) != 0 || le.Uint16(super[jnl+2:]) == 0 {
			return 0, 0
		}
		first := super[jnl+12:]
		n, start := int64(le.Uint16(first[4:])), int64(le.Uint32(first[8:]))
		return start * block / blk.SectorSize, (start + n) * block / blk.SectorSize
	}
	return 0, 0
}

// baseSectors returns sectors of the disk before the recording.
func (r *Recording) baseSectors(from, n int64) []byte {
	out := make([]byte, n*blk.SectorSize)
	for i := range r.Base {
		e := &r.Base[i]
		for k := range int64(len(e.Data) / blk.SectorSize) {
			if at := int64(e.Sector) + k - from; e.Flags == 0 && at >= 0 && at < n {
				copy(out[at*blk.SectorSize:], e.Data[k*blk.SectorSize:(k+1)*blk.SectorSize])
			}
		}
	}
	return out
}

// Trace prints the log up to the cut of an image, one line an entry, and what of
// the pending writes is on the medium; then the same of each mount in which power
// was lost again.
func (c *Config) Trace(r *Recording, f *Found) []string {
	out := c.trace(r, r.Entries, &f.Loss)
	out = append(out, fmt.Sprintf("power is lost before entry %d", f.Cut))
	for i := range f.Mounts {
		out = append(out, fmt.Sprintf("mount %d of what that left", i+1))
		out = append(out, c.trace(r, f.Mounts[i], &f.Again[i])...)
		out = append(out, fmt.Sprintf("power is lost again before entry %d of mount %d", f.Again[i].Cut, i+1))
	}
	return out
}

func (c *Config) trace(r *Recording, entries []logwrites.Entry, l *Loss) []string {
	classes := r.classes(c.Filesystem, entries)
	pending := make(map[int]*Choice)
	for i := range l.Choices {
		pending[l.Choices[i].Write] = &l.Choices[i]
	}
	var out []string
	for i := range entries[:l.Cut] {
		e := &entries[i]
		line := fmt.Sprintf("%5d %-9s", i, classes[i])
		switch {
		case e.Flags&logwrites.Mark != 0 && len(togetherIn(entries[i:i+1])) > 0:
			x := togetherIn(entries[i : i+1])[0]
			line = fmt.Sprintf("%5d device    may take %d before %d", i, x[1], x[0])
			if l.Swap == x {
				line += ", and did"
			}
		case e.Flags&logwrites.Mark != 0:
			line = fmt.Sprintf("%5d caller    %s%s", i, e.Data, c.opOf(string(e.Data)))
		case classes[i] == Flush:
			line = fmt.Sprintf("%5d flush", i)
		default:
			line += fmt.Sprintf(" [%d,%d)", e.Sector, e.Sector+e.Sectors)
			if w := WriteOf(e); w > 0 && w != blk.InitialWrite {
				line += fmt.Sprintf(" of op %d", w)
			}
			if x := pending[i]; x != nil {
				line += "; pending: write " + x.String()
			}
		}
		out = append(out, line)
	}
	return out
}

// opOf names the operation that a call is of.
func (c *Config) opOf(text string) string {
	e, ok := logwrites.ParseMark(text)
	if !ok || e.Kind != blk.Call || int(e.Op) > len(c.Workload.Ops) {
		return ""
	}
	return ": " + c.Workload.Ops[e.Op-1].String()
}
