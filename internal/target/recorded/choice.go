package recorded

import (
	"fmt"

	"untorn/internal/blk/logwrites"
)

// Piece is what became of one piece of a write that power was lost under.
type Piece uint8

// What may become of a piece. The zero value is that it was never written.
const (
	Lost Piece = iota
	There
	Garbage // bytes that nobody wrote, in each sector
)

// A Choice says what became of the pieces of one pending write.
type Choice struct {
	Write  int // entry of the log
	Pieces []Piece
}

func (c *Choice) count(of Piece) (n int) {
	for _, p := range c.Pieces {
		if p == of {
			n++
		}
	}
	return n
}

// String is "57 whole", "58 lost" or "60 4 of 8 pieces (0-3), garbage in (5 6)".
func (c *Choice) String() string {
	s := ""
	switch n := c.count(There); n {
	case 0:
		s = fmt.Sprintf("%d lost", c.Write)
	case len(c.Pieces):
		s = fmt.Sprintf("%d whole", c.Write)
	default:
		s = fmt.Sprintf("%d %d of %d pieces (%s)", c.Write, n, len(c.Pieces), runs(c.Pieces, There))
	}
	if c.count(Garbage) > 0 {
		s += fmt.Sprintf(", garbage in (%s)", runs(c.Pieces, Garbage))
	}
	return s
}

// runs prints the indexes of the pieces that became of.
func runs(pieces []Piece, of Piece) string {
	s := ""
	for i := 0; i < len(pieces); i++ {
		if pieces[i] != of {
			continue
		}
		from := i
		for i+1 < len(pieces) && pieces[i+1] == of {
			i++
		}
		if s != "" {
			s += " "
		}
		if s += fmt.Sprint(from); i > from {
			s += fmt.Sprintf("-%d", i)
		}
	}
	return s
}

// Loss is a loss of power and what it left.
type Loss struct {
	Cut     int // entries of the log before it
	Image   int // index of the distinct image
	Swap    swap
	Choices []Choice
}

// String says what became of the pending writes:
//
//	writes 57 whole, 58 lost, 60 4 of 8 pieces (0-3)
func (l *Loss) String() string {
	s := ""
	for i := range l.Choices {
		if i > 0 {
			s += ", "
		}
		s += l.Choices[i].String()
	}
	if s = "writes " + s; len(l.Choices) == 0 {
		s = "nothing is pending"
	}
	if l.Swap != (swap{}) {
		s = fmt.Sprintf("%d came before %d, ", l.Swap[1], l.Swap[0]) + s
	}
	return s
}

// Found is an image that a loss of power at one cut may leave, or, when power was
// lost again while that was mounted, and perhaps while that one was, the image that
// was left in the end.
type Found struct {
	Loss
	Again []Loss
	// Mounts are the logs of the mounts that power was lost in, of a Found that is
	// saved.
	Mounts [][]logwrites.Entry
}

// left is the index of the image in the end.
func (f *Found) left() int {
	if n := len(f.Again); n > 0 {
		return f.Again[n-1].Image
	}
	return f.Image
}

// String says what became of the pending writes, each time.
func (f *Found) String() string {
	s := f.Loss.String()
	for i := range f.Again {
		s += fmt.Sprintf("; power is lost again before entry %d of mount %d: %v", f.Again[i].Cut, i+1, &f.Again[i])
	}
	return s
}
