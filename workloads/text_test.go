package workloads

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		n int64
		s string
	}{{0, "0"}, {512, "512"}, {1024, "1KiB"}, {1536, "1536"}, {16384, "16KiB"}, {1 << 20, "1MiB"}, {1025 << 10, "1025KiB"}, {3 << 30, "3GiB"}} {
		require.Equal(t, c.s, FormatSize(c.n))
		n, err := ParseSize(c.s)
		require.NoError(t, err)
		require.Equal(t, c.n, n)
	}
	for _, s := range []string{"", "-1", "+1", "1.5KiB", "1kb", "KiB", "2000GiB", "99999999999999999999", "1 KiB"} {
		_, err := ParseSize(s)
		require.Error(t, err, s)
	}
}

func TestOpText(t *testing.T) {
	for _, s := range []string{
		"db: pwrite offset=16KiB length=16KiB atomic",
		"db: pwrite offset=24KiB length=24KiB atomic unit=8KiB",
		"a-1: pwrite offset=0 length=512 atomic append dsync direct fd=3",
		"db: fsync",
		"db: fdatasync fd=2",
	} {
		o, err := ParseOp(s)
		require.NoError(t, err)
		require.Equal(t, s, o.String())
	}
	for s, want := range map[string]string{
		"pwrite":                         "name of a task",
		"db:":                            "names no operation",
		"db: frob":                       "is no operation",
		"db: pwrite offset=0":            "needs offset and length",
		"db: pwrite offset=1 length=512": "offset 1 is no multiple",
		"db: pwrite offset=0 length=0":   "length 0",
		"db: pwrite offset=0 length=512 length=1":                  "given twice",
		"db: pwrite offset=0 length=512 atomic=1":                  "no field",
		"db: pwrite offset=0 length=16KiB unit=8KiB":               "only an atomic pwrite",
		"db: pwrite offset=0 length=16KiB atomic direct unit=8KiB": "only an atomic pwrite",
		"db: pwrite offset=0 length=16KiB atomic unit=16KiB":       "shorter than length",
		"db: pwrite offset=0 length=20KiB atomic unit=8KiB":        "of which length and offset are multiples",
		"db: pwrite offset=4KiB length=16KiB atomic unit=8KiB":     "of which length and offset are multiples",
		"db: fsync unit=8KiB":                                      "has no field",
		"db: fsync atomic":                                         "takes no field",
		"db: fsync offset=0":                                       "no field",
		"db: fsync fd=-1":                                          "fd -1",
		"d b: fsync":                                               "name of a task",
	} {
		_, err := ParseOp(s)
		require.ErrorContains(t, err, want, s)
	}
}

const sample = `untorn history 1
contract untorn
file 64KiB contiguous
free-space fragmented
op 1 db: pwrite offset=0 length=16KiB atomic
op 2 db: fsync
call 1
return 1 16384
call 2
return 2 -EIO
cut 31
`

func TestHistoryText(t *testing.T) {
	h, err := ParseHistory(sample)
	require.NoError(t, err)
	require.Equal(t, sample, h.String())
	require.Equal(t, 31, h.Cut)
	require.Equal(t, "untorn", h.Contract)
}

func TestDamagedHistory(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(sample, old, new, 1) }
	for name, c := range map[string]struct{ text, want string }{
		"empty":              {"", "line 1: "},
		"truncated":          {sample[:len(sample)-len("cut 31\n")], "line 11: it ends without a cut"},
		"truncated header":   {sample[:20], "line 2: "},
		"magic":              {replace("history 1", "history 2"), "line 1: "},
		"size":               {replace("64KiB", "64kb"), "line 3: "},
		"layout":             {replace("contiguous", "round"), `line 3: "round" is no layout`},
		"operation":          {replace("atomic", "atomic atomic"), "line 5: atomic is given twice"},
		"number":             {replace("op 2", "op 3"), `line 6: operation "3" where 2`},
		"called twice":       {replace("call 2", "call 1"), "line 9: operation 1 is called a second time"},
		"returns uncalled":   {replace("return 1", "return 2"), "line 8: operation 2 returns"},
		"result":             {replace("16384", "16385"), "line 8: operation 1 returns 16385"},
		"errno":              {replace("EIO", "EFOO"), "line 10: "},
		"no such op":         {replace("call 2", "call 9"), "line 9: "},
		"operation too late": {replace("call 2", "op 3 db: fsync"), "line 9: "},
		"after the cut":      {sample + "call 2\n", "line 12: nothing may follow"},
		"blank line":         {replace("call 1\n", "\ncall 1\n"), "line 7: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseHistory(c.text)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestWorkloadCheck(t *testing.T) {
	w := four()
	require.NoError(t, w.Check())
	w.Ops = append(w.Ops, Op{Task: "a", Kind: Pwrite, Offset: w.File, Length: 512, Append: true})
	require.NoError(t, w.Check())
	w.Ops = append(w.Ops, Op{Task: "a", Kind: Pwrite, Offset: w.File, Length: 512})
	require.NoError(t, w.Check(), "the task's own append comes before")
	w.Ops[6].Task = "b"
	require.ErrorContains(t, w.Check(), "operation 7: with operation 6")
	w = four()
	w.File = 100
	require.ErrorContains(t, w.Check(), "file of 100 bytes")
	w = four()
	for len(w.Ops) <= MaxOps {
		w.Ops = append(w.Ops, w.Ops[0])
	}
	require.ErrorContains(t, w.Check(), "63 operations")
	w = four()
	for range MaxMoves {
		w.Ops = append(w.Ops, Op{Task: "a", Kind: Clone, Offset: 4096, Length: 4096})
	}
	require.NoError(t, w.Check())
	w.Ops = append(w.Ops, w.Ops[len(w.Ops)-1])
	require.ErrorContains(t, w.Check(), "11 operations move content")
}

func FuzzParseHistory(f *testing.F) {
	f.Add(sample)
	f.Add(strings.Replace(sample, "call 2", "call 1", 1))
	f.Add("untorn history 1\ncontract -\nfile 0 hole\nfree-space contiguous\ncut 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseHistory(text)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "history: "))
			return
		}
		again, err := ParseHistory(h.String())
		require.NoError(t, err)
		require.Equal(t, h.String(), again.String())
	})
}

func FuzzParseOp(f *testing.F) {
	f.Add("db: pwrite offset=16KiB length=16KiB atomic")
	f.Fuzz(func(t *testing.T, text string) {
		if o, err := ParseOp(text); err == nil {
			again, err := ParseOp(o.String())
			require.NoError(t, err)
			require.Equal(t, o, again)
		}
	})
}
