package recorded

import (
	"errors"
	"fmt"

	"untorn/internal/blk"
	"untorn/internal/blk/logwrites"
	"untorn/internal/sys"
	"untorn/internal/target/file"
	"untorn/verifier"
)

// Recovered is what the kernel made of an image.
type Recovered struct {
	File *verifier.File // nil when there is none to judge
	// Without a file: corrupt when recovery failed, lost when the file is gone, and
	// why.
	Verdict verifier.Verdict
	Broken  string
}

// recoverOne writes an image into memory, lets the kernel mount it, which
// recovers it, and reads the file. Nothing of it is left.
func (c *Config) recoverOne(r *Recording, s *Space, img *Image) (x *Recovered, err error) {
	fd, err := sys.MemoryFile(c.diskSize())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sys.Close(fd)) }()
	if err := writeImage(fd, r, s, img); err != nil {
		return nil, err
	}
	dev, loop, err := sys.AttachLoop(fmt.Sprintf("/proc/self/fd/%d", fd), sys.LoopOptions{Block: int(c.Device.LBA)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, detach(loop)) }()
	return c.readMounted(dev, func() error { return nil })
}

// readMounted lets the kernel mount a device, which recovers what is on it, reads
// the file, and calls read before it is unmounted.
func (c *Config) readMounted(dev string, read func() error) (x *Recovered, err error) {
	if c.Filesystem == "block" {
		f, _, err := file.ReadFile(dev, c.Workload.File, 0)
		return &Recovered{File: f}, errors.Join(err, read())
	}
	options := map[string]string{}
	if c.Filesystem == "xfs" {
		options["nouuid"] = "" // images of one file system are mounted side by side
	}
	m, err := sys.MountDetached(dev, c.Filesystem, options)
	if err != nil {
		if machine(err) {
			return nil, err
		}
		return &Recovered{Verdict: verifier.Corrupt, Broken: "recovery: " + err.Error()}, nil
	}
	defer func() { err = errors.Join(err, sys.Close(m)) }()
	path := inMount(m, fileName)
	if file.Vanished(path) {
		return &Recovered{Verdict: verifier.Lost, Broken: "the file is not there, and it was durable before the first operation"}, read()
	}
	f, _, err := file.ReadFile(path, -1, 0)
	if err != nil {
		if machine(err) {
			return nil, err
		}
		return &Recovered{Verdict: verifier.Corrupt, Broken: "the file cannot be read: " + err.Error()}, nil
	}
	return &Recovered{File: f}, read()
}

// machine reports whether an error says something about the machine and nothing
// about an image.
func machine(err error) bool {
	switch sys.ErrnoOf(err) {
	case 0, sys.ENOMEM, sys.EPERM, sys.EACCES, sys.EBUSY, sys.ENODEV, sys.EMFILE, sys.ENFILE:
		return true
	}
	return false
}

// writeImage writes an image to a file of zeros.
func writeImage(fd int, r *Recording, s *Space, img *Image) error {
	return r.eachRun(s, img, func(b []byte, sector int64) error { return writeAt(fd, b, sector) })
}

// eachRun calls put for the runs of sectors that make an image of a disk of
// zeros; later ones replace earlier ones.
func (r *Recording) eachRun(s *Space, img *Image, put func(b []byte, sector int64) error) error {
	for _, e := range r.content() {
		if err := put(e.Data, int64(e.Sector)); err != nil {
			return err
		}
	}
	return s.eachChange(img, put)
}

// content is the writes that make the disk before the operations out of zeros.
func (r *Recording) content() (out []logwrites.Entry) {
	for i := range r.Base {
		if e := &r.Base[i]; e.Flags == 0 {
			out = append(out, *e)
		}
	}
	return out
}

// eachChange calls put for the runs of sectors in which an image is not the base.
func (s *Space) eachChange(img *Image, put func(b []byte, sector int64) error) error {
	var run []byte
	for i := range img.delta {
		run = append(run, s.contents.sector(img.delta[i].content)...)
		if i+1 < len(img.delta) && img.delta[i+1].sector == img.delta[i].sector+1 {
			continue
		}
		if err := put(run, img.delta[i].sector+1-int64(len(run)/blk.SectorSize)); err != nil {
			return err
		}
		run = run[:0]
	}
	return nil
}

func writeAt(fd int, b []byte, sector int64) error {
	n, err := sys.Pwritev2(fd, [][]byte{b}, sector*blk.SectorSize, 0)
	if err == nil && n != len(b) {
		err = fmt.Errorf("an image in memory: %d of %d bytes", n, len(b))
	}
	return err
}
