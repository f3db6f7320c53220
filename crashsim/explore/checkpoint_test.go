package explore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
)

// ending is a program after so many runs of which the exploration is ended.
type ending struct {
	Program
	runs *atomic.Int64
	end  func()
}

func (e ending) Run(c crashsim.Chooser, b crashsim.Budget) crashsim.Outcome {
	if e.runs.Add(-1) == 0 {
		e.end()
	}
	return e.Program.Run(c, b)
}

// saver keeps the last save.
type saver struct {
	mu   sync.Mutex
	data []byte
	n    int
}

func (s *saver) save(known func(io.Writer) error) {
	var b bytes.Buffer
	if err := known(&b); err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data, s.n = b.Bytes(), s.n+1
}

func (s *saver) from() io.Reader {
	if s.data == nil {
		return nil
	}
	return bytes.NewReader(s.data)
}

// TestCheckpoint: an exploration that is ended again and again, and continued
// from what was saved, comes to what one that was not comes to, and knows the
// same states after each level. Each part of it is done once.
func TestCheckpoint(t *testing.T) {
	c := toyConfig{tasks: 2}
	for _, workers := range []int{1, 3, -1, -3} {
		var restart func()
		if workers < 0 { // levels may be left out
			workers, restart = -workers, func() {}
		}
		var levels []Grown
		cfg := Config{Bound: bound(2, 2), Workers: workers, StopAt: -1, CacheBytes: 64 << 20, Restart: restart,
			Grown: func(g Grown) Next { levels = append(levels, g); return AtOnce }}
		want := explore(t, c, cfg)
		wantLevels := levels
		const runs = 60
		require.Greater(t, want.Executed, uint64(5*runs))
		var kept saver
		executed, parts := uint64(0), 0
		for every := range 1000 {
			levels = nil
			cfg.Checkpoint = &Checkpoint{From: kept.from(), Every: time.Hour, Save: kept.save}
			if every%2 == 1 { // saving while it goes on
				cfg.Checkpoint.Every = time.Millisecond
			}
			ctx, cancel := context.WithCancel(context.Background())
			left := &atomic.Int64{}
			left.Store(runs)
			got, err := Run(ctx, func() Program { return ending{newToy(c)(), left, cancel} }, cfg)
			cancel()
			require.NoError(t, err)
			executed += got.Executed
			parts++
			if got.Partial {
				continue
			}
			require.Equal(t, promised(want), promised(got))
			require.Equal(t, want.States, got.States)
			require.Equal(t, wantLevels, levels)
			break
		}
		require.Greater(t, parts, 4)
		require.GreaterOrEqual(t, kept.n, parts-1)
		// What was begun and not finished when it ended is done again: the
		// nodes on the way to where each worker was, no more.
		require.Less(t, executed, want.Executed+uint64(parts*workers*100))
	}
}

// TestCheckpointAfterLeap: an exploration that left levels out, found that it
// must not and began anew is continued in whichever of both it was ended: it
// never leaves levels out again, takes nothing over from before it began anew,
// and comes to what one that was not ended comes to. A save that is lost, as
// that of a process that is killed, brings it back to the save before.
func TestCheckpointAfterLeap(t *testing.T) {
	c := toyConfig{tasks: 2, deep: 3}
	for _, workers := range []int{1, 3} {
		for _, lost := range []int{0, 3} { // every third save
			restarts := 0
			cfg := Config{Bound: bound(3, 1), Workers: workers, StopAt: -1, CacheBytes: 64 << 20, Restart: func() { restarts++ }}
			want := explore(t, c, cfg)
			require.Equal(t, 1, restarts)
			const runs = 120 // more than it takes to find the cheapest findings of a level again
			var kept, next saver
			restarts = 0
			before, after, lostLeap := 0, 0, 0 // ends before and after it began anew
			for part := 1; ; part++ {
				require.Less(t, part, 1000, "it never ends")
				cfg.Checkpoint = &Checkpoint{From: kept.from(), Every: time.Hour, Save: next.save}
				ctx, cancel := context.WithCancel(context.Background())
				left := &atomic.Int64{}
				left.Store(runs)
				old := restarts
				got, err := Run(ctx, func() Program { return ending{newToy(c)(), left, cancel} }, cfg)
				cancel()
				require.NoError(t, err)
				if !got.Partial {
					require.Equal(t, promised(want), promised(got))
					require.Equal(t, want.States, got.States, "facts about levels that were left out are no part of it")
					require.Zero(t, got.Skipped)
					break
				}
				if restarts == 0 {
					before++
				} else {
					after++
				}
				if lost > 0 && part%lost == 0 {
					lostLeap += restarts - old
					continue
				}
				kept.data = next.data
			}
			require.Greater(t, before, 1)
			require.Greater(t, after, 1)
			require.Equal(t, 1+lostLeap, restarts, "what was saved after it began anew says so")
		}
	}
}

// TestCheckpointDamaged: what cannot be read is an error, not another result.
func TestCheckpointDamaged(t *testing.T) {
	c := toyConfig{tasks: 2}
	var kept saver
	ctx, cancel := context.WithCancel(context.Background())
	left := &atomic.Int64{}
	left.Store(100)
	cfg := Config{Bound: bound(1, 1), Workers: 1, StopAt: -1, CacheBytes: 64 << 20, Checkpoint: &Checkpoint{Every: time.Hour, Save: kept.save}}
	_, err := Run(ctx, func() Program { return ending{newToy(c)(), left, cancel} }, cfg)
	require.NoError(t, err)
	require.Greater(t, len(kept.data), 100)
	for n := range kept.data {
		cfg.Checkpoint = &Checkpoint{From: bytes.NewReader(kept.data[:n]), Every: time.Hour}
		_, err := Run(context.Background(), newToy(c), cfg)
		require.ErrorContains(t, err, "what was saved cannot be read", "%d bytes", n)
	}
	bad := errors.New("the rest is damaged")
	cfg.Checkpoint = &Checkpoint{From: bytes.NewReader(kept.data), Every: time.Hour, Load: func(io.Reader) error { return bad }}
	_, err = Run(context.Background(), newToy(c), cfg)
	require.ErrorIs(t, err, bad)
}
