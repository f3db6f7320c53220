package engine

// MutantFsyncNoFlush makes fsync return without flushing the device.
const MutantFsyncNoFlush = "fsync-no-flush"

// logMutants are defects of the log and of fsync, steps 37 and 38.
var logMutants = []Mutant{
	{Name: MutantFsyncNoFlush, Defect: "fsync returns without flushing the device", Killers: []string{"fsync-durable"},
		plant: wrap(func(r rules) rules { return fsyncNoFlush{r} })},
	{Name: "remap-no-flush", Defect: "the remap is logged without flushing the data first", Killers: []string{"cow-fork"},
		plant: wrap(func(r rules) rules { return remapNoFlush{r} })},
	{Name: "log-no-fua", Defect: "the log write is not FUA and not followed by a flush", Killers: []string{"cow-fork"},
		plant: wrap(func(r rules) rules { return logNoFUA{r} })},
	{Name: "log-no-flush-after", Defect: "a device without FUA is not flushed after the log write", Killers: []string{"size-update"},
		plant: wrap(func(r rules) rules { return logNoFlushAfter{r} })},
	{Name: "fsync-no-wait", Defect: "fsync flushes the device before the data that it sent is there", Killers: []string{"fsync-durable"},
		plant: wrap(func(r rules) rules { return fsyncNoWait{r} })},
}

// fsyncNoFlush leaves the flushes out where a caller waits for them.
type fsyncNoFlush struct{ rules }

func (fsyncNoFlush) flushesOnFsync() bool        { return false }
func (fsyncNoFlush) logFUA(t *task) bool         { return len(t.ops) == 0 }
func (fsyncNoFlush) flushesAfter(t *task) bool   { return len(t.ops) == 0 }
func (m fsyncNoFlush) flushesFirst(t *task) bool { return len(t.ops) == 0 && m.rules.flushesFirst(t) }

type remapNoFlush struct{ rules }

func (remapNoFlush) flushesFirst(*task) bool { return false }

type logNoFUA struct{ rules }

func (logNoFUA) logFUA(*task) bool       { return false }
func (logNoFUA) flushesAfter(*task) bool { return false }

type logNoFlushAfter struct{ rules }

func (logNoFlushAfter) flushesAfter(*task) bool { return false }

type fsyncNoWait struct{ rules }

func (fsyncNoWait) syncWaits() bool { return false }
