package engine

import (
	"errors"
	"fmt"

	"untorn/crashsim"
	"untorn/crashsim/nvme"
	"untorn/internal/blk"
	"untorn/internal/key"
	"untorn/internal/ondisk"
)

// Recovery is the mount of a disk after a power loss (xlog_recover): it reads
// the log, finishes what was begun, writes the inode home and flushes. It runs
// as a task that writes through the device, so that its own log can be cut.
type Recovery struct {
	interner *blk.Interner
	dev      *nvme.Device
	machine  *crashsim.Machine

	waits int32
	// Inode is the recovered file, valid when Err is nil and the run is done.
	Inode ondisk.Inode
	// Super is the disk's layout.
	Super ondisk.Super
	// Err is why the file system cannot be mounted.
	Err error
}

// NewRecovery returns the mount of an image.
func NewRecovery(c nvme.Config, image []blk.Handle, interner *blk.Interner) *Recovery {
	r := &Recovery{interner: interner, dev: nvme.New(c, image)}
	r.dev.EndIO = func(_, _ int32) { r.waits-- }
	r.machine = crashsim.NewMachine(r, r.dev, stepTable[:])
	r.dev.Now = r.machine.Steps
	r.machine.AddTask("mount", false, func(t *crashsim.Task) { r.mount(t) })
	return r
}

// Machine returns the machine that runs the mount.
func (r *Recovery) Machine() *crashsim.Machine { return r.machine }

// Device returns the disk.
func (r *Recovery) Device() *nvme.Device { return r.dev }

// mount recovers the file system, steps R1 to R3.
func (r *Recovery) mount(t *crashsim.Task) {
	t.Step(stepRecoverRead)
	live, replayed, err := r.replay()
	if r.Err = err; err != nil || !replayed {
		return
	}
	t.Step(stepRecoverHome)
	home := r.Super.Inode[1-live]
	sectors, err := r.Inode.Encode(home.Len)
	if err != nil {
		r.Err = err
		return
	}
	payload := make([]blk.Handle, len(sectors))
	for i := range sectors {
		payload[i] = r.interner.Intern(sectors[i][:])
	}
	r.waits++
	r.dev.Write(home.Start, payload, false, 0)
	t.Block(crashsim.Wait{Kind: waitIO})
	t.Step(stepRecoverFlush)
	r.waits++
	r.dev.Flush(0)
	t.Block(crashsim.Wait{Kind: waitIO})
}

func (r *Recovery) sector(s blk.Sector) []byte {
	if h := r.dev.Read(s); h.IsMeta() {
		return r.interner.Bytes(h)
	}
	return nil
}

// replay reads the inode and applies the log to it. live is the copy that was
// valid; replayed reports whether the log held anything newer.
func (r *Recovery) replay() (live int, replayed bool, err error) {
	b := r.sector(0)
	if b == nil {
		return 0, false, errors.New("no superblock")
	}
	if r.Super, err = ondisk.DecodeSuper(b); err != nil {
		return 0, false, err
	}
	live = -1
	for i, at := range r.Super.Inode {
		ino, err := ondisk.DecodeInode(at.Len, func(j int32) []byte { return r.sector(at.Start + j) })
		if err == nil && (live < 0 || ino.LSN > r.Inode.LSN) {
			live, r.Inode = i, ino
		}
	}
	if live < 0 {
		return 0, false, errors.New("no valid inode")
	}
	m := newExtentMap(r.Inode.Extents)
	intents := map[uint32]ondisk.Extent{}
	var order []uint32
	for pos := int32(0); pos < r.Super.Log.Len; {
		items, n, ok, err := r.checkpoint(pos, r.Inode.LSN+1)
		if err != nil {
			return 0, false, err
		}
		if !ok {
			break
		}
		for _, it := range items {
			switch it.Kind {
			case ondisk.Intent:
				intents[it.ID] = it.Ext
				order = append(order, it.ID)
			case ondisk.Done:
				delete(intents, it.ID)
			case ondisk.Map:
				m.set(it.Ext)
			case ondisk.Unmap:
				m.clear(it.Ext)
			case ondisk.Size:
				r.Inode.Size = it.Bytes
			}
		}
		r.Inode.LSN++
		pos += n
		replayed = true
	}
	// Intents that no transaction finished are finished now; what is still
	// staged belongs to nobody and is free.
	for _, id := range order {
		if e, ok := intents[id]; ok {
			m.set(e)
			delete(intents, id)
		}
	}
	r.Inode.Extents = m.extents()
	return live, replayed, nil
}

// checkpoint reads the checkpoint at a position of the log. ok is false where
// the log ends: at a sector of another checkpoint or of none.
func (r *Recovery) checkpoint(pos int32, lsn uint64) (items []ondisk.Item, n int32, ok bool, err error) {
	n = 1
	for i := int32(0); i < n; i++ {
		if pos+i >= r.Super.Log.Len {
			return nil, 0, false, fmt.Errorf("log: checkpoint %d reaches past the log", lsn)
		}
		b := r.sector(r.Super.Log.Start + pos + i)
		if b == nil {
			return nil, 0, false, nil
		}
		s, ok, err := ondisk.DecodeLogSector(b)
		if err != nil || !ok || s.LSN != lsn || s.Index != i {
			return nil, 0, false, err
		}
		n = s.Count
		items = append(items, s.Items...)
	}
	return items, n, true, nil
}

// extentMap maps file blocks for recovery.
type extentMap struct{ fork []forkEntry }

func newExtentMap(extents []ondisk.Extent) *extentMap {
	m := &extentMap{}
	for _, e := range extents {
		m.set(e)
	}
	return m
}

func (m *extentMap) set(e ondisk.Extent) {
	for int(e.Off+e.Len) > len(m.fork) {
		m.fork = append(m.fork, hole)
	}
	for i := range e.Len {
		m.fork[e.Off+i] = mapped(e.Block+i, e.Unwritten)
	}
}

func (m *extentMap) clear(e ondisk.Extent) {
	for b := e.Off; b < min(e.Off+e.Len, int32(len(m.fork))); b++ {
		m.fork[b] = hole
	}
}

func (m *extentMap) extents() (out []ondisk.Extent) {
	forEachExtent(m.fork, func(e ondisk.Extent) { out = append(out, e) })
	return out
}

// Reset is part of crashsim.Kernel.
func (r *Recovery) Reset() {
	r.dev.Reset()
	r.waits, r.Err = 0, nil
	r.Inode = ondisk.Inode{}
}

// Ready is part of crashsim.Kernel.
func (r *Recovery) Ready(crashsim.Wait) bool { return r.waits == 0 }

// Faults is part of crashsim.Kernel: only power loss strikes a mount.
func (r *Recovery) Faults(buf []crashsim.Fault, _ *crashsim.Task, _ crashsim.Step) []crashsim.Fault {
	return buf
}

// FailsIO is part of crashsim.Kernel.
func (r *Recovery) FailsIO() bool { return false }

// Strike is part of crashsim.Kernel.
func (r *Recovery) Strike(crashsim.Fault, *crashsim.Task) {}

// FaultText is part of crashsim.Kernel.
func (r *Recovery) FaultText(crashsim.Fault) string { return "" }

// Drain is part of crashsim.Kernel.
func (r *Recovery) Drain() bool { return false }

// Hash is part of crashsim.Kernel. What a mount does follows from the image
// and from how far it is.
func (r *Recovery) Hash(h *key.Hasher) {
	h.Int(int(r.waits))
	r.dev.Hash(h, r.interner.Content)
}
