package scenarios

import (
	"cmp"
	"slices"
	"strings"
)

// maxNearest bounds how many names Nearest lists.
const maxNearest = 3

// Nearest says which of names a word may stand for, in text that goes into an
// error: "nearest: two-writers, two-units; ", the nearest first. It is "" when
// none is near. A name is near that differs in few letters or has the word in it.
func Nearest(word string, names []string) string {
	type near struct {
		name string
		far  int
	}
	var list []near
	for _, name := range names {
		if len(word) > 64 {
			break // no name is as long
		}
		far := distance(word, name)
		if far <= 1+len(word)/4 || len(word) > 2 && strings.Contains(name, word) {
			list = append(list, near{name, far})
		}
	}
	if len(list) == 0 {
		return ""
	}
	slices.SortFunc(list, func(a, b near) int { return cmp.Or(cmp.Compare(a.far, b.far), strings.Compare(a.name, b.name)) })
	var out []string
	for _, n := range list[:min(maxNearest, len(list))] {
		out = append(out, n.name)
	}
	return "nearest: " + strings.Join(out, ", ") + "; "
}

// distance is how many bytes have to be put in, taken out or changed to make b
// of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
