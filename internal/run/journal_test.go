package run

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"untorn/crashsim/explore"
	"untorn/internal/report"
	"untorn/internal/target/model"
	"untorn/verifier"
)

// TestResumeAtEveryLine: a journal that ends anywhere, as a kill may leave it,
// is continued to the same report; what it has is not done again.
func TestResumeAtEveryLine(t *testing.T) {
	torn := explored(verifier.Held, verifier.Torn)
	all := rows(t, "design: {copy: [plain, pin, mlock, bounce]}\nexpect: torn")
	o := options(t, &fake{design: torn, control: torn})
	text := func() string {
		rep, code, err := Rows(context.Background(), all, o)
		require.NoError(t, err)
		require.Equal(t, ExitOK, code)
		for i := range rep.Results {
			rep.Results[i].Work = report.Work{}
		}
		var b bytes.Buffer
		require.NoError(t, report.WriteJSON(&b, rep))
		return b.String()
	}
	want := text()
	file := filepath.Join(o.Out, journalFile)
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 5, bytes.Count(whole, []byte("\n")), "a head and four rows")
	require.Equal(t, 1, bytes.Count(whole, []byte(model.Equivalence)), "what rows have in common is there once")
	o.Resume = true
	const stride = 401 // every byte is tried in package journal
	for n := 0; n <= len(whole); n++ {
		near := n > 0 && whole[n-1] == '\n' || n < len(whole) && whole[n] == '\n'
		if !near && n%stride != 0 {
			continue
		}
		require.NoError(t, os.WriteFile(file, whole[:n], 0o600))
		require.Equal(t, want, text(), "after %d bytes", n)
		again, err := os.ReadFile(file)
		require.NoError(t, err)
		kept := bytes.LastIndexByte(whole[:n], '\n') + 1
		require.Equal(t, whole[:kept], again[:kept], "what is done stays as it is")
		require.Equal(t, 5, bytes.Count(again, []byte("\n")), "every row is there once")
		require.Equal(t, want, text(), "all of it from a journal that was continued")
	}
}

// countsWorkers notes how many workers each search was given.
type countsWorkers struct {
	fake
	mu      sync.Mutex
	workers map[int]int
}

func (c *countsWorkers) Explore(ctx context.Context, m *model.Config, cfg explore.Config) (*Explored, error) {
	c.mu.Lock()
	c.workers[cfg.Workers]++
	c.mu.Unlock()
	return c.fake.Explore(ctx, m, cfg)
}

// TestLastRows: rows that are done do not keep workers from sharing the last ones.
func TestLastRows(t *testing.T) {
	torn := explored(verifier.Held, verifier.Torn)
	target := &countsWorkers{fake: fake{design: torn, control: torn}, workers: map[int]int{}}
	all := rows(t, "design: {copy: [pin, mlock, bounce, retry]}\ndevice: {nawupf: [512, 1024]}\nexpect: torn")
	o := options(t, target)
	o.Workers = 2
	run := func() map[int]int {
		target.workers = map[int]int{}
		_, _, err := Rows(context.Background(), all, o)
		require.NoError(t, err)
		return target.workers
	}
	require.Equal(t, map[int]int{1: 10}, run(), "each design, and two controls that they share")
	file := filepath.Join(o.Out, journalFile)
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := bytes.SplitAfter(whole, []byte("\n"))
	require.NoError(t, os.WriteFile(file, bytes.Join(lines[:8], nil), 0o600))
	o.Resume = true
	require.Equal(t, map[int]int{2: 2}, run(), "one row of eight was left")
}

// TestParts: each row is in one part, and a part that is not text is refused.
func TestParts(t *testing.T) {
	for n := 1; n < 5; n++ {
		for row := range 10 {
			parts := 0
			for i := 1; i <= n; i++ {
				if (Part{i, n}).has(row) {
					parts++
				}
			}
			assert.Equal(t, 1, parts)
		}
		total := 0
		for i := 1; i <= n; i++ {
			total += (&head{Part: Part{i, n}.String(), Rows: 10}).rows()
		}
		assert.Equal(t, 10, total)
	}
	for _, bad := range []string{"", "1", "1/", "/2", "0/1", "2/1", "-1/2", "1/0", "1/65537", "a/b", "1/2/3"} {
		_, err := ParsePart(bad)
		assert.Error(t, err, bad)
	}
	p, err := ParsePart("2/3")
	require.NoError(t, err)
	assert.Equal(t, "2/3", p.String())
	assert.Empty(t, Part{}.String())
}
