package witness

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/workloads"
)

var token = []byte("0123456789abcdef")

const boot = "5d2b1f00-0000-4000-8000-000000000001"

func history(t *testing.T) *workloads.History {
	t.Helper()
	w := &workloads.Workload{File: 64 << 10, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous}
	for _, text := range []string{"a: pwrite offset=0 length=16KiB atomic", "a: fsync"} {
		o, err := workloads.ParseOp(text)
		require.NoError(t, err)
		w.Ops = append(w.Ops, o)
	}
	h := workloads.NewHistory(w)
	h.Contract = "untorn"
	return h
}

// serve runs a witness and returns its address and directory.
func serve(t *testing.T, timeout time.Duration) (addr, dir string, log func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dir = filepath.Join(t.TempDir(), "records")
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var lines bytes.Buffer
	s := &Server{Dir: dir, Token: token, Timeout: timeout, Log: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		lines.WriteString(line + "\n")
	}}
	done := make(chan error)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
	return l.Addr().String(), dir, func() string {
		mu.Lock()
		defer mu.Unlock()
		return lines.String()
	}
}

func dial(t *testing.T, addr string) *Writer {
	t.Helper()
	w, err := Dial(context.Background(), addr, token, boot)
	require.NoError(t, err)
	t.Cleanup(func() { w.Close() })
	return w
}

func TestPlaces(t *testing.T) {
	for line, want := range map[string][]string{"places []": nil, `places ["a/b"]`: {"a/b"}, `places ["a/b\n" ""]`: {"a/b\n", ""}} {
		got, ok := parsePlaces(line)
		require.True(t, ok, line)
		require.Equal(t, want, got)
	}
	for _, line := range []string{"", "places", "places [", `places ["a"`, `places ["a""b"]`, "places [a]", `places ["a"] `, `place ["a"]`, `places ["a" ]`} {
		_, ok := parsePlaces(line)
		require.False(t, ok, line)
	}
}

// What a writer told is what the witness holds, on its disk, and tells.
func TestWitness(t *testing.T) {
	addr, dir, _ := serve(t, time.Second)
	w := dial(t, addr)
	h := history(t)
	require.ErrorContains(t, dial(t, addr).Call(1), "no round has begun")
	require.ErrorContains(t, dial(t, addr).Begin(h), "not one place for each file")
	places := []string{"0123/a \"name\""}
	require.NoError(t, w.Begin(h, places...))
	got, err := dial(t, addr).Get(w.Run)
	require.NoError(t, err)
	require.False(t, got.Prepared)
	require.NoError(t, w.Prepared())
	require.NoError(t, w.Call(1))
	require.NoError(t, w.Return(1, 16384))
	require.NoError(t, w.Call(2))
	onDisk, err := load(dir, w.Run)
	require.NoError(t, err)
	got, err = dial(t, addr).Get("")
	require.NoError(t, err)
	for _, r := range []*Round{got, onDisk} {
		require.Equal(t, &Round{Run: w.Run, Number: 1, Boot: boot, Places: places, Prepared: true, History: r.History}, r)
		require.Equal(t, []workloads.Mark{{Op: 1}, {Op: 1, Return: true, Result: 16384}, {Op: 2}}, r.History.Marks())
		require.Equal(t, "untorn", r.History.Contract)
	}
	require.NoError(t, w.Begin(h, ""))
	got, err = dial(t, addr).Get(w.Run)
	require.NoError(t, err)
	require.Equal(t, 2, got.Number, "a round takes the place of the one before")
	require.Empty(t, got.History.Marks())
	_, err = dial(t, addr).Get("nobody")
	require.ErrorContains(t, err, "run nobody is not known")
	_, err = dial(t, addr).Get("../x")
	require.ErrorContains(t, err, "no name of a run")
}

// What does not follow from what came before is refused, and changes nothing.
func TestWitnessRefuses(t *testing.T) {
	addr, dir, _ := serve(t, time.Second)
	for _, lines := range [][]string{
		{"call 1"}, {"prepared", "prepared"}, {"prepared", "call 3"}, {"prepared", "call 0"}, {"prepared", "call x"},
		{"prepared", "call 1", "call 1"}, {"prepared", "return 1 0"}, {"prepared", "call 1", "return 1 -EWHAT"},
		{"prepared", "call 1", "return 1 16385"}, {"prepared", "call 1", "return 1 1\ncall 2"}, {"prepared", "call 1 2"}, {"what"},
	} {
		w := dial(t, addr)
		require.NoError(t, w.Begin(history(t), ""))
		for _, line := range lines[:len(lines)-1] {
			_, err := w.ask(line)
			require.NoError(t, err)
		}
		before, err := os.ReadFile(recordFile(dir, w.Run))
		require.NoError(t, err)
		_, err = w.ask(lines[len(lines)-1])
		require.ErrorContains(t, err, "does not follow", "%q", lines)
		after, err := os.ReadFile(recordFile(dir, w.Run))
		require.NoError(t, err)
		require.Equal(t, string(before), string(after))
	}
	w := dial(t, addr)
	_, err := w.ask("begin nonsense")
	require.ErrorContains(t, err, "no record")
	w = dial(t, addr)
	w.Run = "../../x"
	require.Error(t, w.Begin(history(t), ""))
}

// Nobody without the token is heard, or learns that the witness has it.
func TestToken(t *testing.T) {
	addr, dir, log := serve(t, time.Second)
	_, err := Dial(context.Background(), addr, []byte("0123456789abcdeX"), boot)
	require.ErrorIs(t, err, ErrToken)
	_, err = Dial(context.Background(), addr, []byte("short"), boot)
	require.ErrorContains(t, err, "a token of 5 bytes")
	require.Eventually(t, func() bool { return strings.Contains(log(), ErrToken.Error()) }, time.Second, time.Millisecond)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
	// A false witness, which only sends back what it is sent, is found out.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b := make([]byte, nonceLen)
		for range 2 {
			n, _ := conn.Read(b)
			_, _ = conn.Write(b[:n])
		}
	}()
	_, err = Dial(context.Background(), l.Addr().String(), token, boot)
	require.Error(t, err)
}

// raw is a connection that has proved itself and can then misbehave.
func raw(t *testing.T, addr string) *channel {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	c, err := hello(conn, token, writerSide, time.Second)
	require.NoError(t, err)
	return c
}

// A message that is not whole, too long, changed or repeated ends the connection
// and leaves the record as it was.
func TestBadMessages(t *testing.T) {
	addr, dir, log := serve(t, 100*time.Millisecond)
	message := func(c *channel, body string) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
		b = append(b, mac(c.key, []byte{c.mine}, number(c.sent), []byte(body))...)
		return append(b, body...)
	}
	for _, x := range []struct {
		name, why string
		send      func(c *channel)
	}{
		{"half", "not whole", func(c *channel) { b := message(c, "call 1"); c.conn.Write(b[:len(b)-2]); c.conn.Close() }},
		{"half, and then nothing", "not whole", func(c *channel) { b := message(c, "call 1"); c.conn.Write(b[:7]) }},
		{"too long", "at most 262144", func(c *channel) {
			c.conn.Write(append(binary.BigEndian.AppendUint32(nil, MaxMessage+1), make([]byte, macLen)...))
		}},
		{"changed", "not from the other side", func(c *channel) {
			b := message(c, "call 1")
			b[len(b)-1] = '2'
			c.conn.Write(b)
		}},
		{"repeated", "not from the other side", func(c *channel) { c.sent--; c.conn.Write(message(c, "prepared")) }},
		{"one of the witness", "not from the other side", func(c *channel) { c.mine = witnessSide; c.conn.Write(message(c, "call 1")) }},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := &Writer{Run: strings.ReplaceAll(strings.ReplaceAll(x.name, " ", "-"), ",", ""), c: raw(t, addr), boot: boot}
			require.NoError(t, w.Begin(history(t), ""))
			require.NoError(t, w.Prepared())
			before, err := os.ReadFile(recordFile(dir, w.Run))
			require.NoError(t, err)
			lines := strings.Count(log(), x.why)
			x.send(w.c)
			require.Eventually(t, func() bool { return strings.Count(log(), x.why) > lines }, 5*time.Second, time.Millisecond, x.name)
			after, err := os.ReadFile(recordFile(dir, w.Run))
			require.NoError(t, err)
			require.Equal(t, string(before), string(after))
		})
	}
}

// A writer that says nothing is dropped, and others are served meanwhile.
func TestSilentStranger(t *testing.T) {
	addr, _, log := serve(t, 50*time.Millisecond)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, dial(t, addr).Begin(history(t), ""))
	require.Eventually(t, func() bool { return strings.Contains(log(), "timeout") }, 5*time.Second, time.Millisecond)
}

// A record whose last line was cut when the witness itself lost power is read
// without that line.
func TestCutRecord(t *testing.T) {
	addr, dir, _ := serve(t, time.Second)
	w := dial(t, addr)
	require.NoError(t, w.Begin(history(t), ""))
	require.NoError(t, w.Prepared())
	require.NoError(t, w.Call(1))
	require.NoError(t, w.Return(1, 16384))
	text, err := os.ReadFile(recordFile(dir, w.Run))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(recordFile(dir, w.Run), text[:len(text)-3], 0o600))
	r, err := load(dir, w.Run)
	require.NoError(t, err)
	require.Equal(t, []workloads.Mark{{Op: 1}}, r.History.Marks())
	for n := range text {
		if r, err := parseRound(string(text[:n])); err == nil {
			require.Equal(t, w.Run, r.Run)
		}
	}
}
