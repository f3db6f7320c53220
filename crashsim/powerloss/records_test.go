package powerloss_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim/powerloss"
	"untorn/internal/blk"
	"untorn/internal/count"
)

// wholes counts the images by which records of three sectors are whole.
type wholes struct {
	lister
	records map[string][]blk.Handle
	count   map[string]uint64
}

func (w *wholes) State(n *count.Count) bool {
	ways, _ := n.Uint64()
	var found string
	for _, name := range []string{"r", "s", "x"} {
		if slices.Equal(w.image[:3], w.records[name]) {
			found += name
		}
	}
	w.count[found] += ways
	return false
}

// Going by records counts the same images, whole and not, as going by LBAs,
// whatever parts of the records are on the medium and however often they are
// written again.
func TestRecordsEqualLBAs(t *testing.T) {
	in := blk.NewInterner()
	starts := make(map[blk.Handle]bool)
	records := make(map[string][]blk.Handle)
	for _, name := range []string{"r", "s", "x"} {
		for i := range 3 {
			var b [blk.SectorSize]byte
			copy(b[:], name+strconv.Itoa(i))
			records[name] = append(records[name], in.Intern(b[:]))
		}
		starts[records[name][0]] = true
	}
	less := 0
	for _, base := range strings.Fields("xxx rrr rxx xrx xxr rrx rxr xrr srx rsr ssr") {
		for _, written := range strings.Fields("r s rs sr rr srs rsr") {
			initial := make([]blk.Handle, 8)
			for i, name := range base {
				initial[i] = records[string(name)][i]
			}
			s := powerloss.New(powerloss.Rules{}, initial)
			for i, name := range written {
				s.Apply(&blk.Event{Kind: blk.SubmitWrite, Cmd: int32(i), Range: blk.Range{Len: 3}, Payload: records[string(name)]})
				if i%2 == 0 {
					s.Apply(&blk.Event{Kind: blk.Complete, Cmd: int32(i)})
				}
			}
			counts := func(starts func(blk.Handle) bool) (map[string]uint64, int) {
				w := &wholes{lister: lister{image: make([]blk.Handle, 8)}, records: records, count: make(map[string]uint64)}
				states := &counting{Sink: w}
				s.Images(states, &blk.Partition{Meta: []blk.Range{{Start: 0, Len: 8}}, Starts: starts})
				return w.count, states.n
			}
			want, all := counts(nil)
			got, some := counts(func(h blk.Handle) bool { return starts[h] })
			require.Equal(t, want, got, "%s over %s", written, base)
			if some < all {
				less++
			}
		}
	}
	require.NotZero(t, less, "nothing was saved")
}

// counting counts the states of a sink.
type counting struct {
	blk.Sink
	n int
}

func (c *counting) State(n *count.Count) bool {
	c.n++
	c.Sink.State(n)
	return false
}
