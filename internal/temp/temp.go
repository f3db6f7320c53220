// Package temp makes directories for what is not finished yet. What a process
// left that was killed is found and removed by the next one that makes such a
// directory in the same place; what a living process works on is not touched.
package temp

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"untorn/internal/sys"
)

// pattern is that of the names.
const pattern = ".untorn-*"

var ours = regexp.MustCompile(`^\.untorn-[0-9]+$`)

// swept are the directories that this process has looked through.
var swept sync.Map

// Dir is a directory for what is not finished yet. Its process holds a lock on
// it, which the kernel takes away when the process ends in whatever way.
type Dir struct {
	Path string
	lock *os.File
}

// New makes one in parent, which has to exist.
func New(parent string) (*Dir, error) {
	unlock, locked := hold(parent)
	defer unlock()
	if _, done := swept.LoadOrStore(absolute(parent), true); !done && locked {
		sweep(parent)
	}
	path, err := os.MkdirTemp(parent, pattern)
	if err != nil {
		return nil, err
	}
	d := &Dir{Path: path}
	if d.lock, err = os.Open(path); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	// Where a file system has no locks nothing is swept either.
	_ = sys.TryLock(int(d.lock.Fd()))
	return d, nil
}

// Remove removes the directory with what is left in it.
func (d *Dir) Remove() error {
	err := os.RemoveAll(d.Path)
	if e := d.lock.Close(); err == nil {
		err = e
	}
	return err
}

// Sweep removes what processes that are gone left in a directory. What cannot be
// removed stays.
func Sweep(parent string) {
	unlock, locked := hold(parent)
	defer unlock()
	if locked {
		sweep(parent)
	}
}

// hold keeps others from making a directory in parent, and from sweeping it,
// until unlock: a directory that is made and not yet locked looks like one that
// was left. One of these is its owner's alone, who has its lock.
func hold(parent string) (unlock func(), locked bool) {
	if ours.MatchString(filepath.Base(absolute(parent))) {
		return func() {}, false
	}
	f, err := os.Open(parent)
	if err != nil {
		return func() {}, false
	}
	return func() { f.Close() }, sys.Lock(int(f.Fd())) == nil
}

func sweep(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !ours.MatchString(e.Name()) || e.Type()&fs.ModeSymlink != 0 {
			continue
		}
		path := filepath.Join(parent, e.Name())
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if sys.TryLock(int(f.Fd())) == nil {
			_ = os.RemoveAll(path)
		}
		f.Close()
	}
}

func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
