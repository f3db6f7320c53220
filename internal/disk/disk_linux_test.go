package disk_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk/logwrites"
	"untorn/internal/disk"
	"untorn/internal/loopfs"
	"untorn/internal/needs"
	"untorn/internal/sys"
)

// TestMain is the disk's process when it is asked to be.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "disk-server" {
		if err := disk.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var command = []string{os.Args[0], "disk-server"}

func start(t *testing.T, size int64) *disk.Process {
	t.Helper()
	return startWith(t, disk.Start, size)
}

func startWith(t *testing.T, f func([]string, int64) (*disk.Process, error), size int64) *disk.Process {
	t.Helper()
	if err := disk.Missing(); err != nil {
		needs.Or(t, err)
	}
	p, err := f(command, size)
	require.NoError(t, err)
	return p
}

// attach puts a loop device on the disk and returns a function that takes both
// away.
func attach(t *testing.T, p *disk.Process) (path string, fd int, end func()) {
	t.Helper()
	path, fd, err := sys.AttachLoop(p.Path(), sys.LoopOptions{Direct: true})
	require.NoError(t, err)
	return path, fd, func() {
		require.NoError(t, sys.DetachLoop(fd))
		require.NoError(t, sys.Close(fd))
		require.NoError(t, p.Close())
	}
}

// apply writes a log onto a disk of zeros.
func apply(size int64, log []logwrites.Entry) []byte {
	b := make([]byte, size)
	for _, e := range log {
		at := b[e.Sector*512:]
		if e.Flags&logwrites.Discard != 0 {
			clear(at[:e.Sectors*512])
		}
		if e.Flags&logwrites.Mark == 0 {
			copy(at, e.Data)
		}
	}
	return b
}

// The log is the disk: content before the recording, writes, discards, flushes
// and marks, in the order in which they were sent.
func TestLogIsTheDisk(t *testing.T) {
	const size = 1 << 20
	p := start(t, size)
	path, _, end := attach(t, p)
	defer end()
	f, err := sys.Open(path, sys.ReadWrite|sys.Direct)
	require.NoError(t, err)
	defer sys.Close(f)
	want := make([]byte, size)
	b, err := sys.Aligned(64 << 10)
	require.NoError(t, err)
	r := rand.New(rand.NewSource(1))
	write := func() {
		n, at := (1+r.Intn(128))*512, r.Intn(size/512-128)*512
		r.Read(b[:n])
		k, err := sys.Pwritev2(f, [][]byte{b[:n]}, int64(at), 0)
		require.NoError(t, err)
		require.Equal(t, n, k)
		copy(want[at:], b[:n])
	}
	for range 20 {
		write()
	}
	require.NoError(t, p.Record())
	for i := range 40 {
		switch i % 4 {
		case 1:
			require.NoError(t, sys.Fsync(f))
		case 2:
			require.NoError(t, p.Mark(fmt.Sprintf("call %d", i)))
		case 3:
			at, n := r.Intn(size/4096-16)*4096, (1+r.Intn(16))*4096
			require.NoError(t, sys.Fallocate(f, sys.PunchHole, int64(at), int64(n)))
			clear(want[at : at+n])
		}
		write()
	}
	log, err := p.Log()
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, apply(size, log)), "what the log says is what was written")
	got := make([]byte, size)
	n, err := sys.Preadv2(f, [][]byte{got}, 0, 0)
	require.True(t, err != nil || n == size && bytes.Equal(want, got), "and what is read")
	var order []string
	recorded := false
	for _, e := range log {
		switch {
		case e.Flags&logwrites.Mark != 0 && string(e.Data) == disk.StartMark:
			recorded = true
		case !recorded:
		case e.Flags&logwrites.Mark != 0:
			order = append(order, "mark")
		case e.Flags&logwrites.Flush != 0:
			order = append(order, "flush")
		case e.Flags&logwrites.Discard != 0:
			order = append(order, "discard")
		default:
			order = append(order, "write")
		}
	}
	want4 := strings.Repeat("write flush write mark write discard write ", 10)
	require.Equal(t, strings.TrimSpace(want4), strings.Join(order, " "))
}

// A disk that is loaded is the base and what is put over it, whatever it was
// before, and its log is what came then.
func TestLoad(t *testing.T) {
	const size = 1 << 20
	p := start(t, size)
	write := func(at int, b byte, n int) logwrites.Entry {
		return logwrites.Entry{Sector: uint64(at), Sectors: uint64(n), Data: bytes.Repeat([]byte{b}, n*512)}
	}
	base, over := []logwrites.Entry{write(8, 1, 200), write(1000, 2, 8)}, []logwrites.Entry{write(100, 3, 8)}
	require.NoError(t, p.Base(base))
	for range 2 {
		require.NoError(t, p.Load(over))
		path, fd, err := sys.AttachLoop(p.Path(), sys.LoopOptions{Direct: true})
		require.NoError(t, err)
		f, err := sys.Open(path, sys.ReadWrite|sys.Direct)
		require.NoError(t, err)
		got, err := sys.Aligned(size)
		require.NoError(t, err)
		n, err := sys.Preadv2(f, [][]byte{got}, 0, 0)
		require.NoError(t, err)
		require.Equal(t, size, n)
		require.True(t, bytes.Equal(apply(size, append(base[:2:2], over...)), got))
		_, err = sys.Pwritev2(f, [][]byte{got[:4096]}, 64<<10, 0)
		require.NoError(t, err)
		require.NoError(t, sys.Fsync(f))
		log, err := p.Log()
		require.NoError(t, err)
		// The loop device may flush when it is made.
		for len(log) > 2 && log[0].Flags == logwrites.Flush {
			log = log[1:]
		}
		require.Len(t, log, 2)
		require.EqualValues(t, 128, log[0].Sector)
		require.True(t, bytes.Equal(got[:4096], log[0].Data))
		require.Equal(t, logwrites.Entry{Flags: logwrites.Flush}, log[1])
		require.NoError(t, sys.Close(f))
		require.NoError(t, sys.DetachLoop(fd))
		require.NoError(t, sys.Close(fd))
		require.NoError(t, sys.Unmap(got))
	}
	require.ErrorContains(t, p.Load([]logwrites.Entry{write(size/512, 1, 1)}), "entry 0 is no write to this disk")
	require.ErrorContains(t, p.Load([]logwrites.Entry{{Flags: logwrites.Flush}}), "entry 0 is no write to this disk")
	require.NoError(t, p.Close())
}

// A command that the disk fails is an error above, and only that one; half of a
// short write is lost.
func TestFaults(t *testing.T) {
	p := startWith(t, disk.StartSerial, 1<<20)
	path, _, end := attach(t, p)
	defer end()
	f, err := sys.Open(path, sys.ReadWrite|sys.Direct)
	require.NoError(t, err)
	defer sys.Close(f)
	b, err := sys.Aligned(8 << 10)
	require.NoError(t, err)
	for i := range b {
		b[i] = 7
	}
	for _, c := range []struct {
		faults disk.Faults
		errs   [3]sys.Errno // of write, fsync, write
		data   int          // bytes in the log
		struck disk.Struck
	}{
		{disk.Faults{}, [3]sys.Errno{}, 16 << 10, disk.Struck{}},
		{disk.Faults{FailAt: 1}, [3]sys.Errno{sys.EIO, 0, 0}, 8 << 10, disk.Struck{Failed: 1}},
		{disk.Faults{FailAt: 2}, [3]sys.Errno{0, sys.EIO, 0}, 16 << 10, disk.Struck{Failed: 1}},
		{disk.Faults{FailAt: 4}, [3]sys.Errno{}, 16 << 10, disk.Struck{}},
		// The loop driver takes a short write for a whole one (lo_complete_rq).
		{disk.Faults{ShortAt: 3}, [3]sys.Errno{}, 12 << 10, disk.Struck{Short: 1}},
		// Command 2 is no write.
		{disk.Faults{ShortAt: 2}, [3]sys.Errno{}, 12 << 10, disk.Struck{Short: 1}},
		{disk.Faults{ShortAt: 4}, [3]sys.Errno{}, 16 << 10, disk.Struck{}},
		{disk.Faults{FlushMicro: 20_000}, [3]sys.Errno{}, 16 << 10, disk.Struck{Slow: 1}},
	} {
		t.Run(fmt.Sprintf("%+v", c.faults), func(t *testing.T) {
			require.NoError(t, p.SetFaults(c.faults))
			require.NoError(t, p.Record())
			_, first := sys.Pwritev2(f, [][]byte{b}, 0, 0)
			at := time.Now()
			second := sys.Fsync(f)
			require.GreaterOrEqual(t, time.Since(at), time.Duration(c.faults.FlushMicro)*time.Microsecond)
			_, third := sys.Pwritev2(f, [][]byte{b}, 8<<10, 0)
			require.Equal(t, c.errs, [3]sys.Errno{sys.ErrnoOf(first), sys.ErrnoOf(second), sys.ErrnoOf(third)})
			log, err := p.Log()
			require.NoError(t, err)
			data, recorded := 0, false
			for _, e := range log {
				if recorded {
					data += len(e.Data)
				}
				recorded = recorded || string(e.Data) == disk.StartMark
			}
			require.Equal(t, c.data, data)
			_, err = sys.Pwritev2(f, [][]byte{b}, 0, 0) // which comes after the end
			require.NoError(t, err)
			struck, err := p.Struck()
			require.NoError(t, err)
			c.struck.Commands = 3
			require.Equal(t, c.struck, struck)
		})
	}
}

// A server that the kernel does not let mount says that the machine lacks something.
func TestDenied(t *testing.T) {
	require.NoError(t, start(t, 1<<20).Close())
	if _, err := exec.LookPath("setpriv"); err != nil {
		needs.Or(t, &loopfs.MissingError{What: "setpriv is not installed (package util-linux)"})
	}
	_, err := disk.Start(append([]string{"setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"}, command...), 1<<20)
	var missing *loopfs.MissingError
	require.ErrorAs(t, err, &missing)
	require.ErrorContains(t, err, "CAP_SYS_ADMIN")
}

// Requests that make no sense are answered with a reason.
func TestRequests(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"mark x\n", `error "mark x" out of place`},
		{"size x\n", "error "},
		{"size 100\n", "error a disk of 100 bytes"},
		{"nonsense\n", `error "nonsense" out of place`},
		{"load 5\n", `error "load 5" out of place`},
	} {
		server := exec.Command(command[0], command[1:]...)
		server.Stdin = strings.NewReader(c.in)
		out, err := server.Output()
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(out), c.out), "%q: %s", c.in, out)
	}
}

// Of a user that is killed nothing is left: not the process of the disk, not
// its mount, not the loop device.
func TestUserIsKilled(t *testing.T) {
	if os.Getenv("UNTORN_TEST_USER") != "" {
		p, err := disk.Start(command, 1<<20)
		if err == nil {
			path, _, _ := sys.AttachLoop(p.Path(), sys.LoopOptions{Direct: true})
			fmt.Println(p.PID(), path)
		}
		time.Sleep(time.Hour)
	}
	require.NoError(t, start(t, 1<<20).Close())
	user := exec.Command(os.Args[0], "-test.run", "^TestUserIsKilled$")
	user.Env = append(os.Environ(), "UNTORN_TEST_USER=1")
	out, err := user.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, user.Start())
	var pid int
	var path string
	_, err = fmt.Fscan(out, &pid, &path)
	_ = user.Process.Kill()
	_, _ = io.Copy(io.Discard, out)
	_ = user.Wait()
	require.NoError(t, err)
	gone := func(path string) func() bool {
		return func() bool { _, err := os.Stat(path); return os.IsNotExist(err) }
	}
	require.Eventually(t, gone(fmt.Sprintf("/proc/%d/fd", pid)), 10*time.Second, 5*time.Millisecond)
	require.Eventually(t, gone("/sys/block/"+strings.TrimPrefix(path, "/dev/")+"/loop/backing_file"), 10*time.Second, 5*time.Millisecond)
}

// Two writes that overlap and are sent without waiting for each other are marked,
// and those that do not overlap, or wait, are not.
func TestTogether(t *testing.T) {
	p := start(t, 1<<20)
	path, _, end := attach(t, p)
	defer end()
	f, err := sys.Open(path, sys.ReadWrite|sys.Direct)
	require.NoError(t, err)
	defer sys.Close(f)
	write := func(at int64) {
		b, err := sys.Aligned(64 << 10)
		require.NoError(t, err)
		n, err := sys.Pwritev2(f, [][]byte{b}, at, 0)
		require.NoError(t, err)
		require.Equal(t, len(b), n)
		require.NoError(t, sys.Unmap(b))
	}
	// together counts marks, each of which names two entries that overlap.
	together := func(log []logwrites.Entry) (n int) {
		for i := range log {
			if string(log[i].Data) == disk.StartMark {
				log = log[i+1:]
				break
			}
		}
		for i := range log {
			var a, b int
			if k, _ := fmt.Sscanf(string(log[i].Data), disk.TogetherMark+" %d %d", &a, &b); log[i].Flags&logwrites.Mark != 0 && k == 2 {
				require.Less(t, a, b)
				require.Less(t, b, i)
				require.Less(t, log[a].Sector, log[b].Sector+log[b].Sectors)
				require.Less(t, log[b].Sector, log[a].Sector+log[a].Sectors)
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		apart int64
		both  bool
	}{{0, true}, {32 << 10, true}, {64 << 10, true}, {0, false}} {
		require.NoError(t, p.Record())
		for range 50 {
			var wg sync.WaitGroup
			wg.Go(func() { write(128 << 10) })
			if !c.both {
				wg.Wait()
			}
			wg.Go(func() { write(128<<10 + c.apart) })
			wg.Wait()
		}
		log, err := p.Log()
		require.NoError(t, err)
		n := together(log)
		t.Logf("%d of 50 pairs, %d KiB apart, both at once %v", n, c.apart>>10, c.both)
		require.Equal(t, c.both && c.apart < 64<<10, n > 0)
	}
}
