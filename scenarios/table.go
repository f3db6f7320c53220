package scenarios

import (
	"fmt"

	"untorn/crashsim"
	"untorn/crashsim/nvme"
	"untorn/engine"
	"untorn/workloads"
)

const (
	kib = 1 << 10
	mib = 1 << 20

	defaultFolioMin = 4 * kib
	defaultFolioMax = 16 * kib
)

// axis is an enum of the design.
func axis(name, def, help string) *field {
	return &field{section: "design", name: name, kind: enumKind, allowed: engine.AxisValues(name), def: def, lists: true, help: help}
}

// The fields of design. Those without a default follow filesystem and submit.
var (
	fFilesystem = axis("filesystem", "xfs", "the file system under test")
	fBlock      = &field{section: "design", name: "block", kind: sizeKind, def: "4KiB", min: 512, max: 64 * kib, pow2: true, lists: true,
		help: "file system block"}
	fFolio = &field{section: "design", name: "folio", kind: folioKind, min: 4 * kib, max: 2 * mib, lists: true,
		help: "smallest and largest folio of the page cache"}
	fCopy      = axis("copy", "", "how user data gets into the page cache")
	fTrack     = axis("track", "", "how an atomic range is remembered until it is written back")
	fWriteback = axis("writeback", "", "how a remembered range reaches the disk")
	fSubmit    = axis("submit", "writeback", "when the data is sent to the device")
	fStable    = axis("stable", "", "what keeps pages from changing while the device reads them")
	fCluster   = &field{section: "design", name: "cluster", kind: sizeKind, def: "4KiB", min: 512, max: 1 * mib, pow2: true, lists: true,
		help: "ext4 bigalloc"}
	fMaxAtomic = &field{section: "design", name: "max_atomic_write", kind: sizeKind, def: "auto", allowed: []string{"auto"}, min: 512, max: 16 * mib,
		pow2: true, lists: true, help: "the mount option of XFS"}

	designFields = []*field{fFilesystem, fBlock, fFolio, fCopy, fTrack, fWriteback, fSubmit, fStable, fCluster, fMaxAtomic}
)

func deviceSize(name, def string, min int64, help string) *field {
	return &field{section: "device", name: name, kind: sizeKind, def: def, min: min, max: 1 << 30, lists: true, help: help}
}

func deviceEnum(name, def, help string, allowed ...string) *field {
	return &field{section: "device", name: name, kind: enumKind, def: def, allowed: allowed, lists: true, help: help}
}

func deviceBool(name, def, help string) *field {
	return &field{section: "device", name: name, kind: boolKind, def: def, lists: true, help: help}
}

// The fields of device.
var (
	fLBA = &field{section: "device", name: "lba", kind: sizeKind, def: "512", min: 512, max: 64 * kib, pow2: true, lists: true,
		help: "logical block"}
	fNAWUPF          = deviceSize("nawupf", "16KiB", 512, "power-fail atomic size; equal to lba means none")
	fAWUN            = deviceSize("awun", "16KiB", 512, "atomic against other commands")
	fDN              = deviceBool("dn", "false", "true disables awun")
	fPartitionOffset = deviceSize("partition_offset", "0", 0, "where the partition starts on the namespace")
	fFlushLies       = deviceBool("flush_lies", "false", "FLUSH answers without hardening anything")
	fBoundary        = &field{section: "device", name: "boundary", kind: sizeKind, def: "0", min: 0, max: 1 << 30, pow2: true, lists: true,
		help: "power-fail boundary, 0 for none"}
	fBoundaryOffset   = deviceSize("boundary_offset", "0", 0, "where the first boundary lies")
	fMaxTransfer      = deviceSize("max_transfer", "128KiB", 4*kib, "largest command")
	fCache            = deviceEnum("cache", "volatile", "whether the cache survives power loss", "volatile", "protected")
	fCachedAtomicity  = deviceEnum("cached_atomicity", "command", "what holds together in the volatile cache", "command", "lba")
	fFUA              = deviceBool("fua", "true", "forced unit access is honoured")
	fTear             = deviceEnum("tear", "old-or-new", "what is left of an LBA of a command that does not fit", "old-or-new", "garbage")
	deviceFields      = []*field{fLBA, fNAWUPF, fAWUN, fDN, fPartitionOffset, fFlushLies, fBoundary, fBoundaryOffset, fMaxTransfer, fCache, fCachedAtomicity, fFUA, fTear}
	cachedAtomicities = map[string]nvme.Atomicity{"command": nvme.CommandUnit, "lba": nvme.LBAUnit}
	tears             = map[string]nvme.Tear{"old-or-new": nvme.OldOrNew, "garbage": nvme.TearGarbage}
)

// The fields of workload, ops and generate apart.
var (
	fFile       = &field{section: "workload", name: "file", kind: sizeKind, def: "64KiB", min: 0, max: MaxFile, help: "size before the run"}
	fSecondFile = &field{section: "workload", name: "second_file", kind: sizeKind, def: "0", min: 0, max: MaxFile,
		help: "size before the run of the file that operations with file: 1 are on"}
	fLayout = &field{section: "workload", name: "layout", kind: enumKind, def: "contiguous", lists: true,
		allowed: []string{"contiguous", "unaligned", "fragmented", "hole", "unwritten"},
		help:    "how the file lies; unaligned: one block after an aligned address"}
	fFreeSpace = &field{section: "workload", name: "free_space", kind: enumKind, def: "contiguous", lists: true,
		allowed: []string{"contiguous", "fragmented"}, help: "how the free space lies"}

	workloadFields = []*field{fFile, fSecondFile, fLayout, fFreeSpace}
	layouts        = map[string]workloads.Layout{"contiguous": workloads.Contiguous, "unaligned": workloads.Unaligned,
		"fragmented": workloads.Fragmented, "hole": workloads.Hole, "unwritten": workloads.Unwritten}
)

// faultField is a kind of fault that is on or off.
func faultField(name, def, help string) *field {
	return &field{section: "faults", name: name, kind: enumKind, def: def, allowed: []string{"every-step", "off"}, help: help}
}

// The fields of a block of faults. Those without a default follow filesystem
// and submit.
var (
	fPowerLoss     = faultField("power_loss", "every-step", "power is lost")
	fReclaim       = faultField("reclaim", "", "a user page vanishes, a clean folio is evicted, writeback starts")
	fShortCopy     = faultField("short_copy", "", "every length that ends at a page or a sector boundary")
	fRecoveryLoss  = &field{section: "faults", name: "recovery_power_loss", kind: countKind, def: "0", max: 3, help: "how often recovery itself may be cut"}
	fBudget        = &field{section: "faults", name: "budget", kind: countKind, def: "2", max: MaxBound, help: "faults in one run, power loss not counted"}
	faultKindField = map[crashsim.FaultKind]*field{
		crashsim.Reclaim:         fReclaim,
		crashsim.ShortCopy:       fShortCopy,
		crashsim.IOError:         faultField("io_error", "off", "a command fails"),
		crashsim.NoSpace:         faultField("no_space", "off", "the file system is full"),
		crashsim.NoMemory:        faultField("no_memory", "off", "an allocation fails"),
		crashsim.Signal:          faultField("signal", "off", "a fatal signal arrives"),
		crashsim.Migration:       faultField("migration", "off", "a resident page moves: what mlock does not stop"),
		crashsim.PageGone:        faultField("page_gone", "off", "a user page is unmapped for good: EFAULT"),
		crashsim.FolioSplit:      faultField("folio_split", "off", "a folio is split"),
		crashsim.TrackerEviction: faultField("tracker_eviction", "off", "folio private state or extent status is dropped"),
		crashsim.Quota:           faultField("quota", "off", "writeback stops after a number of folios"),
		crashsim.LogForce:        faultField("log_force", "off", "the log worker forces the log in its own time"),
	}
	faultFields = func() []*field {
		fs := []*field{fPowerLoss}
		for k := crashsim.Reclaim; k < crashsim.NumFaultKinds; k++ {
			fs = append(fs, faultKindField[k])
		}
		return append(fs, fRecoveryLoss, fBudget)
	}()
)

// The fields of explore.
var (
	fMode = &field{section: "explore", name: "mode", kind: enumKind, def: "exhaustive", allowed: []string{"exhaustive", "random"},
		help: "how the space of schedules is walked"}
	fPreemptions = &field{section: "explore", name: "preemptions", kind: countKind, def: "2", max: MaxBound, help: "task switches that no wait forces"}
	fTogether    = &field{section: "explore", name: "together", kind: countKind, def: fmt.Sprint(2 * MaxBound), max: 2 * MaxBound, help: "faults and preemptions together in one run, where that is less than both may be; pct has no such bound"}
	fRuns        = &field{section: "explore", name: "runs", kind: countKind, def: "100000", min: 1, max: 1 << 40, help: "schedules of a random exploration"}
	fStrategy    = &field{section: "explore", name: "strategy", kind: enumKind, def: "uniform", allowed: []string{"uniform", "pct", "coverage"},
		help: "how a random exploration draws: alike, by priorities, or near what took new steps"}
	fDepth     = &field{section: "explore", name: "depth", kind: countKind, def: "3", min: 1, max: 8, help: "of pct, in place of preemptions: orders that a bug needs"}
	fFaultRate = &field{section: "explore", name: "fault_rate", kind: ratioKind, def: "auto", allowed: []string{"auto"}, max: 1 << 30,
		help: "chance of a fault at a place of a random exploration where one may strike"}
	fSeed = &field{section: "explore", name: "seed", kind: countKind, def: "1", max: 1<<63 - 1, help: "of a random exploration"}

	exploreFields = []*field{fMode, fPreemptions, fTogether, fRuns, fSeed, fStrategy, fDepth, fFaultRate}
)

// fContract is no field of a section; it takes part in the product as one.
var fContract = &field{section: "", name: "contract", kind: enumKind, def: "untorn", allowed: []string{"untorn", "old-or-new"}, lists: true,
	help: "what images are judged by"}

// follows returns the default of a field whose default depends on the file
// system and the submit of the row, as text.
func follows(f *field, filesystem, submit string) string {
	direct := submit == "direct"
	switch f {
	case fReclaim, fShortCopy:
		if direct {
			return "off"
		}
		return "every-step"
	case fCopy:
		if direct {
			return "plain"
		}
		return "pin"
	case fStable:
		if direct {
			return "none"
		}
		return "wait"
	case fTrack:
		switch {
		case direct:
			return "none"
		case filesystem == "ext4":
			return "extent-status"
		case filesystem == "block":
			return "sidecar"
		}
		return "cow-fork"
	case fWriteback:
		if filesystem == "xfs" {
			return "cow-or-atomic"
		}
		return "atomic"
	}
	return f.def
}
