package engine

import (
	"untorn/internal/blk"
	"untorn/internal/key"
	"untorn/workloads"
)

// requestTable holds the requests in flight; its slots are the tags that the
// device answers with. Tags below 0 are commands that a task waits for.
type requestTable struct {
	used   slotSet
	ioends [maxIoends]slotSet // the ioends that a request carries
}

func (x *requestTable) hash(h *key.Hasher) {
	h.Word(uint64(x.used))
	for i := range x.used.all {
		h.Word(uint64(x.ioends[i]))
	}
}

func syncTag(task int32) int32 { return -1 - task }

// submitFlush sends a FLUSH that the task waits for.
func (t *task) submitFlush() {
	t.f.waitsIO++
	t.k.dev.Flush(syncTag(int32(t.ID())))
}

// submitWrite sends metadata that the task waits for.
func (t *task) submitWrite(at blk.Sector, payload []blk.Handle, fua bool) {
	t.f.waitsIO++
	t.k.dev.Write(at, payload, fua, syncTag(int32(t.ID())))
}

// waitOwn waits for the commands that the task sent and returns the error of
// one of them.
func (t *task) waitOwn() workloads.Errno {
	t.block(waitIO, int32(t.ID()))
	err := workloads.Errno(t.f.ioError)
	t.f.ioError = 0
	return err
}

// flushPlug is step 30: the bios that the task gathered become requests
// (blk_finish_plug). Neighbours merge, plain ones are split at the maximum
// transfer; an atomic bio goes out whole or not at all.
func (t *task) flushPlug() {
	k, f := t.k, &t.f
	for i := int32(0); i < f.plugged; {
		first := &k.ioends.e[f.plug[i]]
		n, slots := first.len, slotSet(1)<<uint(f.plug[i])
		j := i + 1
		for ; j < f.plugged; j++ {
			next := &k.ioends.e[f.plug[j]]
			if !k.rules.merges(first, n, next) {
				break
			}
			n += next.len
			slots |= 1 << uint(f.plug[j])
		}
		k.dispatch(first, n, f.plug[i:j], slots)
		i = j
	}
	f.plugged = 0
	f.plug = [8]int32{}
}

// merges reports whether a bio joins a request of n sectors that first begins
// (blk_attempt_bio_merge, rq_straddles_atomic_write_boundary).
func (k sound) merges(first *ioend, n int32, next *ioend) bool {
	if first.disk+n != next.disk || first.atomic != next.atomic {
		return false
	}
	if first.atomic != 0 {
		return n+next.len <= k.limits.hwMax && n+next.len <= k.limits.maxTransfer &&
			!k.limits.crossesBoundary(first.disk, n+next.len)
	}
	return n+next.len <= k.limits.maxTransfer
}

// refused reports whether an atomic request of n sectors is answered EINVAL:
// by the block layer (blk_validate_atomic_write_op_size, bio_split_rw), or,
// when bios merged past the largest unit, by the driver (nvme_valid_atomic_write).
func (k sound) refused(first *ioend, n int32) bool {
	return first.atomic != 0 && (n > k.limits.unitMax || n%k.limits.unitMin != 0 ||
		k.limits.crossesBoundary(first.disk, n))
}

// dispatch sends one request of n sectors, the ioends in plug, to the device.
func (k *Kernel) dispatch(first *ioend, n int32, plug []int32, slots slotSet) {
	if k.rules.refused(first, n) {
		for _, slot := range plug {
			k.ioends.e[slot].err = int32(workloads.EINVAL)
			k.ioendDone(slot)
		}
		return
	}
	k.payload = k.payload[:0]
	for _, slot := range plug {
		e := &k.ioends.e[slot]
		if e.owner != 0 {
			k.payload = k.directPayload(k.payload, e)
		} else {
			k.payload = append(k.payload, k.rules.payload(e)...)
		}
	}
	at := first.disk
	for rest := k.payload; len(rest) > 0; {
		m := min(len(rest), int(k.limits.maxTransfer))
		for _, slot := range plug {
			k.ioends.e[slot].commands++
		}
		tag := k.reqs.used.take()
		k.reqs.ioends[tag] = slots
		k.dev.Write(at, rest[:m], false, tag)
		rest, at = rest[m:], at+int32(m)
	}
}

// endIO is the device's interrupt.
func (k *Kernel) endIO(tag, result int32) {
	if tag < 0 {
		f := &k.tasks[-1-tag].f
		f.waitsIO--
		if result != 0 {
			f.ioError = -result
		}
		return
	}
	slots := k.reqs.ioends[tag]
	k.reqs.used.drop(tag)
	for i := range slots.all {
		e := &k.ioends.e[i]
		if result != 0 {
			e.err = -result
		}
		if e.commands--; e.commands == 0 {
			k.ioendDone(int32(i))
		}
	}
}

// ioendDone hands an ioend to the completion worker.
func (k *Kernel) ioendDone(slot int32) {
	e := &k.ioends.e[slot]
	e.state = ioendDone
	if e.err != 0 && e.unit != 0 {
		k.rules.failed(e)
	}
}
