package engine

import (
	"unsafe"

	"untorn/internal/key"
)

const frameWords = unsafe.Sizeof(frame{}) / 4

// hash folds the frame. Its fields are all int32, so it has no padding. Most
// frames are empty: those of tasks that wait for work.
func (f *frame) hash(h *key.Hasher) {
	if *f == (frame{}) {
		h.Word(0)
		return
	}
	key.Words(h, (*[frameWords]int32)(unsafe.Pointer(f))[:])
}

// Hash folds the state of the kernel, of the device's queue, and what OnHash adds.
func (k *Kernel) Hash(h *key.Hasher) {
	for _, t := range k.tasks {
		t.f.hash(h)
	}
	for i := range k.inodes[:k.numFiles] {
		k.inodes[i].hash(h)
	}
	k.forks.hash(h)
	k.cache.hash(h)
	k.tracker.hash(h)
	k.units.hash(h)
	k.alloc.hash(h)
	k.log.hash(h)
	k.ioends.hash(h)
	k.reqs.hash(h)
	h.Word(uint64(k.started.queued) | uint64(k.started.from)<<8 | uint64(k.logWork)<<40 | uint64(k.drained)<<48 | uint64(k.down)<<56)
	k.dev.Hash(h, k.interner.Content)
	if k.OnHash != nil {
		k.OnHash(h)
	}
}
