package run

import (
	"fmt"
	"strconv"
	"strings"
)

// Part is the share that one machine takes in a run: rows Index, Index+Of,
// Index+2*Of, ..., the first one being 1. The zero value is the whole run.
type Part struct{ Index, Of int }

// maxParts bounds how many machines share a run.
const maxParts = 65536

// ParsePart reads "2/3".
func ParsePart(text string) (Part, error) {
	index, of, ok := strings.Cut(text, "/")
	i, err1 := strconv.Atoi(index)
	n, err2 := strconv.Atoi(of)
	if !ok || err1 != nil || err2 != nil || n < 1 || n > maxParts || i < 1 || i > n {
		return Part{}, fmt.Errorf("%q; allowed: i/n with n from 1 to %d and i from 1 to n", text, maxParts)
	}
	return Part{i, n}, nil
}

// String is the inverse of ParsePart, and empty for the whole run.
func (p Part) String() string {
	if p.Of == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", p.Index, p.Of)
}

// has reports whether a row, counted from 0, belongs to the part.
func (p Part) has(row int) bool { return p.Of == 0 || row%p.Of == p.Index-1 }

// of returns the rows of the part.
func (p Part) of(plans []planned) []planned {
	var out []planned
	for i := range plans {
		if p.has(plans[i].index) {
			out = append(out, plans[i])
		}
	}
	return out
}
