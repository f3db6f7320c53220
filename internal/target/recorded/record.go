package recorded

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"untorn/internal/blk/logwrites"
	"untorn/internal/disk"
	"untorn/internal/loopfs"
	"untorn/internal/sys"
	"untorn/internal/target/file"
	"untorn/workloads"
)

// fileName is the file that operations run on, in the root of the file system.
const fileName = "file"

// Recording is what a run left: the content of the disk before it, and all that
// the disk and the caller saw then, in one order.
type Recording struct {
	Base    []logwrites.Entry // writes onto zeros
	Entries []logwrites.Entry
	History *workloads.History // of the whole run
	Kernel  string             // release of the kernel
	Limits  *file.Limits       // what it says of atomic writes to the file
	Forced  int                // how often the log was forced besides
	Struck  disk.Struck        // by the faults of the disk
	Free    *FreeSpace         // before the first call, where it was made to lie so
}

// Record runs the operations of a configuration once. Nothing of the disk, the
// loop device and the mount is left, also when it fails. Errors of type
// *file.UnsupportedError say that the file system did not lay the file out as
// asked for, those of type *loopfs.MissingError that the machine lacks something.
func Record(ctx context.Context, c *Config) (r *Recording, err error) {
	start := disk.Start
	if c.Faults.ShortAt > 0 {
		start = disk.StartSerial
	}
	p, err := start(c.Server, c.diskSize())
	if err != nil {
		return nil, err
	}
	// The disk goes last: what is above it has to write to it.
	defer func() { err = errors.Join(err, p.Close()) }()
	dev, fd, err := sys.AttachLoop(p.Path(), sys.LoopOptions{Direct: true, Block: int(c.Device.LBA)})
	if err != nil {
		return nil, loopfs.Denied(err)
	}
	defer func() { err = errors.Join(err, detach(fd)) }()
	if err := c.mkfs(dev); err != nil {
		return nil, err
	}
	// Version 0 is made, and the file system unmounted, so that all of it is on
	// the medium.
	r = &Recording{}
	err = c.mounted(dev, func(path string) error { return c.prepare(dev, path, r) })
	if err != nil {
		return nil, err
	}
	if err := p.Record(); err != nil {
		return nil, err
	}
	if err := p.SetFaults(c.Faults); err != nil {
		return nil, err
	}
	if r.Kernel, err = sys.Kernel(); err != nil {
		return nil, err
	}
	// The recording ends before the file system is unmounted.
	var log []logwrites.Entry
	err = c.mounted(dev, func(path string) (err error) {
		defer func() {
			var logErr error
			log, logErr = p.Log()
			err = errors.Join(err, logErr)
		}()
		return r.run(ctx, c, path, p)
	})
	struck, unknown := p.Struck()
	switch {
	case err != nil && struck.Failed+struck.Short > 0:
		return nil, fmt.Errorf("%w; a disk fault that was asked for had struck (%v), the first commands being those of the mount; allowed: the number of a later one", err, c.Faults)
	case err != nil:
		return nil, err
	case unknown != nil:
		return nil, unknown
	}
	r.Struck = struck
	return r, r.split(log)
}

// Mounting returns how many commands came before the first call. One that the disk
// failed is not among them.
func (r *Recording) Mounting() (n int) {
	for i := range r.Entries[:min(r.firstCall(), len(r.Entries))] {
		if r.Entries[i].Flags&logwrites.Mark == 0 {
			n++
		}
	}
	return n
}

func detach(fd int) error { return errors.Join(sys.DetachLoop(fd), sys.Close(fd)) }

// mkfs makes the file system. Nothing is left for a thread of the kernel to
// write later.
func (c *Config) mkfs(dev string) error {
	block := strconv.FormatInt(c.Block, 10)
	var args []string
	switch c.Filesystem {
	case "xfs":
		args = []string{"-q", "-f", "-K", "-s", fmt.Sprintf("size=%d", max(c.Device.LBA, 512)), "-b", "size=" + block}
		if c.Workload.FreeSpace == workloads.Fragmented {
			// By its hint of 32 blocks XFS finds no space for an atomic write where
			// none lie together (xfs_atomic_write_cow_iomap_begin).
			args = append(args, "-d", "cowextsize=1")
		}
	case "ext4":
		args = []string{"-q", "-F", "-b", block, "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"}
		if c.Cluster > c.Block {
			args = append(args, "-O", "bigalloc", "-C", strconv.FormatInt(c.Cluster, 10))
		}
	default:
		return nil
	}
	mkfs, err := loopfs.Mkfs(c.Filesystem)
	if err != nil {
		return err
	}
	out, err := exec.Command(mkfs, append(args, dev)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mkfs.%s: %w: %s", c.Filesystem, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// mounted calls f with the path of the file while its file system is mounted,
// which is the device itself where there is none.
func (c *Config) mounted(dev string, f func(path string) error) (err error) {
	if c.Filesystem == "block" {
		return f(dev)
	}
	options := map[string]string{}
	if c.Filesystem == "xfs" && c.MaxAtomicWrite > 0 {
		options["max_atomic_write"] = strconv.FormatInt(c.MaxAtomicWrite, 10)
	}
	m, err := sys.MountDetached(dev, c.Filesystem, options)
	if err != nil {
		return loopfs.Denied(err)
	}
	defer func() { err = errors.Join(err, sys.Close(m)) }()
	return f(inMount(m, fileName))
}

func inMount(m int, name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", m, name) }

// open opens the target of the operations.
func (c *Config) open(path string, existing bool, hook file.Hook) (*file.Target, error) {
	return file.Open(file.Config{Workload: c.Workload, Path: path, Existing: existing, Hook: hook})
}

// prepare makes version 0, and the free space that the workload asks for.
func (c *Config) prepare(dev, path string, r *Recording) error {
	t, err := c.open(path, false, nil)
	if err != nil {
		return err
	}
	if err := errors.Join(t.Prepare(), t.Close()); err != nil {
		return err
	}
	if c.Filesystem != "block" && c.Workload.FreeSpace == workloads.Fragmented {
		free, err := c.fragment(dev, filepath.Dir(path))
		r.Free = &free
		return err
	}
	return nil
}

// run runs the operations; the disk hears what the callers see.
func (r *Recording) run(ctx context.Context, c *Config, path string, p *disk.Process) error {
	t, err := c.open(path, true, marks{p})
	if err != nil {
		return err
	}
	if r.Limits, err = t.Limits(); err == nil {
		// What the mount wrote, as the parts of its log that XFS clears, is on the
		// medium before the first call.
		err = syncAt(path)
	}
	if err == nil && c.ForceLog {
		r.Forced, err = forcing(path, func() (err error) { r.History, err = t.Run(ctx); return err })
	} else if err == nil {
		r.History, err = t.Run(ctx)
	}
	return errors.Join(err, t.Close())
}

// syncAt makes a file durable, and with it all that its disk has answered.
func syncAt(path string) error {
	fd, err := sys.Open(path, sys.ReadOnly)
	if err != nil {
		return err
	}
	return errors.Join(sys.Fsync(fd), sys.Close(fd))
}

// forcers is the number of threads that force the log.
const forcers = 2

// forcing calls run while threads force the log of the file system all the time,
// which its own worker does when it likes, and counts how often they did.
func forcing(path string, run func() error) (forced int, err error) {
	var stop atomic.Bool
	var n atomic.Int64
	var wg sync.WaitGroup
	for range forcers {
		fd, err := sys.Open(path, sys.ReadOnly)
		if err != nil {
			stop.Store(true)
			wg.Wait()
			return 0, err
		}
		wg.Go(func() {
			for !stop.Load() {
				_ = sys.Fsync(fd) // an error is for the workload to see
				n.Add(1)
			}
			_ = sys.Close(fd)
		})
	}
	err = run()
	stop.Store(true)
	wg.Wait()
	return int(n.Load()), err
}

// marks puts what the callers see into the log of the disk.
type marks struct{ disk *disk.Process }

func (m marks) Call(op int) error { return m.disk.Mark(fmt.Sprintf("call %d", op)) }

func (m marks) Return(op int, r workloads.Result) error {
	return m.disk.Mark(fmt.Sprintf("return %d %d", op, int32(r)))
}

// split takes a log apart where the recording began.
func (r *Recording) split(log []logwrites.Entry) error {
	for i := range log {
		if log[i].Flags&logwrites.Mark != 0 && string(log[i].Data) == disk.StartMark {
			r.Base, r.Entries = log[:i], log[i+1:]
			return nil
		}
	}
	return errors.New("the log has no mark where the recording began")
}
