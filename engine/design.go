// Package engine is the kernel under test: an XFS-like file system with a
// page cache, a buffered atomic write path, writeback, a block layer and a
// log, written stage by stage after the kernel's own functions, and the
// recovery that a mount runs.
package engine

import "fmt"

// Filesystem is the file system of a design. The zero value of each axis is invalid.
type Filesystem uint8

// Values of the axis filesystem.
const (
	_ Filesystem = iota
	XFS
	Ext4
	BlockDevice
)

// Copy is how user data gets into the page cache.
type Copy uint8

// Values of the axis copy.
const (
	_          Copy = iota
	CopyPlain       // as 7.3 does: a short copy into an uptodate folio is kept
	CopyRetry       // keep the folio clean, fault in, try again, then EFAULT
	CopyPin         // pin the user pages before the first folio is touched
	CopyMlock       // refuse unless the buffer is locked
	CopyBounce      // copy to a private buffer first
)

// Track is how an atomic range is remembered until it is written back.
type Track uint8

// Values of the axis track.
const (
	_ Track = iota
	TrackNone
	TrackPageFlag
	TrackStateBits
	TrackCowFork // the in-core COW fork records the range
	TrackExtentStatus
	TrackSidecar
	NumTracks // how many values there are, the invalid one included
)

// Writeback is how a remembered range reaches the disk.
type Writeback uint8

// Values of the axis writeback.
const (
	_                    Writeback = iota
	WritebackPlain                 // as 7.3
	WritebackAtomic                // one atomic bio per unit, in place
	WritebackCow                   // new blocks, remapped at completion
	WritebackCowOrAtomic           // in place when the device can, else new blocks
)

// Submit is when the data is sent to the device.
type Submit uint8

// Values of the axis submit.
const (
	_ Submit = iota
	SubmitWriteback
	SubmitWriteThrough
	SubmitWriteThroughWait
	SubmitDontcache
	SubmitDirect
)

// Stable is what keeps pages from changing while the device reads them.
type Stable uint8

// Values of the axis stable.
const (
	_          Stable = iota
	StableNone        // nothing
	StableWait        // writers wait for the I/O to end
	StableBounce
)

var (
	filesystemNames = [...]string{"", "xfs", "ext4", "block"}
	copyNames       = [...]string{"", "plain", "retry", "pin", "mlock", "bounce"}
	trackNames      = [...]string{"", "none", "page-flag", "state-bits", "cow-fork", "extent-status", "sidecar"}
	writebackNames  = [...]string{"", "plain", "atomic", "cow", "cow-or-atomic"}
	submitNames     = [...]string{"", "writeback", "write-through", "write-through-wait", "dontcache", "direct"}
	stableNames     = [...]string{"", "none", "wait", "bounce"}
)

func (v Filesystem) String() string { return filesystemNames[v] }
func (v Copy) String() string       { return copyNames[v] }
func (v Track) String() string      { return trackNames[v] }
func (v Writeback) String() string  { return writebackNames[v] }
func (v Submit) String() string     { return submitNames[v] }
func (v Stable) String() string     { return stableNames[v] }

// AxisValues returns the values that a field of a design may have, "" for an
// unknown field or one that is no choice among names.
func AxisValues(field string) []string {
	switch field {
	case "filesystem":
		return filesystemNames[1:]
	case "copy":
		return copyNames[1:]
	case "track":
		return trackNames[1:]
	case "writeback":
		return writebackNames[1:]
	case "submit":
		return submitNames[1:]
	case "stable":
		return stableNames[1:]
	}
	return nil
}

// Set gives an axis the value of that name and reports whether there is one.
func (d *Design) Set(field, value string) bool {
	for i, v := range AxisValues(field) {
		if v != value {
			continue
		}
		n := uint8(i + 1)
		switch field {
		case "filesystem":
			d.Filesystem = Filesystem(n)
		case "copy":
			d.Copy = Copy(n)
		case "track":
			d.Track = Track(n)
		case "writeback":
			d.Writeback = Writeback(n)
		case "submit":
			d.Submit = Submit(n)
		case "stable":
			d.Stable = Stable(n)
		}
		return true
	}
	return false
}

// Design is one design for buffered atomic writes. Sizes are bytes.
type Design struct {
	Filesystem     Filesystem
	Block          int64
	FolioMin       int64
	FolioMax       int64
	Copy           Copy
	Track          Track
	Writeback      Writeback
	Submit         Submit
	Stable         Stable
	Cluster        int64
	MaxAtomicWrite int64 // 0 for auto
	Mutant         string
}

// A NotBuiltError refuses a value that untorn knows and cannot run yet.
type NotBuiltError struct{ What string }

func (e *NotBuiltError) Error() string { return fmt.Sprintf("%s is not built yet", e.What) }

// A NonsenseError refuses a combination that makes no sense. In a product of
// options it skips the row.
type NonsenseError struct{ Reason string }

func (e *NonsenseError) Error() string { return e.Reason }

// Check refuses a design that makes no sense, with a *NonsenseError.
func (d *Design) Check() error {
	if reason := d.nonsense(); reason != "" {
		return &NonsenseError{reason}
	}
	return nil
}

func (d *Design) nonsense() string {
	cow := d.Writeback == WritebackCow || d.Writeback == WritebackCowOrAtomic
	switch {
	case cow && d.Filesystem != XFS:
		return fmt.Sprintf("writeback: %v needs data CoW, which %v does not have", d.Writeback, d.Filesystem)
	case d.Track == TrackCowFork && d.Filesystem != XFS:
		return fmt.Sprintf("track: cow-fork needs a COW fork, which %v does not have", d.Filesystem)
	case d.Track == TrackExtentStatus && d.Filesystem != Ext4:
		return fmt.Sprintf("track: extent-status is a cache of ext4, which %v does not have", d.Filesystem)
	case d.Track == TrackStateBits && d.FolioMin == d.Block && d.FolioMax == d.Block:
		return "track: state-bits needs folios of several blocks; folios of one block have no state"
	case d.Track == TrackCowFork && d.Writeback == WritebackPlain:
		return "track: cow-fork with writeback: plain: the fork always wins, so the data would go to new blocks all the same"
	case d.Submit == SubmitDirect && d.Copy != CopyPlain:
		return fmt.Sprintf("copy: %v with submit: direct: a direct write copies nothing", d.Copy)
	case d.Submit == SubmitDirect && d.Track != TrackNone:
		return fmt.Sprintf("track: %v with submit: direct: a direct write leaves nothing to remember", d.Track)
	case d.Submit == SubmitDirect && d.Stable != StableNone:
		return fmt.Sprintf("stable: %v with submit: direct: no page of the cache is under I/O", d.Stable)
	case d.Stable == StableBounce && d.Submit == SubmitWriteThroughWait:
		return "stable: bounce with submit: write-through-wait: the caller waits while the pages are under I/O, so a copy is redundant"
	}
	return ""
}
