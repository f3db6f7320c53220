package model

import (
	"testing"

	"github.com/stretchr/testify/require"

	"untorn/crashsim"
	"untorn/internal/tape"
	"untorn/workloads"
)

// A schedule drawn under one budget plays the same from its tape, and from its
// numbers, under the budget of the tape.
func TestNumberAndName(t *testing.T) {
	cases := variants()
	c := small()
	c.Faults.Kinds[crashsim.IOError] = true
	c.Workload.Ops = append(c.Workload.Ops, workloads.Op{Task: "b", Kind: workloads.Pwrite, Length: 4 << 10, Atomic: true},
		workloads.Op{Task: "b", Kind: workloads.Fsync}, workloads.Op{Task: "db", Kind: workloads.Fsync})
	cases["commands fail"] = c
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(60) {
				p, err := newProgram(c, NewShared(true))
				require.NoError(t, err)
				drawn := &tape.Recorder{From: &seldom{tape.NewSampler(seed)}}
				out := p.Run(crashsim.FromTape(drawn), bound(int(seed%3), 3))
				require.Equal(t, crashsim.Done, out.Kind)
				log := len(p.kernel.Device().Log.Events)
				p.Close()

				n, err := Number(c, drawn.Tape)
				require.NoError(t, err)
				require.Len(t, n.Answers, len(drawn.Tape))
				named, err := Name(c, n)
				require.NoError(t, err)
				require.Equal(t, drawn.Tape, named)

				again, err := newProgram(c, NewShared(true))
				require.NoError(t, err)
				from, err := tape.NewReplayer(drawn.Tape)
				require.NoError(t, err)
				size := len(drawn.Tape)
				require.Equal(t, out, again.Run(crashsim.FromTape(from), bound(size, size)))
				require.NoError(t, from.Err())
				require.Len(t, again.kernel.Device().Log.Events, log)
				again.Close()
			}
		})
	}
}

// seldom draws alike where a wait forces a choice, and rarely elsewhere.
type seldom struct{ *tape.Sampler }

func (s *seldom) Choose(p tape.Point) int {
	if p.Site() != "pick" && s.Draw("seldom", 30) != 0 {
		return 0
	}
	return s.Sampler.Choose(p)
}

func TestNameMisfit(t *testing.T) {
	_, err := Name(small(), Numbered{Answers: []tape.Answer{{Skip: 100000, Option: 1}}})
	require.ErrorContains(t, err, "answer 1: its question was never asked")
	_, err = Name(small(), Numbered{Answers: []tape.Answer{{Skip: 0, Option: 99}}})
	require.ErrorContains(t, err, "option 99 at a point")
	_, err = Number(small(), tape.Tape{{Task: "nobody", Site: "copy", Option: "x"}})
	require.ErrorContains(t, err, "never reached")
}
