package blk

import "fmt"

// EventKind says what happened. The zero value is invalid.
type EventKind uint8

// Events of a block log, device events and marks, in one order.
const (
	_ EventKind = iota
	// SubmitWrite: the device took a write. Range and Payload are set, FUA may be.
	SubmitWrite
	// Alter: memory that the in-flight write Cmd reads changed: for each
	// sector of Range the device may have read Payload instead of what the
	// write, or an earlier Alter, carried.
	Alter
	// SubmitFlush: the device took a FLUSH.
	SubmitFlush
	// Complete: the device answered Cmd; Result is 0 or a negative errno.
	Complete
	// Pin: a read returned Payload for Range, which decides what earlier
	// Alters had left open there.
	Pin
	// Saw: operation Op, a read, returned Payload for the sectors Range of the
	// file.
	Saw
	// Call: the caller issued operation Op.
	Call
	// Return: operation Op returned Result, bytes or a negative errno.
	Return
)

var eventNames = [...]string{"invalid", "write", "alter", "flush", "complete", "pin", "saw", "call", "return"}

func (k EventKind) String() string { return eventNames[k] }

// Event is one entry of a block log.
type Event struct {
	Kind   EventKind
	FUA    bool
	Cmd    int32  // number of the command, from 0 in the order of submission
	Op     int32  // number of the operation, for marks
	Result int32  // bytes, or a negative errno
	Range  Range  // sectors of a write
	Step   uint32 // steps that the machine had announced when it happened

	// Payload has one handle for each sector of Range. It belongs to the log.
	Payload []Handle
}

func (e *Event) String() string {
	switch e.Kind {
	case SubmitWrite, Alter, Pin:
		fua := ""
		if e.FUA {
			fua = " fua"
		}
		return fmt.Sprintf("%s cmd%d %v%s", e.Kind, e.Cmd, e.Range, fua)
	case Saw:
		return fmt.Sprintf("saw op%d %v", e.Op, e.Range)
	case Call:
		return fmt.Sprintf("call op%d", e.Op)
	case Return:
		return fmt.Sprintf("return op%d = %d", e.Op, e.Result)
	case Complete:
		return fmt.Sprintf("complete cmd%d = %d", e.Cmd, e.Result)
	}
	return fmt.Sprintf("%s cmd%d", e.Kind, e.Cmd)
}

// Log is a block log: all that reached the device and all that the caller
// saw, in one order. The zero value is an empty log. Payloads live in an
// arena of the log, which Reset keeps.
type Log struct {
	Events []Event
	arena  []Handle
}

// Reset empties the log and keeps its memory.
func (l *Log) Reset() {
	l.Events = l.Events[:0]
	l.arena = l.arena[:0]
}

// Copy returns memory of the log that holds a copy of payload.
func (l *Log) Copy(payload []Handle) []Handle {
	if len(l.arena)+len(payload) > cap(l.arena) {
		// Payloads handed out keep the old arena alive; a log stops growing
		// after its first runs.
		l.arena = make([]Handle, 0, 2*cap(l.arena)+len(payload)+1024)
	}
	n := len(l.arena)
	l.arena = append(l.arena, payload...)
	return l.arena[n:len(l.arena):len(l.arena)]
}

// Append adds an event; its payload is copied.
func (l *Log) Append(e Event) *Event {
	if e.Payload != nil {
		e.Payload = l.Copy(e.Payload)
	}
	l.Events = append(l.Events, e)
	return &l.Events[len(l.Events)-1]
}
