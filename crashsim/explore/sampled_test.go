package explore

import (
	"bytes"
	"context"
	"encoding/gob"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSampleContinued: a sample that is ended again and again, and continued from
// what was saved, is the one that was not, by any strategy and with any number of
// workers. A save that is lost, as that of a process that is killed, brings it back
// to the save before.
func TestSampleContinued(t *testing.T) {
	const all, each = 10_000, 1700
	c := toyConfig{tasks: 3, deep: 2}
	for name, cfg := range strategies(all, 7) {
		t.Run(name, func(t *testing.T) {
			want, err := RunRandom(context.Background(), newToy(c), cfg)
			require.NoError(t, err)
			require.NotEmpty(t, want.Findings)
			for _, workers := range []int{1, 3} {
				var kept, next saver
				cfg.Workers = workers
				for part := 1; ; part++ {
					require.Less(t, part, 100, "it never ends")
					cfg.Checkpoint = &Checkpoint{From: kept.from(), Every: time.Hour, Save: next.save}
					if part%2 == 0 { // saving while it goes on
						cfg.Checkpoint.Every = 0
					}
					ctx, cancel := context.WithCancel(context.Background())
					left := &atomic.Int64{}
					left.Store(each)
					before := next.n
					got, err := RunRandom(ctx, func() Program { return ending{newToy(c)(), left, cancel} }, cfg)
					cancel()
					require.NoError(t, err)
					require.LessOrEqual(t, got.Executed, uint64(each+trials+round+workers))
					if !got.Partial {
						require.Greater(t, part, all/each)
						require.Equal(t, promised(want), promised(got))
						break
					}
					require.Greater(t, next.n, before, "an end that was asked for saves as well")
					if part%3 > 0 {
						kept.data = next.data
					}
				}
			}
		})
	}
}

// TestSampleOfATime: a sample that its time ended is not longer when it is
// continued after that, because others have as many schedules. Time that was spent
// before counts.
func TestSampleOfATime(t *testing.T) {
	for name, cfg := range strategies(5000, 7) {
		var kept saver
		cfg.For, cfg.Checkpoint = time.Nanosecond, &Checkpoint{Every: time.Hour, Save: kept.save}
		want, err := RunRandom(context.Background(), newToy(toyConfig{tasks: 2}), cfg)
		require.NoError(t, err)
		require.Positive(t, want.Sample.Runs, name)
		require.False(t, want.Partial)
		var saved sampled
		require.NoError(t, gob.NewDecoder(bytes.NewReader(kept.data)).Decode(&saved))
		require.Positive(t, saved.Spent)
		saved.Spent = time.Hour
		var b bytes.Buffer
		require.NoError(t, gob.NewEncoder(&b).Encode(&saved))
		cfg.For, cfg.Checkpoint = time.Hour, &Checkpoint{From: &b, Every: time.Hour, Save: kept.save}
		got, err := RunRandom(context.Background(), newToy(toyConfig{tasks: 2}), cfg)
		require.NoError(t, err)
		require.Equal(t, promised(want), promised(got), name)
	}
}

// TestSampleDamaged: what cannot be read is an error, and so are more schedules
// than there are to be.
func TestSampleDamaged(t *testing.T) {
	for name, cfg := range strategies(500, 7) {
		var kept saver
		cfg.Checkpoint = &Checkpoint{Save: kept.save}
		_, err := RunRandom(context.Background(), newToy(toyConfig{tasks: 2}), cfg)
		require.NoError(t, err)
		require.NotEmpty(t, kept.data, name)
		for n := 0; n < len(kept.data); n += 1 + len(kept.data)/100 {
			cfg.Checkpoint = &Checkpoint{From: bytes.NewReader(kept.data[:n]), Every: time.Hour}
			_, err := RunRandom(context.Background(), newToy(toyConfig{tasks: 2}), cfg)
			require.ErrorContains(t, err, "what was saved cannot be read", "%s: %d bytes", name, n)
		}
		cfg.Runs, cfg.Checkpoint = 10, &Checkpoint{From: kept.from(), Every: time.Hour}
		_, err = RunRandom(context.Background(), newToy(toyConfig{tasks: 2}), cfg)
		require.ErrorContains(t, err, " schedules of 10")
	}
}
