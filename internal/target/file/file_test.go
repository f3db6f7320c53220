package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/loopfs"
	"untorn/internal/needs"
	"untorn/internal/sys"
	"untorn/verifier"
	"untorn/workloads"
)

// work is a workload of operations on a file of 64 KiB.
func work(t *testing.T, ops ...string) *workloads.Workload {
	t.Helper()
	w := &workloads.Workload{File: 64 << 10, Second: 64 << 10, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous}
	for _, text := range ops {
		o, err := workloads.ParseOp(text)
		require.NoError(t, err)
		w.Ops = append(w.Ops, o)
	}
	return w
}

// target is an open target on a new file, prepared.
func target(t *testing.T, c Config) *Target {
	t.Helper()
	if c.Path == "" {
		c.Path = filepath.Join(t.TempDir(), "file")
	}
	if c.Second == "" {
		c.Second = c.Path + ".second"
	}
	x, err := Open(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, x.Close()) })
	require.NoError(t, x.Prepare())
	return x
}

// finish runs a target and judges what is in the file then.
func finish(t *testing.T, x *Target) (*workloads.History, *verifier.Report) {
	t.Helper()
	h, err := x.Run(context.Background())
	require.NoError(t, err)
	files, err := x.Read()
	require.NoError(t, err)
	v, err := verifier.NewFiles(x.w, verifier.Untorn)
	require.NoError(t, err)
	r, err := v.JudgeFiles(files, h)
	require.NoError(t, err)
	return h, r
}

func succeeded(t *testing.T, h *workloads.History) {
	t.Helper()
	for i := range h.Workload().Ops {
		o := &h.Workload().Ops[i]
		r, ok := h.Result(i + 1)
		require.True(t, ok, "operation %d returned", i+1)
		want := int64(0)
		if o.Writes() || o.Kind == workloads.Pread {
			want = o.Length
		}
		require.Equal(t, workloads.Result(want), r, "operation %d, %v", i+1, o)
	}
}

// Every kind of operation does what its name says: what is in the file then is
// what the judge expects, and what it would not without the operation.
func TestOperations(t *testing.T) {
	for _, depth := range []int{0, 4} {
		for _, ops := range [][]string{
			{"a: pwrite offset=0 length=16KiB", "a: fsync"},
			{"a: pwrite offset=16KiB length=4KiB direct", "a: fdatasync"},
			{"a: pwrite offset=512 length=512 dsync", "a: pread offset=0 length=4KiB"},
			{"a: pwrite offset=0 length=4KiB fd=3", "b: pwrite offset=4KiB length=4KiB", "a: fsync fd=3", "b: fsync"},
			{"a: pwrite offset=64KiB length=8KiB append", "a: fsync"},
			{"a: store offset=512 length=8KiB", "a: msync offset=512 length=8KiB", "a: pread offset=0 length=16KiB"},
			{"a: pwrite offset=0 length=32KiB", "a: sync_file_range offset=0 length=32KiB", "a: fsync"},
			{"a: truncate offset=32KiB", "a: fsync"},
			{"a: fallocate offset=32KiB length=64KiB", "a: fsync"},
			{"a: punch offset=8KiB length=16KiB", "a: pread offset=0 length=32KiB", "a: fsync"},
			{"a: collapse offset=8KiB length=16KiB", "a: pread offset=0 length=32KiB", "a: fsync"},
			{"a: insert offset=8KiB length=16KiB", "a: pread offset=0 length=64KiB", "a: fsync"},
			{"a: pwrite offset=0 length=8KiB file=1 direct", "a: pwrite offset=0 length=4KiB", "b: pread offset=32KiB length=4KiB file=1", "a: fsync file=1"},
			{"a: zero offset=8KiB length=16KiB", "a: pread offset=0 length=32KiB", "a: fsync"},
		} {
			t.Run(fmt.Sprintf("%s depth %d", ops[0], depth), func(t *testing.T) {
				x := target(t, Config{Workload: work(t, ops...), Depth: depth})
				before, err := x.Read()
				require.NoError(t, err)
				h, r := finish(t, x)
				succeeded(t, h)
				require.Equal(t, verifier.Held, r.Verdict, r.Reason)
				v, err := verifier.NewFiles(x.w, verifier.Untorn)
				require.NoError(t, err)
				r, err = v.JudgeFiles(before, h)
				require.NoError(t, err)
				if x.w.Ops[len(x.w.Ops)-1].Syncs() || x.w.Ops[0].Dsync || x.w.Ops[0].Kind == workloads.Store {
					require.Equal(t, verifier.Lost, r.Verdict, "as if nothing had been done")
				}
			})
		}
	}
}

// What moves content does what the judge expects, where the file system does it
// at all.
func TestMoves(t *testing.T) {
	for _, ops := range [][]string{
		{"a: pwrite offset=32KiB length=8KiB", "a: collapse offset=16KiB length=16KiB", "a: pread offset=0 length=48KiB", "a: fsync"},
		{"a: pwrite offset=32KiB length=8KiB", "a: insert offset=16KiB length=16KiB", "a: pread offset=0 length=80KiB", "a: fsync"},
		{"a: pwrite offset=0 length=8KiB", "a: clone offset=32KiB length=16KiB from=0", "a: pwrite offset=4KiB length=4KiB", "a: pread offset=0 length=64KiB", "a: fsync"},
	} {
		t.Run(ops[1], func(t *testing.T) {
			x := target(t, Config{Workload: work(t, ops...)})
			before, err := x.Read()
			require.NoError(t, err)
			h, r := finish(t, x)
			if got, _ := h.Result(2); got == workloads.Fail(workloads.EOPNOTSUPP) {
				kind := x.w.Ops[1].Kind
				require.True(t, kind == workloads.Clone || os.Getenv("CI") == "", "%v is refused here", kind)
				t.Skip("this file system has no", kind, "- TestOnXFS makes one that has")
			}
			succeeded(t, h)
			require.Equal(t, verifier.Held, r.Verdict, r.Reason)
			v, err := verifier.NewFiles(x.w, verifier.Untorn)
			require.NoError(t, err)
			r, err = v.JudgeFiles(before, h)
			require.NoError(t, err)
			require.Equal(t, verifier.Lost, r.Verdict, "as if nothing had been done")
		})
	}
}

// What only XFS does here: clones, and atomic writes, which go through both ways
// of issuing them; through the page cache they are refused.
func TestOnXFS(t *testing.T) {
	s := needs.Scratch(t, loopfs.Options{Filesystem: "xfs", Size: 320 << 20})
	for i, c := range []struct {
		ops     []string
		refused uint64
	}{
		{[]string{"a: pwrite offset=0 length=4KiB", "a: clone offset=16KiB length=16KiB from=0", "a: pread offset=0 length=64KiB", "a: fsync"}, 0},
		{[]string{"a: clone offset=0 length=16KiB from=32KiB from_file=1", "a: pread offset=0 length=16KiB", "a: fsync"}, 0},
		{[]string{"a: pwrite offset=0 length=16KiB atomic direct", "b: pwrite offset=16KiB length=16KiB atomic direct dsync", "a: fsync"}, 0},
		{[]string{"a: pwrite offset=0 length=16KiB atomic", "a: pwrite offset=0 length=12KiB atomic direct"}, 0b110},
		{[]string{"a: pwrite offset=64KiB length=64KiB atomic direct append", "a: fsync"}, 0},
	} {
		for _, depth := range []int{0, 4} {
			x := target(t, Config{Workload: work(t, c.ops...), Depth: depth, Path: s.Path(fmt.Sprintf("%d-%d", i, depth))})
			h, r := finish(t, x)
			require.Equal(t, verifier.Held, r.Verdict, "%v: %s", c.ops, r.Reason)
			require.Equal(t, c.refused, h.RefusedMask(), "%v", c.ops)
			if c.refused == 0 {
				succeeded(t, h)
			}
			l, err := x.Limits()
			require.NoError(t, err)
			require.Empty(t, l.Differences(h))
			require.Equal(t, "xfs", l.Filesystem)
		}
	}
}

// A short write is a result, and EFBIG one too.
func TestLimit(t *testing.T) {
	x := target(t, Config{Workload: work(t, "a: pwrite offset=64KiB length=16KiB limit=72KiB", "a: pwrite offset=80KiB length=4KiB limit=72KiB")})
	h, r := finish(t, x)
	got, _ := h.Result(1)
	require.Equal(t, workloads.Result(8<<10), got)
	got, _ = h.Result(2)
	require.Equal(t, workloads.Fail(workloads.EFBIG), got)
	require.Equal(t, verifier.Held, r.Verdict, r.Reason)
}

// A store past the end of file is an error, not the end of the process.
func TestStorePastTheEnd(t *testing.T) {
	x := target(t, Config{Workload: work(t, "a: truncate offset=16KiB", "a: store offset=32KiB length=4KiB")})
	h, _ := finish(t, x)
	got, _ := h.Result(2)
	require.Equal(t, workloads.Fail(workloads.EFAULT), got)
}

// listener keeps what a hook is told, and fails at some call.
type listener struct {
	marks []workloads.Mark
	fail  int
	busy  bool
}

var errHook = errors.New("the hook failed")

func (l *listener) note(m workloads.Mark) error {
	if l.busy {
		return errors.New("calls of the hook overlap")
	}
	l.busy = true
	defer func() { l.busy = false }()
	l.marks = append(l.marks, m)
	if len(l.marks) == l.fail {
		return errHook
	}
	return nil
}

func (l *listener) Call(op int) error { return l.note(workloads.Mark{Op: op}) }
func (l *listener) Return(op int, r workloads.Result) error {
	return l.note(workloads.Mark{Op: op, Return: true, Result: r})
}

// Several tasks run at once; the hook hears what the history holds, in order,
// and each task keeps its own.
func TestTasksAndHook(t *testing.T) {
	for _, depth := range []int{0, 3} {
		var ops []string
		for i := range 40 {
			ops = append(ops, fmt.Sprintf("t%d: pwrite offset=%dKiB length=4KiB", i%4, i%13*4))
		}
		l := &listener{}
		x := target(t, Config{Workload: work(t, ops...), Depth: depth, Hook: l})
		h, r := finish(t, x)
		succeeded(t, h)
		require.Equal(t, verifier.Held, r.Verdict, r.Reason)
		require.Equal(t, h.Marks(), l.marks)
		last := map[string]int{}
		for _, m := range l.marks {
			if task := h.Op(m.Op).Task; !m.Return {
				require.Greater(t, m.Op, last[task])
				last[task] = m.Op
			}
		}
	}
}

func TestHookEndsTheRun(t *testing.T) {
	for fail := 1; fail <= 4; fail++ {
		l := &listener{fail: fail}
		x := target(t, Config{Workload: work(t, "a: pwrite offset=0 length=4KiB", "a: fsync", "a: pwrite offset=0 length=4KiB"), Hook: l})
		_, err := x.Run(context.Background())
		require.ErrorIs(t, err, errHook)
		require.Len(t, l.marks, fail, "nothing is done after that")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	x := target(t, Config{Workload: work(t, "a: pwrite offset=0 length=4KiB")})
	h, err := x.Run(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, h.Marks())
}

// A kernel that tears, loses or mixes up writes is found out.
func TestBrokenKernel(t *testing.T) {
	type pwrite = func(fd int, bufs [][]byte, offset int64, flags int) (int, error)
	for _, c := range []struct {
		name string
		ops  []string
		do   pwrite
		want verifier.Verdict
	}{
		{"half of an atomic write", []string{"a: pwrite offset=0 length=16KiB atomic"},
			func(fd int, bufs [][]byte, offset int64, _ int) (int, error) {
				n, err := sys.Pwritev2(fd, [][]byte{bufs[0][:8<<10]}, offset, 0)
				return 2 * n, err
			}, verifier.Torn},
		{"a write that is not done", []string{"a: pwrite offset=0 length=4KiB", "a: fsync"},
			func(_ int, bufs [][]byte, _ int64, _ int) (int, error) { return len(bufs[0]), nil }, verifier.Lost},
		{"a read of what was replaced", []string{"a: pwrite offset=0 length=4KiB", "a: pread offset=0 length=4KiB"},
			func(_ int, bufs [][]byte, _ int64, _ int) (int, error) { return len(bufs[0]), nil }, verifier.Lost},
		{"elsewhere", []string{"a: pwrite offset=0 length=4KiB"},
			func(fd int, bufs [][]byte, offset int64, _ int) (int, error) {
				return sys.Pwritev2(fd, bufs, offset+512, 0)
			}, verifier.Corrupt},
		{"part of an atomic write, and told so", []string{"a: pwrite offset=0 length=16KiB atomic"},
			func(_ int, bufs [][]byte, _ int64, _ int) (int, error) { return len(bufs[0]) / 2, nil }, verifier.Short},
		{"refused and done", []string{"a: pwrite offset=0 length=16KiB atomic"},
			func(fd int, bufs [][]byte, offset int64, _ int) (int, error) {
				if _, err := sys.Pwritev2(fd, bufs, offset, 0); err != nil {
					return 0, err
				}
				return -1, sys.EINVAL
			}, verifier.Corrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := target(t, Config{Workload: work(t, c.ops...)})
			x.pwrite = c.do
			_, r := finish(t, x)
			require.Equal(t, c.want, r.Verdict, r.Reason)
		})
	}
}

// Version 0 is durable with the names of its files.
func TestPreparedDurable(t *testing.T) {
	dir := t.TempDir()
	path, second := filepath.Join(dir, "a", "file"), filepath.Join(dir, "b", "file")
	require.NoError(t, errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.Mkdir(filepath.Dir(second), 0o700)))
	x, err := Open(Config{Workload: work(t, "a: pwrite offset=0 length=4KiB file=1"), Path: path, Second: second})
	require.NoError(t, err)
	defer func() { require.NoError(t, x.Close()) }()
	var synced []string
	x.fsync = func(fd int) error {
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		synced = append(synced, name)
		return err
	}
	require.NoError(t, x.Prepare())
	require.Equal(t, []string{path, filepath.Dir(path), second, filepath.Dir(second)}, synced)
	x.fsync = func(int) error { return sys.EIO }
	require.ErrorIs(t, x.Prepare(), sys.EIO)
}

// A file that is gone is told from one that nobody can find.
func TestVanished(t *testing.T) {
	s := needs.Scratch(t, loopfs.Options{Filesystem: "ext4", Size: 16 << 20})
	require.True(t, Vanished(s.Path("gone")))
	require.NoError(t, os.WriteFile(s.Path("there"), nil, 0o600))
	for _, path := range []string{s.Path("there"), s.Path("there/below"), s.Path("nowhere/gone"), s.Path(""), "/dev/no-such-device"} {
		require.False(t, Vanished(path), path)
	}
}

func TestLayouts(t *testing.T) {
	for _, l := range []workloads.Layout{workloads.Contiguous, workloads.Unaligned, workloads.Fragmented, workloads.Hole, workloads.Unwritten} {
		t.Run(l.String(), func(t *testing.T) {
			w := work(t, "a: pwrite offset=16KiB length=16KiB atomic unflagged")
			w.Layout = l
			x, err := Open(Config{Workload: w, Path: filepath.Join(t.TempDir(), "file")})
			require.NoError(t, err)
			defer func() { require.NoError(t, x.Close()) }()
			var refused *UnsupportedError
			if err := x.Prepare(); errors.As(err, &refused) {
				t.Skipf("not on this file system: %v", refused)
			} else {
				require.NoError(t, err)
			}
			_, r := finish(t, x)
			require.Equal(t, verifier.Held, r.Verdict, r.Reason)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	w := work(t, "a: pwrite offset=0 length=4KiB")
	dir := t.TempDir()
	_, err := Open(Config{Workload: w, Path: dir})
	require.ErrorContains(t, err, "no regular file")
	x := target(t, Config{Workload: w})
	_, err = Open(Config{Workload: w, Path: x.cfg.Path})
	require.ErrorContains(t, err, "exists")
	again, err := Open(Config{Workload: w, Path: x.cfg.Path, Existing: true})
	require.NoError(t, err)
	require.NoError(t, again.Close())
	var refused *UnsupportedError
	clones := slices.Repeat([]string{"a: clone offset=32KiB length=4KiB from=0"}, workloads.MaxMoves+1)
	_, err = Open(Config{Workload: work(t, clones...), Path: filepath.Join(dir, "x")})
	require.ErrorContains(t, err, "at most 10 are possible")
	_, err = Open(Config{Workload: work(t, "a: pwrite offset=0 length=32KiB unit=8KiB atomic"), Path: filepath.Join(dir, "z")})
	require.ErrorAs(t, err, &refused)
	_, err = Open(Config{Workload: work(t, "a: pwrite offset=0 length=4KiB limit=4KiB", "b: fsync"), Path: filepath.Join(dir, "y")})
	require.ErrorAs(t, err, &refused)
}

// One file under two names is not two files, each of whose writes would be found
// in the other.
func TestTwoNamesOfOneFile(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("a", nil, 0o600))
	require.NoError(t, os.Link("a", "b"))
	for _, second := range []string{"", "a", "./a", "b"} {
		_, err := Open(Config{Workload: work(t, "a: pwrite offset=0 length=4KiB file=1"), Path: "a", Second: second, Existing: true})
		require.ErrorContains(t, err, "with a second path, which is another one", second)
	}
}
