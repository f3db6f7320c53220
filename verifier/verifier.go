package verifier

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/key"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// Config is what a verifier judges by.
type Config struct {
	Workload *workloads.Workload // not changed while the verifier is in use
	Contract Contract
	Super    ondisk.Super  // geometry of the disk
	Interner *blk.Interner // of the metadata handles in the images
	Distinct *Distinct     // where the fingerprints of images go, nil for nowhere
	// Classes makes images equal for Distinct that no verdict can tell apart,
	// so that sets can be compared which were looked at more or less closely.
	Classes bool
	// Remount returns what the metadata of an image may be when power is lost
	// again while it is mounted, each with the number of ways to that. nil when
	// nothing cuts a mount.
	Remount func(meta []blk.Handle) []Remounted
}

// Remounted is metadata that a mount left that was cut.
type Remounted struct {
	Meta []blk.Handle
	Ways count.Count
}

// Result is what the images of one cut earned.
type Result struct {
	Covered  count.Count                   // images
	Verdicts [NumImageVerdicts]count.Count // of those, by their worst verdict
	Behind   [BehindMax + 1]count.Count    // units by versions behind the newest, over all images
	Recut    count.Count                   // of the images, those that a mount left that was cut
	Judged   uint64                        // leaves that were looked at
	Worst    Verdict                       // NotChecked when there was no image
}

// Verifier judges crash images; it is a blk.Sink. Each cut is Begin, then
// powerloss.State.Images with the verifier as sink, then Result. It is used by
// one goroutine at a time.
type Verifier struct {
	// OnVerdict, when set, is told of the first leaf of a cut that earns each
	// verdict, while Image holds that image. JudgeImage says what the image
	// as a whole earns, and why.
	OnVerdict func(Verdict)

	cfg    Config
	super  ondisk.Super
	in     *blk.Interner
	layout *layout
	image  []blk.Handle
	part   *blk.Partition

	h       *workloads.History
	shape   []shape  // by stretch
	watched []watch  // by unit
	behind  []bool   // by unit: the unit that circle looks at comes before it
	shorts  []bool   // by group: an atomic write of it was short
	after   []uint64 // by operation: those that it precedes
	ends    []int32  // file sectors where a durable short write ended inside a stretch

	endsBefore []int32 // ends of the cut before
	moves      uint64  // operations that move content
	crash      moment  // of the loss of power

	meta   []blk.Handle // the metadata that m was mounted from
	m      *mounted
	base   *mounted // of what the loss of power left; m, or what a cut mount of it found
	again  int      // base.others[again-1] is m, 0 when m is base
	mounts map[key.Key]*mounted
	refuse string              // why the mounted file cannot be judged, "" if it can
	inside [ondisk.Files]int32 // group of the atomic write inside which the recovered size is, -1 if it is not

	held   []uint64 // by stretch: versions that the present image holds
	gone   []uint64 // by stretch: versions that its absent sectors may be, 0 if none is absent
	seen   uint16   // verdicts that OnVerdict was told of
	recent []key.Key
	runs   key.Hasher // the content of the group judged last, as runs

	groups    []tally
	leaves    []int32 // groups that had leaves since the last choice
	choice    *tally
	component *tally
	state     *tally
	swap      *tally
	cut       tally
	recut     count.Count
	judged    uint64
}

// maxFileSize bounds the file, in bytes.
const maxFileSize = 512 << 20

// mountsMax and recentMax bound the memory of a verifier.
const (
	mountsMax = 1 << 14
	recentMax = 1 << 12
)

// New returns a verifier. A workload or a geometry that it cannot judge is an
// error.
func New(cfg Config) (*Verifier, error) {
	if err := cfg.Workload.Check(); err != nil {
		return nil, err
	}
	if cfg.Contract != Untorn && cfg.Contract != OldOrNew {
		return nil, fmt.Errorf("contract %d is none", cfg.Contract)
	}
	if cfg.Super.TotalLen <= 0 || cfg.Interner == nil {
		return nil, errors.New("a verifier needs the geometry of the disk and an interner")
	}
	if err := limits(cfg.Workload, &cfg.Super); err != nil {
		return nil, err
	}
	l, err := newLayout(cfg.Workload, cfg.Super.Block)
	if err != nil {
		return nil, err
	}
	n := len(l.stretches)
	v := &Verifier{cfg: cfg, super: cfg.Super, in: cfg.Interner, layout: l,
		image:   make([]blk.Handle, cfg.Super.TotalLen),
		shape:   make([]shape, n),
		watched: make([]watch, len(l.units)),
		behind:  make([]bool, len(l.units)),
		shorts:  make([]bool, l.groups()),
		after:   make([]uint64, len(cfg.Workload.Ops)+1),
		held:    make([]uint64, n),
		gone:    make([]uint64, n),
		groups:  make([]tally, max(1, l.groups())),
		mounts:  make(map[key.Key]*mounted),
		choice:  new(tally), swap: new(tally), component: new(tally), state: new(tally),
	}
	if cfg.Distinct != nil {
		v.recent = make([]key.Key, recentMax)
	}
	for i := range cfg.Workload.Ops {
		if cfg.Workload.Ops[i].Moves() {
			v.moves |= 1 << (i + 1)
		}
	}
	v.part = PartitionOf(&cfg.Super, cfg.Interner)
	return v, nil
}

// limits refuses files that are too long, and a disk that has no place for the
// second one.
func limits(w *workloads.Workload, super *ondisk.Super) error {
	for f := range w.Files() {
		if w.Size(f) > maxFileSize {
			return fmt.Errorf("a file of %s; the judge takes up to %s",
				workloads.FormatSize(w.Size(f)), workloads.FormatSize(maxFileSize))
		}
	}
	for i := range w.Ops {
		if end := w.Ops[i].Offset + w.Ops[i].Length; end > maxFileSize {
			return fmt.Errorf("operation %d ends at %s; the judge takes files up to %s", i+1,
				workloads.FormatSize(end), workloads.FormatSize(maxFileSize))
		}
	}
	if want := baseOf(1) / super.Block; w.Files() == 2 && super.Second != want {
		return fmt.Errorf("the second file of the disk begins at block %d; it has to be %d", super.Second, want)
	}
	return nil
}

// PartitionOf returns what powerloss has to know of a disk: the metadata area,
// and where records begin in it.
func PartitionOf(super *ondisk.Super, in *blk.Interner) *blk.Partition {
	return &blk.Partition{Meta: []blk.Range{{Start: 0, Len: super.Data.Start}}, Starts: newRecords(in).starts}
}

// Partition returns that of the verifier's disk.
func (v *Verifier) Partition() *blk.Partition { return v.part }

// Begin starts a cut after which the caller had seen h. The history is read
// until the next Begin.
func (v *Verifier) Begin(h *workloads.History) {
	v.h = h
	v.prepare()
	v.cut.clear()
	v.state.clear()
	v.component.clear()
	v.choice.clear()
	v.judged, v.seen = 0, 0
	v.again, v.recut = 0, count.Count{}
	// An enumeration that panicked leaves some.
	for _, g := range v.leaves {
		v.groups[g].clear()
	}
	v.leaves = v.leaves[:0]
}

// Result returns what the images since Begin earned.
func (v *Verifier) Result() Result {
	r := Result{Covered: v.cut.total(), Verdicts: v.cut.verdicts, Behind: v.cut.behind, Recut: v.recut, Judged: v.judged}
	if v.cut.some != 0 {
		r.Worst = Verdict(bits.TrailingZeros16(v.cut.some))
	}
	return r
}

// Image returns the image as it is now, one handle a sector. It must not be
// changed.
func (v *Verifier) Image() []blk.Handle { return v.image }

// Set implements blk.Sink.
func (v *Verifier) Set(s blk.Sector, content []blk.Handle) { copy(v.image[s:], content) }

// Recover implements blk.Sink. It mounts the image, or finds what a mount of
// the same metadata gave before.
func (v *Verifier) Recover() ([]blk.Cell, int) {
	area := v.image[:v.super.Data.Start]
	if v.again > 0 {
		v.m = v.base.others[v.again-1].m
	} else if !slices.Equal(v.meta, area) {
		v.meta = append(v.meta[:0], area...)
		k := v.metaKey(area)
		m, ok := v.mounts[k]
		if !ok {
			m = v.mount()
			v.remount(m)
			if len(v.mounts) >= mountsMax {
				clear(v.mounts)
			}
			v.mounts[k] = m
		}
		v.m, v.base = m, m
	}
	v.refuse, v.inside = v.m.broken, [ondisk.Files]int32{-1, -1}
	for file := 0; file < ondisk.Files && v.refuse == ""; file++ {
		v.checkSize(file)
	}
	if v.m.shared != "" && v.refuse == "" && v.h.Called()&v.layout.clones&^v.h.RefusedMask() == 0 {
		v.refuse = v.m.shared
	}
	if v.refuse != "" {
		return nil, 1
	}
	return v.m.cells, v.layout.groups()
}

// metaKey is a fingerprint of all that a mount depends on.
func (v *Verifier) metaKey(meta []blk.Handle) key.Key {
	var h key.Hasher
	for _, x := range meta {
		h.Key(v.in.Content(x))
	}
	for _, end := range v.ends {
		h.Int(int(end))
	}
	return h.Sum()
}

// checkSize refuses a size that no operation leaves: the file ends where
// version 0 ended, where an operation that was called leaves the end, or where
// one that is not atomic was when it moved the end. A size inside an atomic
// write cuts it, or, if nothing of it is visible, is not right either; that is
// for judge to say, as it is that a file which nothing made shorter is.
func (v *Verifier) checkSize(file int) {
	size, initial := v.m.size[file], v.h.Workload().Size(file)
	called := v.h.Called() &^ v.h.RefusedMask() & v.layout.on[file]
	if size == initial || size < initial && called&v.layout.shorten == 0 {
		return
	}
	base := int64(baseOf(file)) * blk.SectorSize
	inside := int32(-1)
	for m := called & v.layout.sizes; m != 0; m &= m - 1 {
		op := v.h.Op(bits.TrailingZeros64(m))
		switch {
		case size+base == int64(v.layout.leaves(op))*blk.SectorSize:
			return
		case op.Shifts() != 0 || size <= op.Offset || op.Offset+op.Length <= size:
		case !op.Atomic || (size-op.Offset)%op.Piece() == 0:
			return
		default:
			inside = v.layout.groupAt(int32((base + size) / blk.SectorSize))
		}
	}
	if v.inside[file] = inside; inside < 0 {
		v.refuse = fmt.Sprintf("recovery: a size of %d bytes%s, which no operation leaves", size, ofFile(file))
	}
}

// Leaf implements blk.Sink.
func (v *Verifier) Leaf(group int, weight *count.Count) {
	v.judged++
	t := &v.groups[group]
	if n := len(v.leaves); n == 0 || v.leaves[n-1] != int32(group) {
		v.leaves = append(v.leaves, int32(group))
	}
	verdict := Corrupt
	if v.refuse == "" {
		verdict = v.judge(group, t, weight)
	}
	t.addVerdict(verdict, weight)
	if v.recent != nil {
		v.fingerprint(group)
	}
	if v.seen>>verdict&1 == 0 {
		v.seen |= 1 << verdict
		if v.OnVerdict != nil {
			v.OnVerdict(verdict)
		}
	}
}

// Choice implements blk.Sink.
func (v *Verifier) Choice(weight *count.Count) {
	if len(v.leaves) == 1 {
		g := &v.groups[v.leaves[0]]
		v.component.add(g, weight)
		g.clear()
	} else {
		v.choice.clear()
		v.choice.addVerdict(Held, &one)
		for _, g := range v.leaves {
			v.swap.product(v.choice, &v.groups[g])
			v.choice, v.swap = v.swap, v.choice
			v.groups[g].clear()
		}
		v.component.add(v.choice, weight)
	}
	v.leaves = v.leaves[:0]
}

// Component implements blk.Sink.
func (v *Verifier) Component() {
	if v.state.some == 0 {
		v.state, v.component = v.component, v.state
		return
	}
	v.swap.product(v.state, v.component)
	v.state, v.swap = v.swap, v.state
	v.component.clear()
}

// State implements blk.Sink. After what power loss left come the files that
// mounts of it find that were cut.
func (v *Verifier) State(others *count.Count) (again bool) {
	if v.state.some == 0 {
		// A file without a sector: there is nothing that could be wrong.
		v.state.addVerdict(Held, &one)
	}
	v.addState(others)
	v.state.clear()
	return v.nextMount()
}

var one = count.Of(1)

// fingerprint adds the present content of a group to the distinct images.
func (v *Verifier) fingerprint(group int) {
	var h key.Hasher
	h.Int(group)
	if v.refuse != "" {
		h.Key(v.metaKey(v.image[:v.super.Data.Start]))
	} else {
		h.Key(v.m.id)
		if v.cfg.Classes {
			v.classes(&h, group)
		} else {
			h.Key(v.runs.Sum())
		}
	}
	k := h.Sum()
	if slot := &v.recent[k[0]&(recentMax-1)]; *slot != k {
		*slot = k
		v.cfg.Distinct.Add(k)
	}
}

// run returns how many handles from the first on are one run of a write, or
// zeros.
func run(img []blk.Handle) int {
	n := 1
	switch first := img[0]; {
	case first.IsData():
		for n < len(img) && img[n] == first+blk.Handle(n) && img[n].Write() == first.Write() {
			n++
		}
	case first == blk.Zero:
		for n < len(img) && img[n] == blk.Zero {
			n++
		}
	}
	return n
}
