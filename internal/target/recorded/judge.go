package recorded

import (
	"context"
	"fmt"
	"slices"

	"untorn/internal/blk/logwrites"
	"untorn/verifier"
	"untorn/workloads"
)

// Bounds say how far the images of a recording are looked at.
type Bounds struct {
	Images  int // distinct ones at most, and as many again for each further loss of power
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
	Again     int // of those, the ones that power lost in a mount left
	Mounted   int // different ones
	Accepted  int // atomic writes that returned success
	Partial   bool
	// First is the first image that earned each verdict, by verdict, with as few
	// losses of power as do.
	First map[verifier.Verdict]*Example
	// Deepest is the first one that held with the most losses of power.
	Deepest *Example
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
	res.Recovered, err = c.recover(ctx, r, s, &b)
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

// judge judges each image at each cut, in order, and what was left when power was
// lost again.
func (c *Config) judge(res *Result) error {
	v, err := verifier.NewFiles(c.Workload, c.Contract)
	if err != nil {
		return err
	}
	j := judging{c: c, res: res, v: v, done: make(map[[2]int]bool)}
	for i := range res.Space.Found {
		f := &res.Space.Found[i]
		j.done[[2]int{f.Cut, f.Image}] = true
	}
	h := workloads.NewHistory(c.Workload)
	at := 0
	for _, f := range res.Space.Found {
		for ; at < f.Cut; at++ {
			if e := &res.Recording.Entries[at]; e.Flags&logwrites.Mark != 0 {
				mark(h, string(e.Data))
			}
		}
		if err := j.found(f, h); err != nil {
			return err
		}
		if err := j.again(f, h); err != nil {
			return err
		}
	}
	return nil
}

// judging is the images of one arm, judged in order.
type judging struct {
	c    *Config
	res  *Result
	v    *verifier.Verifier
	done map[[2]int]bool // cut of the operations, and image
}

// again judges what mounts left in which power was lost, fewer of them first.
func (j *judging) again(f Found, h *workloads.History) error {
	level := []Found{f}
	for range j.c.Remounts {
		var next []Found
		for _, x := range level {
			for _, l := range j.res.Space.again[x.left()] {
				at := [2]int{f.Cut, l.Image}
				if j.done[at] {
					continue
				}
				j.done[at] = true
				y := x
				y.Again = append(slices.Clip(x.Again), l)
				if err := j.found(y, h); err != nil {
					return err
				}
				next = append(next, y)
			}
		}
		level = next
	}
	return nil
}

// found judges an image by what the caller had seen at its cut.
func (j *judging) found(f Found, h *workloads.History) error {
	res := j.res
	if f.left() >= len(res.Recovered) || res.Recovered[f.left()] == nil {
		return nil
	}
	verdict, reason, err := judgeOne(j.v, res.Recovered[f.left()], h)
	if err != nil {
		return err
	}
	res.Judged++
	if len(f.Again) > 0 {
		res.Again++
	}
	res.Verdicts[verdict]++
	first, deepest := res.First[verdict], res.Deepest
	fewer := first == nil || len(first.Found.Again) > len(f.Again)
	more := verdict == verifier.Held && (deepest == nil || len(deepest.Found.Again) < len(f.Again))
	if fewer || more {
		own := h.Clone()
		own.Cut, own.Contract = f.Cut, j.c.Contract.String()
		e := &Example{Found: res.Space.story(f), Verdict: verdict, Reason: reason, History: own}
		if fewer {
			res.First[verdict] = e
		}
		if more {
			res.Deepest = e
		}
	}
	return nil
}

func judgeOne(v *verifier.Verifier, x *Recovered, h *workloads.History) (verifier.Verdict, string, error) {
	if x.File == nil {
		return x.Verdict, x.Broken, nil
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

// Best returns an image with the best verdict that there is, of those that held one
// with the most losses of power, nil when none was judged.
func (r *Result) Best() *Example {
	if r.Deepest != nil {
		return r.Deepest
	}
	for v := verifier.Held; v > verifier.NotChecked; v-- {
		if e := r.First[v]; e != nil {
			return e
		}
	}
	return nil
}
