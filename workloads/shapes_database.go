package workloads

import "slices"

// The numbers of PostgreSQL at 1/8, in pages of 8 KiB.
const (
	combinePages     = 2 // io_combine_limit: 128 KiB
	checkpointerHint = 4 // checkpoint_flush_after: 32 pages
	bgwriterHint     = 8 // bgwriter_flush_after: 64 pages
)

// postgresCheckpoint writes every page once. RWF_ATOMIC makes a unit of a
// call, so that a run is one call for each page and not a combined one; what
// could be combined is left to writeback and to the block layer. The hint is
// sync_file_range, one call for each stretch of neighbours that were written
// since the last one, in order (IssuePendingWritebacks). The one here waits,
// unlike PostgreSQL's.
func postgresCheckpoint(s *script) {
	checkpointer := hinted{s: s, task: "checkpointer", after: checkpointerHint}
	bgwriter := hinted{s: s, task: "bgwriter", after: bgwriterHint}
	for _, r := range s.runs(combinePages) {
		by := &checkpointer
		if s.Tasks > 1 && r.count == 1 {
			by = &bgwriter
		}
		for i := range r.count {
			by.write(r.first + i)
		}
	}
	s.fsync(checkpointer.task)
}

// hinted is a task that asks for writeback after some pages.
type hinted struct {
	s       *script
	task    string
	after   int
	pending []int
}

func (h *hinted) write(n int) {
	h.s.page(h.task, atomic, n)
	if h.pending = append(h.pending, n); len(h.pending) < h.after {
		return
	}
	slices.Sort(h.pending)
	for len(h.pending) > 0 {
		first, count := h.pending[0], 1
		for count < len(h.pending) && h.pending[count] == first+count {
			count++
		}
		h.s.pages(h.task, Op{Kind: SyncFileRange}, first, count)
		h.pending = h.pending[count:]
	}
}

// postgresMixed dirties each page twice before the sync, as a pool does that
// is too small for what it holds. The plain rewrite comes before the last sync,
// so that a crash may leave it over the atomic write.
func postgresMixed(s *script) {
	const task = "backend"
	s.w.File = 0
	for n := 0; n < s.Pages; n += combinePages {
		s.pages(task, plain, n, min(combinePages, s.Pages-n))
	}
	s.fsync(task)
	order := s.order()
	for range 2 {
		for _, n := range order {
			s.page(task, atomic, n)
		}
	}
	s.page(task, plain, order[0])
	s.fsync(task)
}

func postgresWAL(s *script) {
	how := atomic
	how.Dsync = true
	for range 2 { // the second time around the segment is recycled
		for n := range s.Pages {
			s.page("walwriter", how, n)
		}
	}
}

func postgresFPW(s *script) {
	const task = "backend"
	order := s.order()
	for i := range order {
		s.logged(task, plain, i)
	}
	s.fsync(task)
	for _, n := range order {
		s.page(task, plain, n)
	}
	s.fsync(task)
}

func innodb(s *script) {
	const task = "cleaner"
	for _, n := range s.order() {
		s.page(task, directAtomic, n)
	}
	s.fsync(task)
}

// innodbDoublewrite follows buf_dblwr: a batch is written to the buffer in one
// call and synced before any of its pages goes to its place.
func innodbDoublewrite(s *script) {
	const task = "cleaner"
	s.w.File = 2 * int64(s.Pages) * s.Page // the buffer exists before the run
	s.pages(task, direct, s.Pages, s.Pages)
	s.fsync(task)
	for _, n := range s.order() {
		s.page(task, direct, n)
	}
	s.fsync(task)
}

func sqliteWAL(s *script) {
	const task = "db"
	order := s.order()
	for i := range order {
		s.logged(task, plain, i)
	}
	s.fsync(task)
	for _, n := range order {
		s.page(task, atomic, n)
	}
	s.fsync(task)
}
