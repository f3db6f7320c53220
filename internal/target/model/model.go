// Package model is the target that needs no hardware: the engine on the
// simulated machine and device, with every crash image judged as the log
// grows.
package model

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"untorn/crashsim"
	"untorn/crashsim/nvme"
	"untorn/crashsim/powerloss"
	"untorn/engine"
	"untorn/internal/blk"
	"untorn/internal/reduce"
	"untorn/verifier"
	"untorn/workloads"
)

// Config is one arm of one row: everything that decides what may happen.
type Config struct {
	Design   engine.Design
	Device   nvme.Config
	Workload workloads.Workload
	Faults   crashsim.Faults
	Contract verifier.Contract
	// NoReduce names rules that leave nothing out. Only Distinct depends on
	// one of them: without cells all images count that no verdict tells apart.
	NoReduce reduce.Set
	// Others are designs to take along, to see which of them are alike. It
	// changes nothing that is counted or found.
	Others engine.Alike
}

// Check refuses a configuration: *engine.NonsenseError for one that makes no
// sense, *engine.NotBuiltError for one that cannot run yet, another error for
// sizes that are out of range.
func (c *Config) Check() error {
	if err := c.Design.Check(); err != nil {
		return err
	}
	if c.Faults.RecoveryPowerLoss > 0 && !c.Faults.PowerLoss {
		return errors.New("faults.recovery_power_loss: a mount follows a loss of power, and faults.power_loss is off")
	}
	if err := c.Workload.Check(); err != nil {
		return fmt.Errorf("workload: %w", err)
	}
	return engine.CheckWorkload(&c.Design, &c.Device, &c.Workload)
}

// rules returns what the crash rule depends on.
func (c *Config) rules() powerloss.Rules {
	d := &c.Device
	r := powerloss.Rules{
		LBA:             int32(d.LBA / blk.SectorSize),
		NAWUPF:          int32(d.NAWUPF / blk.SectorSize),
		NAWUN:           int32(d.AWUN / blk.SectorSize),
		Boundary:        d.Boundary / blk.SectorSize,
		BoundaryOffset:  d.BoundaryOffset / blk.SectorSize,
		PartitionOffset: d.PartitionOffset / blk.SectorSize,
		Protected:       d.Protected,
		CachedLBA:       d.CachedAtomicity == nvme.LBAUnit,
		Garbage:         d.Tear == nvme.TearGarbage,
		FlushLies:       d.FlushLies,
	}
	if d.DN {
		r.NAWUN = 0
	}
	return r
}

// Assumptions says in words what the crash rule takes for granted.
func (c *Config) Assumptions() []string {
	var a []string
	if !c.Device.Protected {
		if c.Device.CachedAtomicity == nvme.CommandUnit {
			a = append(a, "an acknowledged command in the volatile cache survives whole or not at all if it fits nawupf")
		} else {
			a = append(a, "an acknowledged command in the volatile cache survives LBA by LBA")
		}
	}
	if c.Device.Tear == nvme.OldOrNew {
		a = append(a, "above nawupf each LBA is old or new, never garbage")
	}
	return a
}

// Equivalence names what is taken for one image in the counts of distinct
// and judged images.
const Equivalence = "units that share no metadata decision are judged apart; of the LBAs of a command within one run of " +
	"sectors of equal history, none, some and all stand for every subset"

// EquivalenceApart is the same without the rule that a verdict sees nothing in
// a cell (reduce.Cells).
const EquivalenceApart = "units that share no metadata decision are judged apart; every LBA of a command varies by itself"

// Shared is what the programs of one exploration have in common: the set of
// distinct images, and how many were judged.
type Shared struct {
	set     *verifier.Distinct
	judged  atomic.Uint64
	noCache bool
	classes bool // what is distinct is what a verdict can tell apart

	mu     sync.Mutex
	saved  reduce.Saved
	closed int          // programs
	alike  engine.Alike // to the designs of all of them
}

// maxDistinct caps the set of distinct images of one exploration.
const maxDistinct = 2 << 20

// NewShared returns the shared part for an exploration. With noCache each cut
// is judged anew, however often it came before: the check mode.
func NewShared(noCache bool) *Shared {
	return &Shared{set: verifier.NewDistinct(maxDistinct), noCache: noCache}
}

// Save writes the images that were judged, and Load adds them; of Judged they
// know nothing.
func (s *Shared) Save(w io.Writer) error { return s.set.Save(w) }

// Load adds what Save wrote.
func (s *Shared) Load(r io.Reader) error { return s.set.Load(r) }

// Distinct returns how many different images were judged, and whether that is
// exact or a lower bound because the set outgrew its cap.
func (s *Shared) Distinct() (n uint64, exact bool) { return s.set.Count() }

// Restart forgets which images were distinct: an exploration begins anew.
func (s *Shared) Restart() { s.set = verifier.NewDistinct(maxDistinct) }

// Saved returns what the rules left out in programs that were closed.
func (s *Shared) Saved() reduce.Saved {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saved
}

// Alike returns the designs, of those that were taken along and the one that
// was explored, that would have given what all closed programs did.
func (s *Shared) Alike() engine.Alike {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alike
}

// Judged returns how many images the programs judged so far: work, which
// depends on caches and workers.
func (s *Shared) Judged() uint64 { return s.judged.Load() }
