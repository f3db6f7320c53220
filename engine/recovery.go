package engine

import (
	"errors"
	"fmt"
	"slices"

	"untorn/crashsim"
	"untorn/crashsim/nvme"
	"untorn/internal/blk"
	"untorn/internal/key"
	"untorn/internal/ondisk"
)

// Recovery is the mount of a disk after a power loss (xlog_recover): it reads
// the log, logs that what was begun is finished, writes the inode home and
// flushes. It runs as a task that writes through the device, so that power can
// be lost again while it mounts.
type Recovery struct {
	interner *blk.Interner
	dev      *nvme.Device
	machine  *crashsim.Machine
	// finish makes unfinished intents durable as done, step R2. It is a field
	// so that a planted defect can get it wrong, as is the one that follows.
	finish func(t *crashsim.Task, at replayed)
	// home returns the copy of the inode that is written, of two, when the
	// other one is live.
	home func(live int) int

	waits int32
	// Inode is the recovered files, valid when Err is nil and the run is done.
	Inode ondisk.Inode
	// Super is the disk's layout.
	Super ondisk.Super
	// Err is why the file system cannot be mounted.
	Err error
}

// NewRecovery returns the mount of an image. mutant names the planted defect of
// the run, "" for none; most have nothing to do with mounting.
func NewRecovery(c nvme.Config, mutant string, image []blk.Handle, interner *blk.Interner) *Recovery {
	r := &Recovery{interner: interner, dev: nvme.New(c, image)}
	r.finish = r.finishIntents
	r.home = func(live int) int { return 1 - live }
	if m := mutantByName(mutant); m != nil && m.plantRecovery != nil {
		m.plantRecovery(r)
	}
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

// replayed is what reading the disk gave, besides the inode.
type replayed struct {
	live    int           // the copy of the inode that was valid
	pos     int32         // where the log goes on
	newer   bool          // the log held anything newer than the inode
	intents []ondisk.Item // those that no transaction finished, in order
	blocks  *extentMap
}

// mount recovers the file system, steps R1 to R4.
func (r *Recovery) mount(t *crashsim.Task) {
	t.Step(stepRecoverRead)
	at, err := r.replay()
	if r.Err = err; err != nil || !at.newer {
		return
	}
	if len(at.intents) > 0 {
		r.finish(t, at)
	}
	t.Step(stepRecoverHome)
	r.writeHome(t, at)
	t.Step(stepRecoverFlush)
	r.flush(t)
}

// finishIntents logs one checkpoint in which every intent is done
// (xlog_recover_process_intents and the log force after it).
func (r *Recovery) finishIntents(t *crashsim.Task, at replayed) {
	var items []ondisk.Item
	for _, it := range at.intents {
		at.blocks.set(it.Ext)
		items = append(items, ondisk.Item{Kind: ondisk.Map, Ext: it.Ext}, ondisk.Item{Kind: ondisk.Unstage, Ext: it.Ext},
			ondisk.Item{Kind: ondisk.Done, ID: it.ID})
	}
	n := ondisk.CheckpointSectors(len(items), r.Super.LBA)
	if at.pos+n > r.Super.Log.Len {
		panic("engine: no room in the log to finish what was begun")
	}
	r.Inode.LSN++
	var sector [blk.SectorSize]byte
	payload := make([]blk.Handle, n)
	for i := range n {
		ondisk.EncodeLogSector(&sector, r.Inode.LSN, i, n, items)
		payload[i] = r.interner.Intern(sector[:])
	}
	t.Step(stepRecoverLog)
	c := r.dev.Config()
	r.write(t, r.Super.Log.Start+at.pos, payload, c.FUA && !c.Protected)
	if !c.FUA && !c.Protected {
		r.flush(t)
	}
}

// writeHome writes the inode over the copy that is not valid (xfs_iflush).
func (r *Recovery) writeHome(t *crashsim.Task, at replayed) {
	r.Inode.Extents = at.blocks.extents()
	home := r.Super.Inode[r.home(at.live)]
	sectors, err := r.Inode.Encode(home.Len)
	if err != nil {
		r.Err = err
		return
	}
	payload := make([]blk.Handle, len(sectors))
	for i := range sectors {
		payload[i] = r.interner.Intern(sectors[i][:])
	}
	r.write(t, home.Start, payload, false)
}

// write sends sectors to the device, as many in one command as it takes, and
// waits for them.
func (r *Recovery) write(t *crashsim.Task, at blk.Sector, payload []blk.Handle, fua bool) {
	for most := int(r.dev.Config().MaxTransfer / blk.SectorSize); len(payload) > 0; {
		n := min(len(payload), most)
		r.waits++
		r.dev.Write(at, payload[:n], fua, 0)
		at, payload = at+int32(n), payload[n:]
	}
	t.Block(crashsim.Wait{Kind: waitIO})
}

func (r *Recovery) flush(t *crashsim.Task) {
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

// replay reads the inode and applies the log to it, unfinished intents left
// out. What is staged when those are finished belongs to nobody and is free.
func (r *Recovery) replay() (at replayed, err error) {
	b := r.sector(0)
	if b == nil {
		return at, errors.New("no superblock")
	}
	if r.Super, err = ondisk.DecodeSuper(b); err != nil {
		return at, err
	}
	at.live = -1
	for i, a := range r.Super.Inode {
		ino, err := ondisk.DecodeInode(a.Len, func(j int32) []byte { return r.sector(a.Start + j) })
		if err == nil && (at.live < 0 || ino.LSN > r.Inode.LSN) {
			at.live, r.Inode = i, ino
		}
	}
	if at.live < 0 {
		return at, errors.New("no valid inode")
	}
	at.blocks = newExtentMap(&r.Super, r.Inode.Extents)
	for at.pos < r.Super.Log.Len {
		items, n, ok, err := r.checkpoint(at.pos, r.Inode.LSN+1)
		if err != nil {
			return at, err
		}
		if !ok {
			break
		}
		for _, it := range items {
			switch it.Kind {
			case ondisk.Intent:
				at.intents = append(at.intents, it)
			case ondisk.Done:
				at.intents = slices.DeleteFunc(at.intents, func(x ondisk.Item) bool { return x.ID == it.ID })
			case ondisk.Map:
				at.blocks.set(it.Ext)
			case ondisk.Unmap:
				at.blocks.clear(it.Ext)
			case ondisk.Size:
				r.Inode.Size[it.ID] = it.Bytes
			}
		}
		r.Inode.LSN++
		at.pos += n
		at.newer = true
	}
	return at, nil
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

// extentMap maps file blocks for recovery: one fork for each file.
type extentMap struct {
	super *ondisk.Super
	fork  [ondisk.Files][]forkEntry
}

func newExtentMap(super *ondisk.Super, extents []ondisk.Extent) *extentMap {
	m := &extentMap{super: super}
	for _, e := range extents {
		m.set(e)
	}
	return m
}

// at returns the fork that a file block is in, and its place there.
func (m *extentMap) at(off int32) (fork *[]forkEntry, from int32) {
	file := m.super.FileOf(off)
	return &m.fork[file], off - m.first(file)
}

// first returns the number of the first block of a file.
func (m *extentMap) first(file int) int32 { return int32(file) * m.super.Second }

func (m *extentMap) set(e ondisk.Extent) {
	fork, from := m.at(e.Off)
	for int(from+e.Len) > len(*fork) {
		*fork = append(*fork, hole)
	}
	for i := range e.Len {
		(*fork)[from+i] = mapped(e.Block+i, e.Unwritten)
	}
}

func (m *extentMap) clear(e ondisk.Extent) {
	fork, from := m.at(e.Off)
	for b := from; b < min(from+e.Len, int32(len(*fork))); b++ {
		(*fork)[b] = hole
	}
}

func (m *extentMap) extents() (out []ondisk.Extent) {
	for file, fork := range m.fork {
		forEachExtent(fork, m.first(file), func(e ondisk.Extent) { out = append(out, e) })
	}
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
