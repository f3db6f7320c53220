package engine

// MutantFsyncNoFlush makes fsync return without flushing the device.
const MutantFsyncNoFlush = "fsync-no-flush"

// logMutants are defects of the log and of fsync, steps 37 and 38.
var logMutants = []Mutant{
	{Name: MutantFsyncNoFlush, Defect: "fsync returns without flushing the device", Killers: []string{"fsync-durable"},
		plant: wrap(func(r rules) rules { return fsyncNoFlush{r} })},
}

// fsyncNoFlush leaves the flushes out where a caller waits for them.
type fsyncNoFlush struct{ rules }

func (fsyncNoFlush) flushesOnFsync() bool        { return false }
func (fsyncNoFlush) logFUA(t *task) bool         { return len(t.ops) == 0 }
func (m fsyncNoFlush) flushesFirst(t *task) bool { return len(t.ops) == 0 && m.rules.flushesFirst(t) }
