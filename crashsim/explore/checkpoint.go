package explore

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"untorn/crashsim"
	"untorn/internal/key"
)

// Checkpoint saves what an exploration knows, so that another one of the same
// program and bound, in another process, need not find it out again. What is
// saved are facts about states, which are true whenever they are read: an
// exploration that begins with them counts what it would have counted. Of a random
// one it is what its first schedules came to.
type Checkpoint struct {
	From  io.Reader     // what a save wrote, nil to begin with nothing
	Every time.Duration // how often to save, or less often when that takes long
	// Save is called with a function that writes what is known at that moment;
	// never twice at the same time, and not after Run has returned. It is called
	// once more when the exploration is ended by its context. It may also write
	// what else whoever watches the program has to remember, after that: it then
	// knows of all that the states know of.
	Save func(known func(io.Writer) error)
	// Load, when set, reads what Save wrote besides.
	Load func(io.Reader) error
}

// rarely is the least part of the time that is not spent saving.
const rarely = 20

// ledger is what an exploration has to remember besides the states.
type ledger struct {
	mu      sync.Mutex
	reached crashsim.StepSet
	levels  []uint64 // states after each level
	anew    bool     // levels were left out, and must not be
}

// note takes over the steps that a worker reached. It comes before the states
// that they lead to are known.
func (l *ledger) note(w *worker) {
	if r := w.m.Reached(); r != w.told {
		w.told = r
		l.mu.Lock()
		l.reached.Union(r)
		l.mu.Unlock()
	}
}

// grown returns the states after a level, those of the exploration that was
// continued if it came that far: its later states are known already.
func (l *ledger) grown(level int, states uint64) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if level < len(l.levels) {
		return l.levels[level]
	}
	l.levels = append(l.levels, states)
	return states
}

// checkpoints loads what was saved and saves from time to time until the
// function that it returns is called; last asks for one more.
func (x *exploration) checkpoints() (quit func(last bool), err error) {
	c := x.cfg.Checkpoint
	if c == nil || x.table == nil {
		return func(bool) {}, nil
	}
	if c.From != nil {
		from := bufio.NewReader(c.From)
		if err := x.load(from); err != nil {
			return nil, fmt.Errorf("explore: what was saved cannot be read: %w", err)
		}
		if c.Load != nil {
			if err := c.Load(from); err != nil {
				return nil, fmt.Errorf("explore: what was saved cannot be read: %w", err)
			}
		}
	}
	stop := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		timer := time.NewTimer(c.Every)
		defer timer.Stop()
		for {
			select {
			case <-stop:
				return
			case <-timer.C:
			}
			begun := time.Now()
			c.Save(x.save)
			timer.Reset(max(c.Every, rarely*time.Since(begun)))
		}
	})
	return func(last bool) {
		close(stop)
		ended.Wait()
		if last {
			c.Save(x.save)
		}
	}, nil
}

// save writes the table, and then what its states may tell of.
func (x *exploration) save(out io.Writer) error {
	w := bufio.NewWriter(out)
	var p []byte
	write := func() {
		_, _ = w.Write(p) // Flush tells
		p = p[:0]
	}
	var s sums
	s.reset()
	for i := range x.table.shards {
		slots, chunks := x.table.shards[i].copy()
		for _, slot := range slots {
			if slot.at == 0 {
				continue
			}
			at := slot.at - 1
			decode(chunks[at>>chunkBits][at&(1<<chunkBits-1):], 0, &s)
			p = append(p, 1)
			p = binary.LittleEndian.AppendUint64(p, slot.key[0])
			p = binary.LittleEndian.AppendUint64(p, slot.key[1])
			size := len(p)
			p = append(p, 0, 0)
			p = encode(p, 0, &s)
			binary.LittleEndian.PutUint16(p[size:], uint16(len(p)-size-2))
			write()
		}
	}
	p = append(p, 0)
	write()
	x.ledger.mu.Lock()
	for _, word := range x.ledger.reached {
		p = binary.LittleEndian.AppendUint64(p, word)
	}
	anew := byte(0)
	if x.ledger.anew {
		anew = 1
	}
	p = append(p, anew)
	p = binary.LittleEndian.AppendUint64(p, uint64(len(x.ledger.levels)))
	for _, n := range x.ledger.levels {
		p = binary.LittleEndian.AppendUint64(p, n)
	}
	x.ledger.mu.Unlock()
	write()
	return w.Flush()
}

// copy returns the slots of a shard and their chunks, none of which changes
// any more.
func (s *shard) copy() ([]slot, [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.slots), slices.Clone(s.chunks)
}

// load reads what save wrote.
func (x *exploration) load(r io.Reader) error {
	word := func() (uint64, error) {
		var p [8]byte
		_, err := io.ReadFull(r, p[:])
		return binary.LittleEndian.Uint64(p[:]), err
	}
	var s sums
	s.reset()
	for {
		var more [1]byte
		if _, err := io.ReadFull(r, more[:]); err != nil {
			return err
		}
		if more[0] == 0 {
			break
		}
		var head [18]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		k := key.Key{binary.LittleEndian.Uint64(head[:]), binary.LittleEndian.Uint64(head[8:])}
		p := make([]byte, binary.LittleEndian.Uint16(head[16:]))
		if _, err := io.ReadFull(r, p); err != nil {
			return err
		}
		decode(p, 0, &s)
		x.table.put(k, 0, &s)
	}
	for i := range x.ledger.reached {
		w, err := word()
		if err != nil {
			return err
		}
		x.ledger.reached[i] |= w
	}
	var anew [1]byte
	if _, err := io.ReadFull(r, anew[:]); err != nil {
		return err
	}
	if anew[0] == 1 {
		x.ledger.anew, x.cfg.Restart = true, nil
	}
	n, err := word()
	if err == nil && n > maxBudget {
		err = errors.New("too many levels")
	}
	for ; err == nil && n > 0; n-- {
		var states uint64
		states, err = word()
		x.ledger.levels = append(x.ledger.levels, states)
	}
	return err
}
