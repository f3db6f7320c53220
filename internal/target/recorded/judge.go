package recorded

import (
	"context"
	"fmt"

	"untorn/internal/blk/logwrites"
	"untorn/verifier"
	"untorn/workloads"
)

// Bounds say how far the images of a recording are looked at.
type Bounds struct {
	Images  int // distinct ones at most
	Seed    uint64
	Workers int
	Done    func(done, all int) // progress, may be nil
}

// Result is what the images of one arm earned.
type Result struct {
	Recording *Recording
	Space     *Space
	Recovered []*Recovered // by distinct image, nil for one that was not mounted
	Verdicts  [verifier.NumImageVerdicts]int
	Judged    int // images, each at each cut that may leave it
	Mounted   int // different ones
	Accepted  int // atomic writes that returned success
	Partial   bool
	// First is the first image that earned each verdict, by verdict.
	First map[verifier.Verdict]*Example
}

// Example is an image with a verdict.
type Example struct {
	Found   Found
	Verdict verifier.Verdict
	Reason  string
	History *workloads.History
}

// Judge lets the kernel recover the images of a recording and judges each by
// what the caller had seen at its cut.
func (c *Config) Judge(ctx context.Context, r *Recording, b Bounds) (*Result, error) {
	s, err := r.enumerate(&c.Device, b.Images, b.Seed)
	if err != nil {
		return nil, err
	}
	res := &Result{Recording: r, Space: s, First: make(map[verifier.Verdict]*Example)}
	for i := range c.Workload.Ops {
		o := &c.Workload.Ops[i]
		if n, ok := r.History.Result(i + 1); ok && o.Atomic && n > 0 {
			res.Accepted++
		}
	}
	res.Recovered, err = c.recover(ctx, r, s, b.Workers, func(n int) {
		if b.Done != nil {
			b.Done(n, len(s.Images))
		}
	})
	if err != nil {
		return nil, err
	}
	for _, x := range res.Recovered {
		if x != nil {
			res.Mounted++
		}
	}
	res.Partial = res.Mounted < len(s.Images)
	return res, c.judge(res)
}

// judge judges each image at each cut, in order.
func (c *Config) judge(res *Result) error {
	v, err := verifier.NewFiles(c.Workload, c.Contract)
	if err != nil {
		return err
	}
	h := workloads.NewHistory(c.Workload)
	at := 0
	for _, f := range res.Space.Found {
		for ; at < f.Cut; at++ {
			if e := &res.Recording.Entries[at]; e.Flags&logwrites.Mark != 0 {
				mark(h, string(e.Data))
			}
		}
		x := res.Recovered[f.Image]
		if x == nil {
			continue
		}
		verdict, reason, err := judgeOne(v, x, h)
		if err != nil {
			return err
		}
		res.Judged++
		res.Verdicts[verdict]++
		if res.First[verdict] == nil {
			own := h.Clone()
			own.Cut, own.Contract = f.Cut, c.Contract.String()
			res.First[verdict] = &Example{Found: f, Verdict: verdict, Reason: reason, History: own}
		}
	}
	return nil
}

func judgeOne(v *verifier.Verifier, x *Recovered, h *workloads.History) (verifier.Verdict, string, error) {
	if x.File == nil {
		return verifier.Corrupt, x.Broken, nil
	}
	rep, err := v.JudgeFiles([]verifier.File{*x.File}, h)
	if err != nil {
		return 0, "", fmt.Errorf("a recovered file cannot be judged: %w", err)
	}
	return rep.Verdict, rep.Reason, nil
}

// Worst returns the worst verdict of the images, held when there is no other.
func (r *Result) Worst() verifier.Verdict {
	for v := verifier.NotChecked; v < verifier.NumImageVerdicts; v++ {
		if v != verifier.AppTorn && r.Verdicts[v] > 0 {
			return v
		}
	}
	if r.Verdicts[verifier.AppTorn] > 0 {
		return verifier.Held
	}
	return verifier.NotChecked
}

// Last returns the first image with the best verdict that there is, nil when none
// was judged.
func (r *Result) Best() *Example {
	for v := verifier.Held; v > verifier.NotChecked; v-- {
		if e := r.First[v]; e != nil {
			return e
		}
	}
	return nil
}
