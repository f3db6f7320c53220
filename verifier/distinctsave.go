package verifier

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"untorn/internal/key"
)

// Save writes all images that were added, for Load. Others may add meanwhile.
func (d *Distinct) Save(w io.Writer) error {
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		slots, n, full := slices.Clone(s.slots), s.n, s.full
		s.mu.Unlock()
		p := binary.LittleEndian.AppendUint32(nil, uint32(n))
		p = append(p, 0)
		if full {
			p[4] = 1
		}
		for _, k := range slots {
			if k != (key.Key{}) {
				p = binary.LittleEndian.AppendUint64(p, k[0])
				p = binary.LittleEndian.AppendUint64(p, k[1])
			}
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// Load adds what Save wrote.
func (d *Distinct) Load(r io.Reader) error {
	for i := range d.shards {
		var head [5]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		n := binary.LittleEndian.Uint32(head[:])
		if int64(n) > int64(d.cap) {
			return fmt.Errorf("verifier: %d images in a part for %d", n, d.cap)
		}
		for range n {
			var p [16]byte
			if _, err := io.ReadFull(r, p[:]); err != nil {
				return err
			}
			d.Add(key.Key{binary.LittleEndian.Uint64(p[:]), binary.LittleEndian.Uint64(p[8:])})
		}
		if head[4] == 1 {
			s := &d.shards[i]
			s.mu.Lock()
			s.full = true
			s.mu.Unlock()
		}
	}
	return nil
}
