package blk

import "untorn/internal/count"

// Cell is a run of sectors on the device inside which no verdict can see: it
// lies in the file in one piece, and every sector of it has the same history,
// so that a verdict depends on which writes the cell holds and not on where.
type Cell struct {
	Range
	Group int // the units of one group are judged together, apart from all others
}

// Partition says which parts of an image decide what the rest means.
type Partition struct {
	// Meta is the area that recovery may read.
	Meta []Range
	// Starts reports whether a metadata sector begins a record of its own.
	// Of a record recovery asks only whether it is there as a whole, so that
	// all ways to tear one are one way. Without Starts every LBA of Meta is
	// varied on its own.
	Starts func(Handle) bool
}

// Sink judges crash images, which it receives as changes of one image.
//
// For each state of the metadata come Recover, then the leaves, then State:
//
//	State     = Component x Component x ...    chosen independently
//	Component = Choice + Choice + ...          what its groups share
//	Choice    = group x group x ...            independent given the choice
//	group     = Leaf + Leaf + ...              its own images
//
// so that the images of a state are all ways to pick one Choice for each
// Component and one Leaf for each group in it.
type Sink interface {
	// Set changes the sectors of the image from s on. The content belongs to
	// the caller.
	Set(s Sector, content []Handle)
	// Recover reads the metadata of the image and returns the cells to vary,
	// sorted by sector and not overlapping, and the number of groups. The
	// slice is valid until the next call.
	Recover() (cells []Cell, groups int)
	// Leaf judges one group on the present image. weight is the number of
	// images of that group that this one stands for.
	Leaf(group int, weight *count.Count)
	// Choice ends one choice of what the groups of a component share, after
	// the leaves of each of them; weight is the number of choices like it.
	Choice(weight *count.Count)
	// Component ends the choices of a component.
	Component()
	// State ends a metadata state; others is the number of ways in which all
	// that no group reads may vary, times the number of metadata states like it.
	// A sink that changed the metadata of its image, as a mount would, returns
	// true and is led through the same data with that, from Recover on. It puts
	// the metadata back before it returns false.
	State(others *count.Count) (again bool)
}
