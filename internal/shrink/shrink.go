// Package shrink makes a case that fails smaller for as long as it still
// fails. It knows nothing of what a case is.
package shrink

import (
	"context"
	"iter"
)

// Problem is how cases of one kind become smaller.
type Problem[C any] struct {
	// Smaller lists what one reduction makes of a case, large reductions first. It
	// has to list every single one: those are what a minimum is measured by.
	Smaller func(C) iter.Seq[C]
	// Fails tries a case. It returns the case as it failed, which may differ in
	// what is no matter, such as the schedule, and whether it did.
	Fails func(context.Context, C) (C, bool)
	// Less orders cases by size. No case may have infinitely many below it.
	Less func(a, b C) bool
	// Kept, when set, is told of each smaller case, and Tried before each attempt.
	Kept  func(C)
	Tried func()
}

// Minimize returns the smallest case that it finds by one reduction after the
// other, beginning with one that fails, and whether it came to an end: then no
// single reduction of the result fails. When ctx ends, it returns the best so
// far.
func (p *Problem[C]) Minimize(ctx context.Context, start C) (best C, whole bool) {
	best = start
	at, since := 0, 0 // the reduction to try next, and how many failed to fail
	for {
		n := 0
		progress := false
		for c := range p.Smaller(best) {
			if n++; n <= at {
				continue
			}
			got, ok := p.try(ctx, c, best)
			if ctx.Err() != nil && !ok {
				return best, false
			}
			if ok {
				best, progress = got, true
				break
			}
			at++
			since++
		}
		switch {
		case progress:
			// The list of the smaller case goes on where that of the larger one was.
			since = 0
			if p.Kept != nil {
				p.Kept(best)
			}
		case since >= n:
			return best, true
		default:
			at = 0 // what was passed over before the last success
			since = 0
		}
	}
}

func (p *Problem[C]) try(ctx context.Context, c, best C) (C, bool) {
	if ctx.Err() != nil {
		return c, false
	}
	if p.Tried != nil {
		p.Tried()
	}
	got, ok := p.Fails(ctx, c)
	return got, ok && p.Less(got, best)
}

// Check tries every single reduction of a case once more. It returns one that
// still fails, if there is one, and whether there was time for all of them.
func (p *Problem[C]) Check(ctx context.Context, c C) (smaller C, minimal, whole bool) {
	for one := range p.Smaller(c) {
		got, ok := p.try(ctx, one, c)
		if ok {
			return got, false, true
		}
		if ctx.Err() != nil {
			return c, false, false
		}
	}
	return c, true, true
}

// Without lists what is left of a list when pieces of it are taken out: halves
// first, then quarters, and so on down to single elements.
func Without[E any](list []E) iter.Seq[[]E] {
	return func(yield func([]E) bool) {
		for size := len(list) / 2; size > 0; size /= 2 {
			for from := 0; from < len(list); from += size {
				to := min(from+size, len(list))
				if !yield(append(append([]E{}, list[:from]...), list[to:]...)) {
					return
				}
			}
		}
		if len(list) == 1 {
			yield([]E{})
		}
	}
}
