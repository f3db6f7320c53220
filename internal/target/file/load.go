package file

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"untorn/internal/stamp"
	"untorn/internal/sys"
	"untorn/workloads"
)

// Load is direct writes of units at random places, each stamped with a number of
// its own, as fast as they go.
type Load struct {
	Path   string
	Offset int64 // of the part of the file or device that is written, in bytes, a multiple of the unit
	Size   int64 // of that part, in bytes
	Unit   int64 // bytes, a power of two
	Atomic bool
	Depth  int // writes in flight together by io_uring, 0 for pwritev2
	Time   time.Duration
	Seed   int64
}

// Rate is what a load came to.
type Rate struct {
	Writes  int64   `json:"writes"`
	Seconds float64 `json:"seconds"`
	PerSec  float64 `json:"writes_per_second"`
	Units   int64   `json:"units_checked"` // different ones, read back and found whole
}

// A MixtureError is a unit that does not hold what was written to it last.
type MixtureError struct{ What string }

func (e *MixtureError) Error() string { return e.What }

// Check refuses a load that makes no sense.
func (l *Load) Check() error {
	switch {
	case l.Unit < stamp.Size || l.Unit&(l.Unit-1) != 0 || l.Unit > 16<<20:
		return refused("a unit of %d bytes; allowed: powers of two from 512 to 16MiB", l.Unit)
	case l.Size < l.Unit*int64(max(1, 2*l.Depth)) || l.Size%l.Unit != 0 || l.Size > 1<<40:
		return refused("a size of %d bytes; allowed: a multiple of the unit, at least %d of them, up to 1TiB", l.Size, max(1, 2*l.Depth))
	case l.Offset < 0 || l.Offset%l.Unit != 0 || l.Offset > 1<<40:
		return refused("an offset of %d bytes; allowed: multiples of the unit from 0 to 1TiB", l.Offset)
	case l.Time <= 0:
		return refused("a time of %v; allowed: above 0", l.Time)
	}
	return nil
}

// slot is a buffer with the write that it is for.
type slot struct {
	buf   []byte
	unit  int64
	write uint32
}

// loader runs a load.
type loader struct {
	*Load
	fd     int
	rand   *rand.Rand
	last   []uint32 // by unit: number of the write that was acknowledged last
	busy   []bool   // by unit: a write is in flight
	next   uint32
	count  int64
	slots  []slot
	pwrite func(fd int, b []byte, offset int64, flags int) (int, error)
	flags  int
}

// Run writes until the time is over or ctx ends, then reads back every unit that
// was written and checks that it holds, as a whole, what was written last. The
// file is there, with its size, or is a block device. Meanwhile the process has
// one processor.
func (l *Load) Run(ctx context.Context) (r *Rate, err error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	x := &loader{Load: l, rand: rand.New(rand.NewPCG(uint64(l.Seed), 0)), last: make([]uint32, l.Size/l.Unit), busy: make([]bool, l.Size/l.Unit),
		pwrite: sys.PwriteAlone}
	if l.Atomic {
		x.flags = sys.Atomic
	}
	flags := sys.ReadWrite | sys.Direct
	st, err := sys.Stat(l.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Path, err)
	}
	if l.Atomic && st.AtomicAttr && (l.Unit < int64(st.UnitMin) || l.Unit > int64(st.UnitMax)) {
		return nil, refused("atomic writes of %d bytes; allowed by %s: %s to %s", l.Unit, l.Path, workloads.FormatSize(int64(st.UnitMin)), workloads.FormatSize(int64(st.UnitMax)))
	}
	if st.Kind == sys.BlockDevice {
		flags |= sys.Exclusive
	}
	if x.fd, err = sys.Open(l.Path, flags); err != nil {
		return nil, fmt.Errorf("%s: %w", l.Path, err)
	}
	defer func() { err = errors.Join(err, sys.Close(x.fd)) }()
	if st.Kind == sys.BlockDevice {
		if size, err := sys.DeviceSize(x.fd); err != nil {
			return nil, fmt.Errorf("%s: %w", l.Path, err)
		} else if size < l.Offset+l.Size {
			return nil, refused("%d bytes from %d of %s; allowed: up to its size, %s", l.Size, l.Offset, l.Path, workloads.FormatSize(size))
		}
	}
	x.slots = make([]slot, max(1, l.Depth))
	for i := range x.slots {
		if x.slots[i].buf, err = sys.Aligned(int(l.Unit)); err != nil {
			return nil, err
		}
		defer sys.Unmap(x.slots[i].buf)
	}
	return x.run(ctx)
}

func (x *loader) run(ctx context.Context) (*Rate, error) {
	r, err := x.write(ctx)
	if err == nil {
		r.Units, err = x.check()
	}
	return r, err
}

func (x *loader) write(ctx context.Context) (r *Rate, err error) {
	// Every 10 ms the runtime stops the goroutine, for what else there may be to
	// do, and when it has a processor to spare wakes another thread, which takes
	// the goroutine away to where its buffer is not in the cache. With one
	// processor the goroutine goes on where it is; a signal waits up to 10 ms.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	start := time.Now()
	over := func() bool { return ctx.Err() != nil || time.Since(start) >= x.Time }
	if x.Depth == 0 {
		err = x.oneByOne(over)
	} else {
		err = x.together(over)
	}
	seconds := time.Since(start).Seconds()
	return &Rate{Writes: x.count, Seconds: seconds, PerSec: float64(x.count) / seconds}, err
}

// at returns where a unit begins in the file, in bytes.
func (x *loader) at(unit int64) int64 { return x.Offset + unit*x.Unit }

// prepare draws a unit that no write is in flight for and stamps the slot.
func (x *loader) prepare(s *slot) {
	for s.unit = x.rand.Int64N(int64(len(x.last))); x.busy[s.unit]; {
		s.unit = x.rand.Int64N(int64(len(x.last)))
	}
	x.next++
	s.write, x.busy[s.unit] = x.next, true
	for i := 0; i < len(s.buf); i += stamp.Size {
		stamp.Put(s.buf[i:], int(s.write), i/stamp.Size)
	}
}

// done notes that a write returned.
func (x *loader) done(s *slot, n int) error {
	switch {
	case n < 0:
		return fmt.Errorf("%s: a write of %d at %d: %w", x.Path, x.Unit, x.at(s.unit), sys.Errno(-n))
	case int64(n) != x.Unit:
		return fmt.Errorf("%s: a write of %d at %d wrote %d", x.Path, x.Unit, x.at(s.unit), n)
	}
	x.last[s.unit], x.busy[s.unit] = s.write, false
	x.count++
	return nil
}

func (x *loader) oneByOne(over func() bool) error {
	s := &x.slots[0]
	for !over() {
		x.prepare(s)
		n, err := x.pwrite(x.fd, s.buf, x.at(s.unit), x.flags)
		if err != nil {
			n = -int(sys.ErrnoOf(err))
		}
		if err := x.done(s, n); err != nil {
			return err
		}
	}
	return nil
}

func (x *loader) together(over func() bool) error {
	ring, err := sys.NewRing(x.Depth)
	if err != nil {
		return err
	}
	defer ring.Close()
	ring.Alone = true
	free := make([]int, 0, x.Depth)
	for i := range x.slots {
		free = append(free, i)
	}
	for {
		for user, n, ok := ring.Done(); ok; user, n, ok = ring.Done() {
			free = append(free, int(user))
			if err := x.done(&x.slots[user], n); err != nil {
				// What is in flight still reads its buffers.
				return errors.Join(err, ring.Submit(ring.InFlight()))
			}
		}
		wait := 1
		if over() {
			if ring.InFlight() == 0 {
				return nil
			}
		} else {
			// The buffer that came back last is still in the processor's cache. Each
			// write goes at once: a batch would leave the device waiting.
			i := free[len(free)-1]
			free = free[:len(free)-1]
			s := &x.slots[i]
			x.prepare(s)
			ring.Write(x.fd, s.buf, x.at(s.unit), x.flags, uint64(i))
			if len(free) > 0 {
				wait = 0
			}
		}
		if err := ring.Submit(wait); err != nil {
			return err
		}
	}
}

// check reads back what was written.
func (x *loader) check() (units int64, err error) {
	b := x.slots[0].buf
	for u, write := range x.last {
		if write == 0 {
			continue
		}
		at := x.at(int64(u))
		n, err := sys.Preadv2(x.fd, [][]byte{b}, at, 0)
		if err != nil || n != len(b) {
			return units, fmt.Errorf("%s: a read of %d at %d: %d: %w", x.Path, len(b), at, n, err)
		}
		for i := 0; i < len(b); i += stamp.Size {
			if w, p, ok := stamp.Decode(b[i : i+stamp.Size]); !ok || uint32(w) != write || p != i/stamp.Size {
				return units, &MixtureError{fmt.Sprintf("%s: the unit at %s holds write %d sector %d (a stamp: %v) at its sector %d, and write %d was acknowledged last",
					x.Path, workloads.FormatSize(at), w, p, ok, i/stamp.Size, write)}
			}
		}
		units++
	}
	return units, nil
}

// Lay makes a file of that size whose blocks are all written, so that a load
// meets neither holes nor unwritten extents. An existing one loses its content.
// One that it made is gone again after an error, and when ctx ends, which is
// the error then.
func Lay(ctx context.Context, path string, size int64, existing bool) (err error) {
	fd, err := sys.Open(path, sys.ReadWrite|sys.Create|sys.Exclusive)
	made := err == nil
	if sys.ErrnoOf(err) == sys.EEXIST {
		if !existing {
			return refused("%s exists; allowed: a file that does not, which is created", path)
		}
		fd, err = sys.Open(path, sys.ReadWrite)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() {
		err = errors.Join(err, sys.Close(fd))
		if made && err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	b := make([]byte, 1<<20)
	for at := int64(0); at < size; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := sys.Pwritev2(fd, [][]byte{b[:min(int64(len(b)), size-at)]}, at, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		at += int64(n)
	}
	return sys.Fsync(fd)
}
