package model

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/engine"
	"untorn/internal/cost"
	"untorn/workloads"
)

const kib = 1 << 10

// oneUnit is a file of 64 KiB in one extent, a 16 KiB atomic write at its
// start, and fsync, on a device that writes 16 KiB as a whole. All of the unit
// is one folio.
func oneUnit() *Config {
	c := small()
	c.Design.FolioMin, c.Design.FolioMax = 16*kib, 16*kib
	c.Device.NAWUPF, c.Device.AWUN = 16*kib, 16*kib
	c.Workload.File = 64 * kib
	c.Workload.Ops[0].Length = 16 * kib
	return c
}

func costOf(t *testing.T, c *Config) *cost.Figures {
	t.Helper()
	f, err := Cost(c)
	require.NoError(t, err)
	return f
}

// once is the spread over one call.
func once(steps int64) cost.Spread {
	s := cost.Spread{Calls: 1, Total: steps, Median: steps, P99: steps, Worst: steps}
	if steps > 0 {
		s.Some = 1
	}
	return s
}

// TestCostByHand compares with what follows from the design, step by step.
func TestCostByHand(t *testing.T) {
	// Pinned in step 4 and unpinned after 18: steps 5, 6, 7, 8, 9, 9, 10, 11, 12,
	// 13, 14, 15, 17 and 18 of the write see its four pages pinned.
	const pinned = 14
	for name, c := range map[string]struct {
		change func(*Config)
		want   cost.Figures
	}{
		// The data goes to four new blocks, in one command. The log is flushed and
		// written with FUA: one stage, one intent, one unstage, one map, one done,
		// five items of 28 bytes, in one sector. The unit leaves the extent that the
		// file had, so that there are two. fsync waits for the data (31), for 32, 34,
		// 34 and 36 of its completion, for the FLUSH (31) and for the record (31).
		"cow": {func(*Config) {}, cost.Figures{
			Data: 16 * kib, Log: 512, Commands: 3, DataCommands: 1, SmallestData: 16 * kib, LargestData: 16 * kib, Flushes: 1, FUA: 1,
			QueueDepth: 1, Allocated: 4, ExtraBlocks: 4, ExtentsBefore: 1, ExtentsAfter: 2, ExtentsAtSync: []int64{2},
			Ranges: 1, TrackBits: 128, PinnedPeak: 16 * kib, PinnedSteps: once(pinned), Own: once(0), Sync: once(7)}},
		// One atomic command over the old blocks; nothing to log, so that fsync
		// flushes the device itself. It waits for 31, 32 and 36, and 31 of the FLUSH.
		"in place": {func(c *Config) { c.Design.Writeback = engine.WritebackAtomic }, cost.Figures{
			Data: 16 * kib, Commands: 2, DataCommands: 1, SmallestData: 16 * kib, LargestData: 16 * kib, Flushes: 1,
			QueueDepth: 1, ExtentsBefore: 1, ExtentsAfter: 1, ExtentsAtSync: []int64{1},
			Ranges: 1, TrackBits: 128, PinnedPeak: 16 * kib, PinnedSteps: once(pinned), Own: once(0), Sync: once(4)}},
		// The write itself sends the data and waits for 31, 32 and 36; of fsync the
		// FLUSH is left. Steps 22, 23, 24, 25, 26, 27 for each block, and 29 come
		// before 15, while the pages are pinned. Nothing is remembered.
		"write-through, waiting": {func(c *Config) {
			c.Design.Writeback, c.Design.Submit, c.Design.Track = engine.WritebackAtomic, engine.SubmitWriteThroughWait, engine.TrackNone
		}, cost.Figures{
			Data: 16 * kib, Commands: 2, DataCommands: 1, SmallestData: 16 * kib, LargestData: 16 * kib, Flushes: 1,
			QueueDepth: 1, ExtentsBefore: 1, ExtentsAfter: 1, ExtentsAtSync: []int64{1},
			PinnedPeak: 16 * kib, PinnedSteps: once(pinned + 10), Own: once(3), Sync: once(1)}},
		// Every other block is free, so that each new one is a command and an extent
		// of its own: four stages, four intents, and an unstage, a map and a done for
		// each extent are 20 items, 17 of which fit a sector. fsync waits for 31 four
		// times, 32, 34, 34 four times and 36, the FLUSH and the record.
		"cow into fragments": {func(c *Config) { c.Workload.FreeSpace = workloads.Fragmented }, cost.Figures{
			Data: 16 * kib, Log: 1024, Commands: 6, DataCommands: 4, SmallestData: 4 * kib, LargestData: 4 * kib, Flushes: 1, FUA: 1,
			QueueDepth: 4, Allocated: 4, ExtraBlocks: 4, ExtentsBefore: 1, ExtentsAfter: 5, ExtentsAtSync: []int64{5},
			Ranges: 1, TrackBits: 128, PinnedPeak: 16 * kib, PinnedSteps: once(pinned), Own: once(0), Sync: once(13)}},
		// The same call past the page cache: no copy and nothing to remember, the
		// pages are under I/O between D6 and its completion, which is all that they
		// and the call wait for.
		"direct": {func(c *Config) {
			d := &c.Design
			d.Submit, d.Writeback, d.Track, d.Copy, d.Stable = engine.SubmitDirect, engine.WritebackAtomic, engine.TrackNone, engine.CopyPlain, engine.StableNone
			c.Workload.Ops[0].Direct = true
		}, cost.Figures{
			Data: 16 * kib, Commands: 2, DataCommands: 1, SmallestData: 16 * kib, LargestData: 16 * kib, Flushes: 1,
			QueueDepth: 1, ExtentsBefore: 1, ExtentsAfter: 1, ExtentsAtSync: []int64{1},
			PinnedPeak: 16 * kib, PinnedSteps: once(2), Own: once(1), Sync: once(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := oneUnit()
			c.change(cfg)
			got := costOf(t, cfg)
			c.want.Writes, c.want.Asked, c.want.Block = 1, 16*kib, 4*kib
			c.want.Stable, c.want.Lock = once(0), once(0)
			c.want.Steps = got.Steps
			require.Equal(t, &c.want, got)
		})
	}
}

// twoUnits adds a neighbour before the fsync.
func twoUnits(c *Config) *Config {
	op := c.Workload.Ops[0]
	next := op
	next.Offset = op.End()
	c.Workload.Ops = []workloads.Op{op, next, c.Workload.Ops[1]}
	return c
}

// TestLostMerges: neighbours that the limit of the device keeps apart are lost,
// and no others.
func TestLostMerges(t *testing.T) {
	for name, c := range map[string]struct {
		writeback      engine.Writeback
		nawupf         int64
		transfer       int64
		commands, lost int64
	}{
		"at the limit":       {engine.WritebackAtomic, 16 * kib, 128 * kib, 2, 1},
		"within it":          {engine.WritebackAtomic, 32 * kib, 128 * kib, 1, 0},
		"transfer too small": {engine.WritebackAtomic, 16 * kib, 24 * kib, 2, 0},
		"new blocks":         {engine.WritebackCow, 16 * kib, 128 * kib, 1, 0},
		"new blocks, apart":  {engine.WritebackCow, 16 * kib, 16 * kib, 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := twoUnits(oneUnit())
			cfg.Design.Writeback, cfg.Device.NAWUPF, cfg.Device.MaxTransfer = c.writeback, c.nawupf, c.transfer
			f := costOf(t, cfg)
			require.Equal(t, [...]int64{32 * kib, c.commands, c.lost}, [...]int64{f.Data, f.DataCommands, f.LostMerges})
		})
	}

	// A plug between them, or another place, and there was nothing to merge.
	cfg := twoUnits(oneUnit())
	cfg.Design.Writeback, cfg.Design.Submit = engine.WritebackAtomic, engine.SubmitWriteThrough
	require.Zero(t, costOf(t, cfg).LostMerges)
	cfg = twoUnits(oneUnit())
	cfg.Design.Writeback = engine.WritebackAtomic
	cfg.Workload.Ops[1].Offset = 32 * kib
	require.Zero(t, costOf(t, cfg).LostMerges)
}

// TestTrackBits: two units of 16 KiB, with blocks of 4 KiB.
func TestTrackBits(t *testing.T) {
	for name, c := range map[string]struct {
		track  engine.Track
		folio  int64
		ranges int64
		bits   int64
	}{
		"none":                         {engine.TrackNone, 16 * kib, 0, 0},
		"a flag for each page":         {engine.TrackPageFlag, 4 * kib, 2, 8},
		"a flag for each unit":         {engine.TrackPageFlag, 16 * kib, 2, 2},
		"a flag for both units":        {engine.TrackPageFlag, 32 * kib, 2, 1},
		"two bits for each block":      {engine.TrackStateBits, 16 * kib, 2, 16},
		"of all of a folio":            {engine.TrackStateBits, 64 * kib, 2, 32},
		"a record of 16 bytes a unit":  {engine.TrackCowFork, 4 * kib, 2, 256},
		"a node of 56 bytes a unit":    {engine.TrackSidecar, 4 * kib, 2, 896},
		"an extent of 40 bytes a unit": {engine.TrackExtentStatus, 4 * kib, 2, 640},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := twoUnits(oneUnit())
			d := &cfg.Design
			d.Track, d.Writeback, d.FolioMin, d.FolioMax = c.track, engine.WritebackAtomic, c.folio, c.folio
			if c.track == engine.TrackExtentStatus {
				d.Filesystem, d.Cluster = engine.Ext4, 16*kib
			}
			f := costOf(t, cfg)
			require.Equal(t, [2]int64{c.ranges, c.bits}, [2]int64{f.Ranges, f.TrackBits})
		})
	}
}

// TestWaitsAndCopies: b changes the folio that a is syncing. It waits for 31,
// 32 and 36 of that, or changes it at once; with a copy for the device to read
// it never waits, and 4 KiB are copied twice for each of the two writebacks.
func TestWaitsAndCopies(t *testing.T) {
	for name, c := range map[string]struct {
		stable        engine.Stable
		worst, copied int64
	}{
		"none":   {engine.StableNone, 0, 0},
		"wait":   {engine.StableWait, 3, 0},
		"bounce": {engine.StableBounce, 0, 8 * kib},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := small()
			cfg.Design.Writeback, cfg.Design.Stable = engine.WritebackAtomic, c.stable
			cfg.Device.NAWUPF = 4 * kib
			write := workloads.Op{Task: "a", Kind: workloads.Pwrite, Length: 4 * kib, Atomic: true}
			again := write
			again.Task = "b"
			cfg.Workload.Ops = []workloads.Op{write, {Task: "a", Kind: workloads.Fsync}, again}
			f := costOf(t, cfg)
			require.Equal(t, cost.Spread{Calls: 2, Some: min(c.worst, 1), Total: c.worst, P99: c.worst, Worst: c.worst}, f.Stable)
			require.Equal(t, [2]int64{8 * kib, c.copied}, [2]int64{f.Data, f.CopiedTwice}, "b's write is drained")
			require.Equal(t, min(c.copied, 4*kib), f.PrivatePeak)
			require.Zero(t, f.Lock.Total)
		})
	}

	cfg := oneUnit()
	cfg.Design.Copy = engine.CopyBounce
	f := costOf(t, cfg)
	require.Equal(t, [3]int64{16 * kib, 16 * kib, 0}, [3]int64{f.CopiedTwice, f.PrivatePeak, f.PinnedPeak})
	cfg.Design.Copy = engine.CopyMlock
	require.Equal(t, int64(16*kib), costOf(t, cfg).PinnedPeak)
	cfg.Design.Copy = engine.CopyRetry
	require.Zero(t, costOf(t, cfg).PinnedPeak)
}

// TestWaitForLock: a, which extends the file, holds the inode alone, and b waits
// for the data of a (31) and for what a does until it lets go: D7, 34 for the
// intents and for the one extent, D8 and D9.
func TestWaitForLock(t *testing.T) {
	cfg := oneUnit()
	cfg.Design.Submit, cfg.Design.Track = engine.SubmitDirect, engine.TrackNone
	cfg.Design.Copy, cfg.Design.Stable = engine.CopyPlain, engine.StableNone
	cfg.Workload.Ops = []workloads.Op{
		{Task: "a", Kind: workloads.Pwrite, Offset: 64 * kib, Length: 16 * kib, Atomic: true, Direct: true},
		{Task: "b", Kind: workloads.Pwrite, Length: 16 * kib, Atomic: true, Direct: true}}
	f := costOf(t, cfg)
	require.Equal(t, cost.Spread{Calls: 2, Some: 1, Total: 6, P99: 6, Worst: 6}, f.Lock)
	cfg.Workload.Ops[0].Offset = 32 * kib
	require.Zero(t, costOf(t, cfg).Lock.Total, "writers that share it do not wait")
}

// TestRefused: what a call was refused for is not asked of the device.
func TestRefused(t *testing.T) {
	cfg := oneUnit()
	cfg.Design.Writeback, cfg.Device.NAWUPF = engine.WritebackAtomic, 512
	f := costOf(t, cfg)
	require.Equal(t, [4]int64{0, 1, 0, 0}, [4]int64{f.Writes, f.Refused, f.Asked, f.Device()})

	cfg = oneUnit()
	cfg.Design.Block = 3
	_, err := Cost(cfg)
	require.Error(t, err)
}

// TestExtentsAtSync: each round of scattered writes to new blocks takes more
// units out of the first extent.
func TestExtentsAtSync(t *testing.T) {
	cfg := oneUnit()
	cfg.Workload.Ops = nil
	for _, unit := range []int64{0, 2, 1} {
		cfg.Workload.Ops = append(cfg.Workload.Ops,
			workloads.Op{Task: "db", Kind: workloads.Pwrite, Offset: unit * 16 * kib, Length: 16 * kib, Atomic: true},
			workloads.Op{Task: "db", Kind: workloads.Fsync})
	}
	f := costOf(t, cfg)
	require.Equal(t, []int64{2, 4, 4}, f.ExtentsAtSync)
	require.Equal(t, int64(12), f.Allocated)
}

// TestCostOfVariants: the figures are a function of the configuration, and
// agree with one another.
func TestCostOfVariants(t *testing.T) {
	for name, c := range variants() {
		t.Run(name, func(t *testing.T) {
			f := costOf(t, c)
			require.Equal(t, f, costOf(t, c))
			require.GreaterOrEqual(t, f.Data, f.Asked)
			require.LessOrEqual(t, f.DataCommands+f.Flushes+f.FUA, f.Commands+1)
			require.LessOrEqual(t, f.SmallestData*f.DataCommands, f.Data)
			require.GreaterOrEqual(t, f.LargestData*f.DataCommands, f.Data)
			require.Zero(t, f.Metadata)
		})
	}
}

// TestCostOfStuck: a run that does not end has no figures. Two direct writes
// into fragments need more ioends than there are.
func TestCostOfStuck(t *testing.T) {
	cfg := oneUnit()
	d := &cfg.Design
	d.Submit, d.Writeback, d.Track, d.Copy, d.Stable = engine.SubmitDirect, engine.WritebackPlain, engine.TrackNone, engine.CopyPlain, engine.StableNone
	cfg.Workload.File, cfg.Workload.Layout = 256*kib, workloads.Fragmented
	cfg.Workload.Ops = []workloads.Op{
		{Task: "a", Kind: workloads.Pwrite, Length: 256 * kib, Direct: true},
		{Task: "b", Kind: workloads.Pwrite, Length: 4 * kib, Direct: true}}
	_, err := Cost(cfg)
	require.ErrorContains(t, err, "stuck: panic")
	cfg.Workload.Ops = cfg.Workload.Ops[:1]
	require.Equal(t, int64(64), costOf(t, cfg).DataCommands)
}
