package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type note struct{ Text string }

// made returns a journal of n records.
func made(t *testing.T, n int) (file string, data []byte) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "journal.txt")
	w, err := Create(file, note{"head"})
	require.NoError(t, err)
	for i := range n {
		require.NoError(t, w.Add(note{fmt.Sprintf("<%d>\n", i)}))
	}
	require.NoError(t, w.Close())
	data, err = os.ReadFile(file)
	require.NoError(t, err)
	return file, data
}

// TestEveryPrefix: whatever a kill leaves of a journal, its whole records are
// there, and what is added comes right after them.
func TestEveryPrefix(t *testing.T) {
	file, data := made(t, 3)
	whole, err := Read(file)
	require.NoError(t, err)
	require.Len(t, whole.Records, 3)
	assert.JSONEq(t, `{"Text":"<2>\n"}`, string(whole.Records[2]))
	ends := []int64{0}
	for i, c := range data {
		if c == '\n' {
			ends = append(ends, int64(i+1))
		}
	}
	for n := range data {
		require.NoError(t, os.WriteFile(file, data[:n], 0o600))
		c, err := Read(file)
		require.NoError(t, err, n)
		lines := 0
		for lines+1 < len(ends) && ends[lines+1] <= int64(n) {
			lines++
		}
		require.Equal(t, ends[lines], c.Whole)
		if lines == 0 {
			require.Nil(t, c.Head)
			continue
		}
		require.Len(t, c.Records, lines-1)
		for i := range c.Records {
			require.Equal(t, whole.Records[i], c.Records[i])
		}
		c, err = Take(file)
		require.NoError(t, err)
		w, err := c.Open(file)
		require.NoError(t, err)
		require.NoError(t, w.Add(note{"more"}))
		require.NoError(t, w.Close())
		again, err := Read(file)
		require.NoError(t, err)
		require.Len(t, again.Records, lines)
		require.JSONEq(t, `{"Text":"more"}`, string(again.Records[lines-1]))
	}
}

// TestDamage: a changed byte is an error that names the line, but for one in
// the last line, which is as if it had not been written. So is the line before
// it when the newline between both is gone.
func TestDamage(t *testing.T) {
	file, data := made(t, 2)
	last := 0
	for i, c := range data[:len(data)-1] {
		if c == '\n' {
			last = i + 1
		}
	}
	n := 1
	for i := range data {
		changed := append([]byte{}, data...)
		changed[i] ^= 1
		require.NoError(t, os.WriteFile(file, changed, 0o600))
		c, err := Read(file)
		if i >= last-1 {
			require.NoError(t, err, i)
			require.Len(t, c.Records, min(1, i-last+1))
			continue
		}
		var damaged *DamagedError
		require.ErrorAs(t, err, &damaged, "byte %d", i)
		require.Equal(t, n, damaged.Line)
		if data[i] == '\n' {
			n++
		}
	}
}

// TestManyWriters: records of any number of goroutines are all there.
func TestManyWriters(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal.txt")
	w, err := Create(file, note{"head"})
	require.NoError(t, err)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 50 {
				assert.NoError(t, w.Add([]int{i, k}))
			}
		})
	}
	all.Wait()
	require.NoError(t, w.Close())
	c, err := Read(file)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, r := range c.Records {
		seen[string(r)] = true
	}
	require.Len(t, seen, 400)
}

// TestAddedIsWritten: what was added is in the file at once, where a process that
// is killed leaves it.
func TestAddedIsWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal.txt")
	w, err := Create(file, note{"head"})
	require.NoError(t, err)
	for i := range 100 {
		require.NoError(t, w.Add(note{"more"}))
		c, err := Read(file)
		require.NoError(t, err)
		require.Len(t, c.Records, i+1)
	}
	require.NoError(t, w.Close())
}

// TestSyncFails: a disk that does not keep what was written is told of by the
// next Add, and nothing is written after that.
func TestSyncFails(t *testing.T) {
	file, _ := made(t, 0)
	taken, err := Take(file)
	require.NoError(t, err)
	r, pipe, err := os.Pipe() // takes what is written and cannot be synced
	require.NoError(t, err)
	w := start(pipe, taken.lock)
	require.NoError(t, w.Add(note{"one"}))
	require.Eventually(t, func() bool { return w.Add(note{"more"}) != nil }, time.Minute, 10*time.Millisecond)
	require.Error(t, w.Close())
	require.NoError(t, r.Close())
}

// TestFailures: what exists is not replaced, and a disk that takes nothing is
// told of.
func TestFailures(t *testing.T) {
	file, _ := made(t, 0)
	_, err := Create(file, note{})
	require.ErrorIs(t, err, os.ErrExist)
	_, err = Read(filepath.Dir(file))
	require.ErrorContains(t, err, "not a regular file")
	_, err = Read(file + ".none")
	require.ErrorIs(t, err, os.ErrNotExist)

	taken, err := Take(file)
	require.NoError(t, err)
	_, err = Take(file)
	require.ErrorIs(t, err, ErrBusy)
	readOnly, err := os.Open(file)
	require.NoError(t, err)
	w := start(readOnly, taken.lock)
	require.Error(t, w.Add(note{}))
	require.Error(t, w.Sync())
	require.Error(t, w.Close())
	taken, err = Take(file)
	require.NoError(t, err, "free again")
	require.NoError(t, taken.Release())
}
