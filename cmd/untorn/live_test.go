package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/internal/loopfs"
	"untorn/internal/needs"
	"untorn/internal/run"
	"untorn/internal/stamp"
)

const plainLive = `name: plain-live
design: {submit: direct, writeback: cow}
workload:
  file: 16KiB
  ops: [{op: pwrite, offset: 0, length: 4KiB}, {op: fsync}, {op: pread, offset: 0, length: 16KiB}]
`

const atomicLive = `name: atomic-live
design: {submit: direct, writeback: cow}
workload:
  file: 16KiB
  ops: [{op: pwrite, offset: 0, length: 16KiB, atomic: true}, {op: fsync}]
`

func TestLiveUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "s.yaml", plainLive)
	write(t, "there", "mine")
	require.NoError(t, os.Chmod("there", 0o644))
	write(t, "short", "short")
	t.Setenv(run.TokenEnv, "")
	for _, tc := range []struct{ args, want string }{
		{"run s.yaml --target disk", `--target "disk"; allowed: model, file, recorded`},
		{"run s.yaml --target file", "needs --on PATH"},
		{"run s.yaml --on x", "are for --target file"},
		{"run s.yaml --target file --on x --depth -1", "--depth -1; allowed: 0 to 256"},
		{"run s.yaml --target file --on x --repeat 0", "--repeat 0; allowed: 1 to"},
		{"run s.yaml --target file --on x --destroy 1GiB", "x is no block device"},
		{"device", "device needs a command; allowed: probe, conformance, run, verify, speed"},
		{"device run s.yaml", "needs --on PATH"},
		{"device run s.yaml --on x", "needs --witness ADDR"},
		{"device run s.yaml --on x --witness 127.0.0.1:1", "no token; allowed: --token-file FILE, or the variable UNTORN_TOKEN"},
		{"device run s.yaml --on x --witness 127.0.0.1:1 --token-file there", "allowed: a file that its owner alone can read"},
		{"device run s.yaml --on x --witness 127.0.0.1:1 --token-file short", "a token of 5 bytes; allowed: 16 and more"},
		{"device run s.yaml --on x --witness 127.0.0.1:1 --rounds -1", "allowed: 0 to 2147483647"},
		{"device speed", "needs --on PATH"},
		{"device speed --on x --unit 12KiB", "a unit of 12288 bytes; allowed: powers of two"},
		{"device speed --on x --unit much", "--unit: "},
		{"device speed --on there", "there exists; allowed: a file that does not"},
		{"device speed --on x --depth 1000", "--depth 1000; allowed: 0 to 256"},
		{"device verify --on x", "needs --on PATH and --witness ADDR"},
		{"witness", "witness needs --listen ADDR"},
		{"witness --listen :0", "no token"},
		{"device conformance --format xml", `--format "xml"; allowed: text, json`},
		{"device conformance --destroy 1MiB", "--destroy needs the block device as PATH"},
		{"device conform there --destroy 1MiB", "there is no block device"},
		{"device conformance there", "there exists; allowed: a file that does not"},
		{"device conformance one two", "accepts at most 1 arg"},
		{"device probe", "accepts 1 arg"},
		{"device probe nowhere", "nowhere: no such file"},
		{"device probe there --format xml", `--format "xml"; allowed: text, json`},
		{"device probe . --write there", "there exists; allowed: a file that does not"},
	} {
		code, out, errs := call(t, strings.Fields(tc.args)...)
		assert.Equal(t, run.ExitUsage, code, tc.args)
		assert.Empty(t, out, tc.args)
		assert.Contains(t, errs, tc.want, tc.args)
	}
	code, _, errs := call(t, "run", "s.yaml", "--target", "file", "--on", "there")
	assert.Equal(t, run.ExitUsage, code)
	assert.Contains(t, errs, "there exists; allowed: a file that does not")
	b, err := os.ReadFile("there")
	require.NoError(t, err)
	assert.Equal(t, "mine", string(b), "nothing is lost")
	assert.Empty(t, glob(t, "runs*"))
}

// A run on a file claims no more than it may, and leaves nothing.
func TestLiveFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "s.yaml", plainLive)
	for _, depth := range []string{"0", "4"} {
		code, out, errs := call(t, "run", "s.yaml", "--target", "file", "--on", "scratch", "--repeat", "3", "--depth", depth)
		assert.Equal(t, run.ExitOK, code, errs+out)
		assert.Regexp(t, `plain-live inconclusive +- +3 +1 +3 `, out)
		assert.Contains(t, strings.Join(strings.Fields(out), " "), run.LiveAssumption)
		assert.NoFileExists(t, "scratch")
	}
}

// A file system that takes no atomic writes refuses, as is expected of it; XFS
// on a loop device takes them.
func TestLiveScratch(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "s.yaml", atomicLive)
	for fs, want := range map[string]string{"xfs": "inconclusive", "ext4": "refused"} {
		t.Run(fs, func(t *testing.T) {
			s := needs.Scratch(t, loopfs.Options{Filesystem: fs, Size: 320 << 20})
			code, out, errs := call(t, "run", "s.yaml", "--target", "file", "--on", s.Path("scratch"), "--out", "runs-"+fs)
			assert.Equal(t, run.ExitOK, code, errs+out)
			assert.Regexp(t, `atomic-live `+want+` +- `, out)
			assert.NoFileExists(t, s.Path("scratch"))
		})
	}
}

// A block device is touched only when its size is given, and never while it is
// in use.
func TestLiveDevice(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "s.yaml", plainLive)
	s := needs.Scratch(t, loopfs.Options{Size: 8 << 20})
	on := func(destroy string) (int, string, string) {
		return call(t, "run", "s.yaml", "--target", "file", "--on", s.Device, "--destroy", destroy)
	}
	code, _, errs := on("")
	assert.Equal(t, run.ExitUsage, code)
	assert.Contains(t, errs, "would lose its content; allowed: with its serial number or size given to be destroyed: its size 8MiB")
	code, _, errs = on("9MiB")
	assert.Equal(t, run.ExitUsage, code)
	assert.Contains(t, errs, `"9MiB" is not what `+s.Device+" is; allowed: its size 8MiB")
	b, err := os.ReadFile(s.Device)
	require.NoError(t, err)
	assert.Equal(t, make([]byte, 8<<20), b, "nothing is lost")
	code, out, errs := on("8MiB")
	assert.Equal(t, run.ExitOK, code, errs+out)
	assert.Contains(t, out, "inconclusive")

	used := needs.Scratch(t, loopfs.Options{Filesystem: "xfs", Size: 320 << 20})
	code, _, errs = call(t, "run", "s.yaml", "--target", "file", "--on", used.Device, "--destroy", "320MiB")
	assert.Equal(t, run.ExitUsage, code)
	assert.Contains(t, errs, "is in use", "a mount that no list shows")
}

func TestVerifyFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "history.txt", "untorn history 1\ncontract untorn\nfile 1KiB hole\nfree-space contiguous\nop 1 a: fsync\ncut 0\n")
	write(t, "zeros", string(make([]byte, 1024)))
	code, out, _ := call(t, "verify", "--file", "zeros", "--history", "history.txt")
	assert.Equal(t, run.ExitOK, code)
	assert.Contains(t, out, "held")
	write(t, "other", strings.Repeat("x", 1024))
	code, out, _ = call(t, "verify", "--file", "other", "--history", "history.txt")
	assert.Equal(t, run.ExitUnexpected, code)
	assert.Contains(t, out, "corrupt")
	code, _, errs := call(t, "verify", "--file", filepath.Join("no", "where"), "--history", "history.txt")
	assert.Equal(t, run.ExitUsage, code)
	assert.Contains(t, errs, "no such file")
}

// A history in which no atomic write was accepted says nothing of one, but what is
// bad is bad.
func TestVerifyFileRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	const head = "untorn history 1\ncontract untorn\nfile 1KiB hole\nfree-space contiguous\n" +
		"op 1 a: pwrite offset=0 length=512 atomic\nop 2 a: pwrite offset=512 length=512 atomic\n"
	stamped := func(op int) string {
		b := stamp.Encode(op, 0)
		return string(b[:])
	}
	zeros := string(make([]byte, 512))
	for _, x := range []struct {
		marks, file, want string
		code              int
	}{
		{"call 1\nreturn 1 -EINVAL\ncall 2\nreturn 2 -EOPNOTSUPP\n", zeros + zeros, "refused: no atomic write was accepted: operation 1, a: pwrite offset=0 length=512 atomic, got EINVAL\n", run.ExitUnexpected},
		{"call 1\nreturn 1 -EINVAL\ncall 2\nreturn 2 -EOPNOTSUPP\n", stamped(1) + zeros, "corrupt: ", run.ExitUnexpected},
		{"call 1\nreturn 1 -ENOSPC\ncall 2\nreturn 2 -EINVAL\n", zeros + zeros, "refused: no atomic write was accepted: operation 2, a: pwrite offset=512 length=512 atomic, got EINVAL\n", run.ExitUnexpected},
		{"call 1\nreturn 1 -EINVAL\ncall 2\n", zeros + zeros, "refused: ", run.ExitUnexpected},
		{"call 1\nreturn 1 -EINVAL\ncall 2\n", zeros + stamped(2), "1 of 2 atomic writes were refused, and nothing is said of them: operation 1, a: pwrite offset=0 length=512 atomic, got EINVAL\nheld: ", run.ExitOK},
		{"call 1\nreturn 1 512\ncall 2\nreturn 2 -EINVAL\n", stamped(1) + zeros, "1 of 2 atomic writes were refused, and nothing is said of them: operation 2, a: pwrite offset=512 length=512 atomic, got EINVAL\nheld: ", run.ExitOK},
		{"call 1\n", zeros + zeros, "inconclusive: no atomic write had returned, and nothing of one is there\n", run.ExitUnexpected},
		{"call 1\n", stamped(1) + zeros, "held: ", run.ExitOK},
	} {
		write(t, "history.txt", head+x.marks+"cut 0\n")
		write(t, "file", x.file)
		code, out, errs := call(t, "verify", "--file", "file", "--history", "history.txt")
		assert.Equal(t, x.code, code, x.marks+errs)
		assert.True(t, strings.HasPrefix(out, x.want), "%s%s", x.marks, out)
	}
}

// A load is read back, and leaves a file only where there was one.
func TestSpeed(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, depth := range []string{"0", "8"} {
		code, out, errs := call(t, "device", "speed", "--on", "load", "--size", "4MiB", "--time", "50ms", "--depth", depth)
		assert.Equal(t, run.ExitOK, code, errs)
		assert.Regexp(t, `^[1-9][0-9]* writes in .* [1-9][0-9]* units read back, each whole\n$`, out)
		assert.NoFileExists(t, "load")
	}
	write(t, "load", strings.Repeat("x", 4<<20))
	args := []string{"device", "speed", "--on", "load", "--size", "2MiB", "--time", "50ms", "--existing", "--offset"}
	code, _, errs := call(t, append(args, "2MiB")...)
	assert.Equal(t, run.ExitOK, code, errs)
	data, err := os.ReadFile("load")
	assert.NoError(t, err)
	assert.Equal(t, strings.Repeat("x", 2<<20), string(data[:2<<20]), "what is before the part stays")
	assert.NotEqual(t, strings.Repeat("x", 2<<20), string(data[2<<20:]))
	for offset, says := range map[string]string{"2M": `--offset: "2M" is no size`, "512": "an offset of 512 bytes; allowed: multiples of the unit"} {
		code, _, errs = call(t, append(args, offset)...)
		assert.Equal(t, run.ExitUsage, code)
		assert.Contains(t, errs, says)
	}
}
