package powerloss_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim/powerloss"
	"untorn/internal/blk"
)

// The oracle reads kernel.md's crash rule on its own: it keeps the whole log
// and forgets nothing that was overwritten or hardened.
type oracle struct {
	rules powerloss.Rules
	cmds  []oracleCommand
	at    []int // place of those that apply as wholes in the present order
}

type oracleCommand struct {
	id, from, to         int
	sub, done            int
	fua, failed          bool
	hard, piece, isWhole bool
}

func newOracle(rules powerloss.Rules, line string) *oracle {
	o := &oracle{rules: rules}
	flushes := make(map[int]int)
	for now, word := range strings.Fields(line) {
		now++
		var c oracleCommand
		fmt.Sscanf(word[1:], "%d:%d-%d", &c.id, &c.from, &c.to)
		switch word[0] {
		case 'w', 'W':
			n := int64(c.to - c.from + 1)
			c.sub, c.fua, c.isWhole = now, word[0] == 'W', n <= int64(rules.NAWUN)
			c.piece = n <= max(int64(rules.NAWUPF), 1) && (n == 1 || !o.crosses(c.from, c.to))
			o.cmds = append(o.cmds, c)
			continue
		case 'f':
			flushes[c.id] = now
			continue
		}
		if at := flushes[c.id]; at > 0 && word[0] == 'k' {
			for i := range o.cmds {
				if x := &o.cmds[i]; x.done > 0 && x.done < at && !x.failed {
					x.hard = true
				}
			}
		}
		for i := range o.cmds {
			if x := &o.cmds[i]; x.id == c.id {
				x.done, x.failed = now, word[0] == 'x'
				x.hard = !x.failed && (x.fua || rules.Protected)
			}
		}
	}
	for i := range o.cmds {
		x := &o.cmds[i]
		x.piece = x.piece && !(rules.CachedLBA && x.done > 0 && !x.failed)
	}
	return o
}

// crosses reports whether a boundary lies inside: one lies before each sector
// whose number on the namespace is the offset plus a multiple.
func (o *oracle) crosses(from, to int) bool {
	for s := from + 1; s <= to; s++ {
		x := int64(s) + o.rules.PartitionOffset - o.rules.BoundaryOffset
		if o.rules.Boundary > 0 && x%o.rules.Boundary == 0 {
			return true
		}
	}
	return false
}

func (o *oracle) before(i, j int) bool { return o.cmds[i].done > 0 && o.cmds[i].done < o.cmds[j].sub }

func (o *oracle) overlap(i, j int) bool {
	return o.cmds[i].from <= o.cmds[j].to && o.cmds[j].from <= o.cmds[i].to
}

// images returns all images of eight sectors.
func (o *oracle) images() map[string]bool {
	out := make(map[string]bool)
	var wholes []int
	open := 0 // pieces that may be there or not
	for i := range o.cmds {
		if o.cmds[i].isWhole {
			wholes = append(wholes, i)
		}
		if o.cmds[i].piece && !o.cmds[i].hard {
			open |= 1 << i
		}
	}
	seen := make(map[string]bool)
	permutations(wholes, func(order []int) {
		o.at = make([]int, len(o.cmds))
		for place, i := range order {
			o.at[i] = place + 1
			for _, j := range order[:place] {
				if o.overlap(i, j) && o.before(i, j) {
					return
				}
			}
		}
		// Places matter only between writes that overlap.
		var name []byte
		for i := range o.cmds {
			for j := range o.cmds {
				if o.at[i] > 0 && o.at[i] < o.at[j] && o.overlap(i, j) {
					name = append(name, byte(i), byte(j))
				}
			}
		}
		if seen[string(name)] {
			return
		}
		seen[string(name)] = true
		for alive := range 1 << len(o.cmds) {
			if alive&^open != 0 {
				continue
			}
			images := []string{""}
			for s := range 8 {
				var longer []string
				for b := range o.sector(s, alive) {
					for _, prefix := range images {
						longer = append(longer, prefix+string(b))
					}
				}
				images = longer
			}
			for _, image := range images {
				out[image] = true
			}
		}
	})
	return out
}

// sector returns what a sector may hold: each order of the commands on it that
// breaks no rule, and each way in which they survive.
func (o *oracle) sector(s, alive int) map[byte]bool {
	var cov []int
	for i := range o.cmds {
		if o.cmds[i].from <= s && s <= o.cmds[i].to {
			cov = append(cov, i)
		}
	}
	all := make(map[byte]bool)
	permutations(cov, func(order []int) {
		shows := map[byte]bool{'0': true}
		for x, i := range order {
			for _, j := range order[:x] {
				if o.before(i, j) || o.at[i] > 0 && o.at[j] > 0 && o.at[i] < o.at[j] {
					return
				}
			}
			c := &o.cmds[i]
			digit := byte('0' + c.id)
			switch {
			case c.hard || c.piece && alive>>i&1 == 1:
				shows = map[byte]bool{digit: true}
			case !c.piece:
				shows[digit] = true
				n := int64(c.to - c.from + 1)
				if o.rules.Garbage && n > 1 && (n > int64(o.rules.NAWUPF) || o.crosses(c.from, c.to)) {
					shows['G'] = true
				}
			}
		}
		maps.Copy(all, shows)
	})
	return all
}

func permutations(a []int, f func([]int)) {
	var from func(k int)
	from = func(k int) {
		if k == len(a) {
			f(a)
			return
		}
		for i := k; i < len(a); i++ {
			a[k], a[i] = a[i], a[k]
			from(k + 1)
			a[k], a[i] = a[i], a[k]
		}
	}
	from(0)
}

func imagesOf(s *powerloss.State) map[string]uint64 {
	l := &lister{image: make([]blk.Handle, 8), images: make(map[string]uint64)}
	s.Images(l, &blk.Partition{Meta: []blk.Range{{Start: 0, Len: 8}}})
	return l.images
}

// randomLine is a line for run: up to five writes, flushes and completions.
func randomLine(r *rand.Rand) string {
	var words []string
	var flying []int
	for id, n := 1, 4+r.IntN(12); n > 0; n-- {
		switch k := r.IntN(8); {
		case k < 3 && id < 6:
			from := r.IntN(8)
			words = append(words, fmt.Sprintf("%c%d:%d-%d", "wW"[r.IntN(2)], id, from, from+r.IntN(min(5, 8-from))))
			flying = append(flying, id)
			id++
		case k == 3 && id < 7:
			words = append(words, fmt.Sprintf("f%d", id))
			flying = append(flying, id)
			id++
		case k > 3 && len(flying) > 0:
			i := r.IntN(len(flying))
			words = append(words, fmt.Sprintf("%c%d", "kkkkkkkx"[r.IntN(8)], flying[i]))
			flying = slices.Delete(flying, i, i+1)
		}
	}
	return strings.Join(words, " ")
}

// Power loss leaves exactly the images that the crash rule allows: none too
// many, none too few.
func TestImagesKeepToTheCrashRule(t *testing.T) {
	n := 15000
	if testing.Short() {
		n = 3000
	}
	r := rand.New(rand.NewPCG(7, 7))
	pick := func(ns ...int32) int32 { return ns[r.IntN(len(ns))] }
	for range n {
		rules := powerloss.Rules{NAWUPF: pick(1, 2, 3, 4, 8), NAWUN: pick(0, 1, 2, 3, 4, 8, 8), Boundary: int64(pick(0, 0, 2, 4)),
			BoundaryOffset: int64(pick(0, 1, 3)), PartitionOffset: int64(pick(0, 1, 5)), Protected: r.IntN(6) == 0,
			CachedLBA: r.IntN(5) == 0, Garbage: r.IntN(6) == 0}
		line := randomLine(r)
		s := run(t, rules, line)
		covered := s.Covered()
		if x, ok := covered.Uint64(); !ok || x > 1000 {
			continue
		}
		want := newOracle(rules, line).images()
		got := imagesOf(s)
		for image := range got {
			if !want[image] {
				t.Fatalf("%+v %s: %s is not allowed", rules, line, image)
			}
		}
		for image := range want {
			if got[image] == 0 {
				t.Fatalf("%+v %s: %s is missing", rules, line, image)
			}
		}
	}
}

// A whole of which nothing is open stands between two that are: with it, and
// without any other reason, 1 over 4 forbids 4 over 3.
func TestClosedCommandKeepsItsOrder(t *testing.T) {
	rules := powerloss.Rules{NAWUPF: 8, NAWUN: 4}
	for _, c := range []struct {
		line    string
		allowed bool
	}{
		{"w4:0-3 w1:0-1 k1 W2:1-2 k2 W5:1-6 W3:2-3 k5 k3", false},
		{"w4:0-3 w1:0-1 W2:1-2 k1 k2 W5:1-6 W3:2-3 k5 k3", true}, // 1 not before 2
		{"w4:0-3 w1:0-1 k1 W2:1-2 W5:1-6 W3:2-3 k2 k5 k3", true}, // 2 not before 3
		{"w4:0-3 w1:0-1 k1 W5:1-6 W3:2-3 k5 k3", true},           // no 2
	} {
		want := newOracle(rules, c.line).images()
		got := imagesOf(run(t, rules, c.line))
		require.Len(t, got, len(want), c.line)
		found := false
		for image := range got {
			require.True(t, want[image], "%s: %s", c.line, image)
			found = found || image[0] == '1' && image[3] == '4'
		}
		require.Equal(t, c.allowed, found, c.line)
	}
}
