package tape

import "math/bits"

// Sampler answers at random from a seed. Each site has a stream of its own,
// so that a new site does not shift what another one draws.
type Sampler struct {
	seed    uint64
	streams map[string]*stream
}

type stream struct{ state uint64 }

// NewSampler returns a Sampler. Equal seeds give equal answers, on any machine.
func NewSampler(seed uint64) *Sampler {
	s := &Sampler{streams: map[string]*stream{}}
	s.Seed(seed)
	return s
}

// Seed starts all streams anew, without allocation for sites known already.
func (s *Sampler) Seed(seed uint64) {
	s.seed = seed
	for site, st := range s.streams {
		st.state = origin(seed, site)
	}
}

// Choose draws among all options of p alike.
func (s *Sampler) Choose(p Point) int { return s.Draw(p.Site(), p.Len()) }

// Draw returns a number from 0 to n-1 from the stream of a site. The bias is
// below n / 2^64. It panics when n is not positive.
func (s *Sampler) Draw(site string, n int) int {
	if n <= 0 {
		panic("tape: nothing to draw from")
	}
	st := s.streams[site]
	if st == nil {
		st = &stream{origin(s.seed, site)}
		s.streams[site] = st
	}
	hi, _ := bits.Mul64(st.next(), uint64(n))
	return int(hi)
}

// next is splitmix64.
func (s *stream) next() uint64 {
	s.state += 0x9e3779b97f4a7c15
	return mix(s.state)
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// origin is where the stream of a site begins.
func origin(seed uint64, site string) uint64 {
	h := mix(seed + 0x9e3779b97f4a7c15)
	for i := range len(site) {
		h = mix(h ^ uint64(site[i]))
	}
	return mix(h + uint64(len(site)))
}

// Derive returns the seed of the i-th of several independent runs.
func Derive(seed, i uint64) uint64 { return mix(mix(seed+0x9e3779b97f4a7c15) + i*0xd1342543de82ef95) }
