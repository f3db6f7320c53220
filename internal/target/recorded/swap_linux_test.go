package recorded

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk/logwrites"
	"untorn/verifier"
	"untorn/workloads"
)

// Writes that were in flight together are tried in both orders, before and after a
// flush, and whatever else may be lost; where something lies between them that
// settles it they are not.
func TestBothOrders(t *testing.T) {
	const sectors = 8
	base := []logwrites.Entry{entry('0', 0, sectors)}
	a, b := entry('a', 0, 4), entry('b', 2, 4)
	together := said("together 1 2")
	for _, c := range []struct {
		name    string
		entries []logwrites.Entry
		swaps   int
	}{
		{"in flight together", []logwrites.Entry{said("call 1"), a, b, together, flush, entry('c', 5, 1)}, 1},
		{"one after the other", []logwrites.Entry{said("call 1"), a, b, flush, entry('c', 5, 1)}, 0},
		{"a flush between", []logwrites.Entry{said("call 1"), a, flush, b, said("together 1 3")}, 0},
		{"another write between", []logwrites.Entry{said("call 1"), a, entry('c', 5, 1), b, said("together 1 3")}, 0},
		{"another write beside", []logwrites.Entry{said("call 1"), a, entry('c', 7, 1), b, said("together 1 3")}, 1},
		{"no such entries", []logwrites.Entry{said("call 1"), a, b, said("together 1 9"), said("together 0 2"), said("together 2 1")}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Device{LBA: 512, NAWUPF: 2048}
			r := &Recording{Base: base, Entries: c.entries}
			s, err := r.enumerate(&d, 1000, 1)
			require.NoError(t, err)
			require.True(t, s.Whole)
			require.Equal(t, c.swaps, s.Swaps)
			second := 0
			for i := range c.entries {
				if c.entries[i].Sector == 2 {
					second = i
				}
			}
			got := make(map[int]map[string]bool)
			for i := range s.Found {
				f := &s.Found[i]
				if got[f.Cut] == nil {
					got[f.Cut] = make(map[string]bool)
				}
				got[f.Cut][s.named(&s.Images[f.Image], sectors)] = true
				// What is saved makes the same image.
				saved, err := ParseFound(f.Text())
				require.NoError(t, err)
				cfg := &Config{Workload: &workloads.Workload{File: sectors * 512}, Filesystem: "block", Device: d}
				img, own, err := cfg.image(r, saved)
				require.NoError(t, err)
				sameMedium(t, s, own, &s.Images[f.Image], img)
			}
			for cut := 1; cut <= len(c.entries); cut++ {
				want := bruteForce(base, c.entries[:cut], &d, sectors)
				if c.swaps > 0 && cut > second {
					// b before a: what comes before and between them is the same.
					other := append([]logwrites.Entry{said("call 1"), b}, c.entries[1:second]...)
					for m := range bruteForce(base, append(other, c.entries[second+1:cut]...), &d, sectors) {
						want[m] = true
					}
				}
				require.Equal(t, want, got[cut], "cut %d", cut)
			}
		})
	}
	cfg := &Config{Workload: &workloads.Workload{File: sectors * 512}, Filesystem: "block", Device: Device{LBA: 512, NAWUPF: 2048}}
	_, _, err := cfg.image(&Recording{Base: base, Entries: []logwrites.Entry{said("call 1"), a, b}}, &Found{Loss: Loss{Cut: 3, Swap: swap{0, 2}}})
	require.ErrorContains(t, err, "entries 0 and 2 cannot change places")
}

// Two tasks that write over each other at once have commands in flight together,
// and both orders are recovered; the mixture is the application's.
func TestOverlapInFlight(t *testing.T) {
	cfg := config(t, "block", "a: pwrite offset=0 length=64KiB direct", "b: pwrite offset=32KiB length=32KiB direct", "a: fsync",
		"a: pwrite offset=0 length=64KiB direct", "b: pwrite offset=32KiB length=32KiB direct", "a: fsync")
	cfg.Device.NAWUPF = 64 << 10
	for range 20 {
		res := record(t, cfg, 200)
		s := res.Space
		var swapped *Found
		for i := range s.Found {
			if f := &s.Found[i]; f.Swap != (swap{}) {
				swapped = f
			}
		}
		if s.Swaps == 0 || swapped == nil {
			continue // the tasks did not meet
		}
		require.Equal(t, verifier.Held, res.Worst(), "%v", res.Verdicts)
		e, err := cfg.Rejudge(context.Background(), res.Recording, swapped)
		require.NoError(t, err)
		require.False(t, e.Verdict.Bad())
		loaded, err := Load(cfg, res.Recording.Log())
		require.NoError(t, err)
		require.Equal(t, togetherIn(res.Recording.Entries), togetherIn(loaded.Entries))
		return
	}
	t.Fatal("two tasks wrote over each other twenty times, and never at once")
}
