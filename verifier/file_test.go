package verifier

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/internal/stamp"
	"untorn/workloads"
)

// seen makes a history of operations and marks.
func seen(t *testing.T, marks string, ops ...string) *workloads.History {
	t.Helper()
	text := "untorn history 1\ncontract untorn\nfile 64KiB contiguous\nfree-space contiguous\n"
	for i, op := range ops {
		text += "op " + string(rune('1'+i)) + " " + op + "\n"
	}
	h, err := workloads.ParseHistory(text + marks + "cut 0\n")
	require.NoError(t, err)
	return h
}

// content is version 0 of a file of 64 KiB, then each write of w over it:
// sectors [from,to) of operation op that begins at sector start.
func content(sectors int, writes ...[4]int) File {
	b := make([]byte, sectors*stamp.Size)
	for i := range sectors {
		s := stamp.Encode(blk.InitialWrite, i)
		copy(b[i*stamp.Size:], s[:])
	}
	for _, w := range writes {
		for i := w[1]; i < w[2]; i++ {
			s := stamp.Encode(w[0], i-w[3])
			copy(b[i*stamp.Size:], s[:])
		}
	}
	return File{Size: int64(len(b)), Sectors: Handles(b, 0, nil)}
}

// Each verdict has a file that earns it, next to one that does not.
func TestJudgeFiles(t *testing.T) {
	const done = "call 1\nreturn 1 16384\n"
	const durable = done + "call 2\nreturn 2 0\n"
	exposed := content(128)
	exposed.Sectors[3] = blk.Data(blk.FreeSpace, 3)
	garbage := content(128)
	garbage.Sectors[3] = blk.Garbage
	zero := content(128)
	zero.Sectors[3] = blk.Zero
	odd := content(128)
	odd.Size += 100
	for _, c := range []struct {
		name, marks string
		ops         []string
		file        File
		want        Verdict
		why         string
	}{
		{"old", "call 1\n", []string{atomic}, content(128), Held, ""},
		{"new", done, []string{atomic}, content(128, [4]int{1, 0, 32, 0}), Held, ""},
		{"half", "call 1\n", []string{atomic}, content(128, [4]int{1, 0, 16, 0}), Torn, "sectors 16-31 hold version 0"},
		{"one sector", "call 1\n", []string{atomic}, content(128, [4]int{1, 5, 6, 0}), Torn, ""},
		{"half of a plain one", "call 1\n", []string{plain}, content(128, [4]int{1, 0, 16, 0}), Held, ""},
		{"never called", "", []string{atomic}, content(128, [4]int{1, 0, 32, 0}), Corrupt, "holds w1.0"},
		{"refused and visible", "call 1\nreturn 1 -EINVAL\n", []string{atomic}, content(128, [4]int{1, 0, 32, 0}), Corrupt, ""},
		{"at another place", done, []string{atomic}, content(128, [4]int{1, 0, 32, 1}), Corrupt, ""},
		{"not durable and gone", done, []string{atomic, fsync}, content(128), Held, ""},
		{"durable and gone", durable, []string{atomic, fsync}, content(128), Lost, "version 0"},
		{"durable and there", durable, []string{atomic, fsync}, content(128, [4]int{1, 0, 32, 0}), Held, ""},
		{"short", "call 1\nreturn 1 8192\n", []string{atomic}, content(128, [4]int{1, 0, 32, 0}), Short, ""},
		{"free space", "call 1\n", []string{atomic}, exposed, Exposed, ""},
		{"garbage", "call 1\n", []string{atomic}, garbage, Corrupt, ""},
		{"zeros", "call 1\n", []string{atomic}, zero, Corrupt, ""},
		{"a size that is no whole sector", "call 1\n", []string{atomic}, odd, Corrupt, "a size of 65636 bytes"},
		{"longer than anything", "call 1\n", []string{atomic}, content(130), Corrupt, "which no operation leaves"},
		{"shorter", "call 1\n", []string{atomic}, content(64), Lost, "is absent"},
		{"appended", "call 1\n", []string{past}, content(160, [4]int{1, 128, 160, 128}), Held, ""},
		{"appended and cut", "call 1\n", []string{past}, content(144, [4]int{1, 128, 144, 128}), Cut, "ends at 72KiB"},
		{"over the end, old size", "call 1\n", []string{over}, content(128, [4]int{1, 112, 128, 112}), Cut, "ends at 64KiB"},
		{"truncated", "call 1\n", []string{"db: truncate offset=32KiB"}, content(64), Held, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := seen(t, c.marks, c.ops...)
			v, err := NewFiles(h.Workload(), Untorn)
			require.NoError(t, err)
			// The verifier keeps nothing of a file that came before.
			other := content(128)
			other.Sectors[0] = blk.Garbage
			_, err = v.JudgeFiles([]File{other}, h)
			require.NoError(t, err)
			r, err := v.JudgeFiles([]File{c.file}, h)
			require.NoError(t, err)
			require.Equal(t, c.want, r.Verdict, r.Reason)
			require.Contains(t, r.Reason, c.why)
		})
	}
}

func TestJudgeFilesRefuses(t *testing.T) {
	h := seen(t, "", atomic)
	v, err := NewFiles(h.Workload(), Untorn)
	require.NoError(t, err)
	_, err = v.JudgeFiles(nil, h)
	require.ErrorContains(t, err, "0 files")
	_, err = v.JudgeFiles([]File{{Size: 1024}}, h)
	require.ErrorContains(t, err, "0 sectors")
	w := h.Workload()
	for range workloads.MaxMoves + 1 {
		op, err := workloads.ParseOp(clone)
		require.NoError(t, err)
		w.Ops = append(w.Ops, op)
	}
	_, err = NewFiles(w, Untorn)
	require.ErrorIs(t, err, ErrNotJudged)
}

// Both files are judged, and what was moved.
func TestJudgeTwoFiles(t *testing.T) {
	w := &workloads.Workload{File: 64 * kib, Second: 16 * kib, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous}
	for _, line := range []string{"db: collapse offset=16KiB length=16KiB", "db: clone offset=0 length=16KiB from=0 file=1", "db: fsync", "db: fsync file=1"} {
		op, err := workloads.ParseOp(line)
		require.NoError(t, err)
		w.Ops = append(w.Ops, op)
	}
	h := workloads.NewHistory(w)
	v, err := NewFiles(w, Untorn)
	require.NoError(t, err)
	second := File{Size: 16 * kib}
	for i := range 32 {
		second.Sectors = append(second.Sectors, blk.Data(0, blk.MaxPlace/2+i))
	}
	collapsed := File{Size: 48 * kib, Sectors: append(slices.Clone(content(32).Sectors), content(128).Sectors[64:]...)}
	cloned := content(32)
	verdict := func(want Verdict, first, second File) {
		t.Helper()
		r, err := v.JudgeFiles([]File{first, second}, h)
		require.NoError(t, err)
		require.Equal(t, want, r.Verdict, r.Reason)
		require.Equal(t, []int64{first.Size, second.Size}, []int64{r.Size, r.Second})
	}
	verdict(Held, content(128), second)
	verdict(Corrupt, collapsed, second)
	verdict(Corrupt, content(128), cloned)
	verdict(Lost, content(128), File{Size: 8 * kib, Sectors: second.Sectors[:16]})
	for op := range 2 {
		h.Call(op + 1)
		h.Return(op+1, 0)
	}
	verdict(Held, collapsed, cloned)
	verdict(Held, content(128), second)
	h.Call(4)
	h.Return(4, 0)
	verdict(Held, content(128), cloned)
	verdict(Lost, collapsed, second)
	h.Call(3)
	h.Return(3, 0)
	verdict(Held, collapsed, cloned)
	verdict(Lost, content(128), cloned)
}
