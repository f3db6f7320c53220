package model

import (
	"slices"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/crashsim/powerloss"
	"untorn/engine"
	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/key"
	"untorn/verifier"
)

// remounter loses power again while an image is mounted, once or more often
// (faults.recovery_power_loss).
type remounter struct {
	config   *Config
	interner *blk.Interner
	kernel   *crashsim.Machine // is told which steps the mounts take
	data     blk.Sector        // where the metadata ends
	part     *blk.Partition
	image    []blk.Handle // metadata, then sectors that a mount does not read
}

func newRemounter(p *program) *remounter {
	return &remounter{config: p.config, interner: p.interner, kernel: p.kernel.Machine(), data: p.kernel.Super().Data.Start, part: verifier.PartitionOf(p.kernel.Super(), p.interner),
		image: slices.Clone(p.kernel.Initial())}
}

// remounts collects metadata in the order in which it was first seen.
type remounts struct {
	at  map[key.Key]int
	all []verifier.Remounted
}

func (r *remounts) add(k key.Key, meta []blk.Handle, ways *count.Count) {
	i, ok := r.at[k]
	if !ok {
		i = len(r.all)
		r.at[k] = i
		r.all = append(r.all, verifier.Remounted{Meta: slices.Clone(meta)})
	}
	r.all[i].Ways.Add(ways)
}

// remount returns what up to times losses of power during mounts leave, fewer
// of them first.
func (r *remounter) remount(meta []blk.Handle, times int) []verifier.Remounted {
	all := remounts{at: map[key.Key]int{}}
	once := r.cuts(meta, nil, nil)
	for i := range once {
		all.add(r.key(once[i].Meta), once[i].Meta, &once[i].Ways)
	}
	for i := range once {
		if times == 1 {
			break
		}
		for _, again := range r.remount(once[i].Meta, times-1) {
			ways := count.Mul(&once[i].Ways, &again.Ways)
			all.add(r.key(again.Meta), again.Meta, &ways)
		}
	}
	return all.all
}

func (r *remounter) key(meta []blk.Handle) key.Key {
	var h key.Hasher
	for _, x := range meta {
		h.Key(r.interner.Content(x))
	}
	return h.Sum()
}

// cuts mounts an image once and returns what a loss of power at each moment of
// that leaves. For who wants to tell of it, trace receives what the mount does
// and found how many different ones there are after each moment.
func (r *remounter) cuts(meta []blk.Handle, trace func(crashsim.TraceEvent), found func(n int)) []verifier.Remounted {
	all := remounts{at: map[key.Key]int{}}
	copy(r.image, meta)
	mount := engine.NewRecovery(r.config.Device, r.config.Design.Mutant, r.image, r.interner)
	defer mount.Machine().Close()
	loss := powerloss.New(r.config.rules(), r.image)
	sink := &metaSink{image: slices.Clone(r.image), data: r.data, found: func(meta []blk.Handle, ways *count.Count) {
		all.add(r.key(meta), meta, ways)
	}}
	mount.Machine().Trace = trace
	mount.Device().OnEvent = func(e *blk.Event) {
		if trace != nil && (e.Kind == blk.SubmitWrite || e.Kind == blk.SubmitFlush) {
			mount.Machine().Tracef("device", "takes %v", e)
		}
		loss.Apply(e)
		loss.Images(sink, r.part)
		if found != nil {
			found(len(all.all))
		}
	}
	if out := mount.Machine().Run(explore.Replay(nil), crashsim.Budget{}); out.Kind != crashsim.Done {
		panic("model: a mount that does not end: " + out.Detail)
	}
	r.kernel.AlsoReached(mount.Machine().Reached())
	return all.all
}

// story returns what happened when power was lost again, times times, until
// the metadata that one loss left became other: the lines of the traces of the
// mounts.
func (r *remounter) story(meta, other []blk.Handle, times int) (lines []crashsim.TraceEvent, ok bool) {
	var trace []crashsim.TraceEvent
	var until []int // lines of the trace when once[i] was first found
	once := r.cuts(meta, func(e crashsim.TraceEvent) { trace = append(trace, e) }, func(n int) {
		for len(until) < n {
			until = append(until, len(trace))
		}
	})
	for i := range once {
		mount := trace[:until[i]]
		again := crashsim.TraceEvent{Step: mount[len(mount)-1].Step, Task: "power", Text: "is lost again", Fault: true}
		lost := append(slices.Clone(mount), again)
		if times == 1 && slices.Equal(once[i].Meta, other) {
			return lost, true
		}
		if times > 1 {
			if rest, ok := r.story(once[i].Meta, other, times-1); ok {
				return append(lost, rest...), true
			}
		}
	}
	return nil, false
}

// metaSink looks at the metadata of images only.
type metaSink struct {
	image []blk.Handle
	data  blk.Sector
	found func(meta []blk.Handle, ways *count.Count)
}

// Set is part of blk.Sink.
func (s *metaSink) Set(at blk.Sector, content []blk.Handle) { copy(s.image[at:], content) }

// Recover is part of blk.Sink: no data is looked at.
func (s *metaSink) Recover() ([]blk.Cell, int) { return nil, 0 }

// Leaf is part of blk.Sink.
func (s *metaSink) Leaf(int, *count.Count) {}

// Choice is part of blk.Sink.
func (s *metaSink) Choice(*count.Count) {}

// Component is part of blk.Sink.
func (s *metaSink) Component() {}

// State is part of blk.Sink.
func (s *metaSink) State(ways *count.Count) bool {
	s.found(s.image[:s.data], ways)
	return false
}
