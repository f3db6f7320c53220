package engine

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"untorn/internal/blk"
	"untorn/internal/key"
	"untorn/internal/ondisk"
)

func keyOf(k *Kernel) key.Key {
	var h key.Hasher
	k.Hash(&h)
	return h.Sum()
}

// inTheMiddle brings a kernel to a state in which every table holds something.
// The literals have no field names, so that a new field does not compile until
// it has its line in the tables below.
func inTheMiddle(k *Kernel) {
	k.Reset()
	k.cache.add(2, 1)
	k.cache.folios[2] = folio{2, 1, 0, true, true, 1, 1, 1, 1, false, false, 0, 0}
	k.cache.put(2*pageSectors, blk.Data(1, 0))
	slot := k.units.used.take()
	k.units.u[slot] = unit{span{0, 4}, 0, placeCow, 1, 0}
	slot = k.ioends.used.take()
	k.ioends.e[slot] = ioend{ioendSubmitted, 16, 320, 8, 1, placeCow, 0, 0, 24, 1, 0, 0}
	slot = k.reqs.used.take()
	k.reqs = requestTable{k.reqs.used, k.reqs.ioends}
	k.reqs.ioends[slot] = 1
	k.log.items = append(k.log.items[:0],
		ondisk.Item{Kind: ondisk.Intent, ID: 3, Ext: ondisk.Extent{Off: 1, Block: 9, Len: 2, Unwritten: false}, Bytes: 0},
		ondisk.Item{Kind: ondisk.Size, ID: 0, Ext: ondisk.Extent{}, Bytes: 16 * kib})
	k.log = journal{k.log.items, 1, 2, 5, 7, k.log.payload, k.log.sector}
	k.started = flusherWork{1, 1}
	k.inodes[0] = inode{0, 128, 128, 1, 0, 0, 0, 0, 1, k.inodes[0].seen, 0, 0}
	tr := k.tracker.(*cowForkTracker)
	slot = tr.used.take()
	tr.s[slot] = trackedSpan{span{0, 4}, 1, 1}
}

// mutation changes one field.
type mutation struct {
	name string
	do   func(*Kernel)
}

func inodeMutations() []mutation {
	return []mutation{
		{"inode.size", func(k *Kernel) { k.inodes[0].size++ }},
		{"inode.diskSize", func(k *Kernel) { k.inodes[0].diskSize++ }},
		{"inode.lockedBy", func(k *Kernel) { k.inodes[0].lockedBy++ }},
		{"inode.sharedBy", func(k *Kernel) { k.inodes[0].sharedBy++ }},
		{"inode.mapLockedBy", func(k *Kernel) { k.inodes[0].mapLockedBy++ }},
		{"inode.faultsStopped", func(k *Kernel) { k.inodes[0].faultsStopped++ }},
		{"inode.unchecked", func(k *Kernel) { k.inodes[0].unchecked = 1 }},
		{"inode.orderedFrom", func(k *Kernel) { k.inodes[0].orderedFrom++ }},
		{"inode.orderedTo", func(k *Kernel) { k.inodes[0].orderedTo++ }},
		{"inode.data", func(k *Kernel) { k.forks.data[3]++ }},
		{"inode.data elsewhere", func(k *Kernel) { k.forks.data[4]++ }},
		{"inode.data unwritten", func(k *Kernel) { k.forks.data[3] |= unwrittenBit }},
		{"inode.cow", func(k *Kernel) { k.forks.cow[3] = delalloc }},
		{"inode.cow staged", func(k *Kernel) { k.forks.cow[3] = mapped(0, false) }},
		{"inode.wbErrors", func(k *Kernel) { k.inodes[0].wbErrors++ }},
		{"inode.seen", func(k *Kernel) { k.inodes[0].seen[0]++ }},
		{"inode.seen of another descriptor", func(k *Kernel) { k.inodes[0].seen[MaxFDs-1]++ }},
	}
}

func cacheMutations() []mutation {
	return []mutation{
		{"folio.index", func(k *Kernel) { k.cache.folios[2].index++ }},
		{"folio.pages", func(k *Kernel) { k.cache.folios[2].pages++ }},
		{"folio.pages gone", func(k *Kernel) { k.cache.folios[2].pages = 0 }},
		{"folio.lockedBy", func(k *Kernel) { k.cache.folios[2].lockedBy++ }},
		{"folio.dirty", func(k *Kernel) { k.cache.folios[2].dirty = false }},
		{"folio.mark", func(k *Kernel) { k.cache.folios[2].mark = false }},
		{"folio.refs", func(k *Kernel) { k.cache.folios[2].refs++ }},
		{"folio.writeback", func(k *Kernel) { k.cache.folios[2].writeback++ }},
		{"folio.dirtyBlocks", func(k *Kernel) { k.cache.folios[2].dirtyBlocks = 0 }},
		{"folio.uptodateBlocks", func(k *Kernel) { k.cache.folios[2].uptodateBlocks = 0 }},
		{"folio.dropBehind", func(k *Kernel) { k.cache.folios[2].dropBehind = true }},
		{"folio.atomic", func(k *Kernel) { k.cache.folios[2].atomic = true }},
		{"folio.startBits", func(k *Kernel) { k.cache.folios[2].startBits = 1 }},
		{"folio.endBits", func(k *Kernel) { k.cache.folios[2].endBits = 1 }},
		{"another folio", func(k *Kernel) { k.cache.add(3, 1) }},
		{"another folio elsewhere", func(k *Kernel) { k.cache.add(4, 1) }},
		{"content", func(k *Kernel) { k.cache.put(2*pageSectors, blk.Data(2, 0)) }},
		{"content of another sector", func(k *Kernel) { k.cache.put(2*pageSectors+1, blk.Data(1, 0)) }},
		{"content gone", func(k *Kernel) { k.cache.put(2*pageSectors, blk.Zero) }},
	}
}

func unitMutations() []mutation {
	return []mutation{
		{"unit.from", func(k *Kernel) { k.units.u[0].from++ }},
		{"unit.to", func(k *Kernel) { k.units.u[0].to++ }},
		{"unit.picked", func(k *Kernel) { k.units.u[0].picked = 1 }},
		{"unit.place", func(k *Kernel) { k.units.u[0].place = placeInPlace }},
		{"unit.ioends", func(k *Kernel) { k.units.u[0].ioends++ }},
		{"unit.failed", func(k *Kernel) { k.units.u[0].failed = 1 }},
		{"tracked.from", func(k *Kernel) { k.tracker.(*cowForkTracker).s[0].from++ }},
		{"tracked.to", func(k *Kernel) { k.tracker.(*cowForkTracker).s[0].to++ }},
		{"tracked.opened", func(k *Kernel) { k.tracker.(*cowForkTracker).s[0].opened++ }},
		{"tracked.tagged", func(k *Kernel) { k.tracker.(*cowForkTracker).s[0].tagged = 0 }},
		{"another tracked range", func(k *Kernel) { k.tracker.(*cowForkTracker).used.take() }},
		{"another unit", func(k *Kernel) { k.units.used.take() }},
	}
}

func ioMutations() []mutation {
	return []mutation{
		{"ioend.state", func(k *Kernel) { k.ioends.e[0].state = ioendDone }},
		{"ioend.file", func(k *Kernel) { k.ioends.e[0].file++ }},
		{"ioend.disk", func(k *Kernel) { k.ioends.e[0].disk++ }},
		{"ioend.len", func(k *Kernel) { k.ioends.e[0].len++ }},
		{"ioend.unit", func(k *Kernel) { k.ioends.e[0].unit = 0 }},
		{"ioend.place", func(k *Kernel) { k.ioends.e[0].place = placeInPlace }},
		{"ioend.unwritten", func(k *Kernel) { k.ioends.e[0].unwritten = 1 }},
		{"ioend.atomic", func(k *Kernel) { k.ioends.e[0].atomic = 1 }},
		{"ioend.eof", func(k *Kernel) { k.ioends.e[0].eof-- }},
		{"ioend.commands", func(k *Kernel) { k.ioends.e[0].commands++ }},
		{"ioend.owner", func(k *Kernel) { k.ioends.e[0].owner = 1 }},
		{"ioend.err", func(k *Kernel) { k.ioends.e[0].err = 5 }},
		{"another ioend", func(k *Kernel) { k.ioends.used.take() }},
		{"request.ioends", func(k *Kernel) { k.reqs.ioends[0] = 3 }},
		{"another request", func(k *Kernel) { k.reqs.used.take() }},
		{"a flush on the device", func(k *Kernel) { k.tasks[0].submitFlush() }},
		{"another task's flush", func(k *Kernel) { k.worker.submitFlush() }},
	}
}

func logMutations() []mutation {
	item := func(name string, do func(*ondisk.Item)) mutation {
		return mutation{"item." + name, func(k *Kernel) { do(&k.log.items[0]) }}
	}
	return []mutation{
		item("Kind", func(it *ondisk.Item) { it.Kind = ondisk.Done }),
		item("ID", func(it *ondisk.Item) { it.ID++ }),
		item("ID of another unit", func(it *ondisk.Item) { it.ID += 1 << 16 }),
		item("Ext.Off", func(it *ondisk.Item) { it.Ext.Off++ }),
		item("Ext.Block", func(it *ondisk.Item) { it.Ext.Block++ }),
		item("Ext.Len", func(it *ondisk.Item) { it.Ext.Len++ }),
		item("Ext.Unwritten", func(it *ondisk.Item) { it.Ext.Unwritten = true }),
		item("Bytes", func(it *ondisk.Item) { it.Bytes = 512 }),
		{"another item", func(k *Kernel) { k.log.items = append(k.log.items, ondisk.Item{}) }},
		{"one item less", func(k *Kernel) { k.log.items = k.log.items[:1] }},
		{"items in another order", func(k *Kernel) { k.log.items[0], k.log.items[1] = k.log.items[1], k.log.items[0] }},
		{"journal.writing", func(k *Kernel) { k.log.writing++ }},
		{"journal.forcing", func(k *Kernel) { k.log.forcing++ }},
		{"journal.lsn", func(k *Kernel) { k.log.lsn++ }},
		{"journal.pos", func(k *Kernel) { k.log.pos++ }},
	}
}

func otherMutations() []mutation {
	all := []mutation{
		{"flusher queued", func(k *Kernel) { k.started.queued = 0 }},
		{"flusher from", func(k *Kernel) { k.started.from++ }},
		{"log worker", func(k *Kernel) { k.logWork = 1 }},
		{"drained", func(k *Kernel) { k.drained++ }},
	}
	// Of testConfig's disk the first block is the file's and the last is free.
	for state := blockFree; state <= blockOther; state++ {
		if state != blockUsed {
			all = append(all, mutation{"state of the first block", func(k *Kernel) { k.alloc.state[0] = state }})
		}
		if state != blockFree {
			all = append(all, mutation{"state of the last block", func(k *Kernel) { k.alloc.state[len(k.alloc.state)-1] = state }})
		}
	}
	return all
}

// TestHash: each field of the state shows in the fingerprint, and no two of
// these states share one.
func TestHash(t *testing.T) {
	k := newKernel(t, testConfig())
	inTheMiddle(k)
	start := keyOf(k)
	seen := map[key.Key]string{start: "no change"}
	for _, all := range [][]mutation{inodeMutations(), cacheMutations(), unitMutations(), ioMutations(), logMutations(), otherMutations()} {
		for _, m := range all {
			t.Run(m.name, func(t *testing.T) {
				inTheMiddle(k)
				require.Equal(t, start, keyOf(k), "the state is the same each time")
				m.do(k)
				require.Empty(t, seen[keyOf(k)], "shares its key with this")
				seen[keyOf(k)] = m.name
			})
		}
	}
}

// TestHashFrame: every word of the frame of every task shows.
func TestHashFrame(t *testing.T) {
	k := newKernel(t, testConfig())
	inTheMiddle(k)
	seen := map[key.Key]bool{keyOf(k): true}
	require.Zero(t, unsafe.Sizeof(frame{})%4)
	for _, task := range k.tasks {
		words := (*[frameWords]int32)(unsafe.Pointer(&task.f))
		for i := range words {
			for _, v := range []int32{1, 2, -1} {
				words[i] = v
				require.False(t, seen[keyOf(k)], "%s, word %d = %d", task.Name(), i, v)
				seen[keyOf(k)] = true
			}
			words[i] = 0
		}
	}
	require.Len(t, seen, 1+3*len(k.tasks)*int(frameWords))
}

// TestNotHashed names the fields that decide nothing about the future.
func TestNotHashed(t *testing.T) {
	k := newKernel(t, testConfig())
	inTheMiddle(k)
	start := keyOf(k)
	for _, m := range []mutation{
		{"journal.payload is encoded anew for each checkpoint", func(k *Kernel) { k.log.payload = append(k.log.payload, blk.Garbage) }},
		{"journal.sector is where that is done", func(k *Kernel) { k.log.sector[0]++ }},
		{"Kernel.payload is gathered anew for each request", func(k *Kernel) { k.payload = append(k.payload, blk.Garbage) }},
		{"pageCache.head follows from the folios", func(k *Kernel) { k.cache.head[2] = 0 }},
		{"an unused unit", func(k *Kernel) { k.units.u[5].from = 1 }},
		{"an unused ioend", func(k *Kernel) { k.ioends.e[5].file = 1 }},
		{"an unused request", func(k *Kernel) { k.reqs.ioends[5] = 1 }},
	} {
		inTheMiddle(k)
		m.do(k)
		require.Equal(t, start, keyOf(k), m.name)
	}
}
