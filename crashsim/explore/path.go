package explore

import "untorn/internal/key"

// path is the set of states between the start of a run and where it stands.
// What comes last leaves first, so that a slot of the open addressing can be
// freed without breaking the chain of another.
type path struct {
	slots []int32 // 1 + index into keys; 0 for a free slot
	keys  []key.Key
}

func (p *path) reset() {
	clear(p.slots)
	p.keys = p.keys[:0]
}

// find returns the slot of k, or the free slot where it belongs.
func (p *path) find(k key.Key) int {
	mask := len(p.slots) - 1
	i := int(k[0]) & mask
	for p.slots[i] != 0 && p.keys[p.slots[i]-1] != k {
		i = (i + 1) & mask
	}
	return i
}

func (p *path) has(k key.Key) bool { return len(p.slots) > 0 && p.slots[p.find(k)] != 0 }

// push adds a key that is not in the set.
func (p *path) push(k key.Key) {
	if len(p.keys)*2 >= len(p.slots) {
		p.slots = make([]int32, max(256, 2*len(p.slots)))
		for i, old := range p.keys {
			p.slots[p.find(old)] = int32(i + 1)
		}
	}
	i := p.find(k)
	p.keys = append(p.keys, k)
	p.slots[i] = int32(len(p.keys))
}

// pop removes the key that was pushed last.
func (p *path) pop() {
	p.slots[p.find(p.keys[len(p.keys)-1])] = 0
	p.keys = p.keys[:len(p.keys)-1]
}
