package workloads

import "slices"

// named is an operation by the name that a scenario has for it.
type named struct {
	name string
	op   Op
}

func names(list []named) []string {
	var out []string
	for _, n := range list {
		out = append(out, n.name)
	}
	return out
}

// byName returns the operation of a name that is in the list.
func byName(list []named, name string) Op {
	return list[slices.IndexFunc(list, func(n named) bool { return n.name == name })].op
}

var ways = []named{{"atomic", atomic}, {"plain", plain}, {"mmap", Op{Kind: Store}}, {"direct", direct}, {"direct-atomic", directAtomic}}

var disturbances = []named{{"truncate", Op{Kind: Truncate}}, {"punch", Op{Kind: Punch}}, {"zero", Op{Kind: ZeroRange}},
	{"fallocate", Op{Kind: Fallocate}}, {"collapse", Op{Kind: Collapse}}, {"insert", Op{Kind: Insert}}, {"clone", Op{Kind: Clone}}}

// Ways lists the ways of writing that overlap, for First and Second.
func Ways() []string { return names(ways) }

// Disturbances lists what may disturb an atomic write, for With.
func Disturbances() []string { return names(disturbances) }

func cloudVolume(s *script) {
	for n := range s.Pages {
		s.page(s.task(n%s.Tasks), atomic, n)
	}
	s.fsync(s.task(0))
}

// appendPages begins with a file that ends in the middle of the second page:
// the first write is within the file, the second straddles its end, the
// others go past it. A page of one sector has no middle and ends where it begins.
func appendPages(s *script) {
	s.w.File = s.Page + s.Page/2/SectorSize*SectorSize
	for n := range s.Pages {
		s.page("db", atomic, n)
	}
	s.fsync("db")
}

func overlap(s *script) {
	for n := range s.Pages {
		s.page("first", byName(ways, s.First), n)
		s.page("second", byName(ways, s.Second), n)
	}
	s.fsync("first")
}

// maintenance writes all pages and then the last one again, while half of the
// last page is taken away, moved, given space, or shared with the first page.
func maintenance(s *script) {
	for n := range s.Pages {
		s.page("db", atomic, n)
	}
	o := byName(disturbances, s.With)
	o.Task = "admin"
	half := max(SectorSize, s.Page/2)
	o.Offset = int64(s.Pages)*s.Page - half
	if o.Ranged() {
		o.Length = half
	}
	if o.Shifts() != 0 {
		o.Offset -= half // the second half is what moves
	}
	s.add(o)
	s.page("db", atomic, s.Pages-1)
	s.fsync("db")
}

func smallFiles(s *script) {
	s.w.File = 0
	for i := range s.Tasks {
		for n := range s.Pages {
			s.page(s.task(i), atomic, i*s.Pages+n)
		}
		s.fsync(s.task(i))
	}
}

// What randomMixture draws from, all alike. Nobody promises anything about a
// file that is written with O_DIRECT and mapped at the same time (open(2)), so
// that a workload has one or the other.
var (
	mixture = []Op{atomic, atomic, atomic, {Kind: Pwrite, Atomic: true, Dsync: true}, plain, {Kind: Punch}, {Kind: ZeroRange},
		{Kind: Fallocate}, {Kind: Pread}, {Kind: SyncFileRange}, {Kind: Fsync}}
	mixtures = [...][]Op{
		append([]Op{direct, directAtomic}, mixture...),
		append([]Op{{Kind: Store}, {Kind: Msync}}, mixture...),
	}
)

// randomMixture begins with an atomic write, so that there is a unit, and
// leaves the end of the file where it is, so that a store is always within it.
func randomMixture(s *script) {
	mix := mixtures[s.draw.Draw("mixture", len(mixtures))]
	s.page(s.task(0), atomic, s.draw.Draw("page", s.Pages))
	for range 2*s.Pages - 1 {
		task := s.task(s.draw.Draw("task", s.Tasks))
		o := mix[s.draw.Draw("operation", len(mix))]
		if o.Ranged() {
			s.page(task, o, s.draw.Draw("page", s.Pages))
		} else {
			s.fsync(task)
		}
	}
	s.fsync(s.task(0))
}
