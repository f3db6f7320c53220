package recorded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"untorn/internal/blk"
	"untorn/internal/blk/logwrites"
	"untorn/internal/disk"
	"untorn/internal/sys"
)

// recover mounts every image of a space and reads the file. Where power is to be
// lost again in mounts (faults.recovery_power_loss) each is mounted on a disk that
// keeps a log, images are taken of the cuts of that log, and they are mounted as
// well. When ctx ends those that are missing are nil.
func (c *Config) recover(ctx context.Context, r *Recording, s *Space, b *Bounds) ([]*Recovered, error) {
	var out []*Recovered
	for depth := 0; ; depth++ {
		from := len(out)
		next := make([]*Recovered, len(s.Images)-from)
		logs, swaps := make([][]event, len(next)), make([][]swap, len(next))
		err := c.eachImage(ctx, b, from, len(s.Images), func(m *mounter, i int) (err error) {
			if depth == c.Remounts {
				next[i-from], err = c.recoverOne(r, s, &s.Images[i])
				return err
			}
			next[i-from], logs[i-from], swaps[i-from], err = m.mount(r, s, &s.Images[i])
			return err
		})
		if err != nil {
			return nil, err
		}
		out = append(out, next...)
		if depth == c.Remounts || ctx.Err() != nil {
			return out, nil
		}
		var cuts []cut
		for i, log := range logs {
			// What cannot be mounted has its verdict.
			if log == nil || next[i].File == nil {
				continue
			}
			s.logs[from+i] = log
			at := s.bothOrders(log, swaps[i], s.medium(&s.Images[from+i]), &c.Device, 1, len(log), b.Seed)
			for k := range at {
				at[k].parent = from + i
			}
			cuts = append(cuts, at...)
		}
		s.takeAll(cuts, len(s.Images)+b.Images, b.Seed+uint64(depth)+1)
	}
}

// eachImage calls f for the images [from, to), several at a time, and ends early
// when ctx does. An error of f ends it.
func (c *Config) eachImage(ctx context.Context, b *Bounds, from, to int, f func(m *mounter, i int) error) error {
	var next, finished atomic.Int64
	next.Store(int64(from))
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range b.Workers {
		wg.Go(func() {
			m := &mounter{config: c}
			err := m.run(func() error {
				for ctx.Err() == nil && failed.Load() == nil {
					i := int(next.Add(1)) - 1
					if i >= to {
						return nil
					}
					if err := f(m, i); err != nil {
						return err
					}
					if n := int(finished.Add(1)); b.Done != nil {
						b.Done(from+n, to)
					}
				}
				return nil
			})
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// mounter mounts images of one recording on a disk that keeps a log, one after the other.
type mounter struct {
	config *Config
	disk   *disk.Process // nil until it is needed
}

// run calls f and ends the disk.
func (m *mounter) run(f func() error) (err error) {
	defer func() {
		if m.disk != nil {
			err = errors.Join(err, m.disk.Close())
		}
	}()
	return f()
}

// mount lets the kernel mount an image, reads the file, and returns what the disk
// got meanwhile, nil where that was not mounted.
func (m *mounter) mount(r *Recording, s *Space, img *Image) (x *Recovered, log []event, swaps []swap, err error) {
	if m.disk == nil {
		if m.disk, err = disk.Start(m.config.Server, m.config.diskSize()); err != nil {
			return nil, nil, nil, err
		}
		if err := m.disk.Base(r.content()); err != nil {
			return nil, nil, nil, err
		}
	}
	var changes []logwrites.Entry
	err = s.eachChange(img, func(b []byte, sector int64) error {
		changes = append(changes, logwrites.Entry{Sector: uint64(sector), Sectors: uint64(len(b) / blk.SectorSize), Data: bytes.Clone(b)})
		return nil
	})
	if err == nil {
		err = m.disk.Load(changes)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	dev, loop, err := sys.AttachLoop(m.disk.Path(), sys.LoopOptions{Direct: true, Block: int(m.config.Device.LBA)})
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { err = errors.Join(err, detach(loop)) }()
	x, err = m.config.readMounted(dev, func() error {
		entries, err := m.disk.Log()
		if err == nil {
			swaps = togetherIn(entries)
			log, err = s.events(entries, &m.config.Device)
		}
		return err
	})
	return x, log, swaps, err
}

// story fills in the logs of the mounts that power was lost in.
func (s *Space) story(f Found) Found {
	image := f.Image
	for i := range f.Again {
		f.Mounts = append(f.Mounts, s.entries(s.logs[image]))
		image = f.Again[i].Image
	}
	return f
}

// replayed makes the image that the losses of power of a saved cut left.
func (c *Config) replayed(s *Space, img *Image, f *Found) (*Image, error) {
	if len(f.Mounts) != len(f.Again) {
		return nil, fmt.Errorf("power was lost in %d mounts, and the logs of %d are there", len(f.Again), len(f.Mounts))
	}
	for i := range f.Again {
		events, err := s.events(f.Mounts[i], &c.Device)
		if err == nil {
			img, err = s.leaves(events, s.medium(img), &c.Device, &f.Again[i])
		}
		err = errors.Join(c.inside(f.Mounts[i]), err)
		if err != nil {
			return nil, fmt.Errorf("mount %d: %w", i+1, err)
		}
	}
	return img, nil
}

// leaves makes the image that a loss of power left.
func (s *Space) leaves(events []event, start *medium, d *Device, l *Loss) (*Image, error) {
	if l.Swap != (swap{}) {
		other, ok := swapped(events, l.Swap)
		if !ok {
			return nil, fmt.Errorf("entries %d and %d cannot change places", l.Swap[0], l.Swap[1])
		}
		events = other
	}
	cuts := s.cuts(events, start, d, l.Cut, l.Cut)
	if len(cuts) == 0 {
		return nil, fmt.Errorf("the log has no cut %d", l.Cut)
	}
	at := &cuts[0]
	if len(at.pending) != len(l.Choices) {
		return nil, fmt.Errorf("%d writes are pending at cut %d, and %d are named", len(at.pending), l.Cut, len(l.Choices))
	}
	for k, w := range at.pending {
		x := &l.Choices[k]
		if x.Write != w.entry || len(x.Pieces) != w.pieces {
			return nil, fmt.Errorf("write %d of %d pieces is named, and write %d of %d is pending", x.Write, len(x.Pieces), w.entry, w.pieces)
		}
		if x.count(Garbage) > 0 && !w.garbage {
			return nil, fmt.Errorf("write %d holds garbage, which on this device it cannot", x.Write)
		}
	}
	sum, over := s.lay(at, l.Choices)
	return s.image(at, sum, over), nil
}
