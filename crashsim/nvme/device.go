package nvme

import (
	"fmt"

	"untorn/internal/blk"
	"untorn/internal/key"
)

const eio = 5 // EIO

// command is one command in flight.
type command struct {
	num     int32
	tag     int32
	flush   bool
	rng     blk.Range
	payload []blk.Handle // newest content the device may have read
}

// Device is a simulated NVMe namespace behind a partition. It records in a
// block log everything that power loss depends on, and answers reads from
// what it has acknowledged.
type Device struct {
	cfg     Config
	initial []blk.Handle
	content []blk.Handle // what a read returns
	altered []bool       // content that an Alter left open until a read decides
	opened  int          // how many sectors of altered are set
	cmds    []command    // in flight, oldest first
	nextCmd int32
	one     [1]blk.Handle // payload of an event of one sector, which the log copies

	// Log receives every event.
	Log blk.Log
	// Now returns the steps announced so far.
	Now func() int
	// OnEvent, when set, is called after each event is in the log.
	OnEvent func(*blk.Event)
	// EndIO is called when a command completes, with the tag that it was
	// submitted with and 0 or a negative errno.
	EndIO func(tag, result int32)
}

// New returns a device whose sectors hold initial before the run.
func New(cfg Config, initial []blk.Handle) *Device {
	return &Device{cfg: cfg, initial: initial, content: append([]blk.Handle(nil), initial...),
		altered: make([]bool, len(initial))}
}

// Config returns the device's description.
func (d *Device) Config() *Config { return &d.cfg }

// Reset brings the device back to before the run.
func (d *Device) Reset() {
	copy(d.content, d.initial)
	if d.opened > 0 {
		clear(d.altered)
		d.opened = 0
	}
	d.cmds = d.cmds[:0]
	d.nextCmd = 0
	d.Log.Reset()
}

func (d *Device) emit(e blk.Event) *blk.Event {
	e.Step = uint32(d.Now())
	p := d.Log.Append(e)
	if d.OnEvent != nil {
		d.OnEvent(p)
	}
	return p
}

// Mark puts what the caller saw into the log, in order with the device's events.
func (d *Device) Mark(kind blk.EventKind, op, result int32) {
	d.emit(blk.Event{Kind: kind, Op: op, Result: result})
}

// Saw puts into the log what a read of the file returned.
func (d *Device) Saw(op int32, file blk.Range, payload []blk.Handle) {
	d.emit(blk.Event{Kind: blk.Saw, Op: op, Range: file, Payload: payload})
}

// Write submits a write of the payload, which is copied.
func (d *Device) Write(start blk.Sector, payload []blk.Handle, fua bool, tag int32) {
	if max := d.cfg.MaxTransfer / blk.SectorSize; int64(len(payload)) > max {
		panic(fmt.Sprintf("nvme: write of %d sectors, the maximum transfer is %d", len(payload), max))
	}
	rng := blk.Range{Start: start, Len: int32(len(payload))}
	e := d.emit(blk.Event{Kind: blk.SubmitWrite, Cmd: d.nextCmd, Range: rng, Payload: payload, FUA: fua})
	d.cmds = append(d.cmds, command{num: d.nextCmd, tag: tag, rng: rng, payload: e.Payload})
	d.nextCmd++
}

// Flush submits a FLUSH.
func (d *Device) Flush(tag int32) {
	d.emit(blk.Event{Kind: blk.SubmitFlush, Cmd: d.nextCmd})
	d.cmds = append(d.cmds, command{num: d.nextCmd, tag: tag, flush: true})
	d.nextCmd++
}

// Alter tells the device that the memory of sector s of a write in flight
// changed to h: it may have read either. Sectors that no command in flight
// writes are ignored.
func (d *Device) Alter(s blk.Sector, h blk.Handle) {
	for i := range d.cmds {
		c := &d.cmds[i]
		if c.flush || !c.rng.Contains(s) || c.payload[s-c.rng.Start] == h {
			continue
		}
		d.one[0] = h
		d.emit(blk.Event{Kind: blk.Alter, Cmd: c.num, Range: blk.Range{Start: s, Len: 1}, Payload: d.one[:]})
		// The event of the submission keeps what was read first.
		c.payload = d.Log.Copy(c.payload)
		c.payload[s-c.rng.Start] = h
		if !d.altered[s] {
			d.altered[s] = true
			d.opened++
		}
	}
}

// Read returns what a sector holds. Where an Alter left that open, the read
// decides it, for good.
func (d *Device) Read(s blk.Sector) blk.Handle {
	if d.altered[s] {
		d.altered[s] = false
		d.opened--
		d.one[0] = d.content[s]
		d.emit(blk.Event{Kind: blk.Pin, Range: blk.Range{Start: s, Len: 1}, Payload: d.one[:]})
	}
	return d.content[s]
}

// Inflight returns how many commands may complete now. It implements
// crashsim.Device.
func (d *Device) Inflight() int { return len(d.cmds) }

// Complete lets the i-th command in flight, oldest first, complete.
func (d *Device) Complete(i int) {
	c := d.cmds[i]
	d.cmds = append(d.cmds[:i], d.cmds[i+1:]...)
	if !c.flush {
		copy(d.content[c.rng.Start:], c.payload)
	}
	d.emit(blk.Event{Kind: blk.Complete, Cmd: c.num})
	d.EndIO(c.tag, 0)
}

// Fail lets the i-th command in flight complete with an error. Which pieces of
// a write reached the medium was decided then and nobody was told; a read
// returns what was there before.
func (d *Device) Fail(i int) {
	c := d.cmds[i]
	d.cmds = append(d.cmds[:i], d.cmds[i+1:]...)
	d.emit(blk.Event{Kind: blk.Complete, Cmd: c.num, Result: -eio})
	d.EndIO(c.tag, -eio)
}

// Command returns the number of the i-th command in flight, as events have it.
func (d *Device) Command(i int) int32 { return d.cmds[i].num }

// CommandText names the i-th command in flight.
func (d *Device) CommandText(i int) string {
	c := &d.cmds[i]
	if c.flush {
		return fmt.Sprintf("flush cmd%d", c.num)
	}
	return fmt.Sprintf("write cmd%d %v", c.num, c.rng)
}

// Hash folds what the device adds to what package powerloss knows of its
// log: the order of the commands in flight and whom they answer.
func (d *Device) Hash(h *key.Hasher, content func(blk.Handle) key.Key) {
	h.Int(len(d.cmds))
	for i := range d.cmds {
		c := &d.cmds[i]
		h.Word(uint64(uint32(c.tag)) | uint64(uint32(c.rng.Start))<<32)
		h.Word(uint64(uint32(c.rng.Len)))
	}
	if d.opened > 0 {
		for s, open := range d.altered {
			if open {
				h.Int(s)
				h.Key(content(d.content[s]))
			}
		}
	}
}

// Content returns what a read of a sector would return, and decides nothing.
func (d *Device) Content(s blk.Sector) blk.Handle { return d.content[s] }
