// Package cost says what one run of a design took: figures, and no judgement.
package cost

import "slices"

// Figures are what the quiet run of a row cost: no fault strikes, nobody is
// preempted, a command completes when nothing else can go on, and at the end
// the flusher and the log are drained. Field names are a promise of report.json.
//
// Time is counted in steps: those that tasks announce, and completions of
// commands by the device.
type Figures struct {
	Steps int64 `json:"steps"` // of the whole run

	Writes  int64 `json:"writes"`   // calls that put data into the file and succeeded
	Refused int64 `json:"refused"`  // such calls that failed
	NoSpace int64 `json:"no_space"` // of those, for lack of space
	Asked   int64 `json:"asked"`    // bytes that those that succeeded were asked to write

	Data     int64 `json:"data_bytes"`     // to the data area of the device
	Log      int64 `json:"log_bytes"`      // to the log
	Metadata int64 `json:"metadata_bytes"` // to the superblock and the inode; 0 as long as nothing pushes the log's content home

	Commands     int64 `json:"commands"`         // of all kinds
	DataCommands int64 `json:"data_commands"`    // writes to the data area
	SmallestData int64 `json:"smallest_command"` // of those, bytes
	LargestData  int64 `json:"largest_command"`  // of those, bytes
	Flushes      int64 `json:"flushes"`          // FLUSH commands
	FUA          int64 `json:"fua"`              // writes with FUA
	QueueDepth   int64 `json:"queue_depth"`      // most commands in flight
	// LostMerges counts data commands that would have been part of the one before
	// if both were plain: out of one plug, neighbours on the disk, and together
	// no longer than the largest transfer.
	LostMerges int64 `json:"lost_merges"`

	Block         int64   `json:"block_bytes"`      // of the file system
	Allocated     int64   `json:"blocks_allocated"` // during the run
	ExtraBlocks   int64   `json:"extra_blocks"`     // most blocks in use or waiting to be free, over those in use at the start
	ExtentsBefore int64   `json:"extents_before"`   // of the file
	ExtentsAfter  int64   `json:"extents_after"`
	ExtentsAtSync []int64 `json:"extents_at_sync"` // at the return of each fsync and fdatasync

	Ranges      int64  `json:"ranges"`       // atomic ranges remembered when that took the most bits, the most of them
	TrackBits   int64  `json:"track_bits"`   // what that took, the peak
	PinnedPeak  int64  `json:"pinned_peak"`  // bytes of user pages pinned, locked, or under direct I/O
	PinnedSteps Spread `json:"pinned_steps"` // for which a write held some
	PrivatePeak int64  `json:"private_peak"` // bytes of private copies, of callers' data and of pages under I/O
	CopiedTwice int64  `json:"copied_twice"` // bytes that were copied to those
	Stable      Spread `json:"wait_stable"`  // steps a write waited for I/O on a folio that it changes
	Lock        Spread `json:"wait_lock"`    // for a lock, or for a unit that writeback is selecting
	Own         Spread `json:"wait_own_io"`  // for I/O of its own
	Sync        Spread `json:"wait_sync"`    // steps an fsync, fdatasync, msync or sync_file_range waited for anything
}

// Spread is how a number of steps is spread over calls.
type Spread struct {
	Calls  int64 `json:"calls"`  // that could have had some
	Some   int64 `json:"some"`   // of those, that had at least one
	Total  int64 `json:"total"`  // of all calls
	Median int64 `json:"median"` // of all calls, those with none included; the lower one of two
	P99    int64 `json:"p99"`    // the least that 99 of 100 calls do not pass
	Worst  int64 `json:"worst"`
}

// SpreadOf sums up the steps of calls. It sorts them.
func SpreadOf(steps []int64) Spread {
	s := Spread{Calls: int64(len(steps))}
	if len(steps) == 0 {
		return s
	}
	slices.Sort(steps)
	for _, n := range steps {
		s.Total += n
		if n > 0 {
			s.Some++
		}
	}
	// The rank of a percentile is rounded up, and counts from 1.
	rank := func(percent int) int64 { return steps[(len(steps)*percent+99)/100-1] }
	s.Median, s.P99, s.Worst = rank(50), rank(99), steps[len(steps)-1]
	return s
}

// Device is the bytes that the device was sent.
func (f *Figures) Device() int64 { return f.Data + f.Log + f.Metadata }
