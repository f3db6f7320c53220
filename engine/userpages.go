package engine

// maxUserPages is the number of pages of a user buffer that a frame can follow.
const maxUserPages = 64

// MaxWrite is the largest length in bytes of one write.
const MaxWrite = maxUserPages * PageSize

// The user buffer of a write starts at a page boundary. A page is resident
// between fault-in and the moment it vanishes, and for as long as it is
// pinned; one that is gone never comes back.

func (t *task) userPage(pos int32) int32 {
	return (pos - t.f.start) / pageSectors
}

func bit(set *[2]int32, p int32) bool { return set[p/32]&(1<<(p%32)) != 0 }
func put(set *[2]int32, p int32)      { set[p/32] |= 1 << (p % 32) }
func drop(set *[2]int32, p int32)     { set[p/32] &^= 1 << (p % 32) }

// pinUserPages pins every page of the buffer, all or none (pin_user_pages).
func (t *task) pinUserPages() bool {
	f := &t.f
	last := t.userPage(f.end - 1)
	for p := int32(0); p <= last; p++ {
		if bit(&f.userGone, p) {
			return false
		}
	}
	for p := int32(0); p <= last; p++ {
		put(&f.userPages, p)
	}
	f.pinned = 1
	return true
}

func (t *task) unpinUserPages() { t.f.pinned = 0 }

// faultIn makes the pages of the next chunk resident
// (fault_in_iov_iter_readable) and reports whether the first of them could be.
func (t *task) faultIn() bool {
	f := &t.f
	f.copied = 0
	left := f.mapEnd - f.pos
	if f.retry != 0 {
		left = min(left, f.retry)
	}
	first, last := t.userPage(f.pos), t.userPage(f.pos+left-1)
	for p := first; p <= last; p++ {
		if bit(&f.userGone, p) {
			return p > first
		}
		put(&f.userPages, p)
	}
	return true
}

// resident returns how many of the next n sectors a copy without page faults
// can read.
func (t *task) resident(n int32) int32 {
	f := &t.f
	for s := f.pos; s < f.pos+n; {
		p := t.userPage(s)
		if !bit(&f.userPages, p) {
			return s - f.pos
		}
		s += pageSectors - (s-t.f.start)%pageSectors
	}
	return n
}
