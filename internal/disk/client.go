package disk

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"untorn/internal/blk/logwrites"
	"untorn/internal/loopfs"
)

// fileName is the name of the one file that a disk is.
const fileName = "disk"

// Process is a disk that another process serves.
type Process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
	path   string
}

// Start runs a command whose standard input and output are those of Serve, and
// makes a disk of that size in it. Close ends it, and so does the end of the
// caller, in whatever way. An error is a *loopfs.MissingError when it is the machine
// that lacks something.
func Start(command []string, size int64) (*Process, error) {
	return start(command, fmt.Sprintf("size %d", size))
}

// StartSerial is Start of a disk that a loop device sends one command after the
// other. Only of such a one it takes a short write for a whole one.
func StartSerial(command []string, size int64) (*Process, error) {
	return start(command, fmt.Sprintf("serial %d", size))
}

func start(command []string, size string) (*Process, error) {
	p := &Process{cmd: exec.Command(command[0], command[1:]...)}
	p.cmd.Stderr = &p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("the disk: %w", err)
	}
	root := 0
	line, err := p.ask(size)
	if err == nil {
		_, err = fmt.Sscanf(line, "root %d", &root)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.path = fmt.Sprintf("/proc/%d/fd/%d/%s", p.cmd.Process.Pid, root, fileName)
	return p, nil
}

// ask sends a line and returns the answer.
func (p *Process) ask(line string) (string, error) {
	if strings.Contains(line, "\n") {
		return "", fmt.Errorf("%q has more than one line", line)
	}
	return p.send(line, nil)
}

// send sends a line and what follows it, and returns the answer.
func (p *Process) send(line string, more []byte) (string, error) {
	_, err := io.WriteString(p.in, line+"\n")
	if err == nil && more != nil {
		_, err = p.in.Write(more)
	}
	answer := ""
	if err == nil {
		answer, err = p.out.ReadString('\n')
	}
	if err != nil {
		return "", fmt.Errorf("the disk is gone: %w%s", err, p.said())
	}
	answer = strings.TrimSuffix(answer, "\n")
	if reason, ok := strings.CutPrefix(answer, "error "); ok {
		return "", fmt.Errorf("the disk: %s", reason)
	}
	if what, ok := strings.CutPrefix(answer, "missing "); ok {
		return "", &loopfs.MissingError{What: "the disk: " + what}
	}
	return answer, nil
}

func (p *Process) said() string {
	if s := strings.TrimSpace(p.stderr.String()); s != "" {
		return ": " + s
	}
	return ""
}

// Path is the file that is the disk, for processes of the same user. It is there
// until Close.
func (p *Process) Path() string { return p.path }

// PID is the process that serves it.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Record begins the recording.
func (p *Process) Record() error { _, err := p.ask("start"); return err }

// Base sets the log of writes onto zeros that Load begins with.
func (p *Process) Base(log []logwrites.Entry) error { return p.give("base", log) }

// Load makes the disk what Base and a log of writes over it say, and begins a
// recording that Log returns without what was there before. Nothing may have the
// disk open.
func (p *Process) Load(log []logwrites.Entry) error { return p.give("load", log) }

func (p *Process) give(what string, log []logwrites.Entry) error {
	var b bytes.Buffer
	if err := logwrites.Write(&b, log); err != nil {
		return err
	}
	_, err := p.send(fmt.Sprintf("%s %d", what, b.Len()), b.Bytes())
	return err
}

// Mark puts a line into the log.
func (p *Process) Mark(text string) error { _, err := p.ask("mark " + text); return err }

// SetFaults turns defects on.
func (p *Process) SetFaults(f Faults) error {
	_, err := p.ask(fmt.Sprintf("faults %d %d %d", f.FailAt, f.ShortAt, f.FlushMicro))
	return err
}

// Struck returns what the defects have struck since the recording began, up to its
// end when it has ended.
func (p *Process) Struck() (s Struck, err error) {
	line, err := p.ask("struck")
	if err != nil {
		return s, err
	}
	if _, err := fmt.Sscanf(line, "struck %d %d %d %d", &s.Commands, &s.Failed, &s.Short, &s.Slow); err != nil {
		return s, fmt.Errorf("the disk answers %q", line)
	}
	return s, nil
}

// Log ends the recording and returns it. One that Record began has what was on the
// disk, as writes, a flush, StartMark, and all that came then.
func (p *Process) Log() ([]logwrites.Entry, error) {
	line, err := p.ask("log")
	if err != nil {
		return nil, err
	}
	n := int64(0)
	if _, err := fmt.Sscanf(line, "log %d", &n); err != nil {
		return nil, fmt.Errorf("the disk answers %q", line)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(p.out, b); err != nil {
		return nil, fmt.Errorf("the disk is gone: %w", err)
	}
	return logwrites.Read(bytes.NewReader(b))
}

// Close lets go of the disk and waits for its process, which ends when no loop
// device has the file open any more.
func (p *Process) Close() error {
	err := p.in.Close()
	if w := p.cmd.Wait(); w != nil && !errors.Is(err, os.ErrClosed) {
		err = errors.Join(err, fmt.Errorf("the disk ended: %w%s", w, p.said()))
	}
	return err
}

// Missing returns a *loopfs.MissingError when this machine cannot serve a disk to a
// loop device.
func Missing() error {
	if err := loopfs.Missing(loopfs.Options{}); err != nil {
		return err
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return &loopfs.MissingError{What: "/dev/fuse: this kernel or container has no FUSE"}
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err == nil && !strings.Contains(string(known), "\tfuse\n") {
		return &loopfs.MissingError{What: "this kernel does not know fuse"}
	}
	return err
}
