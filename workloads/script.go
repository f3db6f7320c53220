package workloads

import (
	"fmt"
	"slices"

	"untorn/internal/tape"
)

// script gathers the operations of a shape.
type script struct {
	Generator
	draw *tape.Sampler
	w    Workload
}

func newScript(g Generator) *script {
	return &script{Generator: g, draw: tape.NewSampler(g.Seed),
		w: Workload{File: int64(g.Pages) * g.Page, Layout: Contiguous, FreeSpace: Contiguous}}
}

func (s *script) add(o Op) { s.w.Ops = append(s.w.Ops, o) }

// How a page is written.
var (
	plain        = Op{Kind: Pwrite}
	atomic       = Op{Kind: Pwrite, Atomic: true}
	direct       = Op{Kind: Pwrite, Direct: true}
	directAtomic = Op{Kind: Pwrite, Direct: true, Atomic: true}
)

// page adds an operation on page n.
func (s *script) page(task string, how Op, n int) { s.pages(task, how, n, 1) }

// pages adds one operation on count pages from page n on.
func (s *script) pages(task string, how Op, n, count int) {
	how.Task, how.Offset, how.Length = task, int64(n)*s.Page, int64(count)*s.Page
	s.add(how)
}

func (s *script) fsync(task string) { s.add(Op{Task: task, Kind: Fsync}) }

// task names the i-th of several tasks that are alike.
func (s *script) task(i int) string { return fmt.Sprintf("writer%d", i+1) }

// run is some neighbouring pages.
type run struct{ first, count int }

// runs draws in which order all pages are visited: random singles, and
// neighbours in runs of up to most pages.
func (s *script) runs(most int) []run {
	left := []run{{0, s.Pages}}
	var order []run
	for len(left) > 0 {
		i := s.draw.Draw("gap", len(left))
		gap := left[i]
		r := run{gap.first + s.draw.Draw("page", gap.count), 1}
		r.count = min(1+s.draw.Draw("run", most), gap.first+gap.count-r.first)
		order = append(order, r)
		var rest []run
		if before := r.first - gap.first; before > 0 {
			rest = append(rest, run{gap.first, before})
		}
		if after := gap.first + gap.count - r.first - r.count; after > 0 {
			rest = append(rest, run{r.first + r.count, after})
		}
		left = slices.Replace(left, i, i+1, rest...)
	}
	return order
}

// order draws in which order single pages are visited.
func (s *script) order() []int {
	var pages []int
	for _, r := range s.runs(1) {
		pages = append(pages, r.first)
	}
	return pages
}

// logged adds an operation on page i of a log or scratch area. There is one
// file, so that the area follows the pages of data; a sync of it is one of
// the data too.
func (s *script) logged(task string, how Op, i int) { s.page(task, how, s.Pages+i) }
