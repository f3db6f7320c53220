package engine

import (
	"fmt"
	"slices"

	"untorn/crashsim"
	"untorn/crashsim/nvme"
	"untorn/internal/blk"
	"untorn/internal/key"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// PageSize is the size in bytes of a page of memory.
const PageSize = 4096

const pageSectors = PageSize / blk.SectorSize

// Kernel is the kernel under test with the files and the tasks of a workload.
// It implements crashsim.Kernel.
type Kernel struct {
	design   Design // without the axes that others may stand for
	axes     axes
	limits   queueLimits
	workload *workloads.Workload
	faults   [crashsim.NumFaultKinds]bool
	super    ondisk.Super
	interner *blk.Interner
	initial  []blk.Handle // the disk after mkfs
	mkfsFork []forkEntry  // the data fork after mkfs

	dev     *nvme.Device
	machine *crashsim.Machine
	tasks   []*task
	worker  *task
	flusher *task
	logger  *task

	blockSectors int32
	pageBlocks   int32 // blocks of a page, at least 1
	sectors      int32 // that all files may have
	filePages    int32

	fs      filesystem
	rules   rules
	tracker tracker
	copier  copier
	submit  submitter

	numFiles int32
	inodes   [maxFiles]inode
	forks    forks
	cache    pageCache
	units    unitTable
	alloc    allocator
	log      journal
	ioends   ioendTable
	reqs     requestTable
	started  flusherWork
	logWork  int32 // 1 when the log worker was asked to force the log
	down     int32 // 1 when the file system has shut down
	drained  int32 // stages of the drain that have begun

	counters Counters

	payload []blk.Handle // of the request being dispatched
	clones  bool         // the workload shares blocks

	// OnHash, when set, adds what the kernel's owner knows of the state: what
	// power loss would leave, and what the callers saw.
	OnHash func(h *key.Hasher)
}

// flusherWork is what the flusher was asked to write back.
type flusherWork struct {
	queued int32 // 1 when there is work that the flusher has not finished
	from   int32 // first page
}

// task is one thread: the machine's task, and the frame of what lives across
// its steps.
type task struct {
	*crashsim.Task
	k   *Kernel
	ops []int32 // numbers of its operations
	f   frame
}

// frame holds every local of a task that lives across a step. All fields are
// int32, so that a state is hashed as plain words.
type frame struct {
	next int32 // index in task.ops of the operation being done
	file int32 // that the operation is on

	result int32 // bytes that a write returns, while it syncs
	// asked is 1 + the step after which the operation asked for writeback that it
	// waits for: one operation may ask several times. waitFrom and waitTo are the
	// pages, which may follow from a size that is another one by now.
	asked            int32
	waitFrom, waitTo int32
	// zeroFrom and zeroTo are the ends of what is cleared, in sectors, where the
	// size of the file decided them.
	zeroFrom, zeroTo int32

	// buffered write, in sectors of the file
	start    int32 // where the operation begins
	pos, end int32
	// pieceFrom and pieceTo are the unit being written, or the whole of a write
	// that has none.
	pieceFrom, pieceTo int32
	unitFrom           int32 // the unit held open, file blocks; 0, 0 for none
	unitTo             int32
	holdFrom           int32 // the folios held so that they stay, pages
	holdTo             int32
	mapEnd             int32 // end of the mapping in use
	mapStale           int32 // the forks changed since the mapping was made
	chunk              int32 // sectors of this iteration
	retry              int32 // sectors that a rejected copy asks for
	page               int32 // first page of the locked folio
	copied             int32
	tries              int32 // copies that were not kept
	signal             int32 // 1 when a fatal signal is pending
	noMemory           int32 // 1 when the next allocation fails
	direct             int32 // 1 while a direct write builds its ioends
	through            int32 // 1 + slot of the unit that the write sends itself
	// errorsBefore counts the writeback errors of the file when the write began.
	errorsBefore int32
	err          int32    // errno that ended the copying, or the sync
	userPages    [2]int32 // bit set: resident
	userGone     [2]int32 // bit set: unmapped for good
	pinned       int32

	// orderedFrom and orderedTo are the pages that a commit is about to write.
	orderedFrom, orderedTo int32

	// writeback, in pages and blocks
	wbIndex, wbEnd, wbSync int32
	wbQuota                int32 // quotaReached, quotaUsed
	pickFrom, pickTo       int32
	wbPage, wbNext         int32
	wbBlock                int32
	wbPlace                int32 // where the block goes, once that is decided
	wbDisk, wbUnwritten    int32 // the disk block of it, once there is one
	building               int32 // 1 + slot of the ioend under construction
	plugged                int32 // number of ioends in plug
	plug                   [8]int32

	// completion
	ioend  int32 // slot being completed
	extent int32 // file block up to which the unit is remapped
	// extentTo ends the run that begins at extent and is dealt with next.
	extentTo int32
	waitsIO  int32 // commands of its own that this task waits for
	ioError  int32 // errno of one of them
	noSpace  int32 // 1 when the next allocation of blocks fails
}

// Config is what a Kernel is built from.
type Config struct {
	Design   Design
	Device   nvme.Config
	Workload *workloads.Workload
	Faults   [crashsim.NumFaultKinds]bool
	Interner *blk.Interner
	// Others are designs to take along, to see which of them are Alike.
	Others Alike
}

// New formats a disk and returns a kernel that has mounted it. The design
// must have passed Check.
func New(c *Config) *Kernel {
	k := &Kernel{
		design:       c.Design,
		axes:         newAxes(&c.Design, c.Others),
		limits:       newQueueLimits(&c.Device),
		workload:     c.Workload,
		faults:       c.Faults,
		interner:     c.Interner,
		blockSectors: int32(c.Design.Block / blk.SectorSize),
	}
	// Whoever reads these passes the question by.
	k.design.Copy, k.design.Track, k.design.Writeback, k.design.Stable = 0, 0, 0, 0
	k.pageBlocks = max(1, pageSectors/k.blockSectors)
	k.clones = slices.ContainsFunc(c.Workload.Ops, func(o workloads.Op) bool { return o.Kind == workloads.Clone })
	k.mkfs(&c.Device)
	k.takeFlags()
	k.dev = nvme.New(c.Device, k.initial)
	k.dev.EndIO = k.endIO
	k.machine = crashsim.NewMachine(k, k.dev, stepTable[:])
	k.dev.Now = k.machine.Steps
	for _, name := range c.Workload.Tasks() {
		t := &task{k: k}
		for i := range c.Workload.Ops {
			if c.Workload.Ops[i].Task == name {
				t.ops = append(t.ops, int32(i+1))
			}
		}
		t.Task = k.machine.AddTask(name, false, func(*crashsim.Task) { t.runOps() })
		k.tasks = append(k.tasks, t)
	}
	k.tracker, k.copier, k.submit = newTracker(k), newCopier(k), newSubmitter(k)
	k.fs, k.rules = newFilesystem(k), sound{k}
	if m := mutantByName(c.Design.Mutant); m != nil {
		m.plant(k)
	}
	k.worker = &task{k: k}
	k.worker.Task = k.machine.AddTask("kworker", true, func(*crashsim.Task) { k.worker.runCompletions() })
	k.flusher = &task{k: k}
	k.flusher.Task = k.machine.AddTask("flusher", true, func(*crashsim.Task) { k.flusher.runFlusher() })
	k.logger = &task{k: k}
	k.logger.Task = k.machine.AddTask("log worker", true, func(*crashsim.Task) { k.logger.runLogWorker() })
	k.tasks = append(k.tasks, k.worker, k.flusher, k.logger)
	return k
}

// takeFlags leaves RWF_ATOMIC out of the calls of operations that are to be
// made without it.
func (k *Kernel) takeFlags() {
	w := *k.workload
	w.Ops = slices.Clone(w.Ops)
	for i := range w.Ops {
		w.Ops[i].Atomic = w.Ops[i].Atomic && !w.Ops[i].Unflagged
	}
	k.workload = &w
}

// Machine returns the machine that runs the kernel.
func (k *Kernel) Machine() *crashsim.Machine { return k.machine }

// Device returns the disk.
func (k *Kernel) Device() *nvme.Device { return k.dev }

// Super returns the disk's layout.
func (k *Kernel) Super() *ondisk.Super { return &k.super }

// Initial returns what the disk holds before the run.
func (k *Kernel) Initial() []blk.Handle { return k.initial }

// Reset brings the kernel back to just after mount.
func (k *Kernel) Reset() {
	k.dev.Reset()
	for _, t := range k.tasks {
		t.f = frame{}
	}
	k.resetInodes()
	k.forks.reset(k)
	k.cache.reset()
	k.tracker.reset()
	k.units = unitTable{}
	k.alloc.reset()
	k.log.reset()
	k.ioends = ioendTable{}
	k.reqs = requestTable{}
	k.started = flusherWork{}
	k.logWork, k.drained, k.down = 0, 0, 0
	k.counters = Counters{}
}

// Drain starts what the system does in its own time once all tasks ended: the
// flusher writes back what is dirty, then the log worker forces the log.
func (k *Kernel) Drain() bool {
	switch k.drained++; k.drained {
	case 1:
		k.started = flusherWork{queued: 1}
	case 2:
		k.logWork = 1
	default:
		return false
	}
	return true
}

// runOps is a task of the workload: one system call after the other.
func (t *task) runOps() {
	k := t.k
	for t.f.next = 0; int(t.f.next) < len(t.ops); t.f.next++ {
		t.Step(stepSyscall)
		n := t.ops[t.f.next]
		op := &k.workload.Ops[n-1]
		k.dev.Mark(blk.Call, n, 0)
		t.f.file = int32(op.File)
		t.f.start = t.ino().base + int32(op.Offset/sectorBytes)
		res := t.do(op)
		k.dev.Mark(blk.Return, n, int32(res))
		// What is left in the frame is dead; states that differ in it are equal.
		t.f = frame{next: t.f.next}
	}
}

// op returns the operation that the task is in.
func (t *task) op() *workloads.Op { return &t.k.workload.Ops[t.ops[t.f.next]-1] }

// Kinds of waits; the argument is in the comment.
const (
	_               uint8 = iota
	waitInodeLock         // file
	waitInodeShared       // file: until it can be shared
	waitDirect            // task: until its direct I/O is done
	waitInodeMap          // file: the lock of the extent maps
	waitFaults            // file: until page faults may go on
	waitFolio             // page: until the folio there is not locked
	waitWriteback         // page: until the folio there is not under writeback
	waitUnitShut          // block: until no write holds the unit there open
	waitUnitFree          // slot: until the unit is not being picked
	waitFlusher           // -: until the flusher has work
	waitLogWork           // -: until the log worker has work
	waitIoend             // -: until an ioend can be completed
	waitLogIdle           // -: until no log force is under way
	waitIO                // task: until its own commands are done
)

// block waits. A task that has to wait sends off what it has plugged first,
// as schedule does.
func (t *task) block(kind uint8, arg int32) {
	w := crashsim.Wait{Kind: kind, Arg: arg}
	if t.k.Ready(w) {
		return
	}
	t.flushPlug()
	t.Block(w)
}

// Ready reports whether what a task waits for has happened.
func (k *Kernel) Ready(w crashsim.Wait) bool {
	switch w.Kind {
	case waitInodeLock:
		return k.inodes[w.Arg].lockedBy == 0 && k.inodes[w.Arg].sharedBy == 0
	case waitInodeShared:
		return k.inodes[w.Arg].lockedBy == 0
	case waitDirect:
		return k.directDone(w.Arg)
	case waitInodeMap:
		return k.inodes[w.Arg].mapLockedBy == 0
	case waitFaults:
		return k.inodes[w.Arg].faultsStopped == 0
	case waitFolio:
		f := k.cache.folio(w.Arg)
		return f == nil || f.lockedBy == 0
	case waitWriteback:
		f := k.cache.folio(w.Arg)
		return f == nil || f.writeback == 0
	case waitUnitShut:
		_, open, _ := k.tracker.next(w.Arg, w.Arg+1)
		return !open
	case waitUnitFree:
		return k.units.u[w.Arg].picked == 0
	case waitFlusher:
		return k.started.queued != 0
	case waitLogWork:
		return k.logWork != 0
	case waitIoend:
		return k.nextDone() >= 0
	case waitLogIdle:
		return k.log.forcing == 0
	case waitIO:
		return k.tasks[w.Arg].f.waitsIO == 0
	}
	panic(fmt.Sprintf("engine: wait of kind %d", w.Kind))
}
