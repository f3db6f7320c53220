package crashsim

// FaultKind is one kind of fault. The zero value is invalid.
type FaultKind uint8

// The kinds of faults, in the order of the scenario's fields. Power loss and
// its repetition during recovery are not among them: they cut the log and
// cost no run.
const (
	_ FaultKind = iota
	// Reclaim: a user page vanishes, a clean folio is evicted, writeback of a dirty folio starts.
	Reclaim
	// ShortCopy: a copy ends early, at a page or a sector boundary.
	ShortCopy
	IOError
	NoSpace
	NoMemory
	Signal
	Migration
	// PageGone: a user page is unmapped for good.
	PageGone
	FolioSplit
	TrackerEviction
	Quota
	// LogForce: the log worker forces the log.
	LogForce
	NumFaultKinds
)

var faultKindNames = [...]string{"invalid", "reclaim", "short_copy", "io_error", "no_space", "no_memory", "signal",
	"migration", "page_gone", "folio_split", "tracker_eviction", "quota", "log_force"}

func (k FaultKind) String() string { return faultKindNames[k] }

// Fault is one thing that may go wrong at a step. What A and B mean is up to
// the kernel, which also prints it.
type Fault struct {
	Kind FaultKind
	Form uint8
	A, B int32
}

// Faults says which kinds may strike, and how often in one run. A scenario
// may have several, told apart by Name.
type Faults struct {
	Name              string
	PowerLoss         bool
	Kinds             [NumFaultKinds]bool
	RecoveryPowerLoss int // how often recovery itself may be cut
	Budget            int // faults in one run, power loss not counted
}
