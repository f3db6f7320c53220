package model

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/crashsim/explore"
	"untorn/crashsim/powerloss"
	"untorn/engine"
	"untorn/internal/blk"
	"untorn/internal/count"
	"untorn/internal/key"
	"untorn/verifier"
	"untorn/workloads"
)

// cutMounts is a unit of two extents whose remap is logged while it goes on.
func cutMounts(mutant string, times int) *Config {
	c := small()
	c.Design.Mutant = mutant
	c.Workload.Layout, c.Workload.FreeSpace = workloads.Fragmented, workloads.Fragmented
	c.Faults.Kinds = [crashsim.NumFaultKinds]bool{}
	c.Faults.Kinds[crashsim.LogForce] = true
	c.Faults.RecoveryPowerLoss = times
	return c
}

// TestMountsCutAgain: what the judge says of images whose mounts are cut is
// what it says of each image that is left, mounted and cut one by one.
func TestMountsCutAgain(t *testing.T) {
	for _, mutant := range []string{"", "recovery-half"} {
		broken := 0
		for times := 1; times <= 2; times++ {
			c := cutMounts(mutant, times)
			p, err := newProgram(c, NewShared(true))
			require.NoError(t, err)
			var once []verifier.Result // of the same cuts, the mounts left alone
			alone, err := newProgram(cutMounts(mutant, 0), NewShared(true))
			require.NoError(t, err)
			alone.onCut = func(r *verifier.Result, _ uint32) { once = append(once, *r) }
			judge, err := verifier.New(verifier.Config{Workload: &c.Workload, Contract: c.Contract, Super: *p.kernel.Super(), Interner: p.interner})
			require.NoError(t, err)
			at := 0
			known := map[key.Key]verifier.Verdict{}
			p.onCut = func(r *verifier.Result, _ uint32) {
				whole := count.Count{}
				whole.Add(&r.Covered)
				whole.Sub(&r.Recut)
				require.Equal(t, once[at].Covered, whole)
				col := collect(judge, p, p.loss, map[key.Key]bool{})
				worst := verifier.Held
				for _, image := range col.images {
					worst = min(worst, worstMount(t, c, p, judge, image, times, known))
				}
				require.Equal(t, worst, r.Worst)
				if worst != once[at].Worst {
					broken++
				}
				at++
			}
			for seed := range uint64(400) {
				for _, x := range []*program{alone, p} {
					x.Judge(true)
					clear(known)
					if x == p {
						at = 0
					} else {
						once = once[:0]
					}
					rng := rand.New(rand.NewPCG(seed, 1))
					require.Equal(t, crashsim.Done, x.Run(randomly{rng}, bound(3, 3)).Kind)
				}
			}
			p.Close()
			alone.Close()
		}
		require.Equal(t, mutant != "", broken > 0, "only a mount that is wrong breaks what held")
	}
}

// worstMount judges an image, and every image that cutting its mounts leaves.
func worstMount(t *testing.T, c *Config, p *program, judge *verifier.Verifier, image []blk.Handle, times int, known map[key.Key]verifier.Verdict) verifier.Verdict {
	h := key.Hasher{}
	h.Int(times)
	p.history.Hash(&h)
	for _, x := range image {
		h.Key(p.interner.Content(x))
	}
	k := h.Sum()
	if v, ok := known[k]; ok {
		return v
	}
	got, err := judge.JudgeOne(image, p.history)
	require.NoError(t, err)
	worst := got.Verdict
	if times > 0 {
		r := engine.NewRecovery(c.Device, c.Design.Mutant, image, p.interner)
		loss := powerloss.New(c.rules(), image)
		r.Device().OnEvent = func(e *blk.Event) {
			loss.Apply(e)
			for _, again := range collect(judge, p, loss, map[key.Key]bool{}).images {
				worst = min(worst, worstMount(t, c, p, judge, again, times-1, known))
			}
		}
		require.Equal(t, crashsim.Done, r.Machine().Run(explore.Replay(nil), crashsim.Budget{}).Kind)
		r.Machine().Close()
	}
	known[k] = worst
	return worst
}

// TestCutMountReplay: a finding that needs a mount to be cut is told with the
// mount, and its image earns its verdict by itself.
func TestCutMountReplay(t *testing.T) {
	c := cutMounts("recovery-half", 2)
	res, _ := explored(t, c, explore.Config{Bound: bound(1, 1), StopAt: int(verifier.Stale)})
	require.Len(t, res.Findings, 1)
	r, err := ReplayFinding(c, &res.Findings[0])
	require.NoError(t, err)
	require.Equal(t, verifier.Torn, r.Verdict)
	var mounts, losses int
	for _, l := range r.Trace {
		if l.Num == "R1" {
			mounts++
		}
		if l.Task == "power" {
			losses++
		}
	}
	require.Equal(t, []int{1, 2}, []int{mounts, losses}, "one cut of a mount is enough")
	judged, err := verifier.JudgeBytes(r.Image, r.History)
	require.NoError(t, err)
	require.Equal(t, verifier.Torn, judged.Verdict)
	again, err := ReplayTape(c, r.Tape)
	require.NoError(t, err)
	require.Equal(t, r.Image, again.Image)
	require.Equal(t, r.Trace, again.Trace)

	c.Faults.PowerLoss = false
	require.ErrorContains(t, c.Check(), "recovery_power_loss")
}
