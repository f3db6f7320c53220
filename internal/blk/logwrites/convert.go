package logwrites

import (
	"fmt"
	"strconv"
	"strings"

	"untorn/internal/blk"
)

// endMark is what the kernel appends when the target goes away.
const endMark = "dm-log-writes-end"

// FromLog turns a block log into entries in the order of the kernel's target
// (log_writes_map, normal_end_io): a write is logged only when a FLUSH that
// was submitted after its completion completes, before that FLUSH, and one
// with FUA when it completes itself; marks are logged at once. Writes that
// completed and were never flushed follow at the end, those that never
// completed are not in the log. Calls and returns become marks, "call 3" and
// "return 3 16384". What the device may have read of pages that changed
// under it has no place in this format. sector returns the bytes of a handle.
func FromLog(l *blk.Log, sector func(blk.Handle) []byte) []Entry {
	c := converter{sector: sector, inflight: make(map[int32]pending)}
	for i := range l.Events {
		c.event(&l.Events[i])
	}
	c.out = append(c.out, c.unflushed...)
	return append(c.out, Entry{Flags: Mark, Data: []byte(endMark)})
}

// pending is a command that the device has not answered.
type pending struct {
	entry  Entry
	before []Entry // for a FLUSH, what had completed when it was submitted
}

type converter struct {
	sector    func(blk.Handle) []byte
	inflight  map[int32]pending
	unflushed []Entry
	out       []Entry
}

func (c *converter) mark(format string, args ...any) {
	c.out = append(c.out, Entry{Flags: Mark, Data: fmt.Appendf(nil, format, args...)})
}

func (c *converter) event(e *blk.Event) {
	switch e.Kind {
	case blk.SubmitWrite:
		w := Entry{Sector: uint64(e.Range.Start), Sectors: uint64(e.Range.Len)}
		if e.FUA {
			w.Flags = FUA
		}
		for _, h := range e.Payload {
			w.Data = append(w.Data, c.sector(h)...)
		}
		c.inflight[e.Cmd] = pending{entry: w}
	case blk.SubmitFlush:
		c.inflight[e.Cmd] = pending{entry: Entry{Flags: Flush}, before: c.unflushed}
		c.unflushed = nil
	case blk.Complete:
		p, ok := c.inflight[e.Cmd]
		if !ok {
			return
		}
		delete(c.inflight, e.Cmd)
		if p.entry.Flags == 0 {
			c.unflushed = append(c.unflushed, p.entry)
			return
		}
		c.out = append(append(c.out, p.before...), p.entry)
	case blk.Call:
		c.mark("call %d", e.Op)
	case blk.Return:
		c.mark("return %d %d", e.Op, e.Result)
	}
}

// ToLog turns entries into a block log in which each command completes before
// the next is submitted: the order in which the target says the data was
// safe. Marks "call N" and "return N RESULT" become the caller's marks, other
// marks are dropped; discards are an error, since a block log has none.
// handle names the bytes of a sector.
func ToLog(entries []Entry, handle func([]byte) blk.Handle) (*blk.Log, error) {
	l := &blk.Log{}
	var cmd int32
	command := func(e blk.Event) {
		e.Cmd = cmd
		l.Append(e)
		l.Append(blk.Event{Kind: blk.Complete, Cmd: cmd})
		cmd++
	}
	for i := range entries {
		e := &entries[i]
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("log-writes: entry %d: %w", i, err)
		}
		switch {
		case e.Flags&Mark != 0:
			if m, ok := ParseMark(string(e.Data)); ok {
				l.Append(m)
			}
			continue
		case e.Flags&Discard != 0:
			return nil, fmt.Errorf("log-writes: entry %d: a discard, which a block log does not hold", i)
		case e.Sector+e.Sectors > 1<<31-1:
			return nil, fmt.Errorf("log-writes: entry %d: sector %d; a block log ends at sector %d", i, e.Sector+e.Sectors, 1<<31-1)
		}
		if e.Flags&Flush != 0 {
			command(blk.Event{Kind: blk.SubmitFlush})
		}
		if e.Sectors == 0 {
			continue
		}
		w := blk.Event{Kind: blk.SubmitWrite, FUA: e.Flags&FUA != 0, Range: blk.Range{Start: blk.Sector(e.Sector), Len: int32(e.Sectors)}}
		for off := 0; off < len(e.Data); off += blk.SectorSize {
			w.Payload = append(w.Payload, handle(e.Data[off:off+blk.SectorSize]))
		}
		command(w)
	}
	return l, nil
}

// ParseMark reads the marks of a caller that FromLog writes.
func ParseMark(text string) (blk.Event, bool) {
	words := strings.Split(text, " ")
	num := func(i int) (int32, bool) {
		if i >= len(words) {
			return 0, false
		}
		n, err := strconv.ParseInt(words[i], 10, 32)
		return int32(n), err == nil
	}
	op, ok := num(1)
	switch {
	case words[0] == "call" && ok && len(words) == 2:
		return blk.Event{Kind: blk.Call, Op: op}, true
	case words[0] == "return" && ok && len(words) == 3:
		result, ok := num(2)
		return blk.Event{Kind: blk.Return, Op: op, Result: result}, ok
	}
	return blk.Event{}, false
}
