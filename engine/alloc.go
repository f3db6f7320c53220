package engine

import (
	"untorn/internal/key"
)

// blockState says what a disk block is used for.
type blockState uint8

const (
	blockFree   blockState = iota
	blockUsed              // mapped by the data fork
	blockStaged            // owned by the COW fork
	blockBusy              // freed by a transaction that is not durable yet
	blockBusyIO            // as before, and the checkpoint is being written
	blockOther             // some other file's
)

// allocator gives out disk blocks, lowest first. Blocks that a transaction
// freed stay busy until it is durable (xfs_extent_busy).
type allocator struct {
	initial []blockState
	state   []blockState
}

func (a *allocator) init() { a.state = make([]blockState, len(a.initial)) }

func (a *allocator) reset() { copy(a.state, a.initial) }

func (a *allocator) hash(h *key.Hasher) {
	var w uint64
	for i, s := range a.state {
		w = w<<4 | uint64(s)
		if i%16 == 15 {
			h.Word(w)
			w = 0
		}
	}
	h.Word(w)
}

func (a *allocator) set(block int32, s blockState) { a.state[block] = s }

// available counts the blocks that are free now or will be after a log force.
func (a *allocator) available() int32 {
	var n int32
	for _, s := range a.state {
		if s == blockFree || s == blockBusy || s == blockBusyIO {
			n++
		}
	}
	return n
}

// run returns the first run of up to want free blocks: one of that length at
// a multiple of align if there is one, else one of that length, else the
// first run at all. n is 0 when no block is free.
func (a *allocator) run(want, align int32) (block, n int32) {
	first, firstLen, full := int32(0), int32(0), int32(-1)
	for b := int32(0); b < int32(len(a.state)); {
		if a.state[b] != blockFree {
			b++
			continue
		}
		end := b
		for end < int32(len(a.state)) && a.state[end] == blockFree {
			end++
		}
		if firstLen == 0 {
			first, firstLen = b, min(want, end-b)
		}
		if aligned := (b + align - 1) / align * align; aligned+want <= end {
			return aligned, want
		}
		if full < 0 && end-b >= want {
			full = b
		}
		b = end
	}
	if full >= 0 {
		return full, want
	}
	return first, firstLen
}
