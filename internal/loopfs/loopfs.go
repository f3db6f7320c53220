// Package loopfs makes scratch loop devices, and file systems on them, of which
// nothing is left when the process ends, in whatever way: the file below is
// unlinked while it is open, the loop device clears itself, and the mount hangs
// at no path.
package loopfs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"untorn/internal/sys"
)

// A MissingError says what this machine lacks.
type MissingError struct{ What string }

func (e *MissingError) Error() string { return e.What }

// Scratch is a loop device, perhaps with a file system on it.
type Scratch struct {
	Device string // path of the loop device
	loop   int
	mount  int // -1 for none
}

// Options say how a file system is made.
type Options struct {
	Filesystem string            // "xfs", "ext4", "" for none
	Size       int64             // bytes; XFS wants 300 MiB at least
	Mkfs       []string          // further arguments of mkfs
	Mount      map[string]string // options
	Direct     bool              // the loop device uses O_DIRECT on its file
	Block      int               // logical block of the device, 0 for 512
	// Image is a file that is there, with a file system on it if there is to be
	// one: it is not made, and stays.
	Image string
}

// Missing returns a *MissingError when this machine cannot do what the options
// ask for, before anything is tried.
func Missing(o Options) error {
	switch _, err := os.Stat("/dev/loop-control"); {
	case !sys.Root():
		return &MissingError{"a loop device needs root"}
	case err != nil:
		return &MissingError{"/dev/loop-control: this kernel or container has no loop devices"}
	case o.Filesystem == "":
		return nil
	}
	if _, err := exec.LookPath("mkfs." + o.Filesystem); err != nil {
		return &MissingError{fmt.Sprintf("mkfs.%s is not installed (package %s)", o.Filesystem, packages[o.Filesystem])}
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	if !strings.Contains(string(known)+"\n", "\t"+o.Filesystem+"\n") {
		return &MissingError{"this kernel does not know " + o.Filesystem}
	}
	return nil
}

var packages = map[string]string{"xfs": "xfsprogs", "ext4": "e2fsprogs"}

// New makes a loop device with what the options say. The file below it lies in
// the directory for temporary files. An error is a *MissingError when it is the
// machine that lacks something.
func New(o Options) (*Scratch, error) {
	if err := Missing(o); err != nil {
		return nil, err
	}
	s := &Scratch{mount: -1}
	back := o.Image
	var err error
	if back == "" {
		f, err := unnamed()
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if err := f.Truncate(o.Size); err != nil {
			return nil, err
		}
		back = fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	}
	if s.Device, s.loop, err = sys.AttachLoop(back, sys.LoopOptions{Direct: o.Direct, Block: o.Block}); err != nil {
		return nil, err
	}
	if o.Filesystem == "" {
		return s, nil
	}
	if o.Image == "" {
		args := append([]string{"-q", quiet[o.Filesystem]}, o.Mkfs...)
		if out, err := exec.Command("mkfs."+o.Filesystem, append(args, s.Device)...).CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("mkfs.%s: %w: %s", o.Filesystem, err, strings.TrimSpace(string(out))), s.Close())
		}
	}
	if s.mount, err = sys.MountDetached(s.Device, o.Filesystem, o.Mount); err != nil {
		if len(o.Mount) > 0 && sys.ErrnoOf(err) == sys.EINVAL {
			err = &MissingError{fmt.Sprintf("%s of this kernel does not know a mount option of %v", o.Filesystem, o.Mount)}
		}
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// unnamed makes a file without a name in the directory for temporary files.
func unnamed() (*os.File, error) {
	if fd, err := sys.Unnamed(os.TempDir()); err == nil {
		return os.NewFile(uintptr(fd), "unnamed"), nil
	}
	// Not every file system can; then it has a name for a moment.
	f, err := os.CreateTemp("", "untorn-*.img")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// quiet makes mkfs take what is there without a question.
var quiet = map[string]string{"xfs": "-f", "ext4": "-F"}

// Path returns the path of a file in the file system, for this process only.
func (s *Scratch) Path(name string) string {
	return filepath.Join(fmt.Sprintf("/proc/self/fd/%d", s.mount), name)
}

// Close unmounts and takes the loop device away.
func (s *Scratch) Close() error {
	var err error
	if s.mount >= 0 {
		err = sys.Close(s.mount)
	}
	return errors.Join(err, sys.DetachLoop(s.loop), sys.Close(s.loop))
}
