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
		return &MissingError{rights + "; this user is not root"}
	case !sys.Capable():
		return &MissingError{rights + ", which this process does not have"}
	case sys.OwnUsers():
		return &MissingError{rights + "; this process has it in a user namespace only"}
	case err != nil:
		return &MissingError{"/dev/loop-control: this kernel or container has no loop devices"}
	case o.Filesystem == "":
		return nil
	}
	if _, err := Mkfs(o.Filesystem); err != nil {
		return err
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

// rights is what a process needs.
const rights = "a loop device with a file system needs root with CAP_SYS_ADMIN"

// Denied makes a *MissingError of an error that says that the kernel does not let
// the process do what it needs, as in a container; other errors stay.
func Denied(err error) error {
	switch sys.ErrnoOf(err) {
	case sys.EPERM, sys.EACCES:
		return &MissingError{fmt.Sprintf("%v; %s, and a container that lets it", err, rights)}
	}
	return err
}

// Mkfs returns the program that makes a file system, also where PATH, as that of
// a user, does not have the directories of root's programs. The error is a
// *MissingError.
func Mkfs(filesystem string) (string, error) {
	name := "mkfs." + filesystem
	for _, dir := range []string{"", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", &MissingError{fmt.Sprintf("%s is not installed (package %s)", name, packages[filesystem])}
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
		return nil, Denied(err)
	}
	if o.Filesystem == "" {
		return s, nil
	}
	if o.Image == "" {
		mkfs, err := Mkfs(o.Filesystem)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		args := append([]string{"-q", quiet[o.Filesystem]}, o.Mkfs...)
		if out, err := exec.Command(mkfs, append(args, s.Device)...).CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("mkfs.%s: %w: %s", o.Filesystem, err, strings.TrimSpace(string(out))), s.Close())
		}
	}
	if s.mount, err = sys.MountDetached(s.Device, o.Filesystem, o.Mount); err != nil {
		if len(o.Mount) > 0 && sys.ErrnoOf(err) == sys.EINVAL {
			err = &MissingError{fmt.Sprintf("%s of this kernel does not know a mount option of %v", o.Filesystem, o.Mount)}
		}
		return nil, errors.Join(Denied(err), s.Close())
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
