package model

import (
	"fmt"

	"untorn/crashsim"
	"untorn/engine"
	"untorn/internal/blk"
	"untorn/internal/cost"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// quiet answers every question with the default: no fault, no preemption.
type quiet struct{}

func (quiet) Choose(*crashsim.Point) int { return 0 }

// Cost runs the quiet schedule of c and returns what it took. It looks at the
// kernel from outside, at each step, and judges nothing. The error is that of
// Check, or says that the schedule did not end.
func Cost(c *Config) (*cost.Figures, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	m := &meter{config: c, kernel: engine.New(&engine.Config{Design: c.Design, Device: c.Device, Workload: &c.Workload, Interner: blk.NewInterner()})}
	k := m.kernel
	defer k.Machine().Close()
	for i := range m.waits {
		m.waits[i] = make([]int64, len(c.Workload.Ops))
	}
	m.pinned = make([]int64, len(c.Workload.Ops))
	m.Block, m.ExtentsAtSync = c.Design.Block, []int64{}
	k.Machine().Trace = m.step
	k.Device().OnEvent = m.event
	if out := k.Machine().Run(quiet{}, crashsim.Budget{}); out.Kind != crashsim.Done {
		return nil, fmt.Errorf("the quiet run is stuck: %v after %d steps; %s", out.Kind, out.Steps, out.Detail)
	}
	u := k.Usage()
	m.Allocated, m.CopiedTwice, m.ExtentsAfter = u.Allocated, u.CopiedTwice, u.Extents
	m.LostMerges = lostMerges(k.Device().Log.Events, k.Super().Data, int32(c.Device.MaxTransfer/blk.SectorSize))
	m.spread()
	return &m.Figures, nil
}

// meter looks on while the quiet run goes.
type meter struct {
	cost.Figures
	config   *Config
	kernel   *engine.Kernel
	taken    int64 // blocks at the start
	inflight int64
	callers  []engine.Caller
	waits    [engine.NumWaitClasses][]int64 // steps, by operation
	pinned   []int64                        // steps, by operation
}

// step is told of each step before it is done, and so of what was true since
// the one before.
func (m *meter) step(e crashsim.TraceEvent) {
	if e.Num == "" {
		return
	}
	u := m.kernel.Usage()
	if m.Steps == 0 {
		m.taken, m.ExtentsBefore = u.Taken, u.Extents
	}
	m.Steps++
	m.ExtraBlocks = max(m.ExtraBlocks, u.Taken-m.taken)
	m.PrivatePeak = max(m.PrivatePeak, u.Private)
	if u.TrackBits > m.TrackBits || u.TrackBits == m.TrackBits && u.Ranges > m.Ranges {
		m.TrackBits, m.Ranges = u.TrackBits, u.Ranges
	}
	var pinned int64
	m.callers = m.kernel.Callers(m.callers[:0])
	for _, c := range m.callers {
		m.waits[c.Waits][c.Op-1]++
		if c.Pinned > 0 {
			m.pinned[c.Op-1]++
		}
		pinned += c.Pinned
	}
	m.PinnedPeak = max(m.PinnedPeak, pinned)
}

// event is told of each event of the block log.
func (m *meter) event(e *blk.Event) {
	switch e.Kind {
	case blk.SubmitWrite, blk.SubmitFlush:
		m.command(e)
	case blk.Complete:
		m.inflight--
	case blk.Return:
		m.returned(&m.config.Workload.Ops[e.Op-1], workloads.Result(e.Result))
	}
}

// command counts one command as it is submitted.
func (m *meter) command(e *blk.Event) {
	m.Commands++
	m.inflight++
	m.QueueDepth = max(m.QueueDepth, m.inflight)
	if e.Kind == blk.SubmitFlush {
		m.Flushes++
		return
	}
	if e.FUA {
		m.FUA++
	}
	n := int64(e.Range.Len) * blk.SectorSize
	switch areaOf(m.kernel.Super(), e.Range.Start) {
	case dataArea:
		if m.DataCommands == 0 || n < m.SmallestData {
			m.SmallestData = n
		}
		m.LargestData = max(m.LargestData, n)
		m.DataCommands++
		m.Data += n
	case logArea:
		m.Log += n
	default:
		m.Metadata += n
	}
}

type area uint8

const (
	metadataArea area = iota
	logArea
	dataArea
)

func areaOf(s *ondisk.Super, at blk.Sector) area {
	switch {
	case s.Data.Contains(at):
		return dataArea
	case s.Log.Contains(at):
		return logArea
	}
	return metadataArea
}

// returned counts one call as it returns.
func (m *meter) returned(op *workloads.Op, r workloads.Result) {
	switch {
	case op.Syncs():
		m.ExtentsAtSync = append(m.ExtentsAtSync, m.kernel.Usage().Extents)
	case !op.Writes():
	case r.Err() != 0:
		m.Refused++
		if r.Err() == workloads.ENOSPC {
			m.NoSpace++
		}
	default:
		m.Writes++
		m.Asked += int64(r)
	}
}

// spread sums up the steps of calls: of those that the class is about.
func (m *meter) spread() {
	var writes, syncs [engine.NumWaitClasses][]int64
	var pinned []int64
	for i := range m.config.Workload.Ops {
		op := &m.config.Workload.Ops[i]
		for class := range m.waits {
			if op.Writes() {
				writes[class] = append(writes[class], m.waits[class][i])
			} else if op.Syncs() || op.Kind == workloads.Msync || op.Kind == workloads.SyncFileRange {
				syncs[class] = append(syncs[class], m.waits[class][i])
			}
		}
		if op.Writes() {
			pinned = append(pinned, m.pinned[i])
		}
	}
	m.PinnedSteps = cost.SpreadOf(pinned)
	m.Stable = cost.SpreadOf(writes[engine.WaitStable])
	m.Lock = cost.SpreadOf(writes[engine.WaitLock])
	m.Own = cost.SpreadOf(writes[engine.WaitWrite])
	m.Sync = cost.SpreadOf(syncs[engine.WaitSync])
}

// lostMerges counts the writes to an area that a plug would have merged with
// the one before if they were plain. What comes out of one plug is submitted
// without a step in between.
func lostMerges(events []blk.Event, data blk.Range, maxTransfer int32) (n int64) {
	var run blk.Range // the command that plain bios would have become
	var step uint32
	for i := range events {
		e := &events[i]
		if e.Kind != blk.SubmitWrite || !data.Contains(e.Range.Start) {
			run = blk.Range{}
			continue
		}
		if run.Len > 0 && step == e.Step && run.End() == e.Range.Start && run.Len+e.Range.Len <= maxTransfer {
			n++
			run.Len += e.Range.Len
			continue
		}
		run, step = e.Range, e.Step
	}
	return n
}
