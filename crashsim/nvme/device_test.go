package nvme

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/internal/key"
)

// rig is a device of 16 sectors of zeros, and what it told its owner.
type rig struct {
	*Device
	events []string
	answer []int32 // tags, in the order of completion
	now    int
}

func newRig() *rig {
	r := &rig{Device: New(Config{LBA: 512, MaxTransfer: 4 * blk.SectorSize}, make([]blk.Handle, 16))}
	r.Now = func() int { return r.now }
	r.OnEvent = func(e *blk.Event) { r.events = append(r.events, e.String()) }
	r.EndIO = func(tag, result int32) {
		if result != 0 {
			panic("nothing fails")
		}
		r.answer = append(r.answer, tag)
	}
	return r
}

func data(write, n int) []blk.Handle {
	p := make([]blk.Handle, n)
	for i := range p {
		p[i] = blk.Data(write, i)
	}
	return p
}

func (r *rig) hash() key.Key {
	var h key.Hasher
	in := blk.NewInterner()
	r.Hash(&h, in.Content)
	return h.Sum()
}

func TestEvents(t *testing.T) {
	r := newRig()
	r.Mark(blk.Call, 1, 0)
	p := data(1, 2)
	r.now = 7
	r.Write(4, p, false, 30)
	clear(p) // the device took a copy
	r.Flush(31)
	r.Write(8, data(2, 1), true, 32)
	require.Equal(t, 3, r.Inflight())
	require.Equal(t, []string{"write cmd0 4+2", "flush cmd1", "write cmd2 8+1"},
		[]string{r.CommandText(0), r.CommandText(1), r.CommandText(2)})
	require.Equal(t, blk.Zero, r.Read(4), "not before it completes")
	r.Complete(2)
	r.Complete(0)
	r.Complete(0)
	r.Mark(blk.Return, 1, 1024)
	require.Zero(t, r.Inflight())
	require.Equal(t, []int32{32, 30, 31}, r.answer)
	require.Equal(t, []string{"call op1", "write cmd0 4+2", "flush cmd1", "write cmd2 8+1 fua", "complete cmd2 = 0",
		"complete cmd0 = 0", "complete cmd1 = 0", "return op1 = 1024"}, r.events)
	require.Len(t, r.Log.Events, len(r.events))
	require.Zero(t, r.Log.Events[0].Step)
	require.EqualValues(t, 7, r.Log.Events[1].Step)
	require.Equal(t, data(1, 2), r.Log.Events[1].Payload)
	require.Equal(t, []blk.Handle{blk.Zero, blk.Data(1, 0), blk.Data(1, 1), blk.Zero},
		[]blk.Handle{r.Read(3), r.Read(4), r.Read(5), r.Read(6)})
}

// Commands in flight together apply in the order in which they complete.
func TestCompletionOrder(t *testing.T) {
	for _, c := range []struct {
		first int
		want  blk.Handle
	}{{0, blk.Data(2, 0)}, {1, blk.Data(1, 1)}} {
		r := newRig()
		r.Write(0, data(1, 2), false, 0)
		r.Write(1, data(2, 2), false, 1)
		r.Complete(c.first)
		r.Complete(0)
		require.Equal(t, c.want, r.Read(1))
		require.Equal(t, blk.Data(1, 0), r.Read(0))
		require.Equal(t, blk.Data(2, 1), r.Read(2))
	}
}

func TestAlter(t *testing.T) {
	r := newRig()
	r.Alter(1, blk.Data(9, 9)) // nothing in flight
	r.Flush(0)
	r.Write(0, data(1, 2), false, 1)
	r.events = nil
	r.Alter(2, blk.Data(9, 9)) // no command writes it
	r.Alter(1, blk.Data(1, 1)) // the same as before
	require.Empty(t, r.events)
	r.Alter(1, blk.Data(2, 0))
	r.Alter(1, blk.Data(3, 0))
	require.Equal(t, data(1, 2), r.Log.Events[1].Payload, "the submission keeps what was read first")
	r.Complete(1)
	require.Equal(t, blk.Data(3, 0), r.Content(1), "the newest")
	require.Equal(t, []string{"alter cmd1 1+1", "alter cmd1 1+1", "complete cmd1 = 0"}, r.events, "Content decides nothing")
	require.Equal(t, blk.Data(3, 0), r.Read(1))
	require.Equal(t, blk.Data(3, 0), r.Read(1))
	require.Equal(t, blk.Data(1, 0), r.Read(0))
	require.Equal(t, []string{"alter cmd1 1+1", "alter cmd1 1+1", "complete cmd1 = 0", "pin cmd0 1+1"}, r.events,
		"one read decides, for good, and only where something was open")
	pin := r.Log.Events[len(r.Log.Events)-1]
	require.Equal(t, []blk.Handle{blk.Data(3, 0)}, pin.Payload)
}

// Of two commands in flight that write a sector both are altered.
func TestAlterBoth(t *testing.T) {
	r := newRig()
	r.Write(0, data(1, 1), false, 0)
	r.Write(0, data(2, 1), false, 1)
	r.events = nil
	r.Alter(0, blk.Data(3, 0))
	require.Equal(t, []string{"alter cmd0 0+1", "alter cmd1 0+1"}, r.events)
}

func TestMaxTransfer(t *testing.T) {
	r := newRig()
	r.Write(0, data(1, 4), false, 0)
	require.PanicsWithValue(t, "nvme: write of 5 sectors, the maximum transfer is 4", func() { r.Write(0, data(1, 5), false, 0) })
}

// After Reset a run behaves, and hashes, as the first one did.
func TestReset(t *testing.T) {
	r := newRig()
	fresh := r.hash()
	run := func() (keys []key.Key) {
		r.events, r.answer = nil, nil
		step := func(f func()) { f(); keys = append(keys, r.hash()) }
		step(func() { r.Write(0, data(1, 2), false, 5) })
		step(func() { r.Alter(1, blk.Data(2, 0)) })
		step(func() { r.Flush(6) })
		step(func() { r.Complete(0) })
		return keys
	}
	first := run()
	events := r.events
	r.Reset()
	require.Equal(t, fresh, r.hash())
	require.Zero(t, r.Inflight())
	require.Empty(t, r.Log.Events)
	for s := range blk.Sector(16) {
		require.Equal(t, blk.Zero, r.Read(s))
	}
	require.Empty(t, r.Log.Events, "no Alter of the run before is open")
	require.Equal(t, first, run())
	require.Equal(t, events, r.events)
}

// What is in flight, in which order and for whom, shows in the fingerprint.
func TestHash(t *testing.T) {
	seen := map[key.Key]string{}
	for _, c := range []struct {
		name string
		do   func(*rig)
	}{
		{"idle", func(*rig) {}},
		{"write", func(r *rig) { r.Write(0, data(1, 2), false, 0) }},
		{"elsewhere", func(r *rig) { r.Write(1, data(1, 2), false, 0) }},
		{"longer", func(r *rig) { r.Write(0, data(1, 3), false, 0) }},
		{"another tag", func(r *rig) { r.Write(0, data(1, 2), false, 1) }},
		{"flush", func(r *rig) { r.Flush(0) }},
		{"flush for a task", func(r *rig) { r.Flush(-1) }},
		{"write, flush", func(r *rig) { r.Write(0, data(1, 2), false, 0); r.Flush(-1) }},
		{"flush, write", func(r *rig) { r.Flush(-1); r.Write(0, data(1, 2), false, 0) }},
		{"open", func(r *rig) { r.Write(0, data(1, 2), false, 0); r.Alter(0, blk.Data(2, 0)); r.Complete(0) }},
		{"open elsewhere", func(r *rig) { r.Write(0, data(1, 2), false, 0); r.Alter(1, blk.Data(2, 0)); r.Complete(0) }},
		{"open, other content", func(r *rig) { r.Write(0, data(1, 2), false, 0); r.Alter(0, blk.Data(3, 0)); r.Complete(0) }},
	} {
		r := newRig()
		c.do(r)
		k := r.hash()
		require.Empty(t, seen[k], "%s", c.name)
		seen[k] = c.name
	}
}

func TestNoAllocations(t *testing.T) {
	r := newRig()
	r.OnEvent, r.EndIO = nil, func(int32, int32) {}
	p := data(1, 4)
	run := func() {
		r.Reset()
		for range 20 {
			r.Write(0, p, false, 0)
			r.Flush(1)
			r.Alter(1, blk.Data(2, 0))
			r.Complete(0)
			r.Complete(0)
			r.Read(1)
		}
	}
	run()
	require.Zero(t, testing.AllocsPerRun(10, run))
}
