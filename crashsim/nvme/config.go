// Package nvme is the simulated device: a queue, a volatile cache with FLUSH
// and FUA, and the limits within which a write survives a loss of power as a
// whole. What power loss leaves is worked out by package powerloss from the
// log that this device keeps.
package nvme

// Atomicity says what holds together of an acknowledged command that still
// sits in the volatile cache. The zero value is invalid.
type Atomicity uint8

// Values of Config.CachedAtomicity.
const (
	_           Atomicity = iota
	CommandUnit           // the command as a whole, when it fits the power-fail limit
	LBAUnit               // each LBA on its own
)

var atomicityNames = [...]string{"invalid", "command", "lba"}

func (a Atomicity) String() string { return atomicityNames[a] }

// Tear says what power loss leaves of an LBA of a command that does not fit
// the power-fail limit. The zero value is invalid.
type Tear uint8

// Values of Config.Tear.
const (
	_           Tear = iota
	OldOrNew         // the LBA before or after the write
	TearGarbage      // either, or garbage
)

var tearNames = [...]string{"invalid", "old-or-new", "garbage"}

func (t Tear) String() string { return tearNames[t] }

// Config describes a device. Sizes are bytes.
type Config struct {
	LBA             int64
	NAWUPF          int64 // power-fail atomic size; the LBA size means none
	AWUN            int64 // atomic with respect to other commands
	DN              bool  // AWUN is disabled
	PartitionOffset int64 // where the partition starts on the namespace
	FlushLies       bool  // FLUSH answers without hardening anything
	Boundary        int64 // power-fail boundary, 0 for none
	BoundaryOffset  int64
	MaxTransfer     int64
	Protected       bool // the cache survives power loss
	CachedAtomicity Atomicity
	FUA             bool
	Tear            Tear
}
