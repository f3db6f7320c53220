package explore

// Most of the schedules of the last level were in none of those before, and
// the levels before it are there to find what is cheap. Where the first levels
// find nothing, and the last one is not too large, it is explored at once; a finding there shows that a
// level that was left out has to be looked at, and the exploration begins
// anew, level by level. Nobody who looks at the result can tell.

// firstLevels is the last of the levels that are always explored. Most defects
// show by then.
const firstLevels = 2

// after returns the level to explore after one that is finished.
func (x *exploration) after(level int) int {
	if last := x.cfg.Bound.Total; x.cfg.Restart != nil && !x.gradual && level == firstLevels && level+1 < last {
		x.leaping = true
		return last
	}
	return level + 1
}

// skipped is how many levels were left out.
func (x *exploration) skipped() uint64 {
	if !x.leaping || x.again {
		return 0
	}
	return uint64(x.cfg.Bound.Total - firstLevels - 1)
}

// anew closes x and returns an exploration that leaves no level out. What was
// done is work of that.
func (x *exploration) anew() *exploration {
	x.close()
	done := x.finish()
	cfg := x.cfg
	cfg.Restart()
	cfg.Restart = nil
	if cfg.Checkpoint != nil {
		c := *cfg.Checkpoint
		c.From = nil
		cfg.Checkpoint = &c
	}
	y := newExploration(x.ctx, x.newProgram, cfg)
	y.res.Executed, y.res.Steps, y.res.CacheHits, y.res.Commuted = done.Executed, done.Steps, done.CacheHits, done.Commuted
	y.ledger.anew = true
	y.executed.Store(x.executed.Load())
	return y
}
