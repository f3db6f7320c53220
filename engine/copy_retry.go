package engine

import "untorn/workloads"

// maxTries is how often a copy is tried before the write fails.
const maxTries = 3

// retryCopier is copy: retry. A short copy is never kept: the folio stays as
// clean as it was, the pages are faulted in again and the whole chunk is
// copied again, a few times. It is sound as long as every folio of the unit is
// locked or clean: nothing takes back what went to folios before, or to one
// that was dirty already.
type retryCopier struct{ plainCopier }

func (retryCopier) short(*task) bool { return false }

func (retryCopier) again(t *task) workloads.Errno {
	if t.f.tries++; t.f.tries > maxTries {
		return workloads.EFAULT
	}
	return 0
}

// abandon makes a clean folio that took a rejected copy not uptodate, so that
// it is read again.
func (c retryCopier) abandon(t *task) {
	c.spoiled(t, func(fo *folio, bits uint64) { fo.uptodateBlocks &^= bits })
}

// spoiled calls fn, if there is one, with the blocks that abandon takes back,
// and reports whether there are any.
func (retryCopier) spoiled(t *task, fn func(fo *folio, bits uint64)) (some bool) {
	k, f := t.k, &t.f
	for s := f.pos; s < f.pos+f.chunk; s += k.blockSectors {
		b := s / k.blockSectors
		fo := k.cache.folio(s / pageSectors)
		if fo == nil {
			continue
		}
		bits := k.blockBits(fo, b, b+1) & fo.uptodateBlocks &^ fo.dirtyBlocks
		if some = some || bits != 0; fn != nil {
			fn(fo, bits)
		}
	}
	return some
}
