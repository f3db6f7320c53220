package workloads

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/key"
)

// four is two writes, one of them atomic, and two syncs.
func four() *Workload {
	return &Workload{File: 65536, Layout: Contiguous, FreeSpace: Contiguous, Ops: []Op{
		{Task: "db", Kind: Pwrite, Offset: 0, Length: 16384, Atomic: true},
		{Task: "db", Kind: Pwrite, Offset: 16384, Length: 16384},
		{Task: "db", Kind: Fsync},
		{Task: "db", Kind: Fdatasync},
		{Task: "log", Kind: Pwrite, Offset: 32768, Length: 512, Dsync: true},
	}}
}

// do plays marks: c1 is the call of operation 1, r1 its success, e1 EIO, s1 a
// short return; x1 EINVAL, n1 ENOSPC, f1 EFAULT, i1 EINTR.
func do(t *testing.T, h *History, marks ...string) {
	for _, m := range marks {
		n := int(m[1] - '0')
		switch m[0] {
		case 'c':
			h.Call(n)
		case 'r':
			h.Return(n, Result(h.Op(n).Length))
		case 's':
			h.Return(n, 512)
		case 'e':
			h.Return(n, Fail(EIO))
		case 'n':
			h.Return(n, Fail(ENOSPC))
		case 'f':
			h.Return(n, Fail(EFAULT))
		case 'i':
			h.Return(n, Fail(EINTR))
		case 'x':
			h.Return(n, Fail(EINVAL))
		default:
			t.Fatal(m)
		}
	}
}

func TestDurable(t *testing.T) {
	const w1, w2, w5 = 1 << 1, 1 << 2, 1 << 5
	for _, c := range []struct {
		name  string
		marks []string
		want  uint64
	}{
		{"an fsync called after the write returned", []string{"c1", "r1", "c3", "r3"}, w1},
		{"an fdatasync as well", []string{"c1", "r1", "c4", "r4"}, w1},
		{"the fsync has not returned", []string{"c1", "r1", "c3"}, 0},
		{"the fsync was called before the write returned", []string{"c1", "c3", "r1", "r3"}, 0},
		{"only what had returned", []string{"c1", "r1", "c2", "c3", "r2", "r3"}, w1},
		{"a failed fsync hardens nothing", []string{"c1", "r1", "c3", "e3"}, 0},
		{"and no later one raises it", []string{"c1", "r1", "c3", "e3", "c4", "r4"}, 0},
		{"but what came after the error", []string{"c1", "r1", "c3", "e3", "c2", "r2", "c4", "r4"}, w2},
		{"an error while the other fsync was under way", []string{"c1", "r1", "c3", "c4", "e3", "r4"}, 0},
		{"what was durable before the error stays so", []string{"c1", "r1", "c3", "r3", "c4", "e4"}, w1},
		{"a failed write is not durable", []string{"c1", "e1", "c3", "r3"}, 0},
		{"any write may report the error of the file", []string{"c1", "r1", "c2", "e2", "c3", "r3"}, 0},
		{"as may a lack of space", []string{"c1", "r1", "c2", "n2", "c3", "r3"}, 0},
		{"near: a bad buffer says nothing about others", []string{"c1", "r1", "c2", "f2", "c3", "r3"}, w1},
		{"near: nor does that of a dsync write", []string{"c1", "r1", "c5", "f5", "c3", "r3"}, w1},
		{"near: nor a signal, even of a sync", []string{"c1", "r1", "c4", "i4", "c3", "r3"}, w1},
		{"near: nor a refusal", []string{"c1", "r1", "c5", "x5", "c3", "r3"}, w1},
		{"dsync", []string{"c5", "r5"}, w5},
		{"dsync, failed", []string{"c5", "e5"}, 0},
		{"a failed dsync reports the error of the file", []string{"c1", "r1", "c5", "e5", "c3", "r3"}, 0},
		{"a short write", []string{"c2", "s2", "c3", "r3"}, w2},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := NewHistory(four())
			do(t, h, c.marks...)
			require.Equal(t, c.want, h.Durable())
			g, err := ParseHistory(h.String())
			require.NoError(t, err)
			require.Equal(t, c.want, g.Durable())
		})
	}
}

// Every operation that changes content or size becomes durable by fsync, and
// what lies in its range as a whole by msync.
func TestDurableByRange(t *testing.T) {
	for _, c := range []struct {
		op, sync string
		want     uint64
	}{
		{"store offset=4KiB length=4KiB", "msync offset=4KiB length=4KiB", 2},
		{"store offset=4KiB length=4KiB", "msync offset=0 length=64KiB", 2},
		{"store offset=4KiB length=4KiB", "msync offset=4608 length=64KiB", 0},
		{"store offset=4KiB length=4KiB", "msync offset=0 length=7680", 0},
		{"store offset=4KiB length=4KiB", "sync_file_range offset=0 length=64KiB", 0},
		{"pwrite offset=4KiB length=4KiB", "msync offset=4KiB length=4KiB", 2},
		{"punch offset=4KiB length=4KiB", "msync offset=4KiB length=4KiB", 2},
		{"fallocate offset=64KiB length=4KiB", "msync offset=64KiB length=4KiB", 2},
		{"fallocate offset=64KiB length=4KiB", "fdatasync", 2},
		{"truncate offset=4KiB", "msync offset=0 length=64KiB", 0},
		{"truncate offset=4KiB", "fsync", 2},
		{"pread offset=0 length=4KiB", "fsync", 0},
	} {
		w := &Workload{File: 65536, Layout: Contiguous, FreeSpace: Contiguous}
		for _, line := range []string{c.op, c.sync} {
			op, err := ParseOp("db: " + line)
			require.NoError(t, err)
			w.Ops = append(w.Ops, op)
		}
		h := NewHistory(w)
		do(t, h, "c1", "r1", "c2", "r2")
		require.Equal(t, c.want, h.Durable(), "%s, %s", c.op, c.sync)
	}
}

func TestSets(t *testing.T) {
	h := NewHistory(four())
	require.Zero(t, h.Preceding(1), "not called")
	do(t, h, "c1", "r1", "c2", "x2", "c5", "e5", "c3")
	require.EqualValues(t, 1, h.Preceding(1))
	require.EqualValues(t, 1|1<<1, h.Preceding(2))
	require.EqualValues(t, 1|1<<1|1<<2|1<<5, h.Preceding(3))
	require.EqualValues(t, 1<<1|1<<2|1<<3|1<<5, h.Called())
	require.EqualValues(t, 1<<2, h.RefusedMask())
	require.EqualValues(t, 1<<5, h.Failed())
	_, ok := h.Result(3)
	require.False(t, ok)
	r, ok := h.Result(2)
	require.True(t, ok)
	require.Equal(t, EINVAL, r.Err())
	h.Reset()
	require.Equal(t, NewHistory(four()).sum, h.sum)
	require.Zero(t, h.Called()|h.RefusedMask()|h.Failed()|h.Durable())
}

func hash(h *History) key.Key {
	var k key.Hasher
	h.Hash(&k)
	return k.Sum()
}

func TestHashTellsWhatDecides(t *testing.T) {
	of := func(marks ...string) key.Key {
		h := NewHistory(four())
		do(t, h, marks...)
		return hash(h)
	}
	require.Equal(t, of("c1", "c2", "r1", "r2"), of("c2", "c1", "r2", "r1"), "no order shows")
	require.NotEqual(t, of("c1", "r1", "c2", "r2"), of("c1", "c2", "r1", "r2"), "precedence")
	require.NotEqual(t, of("c1", "r1"), of("c1", "e1"), "result")
	require.NotEqual(t, of("c1", "r1", "c3", "r3"), of("c1", "c3", "r1", "r3"), "durable")
	require.NotEqual(t, of("c1", "r1", "c3", "c2", "r2"), of("c1", "c3", "r1", "c2", "r2"), "what the fsync will harden")
	require.NotEqual(t, of("c1", "r1", "c3", "e3", "c2"), of("c1", "r1", "c2", "c3", "e3"), "what an error tainted")
}

func TestCopy(t *testing.T) {
	h := NewHistory(four())
	do(t, h, "c1", "r1")
	c := h.Clone()
	require.Equal(t, h.String(), c.String())
	do(t, h, "c2")
	require.NotEqual(t, h.String(), c.String())
	c.Copy(h)
	require.Equal(t, hash(h), hash(c))
	require.Zero(t, testing.AllocsPerRun(100, func() { c.Copy(h) }))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		h.Reset()
		h.Call(1)
		h.Return(1, 16384)
		h.Call(3)
		h.Return(3, 0)
	}))
}
