package workloads

import (
	"fmt"
	"slices"
	"strings"
)

// Generator asks for operations in the shape of an application, scaled down
// to what exploration can cover. A field that is zero or empty takes the
// shape's default; one that the shape does not know must be left so.
type Generator struct {
	Kind  string // the name of a Shape
	Pages int    // how many pages are written
	Page  int64  // bytes of a page, a power of two
	Tasks int    // how many tasks share the work
	Seed  uint64 // of what is drawn at random

	// First and Second are the ways of writing that overlap, of Ways.
	First, Second string
	// With is what disturbs an atomic write, of Disturbances.
	With string
}

// Limits of a Generator, of any kind.
const (
	MaxPage  = 128 << 10 // bytes
	MaxTasks = 8
)

// A Shape is one kind of application.
type Shape struct {
	Name    string
	About   string    // what it does, in one line
	Default Generator // Kind and the defaults of the fields that it knows
	Scale   string    // its numbers, and what the generator makes of them

	tasks int // the largest number of Tasks
	build func(*script)
}

// Shapes returns all shapes. The caller may keep and change the slice.
func Shapes() []Shape { return slices.Clone(shapes) }

// ShapeNames returns the names of all shapes, in the order of Shapes.
func ShapeNames() []string {
	var names []string
	for i := range shapes {
		names = append(names, shapes[i].Name)
	}
	return names
}

// GenerateError says which field of a Generator does not fit, and what is
// allowed.
type GenerateError struct {
	Field string // "pages"
	What  string
}

func (e *GenerateError) Error() string { return e.Field + ": " + e.What }

// Knows reports whether the shape takes a field of Generator, by its name in
// a scenario.
func (s *Shape) Knows(field string) bool {
	d := &s.Default
	switch field {
	case "kind", "pages", "page":
		return true
	case "tasks":
		return d.Tasks != 0
	case "seed":
		return d.Seed != 0
	case "first":
		return d.First != ""
	case "second":
		return d.Second != ""
	case "with":
		return d.With != ""
	}
	return false
}

// Fill returns the generator with the shape's defaults in the fields that were
// left out. The error is a *GenerateError.
func (g Generator) Fill() (Generator, error) {
	_, err := g.fill()
	return g, err
}

// fill is Fill on the generator itself; it returns the shape.
func (g *Generator) fill() (*Shape, error) {
	i := slices.IndexFunc(shapes, func(s Shape) bool { return s.Name == g.Kind })
	if i < 0 {
		return nil, &GenerateError{"kind", fmt.Sprintf("%q; allowed: %s", g.Kind, strings.Join(ShapeNames(), ", "))}
	}
	s := &shapes[i]
	for _, f := range []struct {
		name    string
		written bool
	}{{"tasks", g.Tasks != 0}, {"seed", g.Seed != 0}, {"first", g.First != ""}, {"second", g.Second != ""}, {"with", g.With != ""}} {
		if f.written && !s.Knows(f.name) {
			return nil, &GenerateError{f.name, fmt.Sprintf("makes no sense with kind: %s; allowed: left out", s.Name)}
		}
	}
	d := &s.Default
	orDefault(&g.Pages, d.Pages)
	orDefault(&g.Page, d.Page)
	orDefault(&g.Tasks, d.Tasks)
	orDefault(&g.Seed, d.Seed)
	orDefault(&g.First, d.First)
	orDefault(&g.Second, d.Second)
	orDefault(&g.With, d.With)
	return s, s.check(g)
}

// orDefault fills in a field that was left out.
func orDefault[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

// check refuses values that the shape cannot have.
func (s *Shape) check(g *Generator) error {
	switch {
	case g.Pages < 1 || g.Pages > MaxOps:
		return &GenerateError{"pages", fmt.Sprintf("%d; allowed: a number from 1 to %d", g.Pages, MaxOps)}
	case g.Page < SectorSize || g.Page > MaxPage || g.Page&(g.Page-1) != 0:
		return &GenerateError{"page", fmt.Sprintf("%s; allowed: a power of two from %d to %s", FormatSize(g.Page), SectorSize, FormatSize(MaxPage))}
	case g.Tasks < 0 || g.Tasks > s.tasks:
		return &GenerateError{"tasks", fmt.Sprintf("%d; allowed: a number from 1 to %d", g.Tasks, s.tasks)}
	}
	for _, f := range []struct {
		name, value string
		allowed     []string
	}{{"first", g.First, Ways()}, {"second", g.Second, Ways()}, {"with", g.With, Disturbances()}} {
		if f.value != "" && !slices.Contains(f.allowed, f.value) {
			return &GenerateError{f.name, fmt.Sprintf("%q; allowed: %s", f.value, strings.Join(f.allowed, ", "))}
		}
	}
	if g.With != "" && g.Page < 2*SectorSize {
		if o := byName(disturbances, g.With); o.Moves() {
			return &GenerateError{"page", fmt.Sprintf("%s with: %s, which moves half a page; allowed: a power of two from %s", FormatSize(g.Page), g.With,
				FormatSize(2*SectorSize))}
		}
	}
	return nil
}

// Generate makes the file and the operations on it. Equal generators make
// equal workloads, on any machine. The size of the file and its layout do not
// depend on Seed, First, Second and With. The error is a *GenerateError.
func (g Generator) Generate() (Workload, error) {
	s, err := g.fill()
	if err != nil {
		return Workload{}, err
	}
	w := s.run(g)
	if len(w.Ops) > MaxOps {
		fits := g
		for fits.Pages--; fits.Pages > 1 && len(s.run(fits).Ops) > MaxOps; {
			fits.Pages--
		}
		return Workload{}, &GenerateError{"pages", fmt.Sprintf("%d make %d operations, more than %d; allowed: a number from 1 to %d",
			g.Pages, len(w.Ops), MaxOps, fits.Pages)}
	}
	return w, nil
}

// run makes the workload of a generator that is filled in.
func (s *Shape) run(g Generator) Workload {
	sc := newScript(g)
	s.build(sc)
	return sc.w
}
