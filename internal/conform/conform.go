// Package conform asks the running kernel and the model the same questions about
// atomic writes, and lists where they answer differently.
package conform

import (
	"context"
	"fmt"
	"os"

	"untorn/crashsim/nvme"
	"untorn/engine"
	"untorn/internal/blk"
	"untorn/internal/loopfs"
	"untorn/internal/sys"
	"untorn/workloads"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// Size is that of the files of the grid, in bytes. It is no power of two, so
// that there are aligned units that cross it.
const Size = 100 * kib

// Kind is a kind of file that both sides know: how to make one here, and how
// the model is told of it.
type Kind struct {
	Name    string
	scratch loopfs.Options
	design  func(*engine.Design)
	lba     int64
	down    bool // the file system has shut down
}

// Kinds are the kinds of file of the grid. None has atomic writes in hardware,
// since a loop device has none.
var Kinds = []Kind{
	{Name: "xfs", scratch: loopfs.Options{Filesystem: "xfs", Size: 320 * mib}, design: xfs(0), lba: 512},
	{Name: "xfs max_atomic_write=256k", scratch: loopfs.Options{Filesystem: "xfs", Size: 320 * mib,
		Mount: map[string]string{"max_atomic_write": "256k"}}, design: xfs(256 * kib), lba: 512},
	{Name: "xfs max_atomic_write=16k", scratch: loopfs.Options{Filesystem: "xfs", Size: 320 * mib,
		Mount: map[string]string{"max_atomic_write": "16k"}}, design: xfs(16 * kib), lba: 512},
	{Name: "xfs block 1KiB", scratch: loopfs.Options{Filesystem: "xfs", Size: 320 * mib, Mkfs: []string{"-b", "size=1024"}},
		design: func(d *engine.Design) { xfs(0)(d); d.Block = kib }, lba: 512},
	{Name: "xfs without reflink", scratch: loopfs.Options{Filesystem: "xfs", Size: 320 * mib, Mkfs: []string{"-m", "reflink=0,rmapbt=0"}},
		design: inPlace(engine.XFS), lba: 512},
	{Name: "ext4", scratch: loopfs.Options{Filesystem: "ext4", Size: 64 * mib}, design: inPlace(engine.Ext4), lba: 512},
	{Name: "ext4 bigalloc", scratch: loopfs.Options{Filesystem: "ext4", Size: 64 * mib, Mkfs: []string{"-O", "bigalloc", "-C", "32768"}},
		design: func(d *engine.Design) { inPlace(engine.Ext4)(d); d.Cluster = 32 * kib }, lba: 512},
	{Name: "xfs shut down", scratch: loopfs.Options{Filesystem: "xfs", Size: 320 * mib}, design: xfs(0), lba: 512, down: true},
	{Name: "ext4 shut down", scratch: loopfs.Options{Filesystem: "ext4", Size: 64 * mib}, design: inPlace(engine.Ext4), lba: 512, down: true},
	{Name: "block device", scratch: loopfs.Options{Size: Size}, design: inPlace(engine.BlockDevice), lba: 512},
	{Name: "block device of 4KiB", scratch: loopfs.Options{Size: Size, Block: 4 * kib}, design: inPlace(engine.BlockDevice), lba: 4 * kib},
}

func xfs(maxAtomic int64) func(*engine.Design) {
	return func(d *engine.Design) {
		d.Filesystem, d.Track, d.Writeback, d.MaxAtomicWrite = engine.XFS, engine.TrackCowFork, engine.WritebackCowOrAtomic, maxAtomic
	}
}

func inPlace(fs engine.Filesystem) func(*engine.Design) {
	return func(d *engine.Design) {
		d.Filesystem, d.Track, d.Writeback = fs, engine.TrackSidecar, engine.WritebackAtomic
	}
}

// model returns a kernel of the model that has the file.
func (k *Kind) model() *engine.Kernel {
	return model(Size, k.lba, noHardware, noHardware/2, k.design)
}

// noHardware is a power-fail limit for a model without support in hardware: one
// above the boundary contradicts itself.
const noHardware = 16 * kib

// model returns a kernel of the model that has a file of a size, on a device
// with that logical block, power-fail limit and boundary, all in bytes.
func model(size, lba, limit, boundary int64, change func(*engine.Design)) *engine.Kernel {
	w := &workloads.Workload{File: size, Layout: workloads.Contiguous, FreeSpace: workloads.Contiguous,
		Ops: []workloads.Op{{Task: "a", Kind: workloads.Fsync}}}
	d := engine.Design{Block: 4 * kib, FolioMin: 4 * kib, FolioMax: 4 * kib, Cluster: 4 * kib, Copy: engine.CopyPin,
		Submit: engine.SubmitWriteback, Stable: engine.StableWait}
	change(&d)
	dev := nvme.Config{LBA: lba, NAWUPF: limit, AWUN: limit, Boundary: boundary, MaxTransfer: max(128*kib, 2*limit),
		CachedAtomicity: nvme.CommandUnit, FUA: true, Tear: nvme.OldOrNew}
	m := engine.New(&engine.Config{Design: d, Device: dev, Workload: w, Interner: blk.NewInterner()})
	m.Reset()
	return m
}

// Calls is the grid on a file or device of a size in bytes: its beginning, its
// end, and what lies past that; and writes with other flags, and under a limit on
// the size of files.
func Calls(size int64) (all []engine.Call) {
	bools := []bool{false, true}
	for _, offset := range []int64{0, 512, 2 * kib, 4 * kib, 16 * kib, 64 * kib, size - 4*kib, size - 512, size, size + 28*kib, size + 156*kib} {
		for _, length := range []int64{512, kib, 2 * kib, 4 * kib, 4*kib + 512, 8 * kib, 12 * kib, 16 * kib, 32 * kib, 64 * kib, 128 * kib,
			256 * kib, 512 * kib, mib, 2 * mib} {
			for _, buffer := range []engine.Call{{Iovecs: 1}, {Iovecs: 2}, {Registered: true}} {
				if buffer.Iovecs == 2 && length < kib {
					continue // O_DIRECT wants each of them aligned
				}
				for _, read := range bools {
					for _, direct := range bools {
						for _, atomic := range bools {
							c := buffer
							c.Offset, c.Length, c.Read, c.Direct, c.Atomic = offset, length, read, direct, atomic
							all = append(all, c)
						}
					}
				}
			}
		}
	}
	return append(append(all, flagged()...), limited(size)...)
}

// flagged are writes that append, or are durable when they return.
func flagged() (all []engine.Call) {
	for _, offset := range []int64{0, 4 * kib, 16 * kib} {
		for _, length := range []int64{4 * kib, 8 * kib, 16 * kib, 32 * kib} {
			for _, c := range []engine.Call{{Append: true}, {Dsync: true}, {Append: true, Dsync: true}} {
				c.Offset, c.Length = offset, length
				all = append(all, ways(c)...)
			}
		}
	}
	return all
}

// limited are writes under a limit: where they begin, within their first block,
// in their middle, and where they end.
func limited(size int64) (all []engine.Call) {
	for _, offset := range []int64{16 * kib, 64 * kib, size - 4*kib} {
		for _, length := range []int64{4 * kib, 8 * kib, 16 * kib, 64 * kib} {
			for _, n := range []int64{0, 512, length / 2, length} {
				all = append(all, ways(engine.Call{Offset: offset, Length: length, Limit: offset + n})...)
			}
		}
	}
	return all
}

// ways are a write through the cache and past it, with RWF_ATOMIC and without.
func ways(c engine.Call) (all []engine.Call) {
	for _, direct := range []bool{false, true} {
		for _, atomic := range []bool{false, true} {
			c.Direct, c.Atomic = direct, atomic
			all = append(all, c)
		}
	}
	return all
}

// Difference is a call that the two answer differently, or a limit (no call).
type Difference struct {
	Kind   string       `json:"kind"`
	Call   *engine.Call `json:"call"`
	Kernel string       `json:"kernel"`
	Model  string       `json:"model"`
	Reason string       `json:"reason"` // "" for none known
}

// Comparison is what came out for one kind of file.
type Comparison struct {
	Kind        string       `json:"kind"`
	Limits      string       `json:"limits"` // of statx
	Calls       int          `json:"calls"`
	Accepted    int          `json:"accepted"` // by the kernel, of atomic calls
	Differences []Difference `json:"differences"`

	filesystem engine.Filesystem
	lba        int64 // what O_DIRECT wants offsets and lengths to be multiples of
	// unit_min, unit_max and unit_max_opt of each
	kernelMin, kernelMax, kernelOpt int64
	modelMin, modelMax, modelOpt    int64
}

// Unexplained returns the differences without a reason.
func (c *Comparison) Unexplained() (out []Difference) {
	for _, d := range c.Differences {
		if d.Reason == "" {
			out = append(out, d)
		}
	}
	return out
}

// Compare makes a file of the kind and asks all of the grid. The error is a
// *loopfs.MissingError when this machine cannot make one.
func Compare(ctx context.Context, k *Kind) (c *Comparison, err error) {
	s, err := loopfs.New(k.scratch)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := s.Close(); err == nil {
			err = e
		}
	}()
	f := &asked{path: s.Device, block: k.scratch.Filesystem == "", size: Size}
	if !f.block {
		f.path = s.Path("grid")
		if err := os.WriteFile(f.path, make([]byte, Size), 0o600); err != nil {
			return nil, err
		}
	}
	if err := f.open(); err != nil {
		return nil, err
	}
	defer f.close()
	st, err := sys.Stat(f.path)
	if err != nil {
		return nil, err
	}
	m := k.model()
	defer m.Machine().Close()
	if k.down {
		m.ShutDown()
		if err := sys.ShutDown(f.cached); err != nil {
			return nil, fmt.Errorf("%s: %w", k.Name, err)
		}
		f.down = true
	}
	var d engine.Design
	k.design(&d)
	c = &Comparison{Kind: k.Name, filesystem: d.Filesystem, lba: k.lba}
	return c, c.ask(ctx, st, f, m)
}

// ask asks both for their limits and for all of the grid.
func (c *Comparison) ask(ctx context.Context, st *sys.Statx, f *asked, m *engine.Kernel) error {
	c.modelMin, c.modelMax, c.modelOpt = m.UnitLimits()
	c.kernelMin, c.kernelMax, c.kernelOpt = int64(st.UnitMin), int64(st.UnitMax), int64(st.UnitMaxOpt)
	c.Limits = limits(c.kernelMin, c.kernelMax, c.kernelOpt)
	c.add(nil, c.Limits, limits(c.modelMin, c.modelMax, c.modelOpt))
	for _, call := range Calls(f.size) {
		if err := ctx.Err(); err != nil {
			return err
		}
		got, err := f.ask(&call)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", c.Kind, text(&call), err)
		}
		c.Calls++
		if got >= 0 && call.Atomic {
			c.Accepted++
		}
		c.add(&call, answer(&call, got), answer(&call, m.Answer(call)))
	}
	return nil
}

func limits(unitMin, unitMax, unitMaxOpt int64) string {
	return fmt.Sprintf("unit %s to %s, optimal %s", workloads.FormatSize(unitMin), workloads.FormatSize(unitMax), workloads.FormatSize(unitMaxOpt))
}

// answer names a result. The model's answer to a read does not look where the file
// ends.
func answer(c *engine.Call, r workloads.Result) string {
	switch {
	case r < 0:
		return r.Err().String()
	case !c.Read && int64(r) < c.Length:
		return acceptedFor(int64(r))
	}
	return "accepted"
}

func acceptedFor(n int64) string { return "accepted for " + workloads.FormatSize(n) }

// add notes answers that differ, with the reason that the table has.
func (c *Comparison) add(call *engine.Call, kernel, model string) {
	if kernel == model {
		return
	}
	d := Difference{Kind: c.Kind, Call: call, Kernel: kernel, Model: model}
	for i := range Known {
		if Known[i].holds(c, &d) {
			d.Reason = Known[i].Reason
			break
		}
	}
	c.Differences = append(c.Differences, d)
}
