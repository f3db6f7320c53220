package disk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"untorn/internal/blk/logwrites"
	"untorn/internal/loopfs"
	"untorn/internal/sys"
)

// Serve is the process of a disk. It answers the lines of in on out until in
// ends, and goes on serving the disk until nothing uses it any more:
//
//	size BYTES              -> root FD: open FD/disk of this process
//	serial BYTES            -> the same, and commands come one after the other
//	start                   -> ok: the recording begins
//	base BYTES, and a log   -> ok: what load begins with
//	load BYTES, and a log   -> ok: the disk is what the base and the log make of zeros, and a recording begins
//	mark TEXT               -> ok: TEXT stands in the log
//	faults FAIL SHORT MICRO -> ok: as Faults has them
//	struck                  -> struck COMMANDS FAILED SHORT SLOW: as Struck has them
//	log                     -> log BYTES, and the log: the recording has ended
//
// A line that fails is answered with "error" and the reason, or with "missing" and
// the reason where it is the machine that lacks something. The process sits
// below a file system, so that it keeps its memory where it may and starts no
// other process.
func Serve(in io.Reader, out io.Writer) error {
	sys.NotInterrupted()
	s := &server{in: bufio.NewReader(in), out: bufio.NewWriter(out)}
	// What the capabilities of the process do not allow is done without: the
	// memory of the machine has to be short for it to matter.
	_, _ = sys.FlushesIO(), sys.LockMemory()
	debug.SetGCPercent(50)
	var ended error
	for {
		text, err := s.in.ReadString('\n')
		if err != nil {
			if err != io.EOF {
				ended = err
			}
			break
		}
		if err := s.line(strings.TrimSuffix(text, "\n")); err != nil {
			word := "error"
			if missing := (*loopfs.MissingError)(nil); errors.As(err, &missing) {
				word = "missing"
			}
			fmt.Fprintf(s.out, "%s %s\n", word, strings.ReplaceAll(err.Error(), "\n", " "))
		}
		if err := s.out.Flush(); err != nil {
			break // whoever asked is gone
		}
	}
	if s.disk == nil {
		return ended
	}
	// The root keeps the mount, and so does a loop device that still has the
	// file: when both are gone the kernel ends the connection.
	if err := sys.Close(s.root); err != nil {
		return err
	}
	<-s.ended
	return nil
}

type server struct {
	in    *bufio.Reader
	out   *bufio.Writer
	disk  *Disk
	base  []logwrites.Entry
	root  int
	ended chan struct{}
}

func (s *server) line(text string) error {
	word, rest, _ := strings.Cut(text, " ")
	if (word == "size" || word == "serial") == (s.disk != nil) {
		return fmt.Errorf("%q out of place", text)
	}
	switch word {
	case "size", "serial":
		var size int64
		if _, err := fmt.Sscan(rest, &size); err != nil {
			return err
		}
		if err := s.mount(size, word == "serial"); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "root %d\n", s.root)
		return nil
	case "start":
		s.disk.Start()
	case "base", "load":
		log, err := s.follows(rest)
		if err != nil {
			return err
		}
		if word == "base" {
			s.base = log
		} else if err := s.disk.Load(s.base, log); err != nil {
			return err
		}
	case "mark":
		if err := s.disk.Mark(rest); err != nil {
			return err
		}
	case "faults":
		var f Faults
		if _, err := fmt.Sscan(rest, &f.FailAt, &f.ShortAt, &f.FlushMicro); err != nil {
			return err
		}
		s.disk.SetFaults(f)
	case "struck":
		n := s.disk.Struck()
		fmt.Fprintf(s.out, "struck %d %d %d %d\n", n.Commands, n.Failed, n.Short, n.Slow)
		return nil
	case "log":
		var b bytes.Buffer
		if err := s.disk.WriteLog(&b); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "log %d\n", b.Len())
		_, err := b.WriteTo(s.out)
		return err
	default:
		return fmt.Errorf("%q is no request", word)
	}
	fmt.Fprintln(s.out, "ok")
	return nil
}

// follows reads the log that follows a line.
func (s *server) follows(length string) ([]logwrites.Entry, error) {
	n, err := strconv.ParseInt(length, 10, 64)
	if err != nil || n < 0 || n > 2*maxLog {
		return nil, fmt.Errorf("a log of %q bytes", length)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s.in, b); err != nil {
		return nil, err
	}
	return logwrites.Read(bytes.NewReader(b))
}

// mount makes the disk and serves it.
func (s *server) mount(size int64, serial bool) error {
	d, err := New(size)
	if err != nil {
		return err
	}
	serve, root, err := sys.MountFUSE()
	if err != nil {
		return loopfs.Denied(err)
	}
	quiet := log.New(io.Discard, "", 0)
	flags := uint64(fuse.CAP_ASYNC_DIO)
	if serial {
		flags = 0
	}
	f, err := fuse.NewServer(&fileSystem{fuse.NewDefaultRawFileSystem(), d}, fmt.Sprintf("/dev/fd/%d", serve),
		&fuse.MountOptions{MaxWrite: 1 << 20, MaxBackground: 64, Logger: quiet, ExtraCapabilities: flags})
	if err != nil {
		_ = sys.Close(root)
		return fmt.Errorf("FUSE: %w", err)
	}
	s.disk, s.root, s.ended = d, root, make(chan struct{})
	go func() {
		f.Serve()
		close(s.ended)
	}()
	return nil
}
