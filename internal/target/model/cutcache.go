package model

import (
	"untorn/internal/count"
	"untorn/internal/key"
	"untorn/verifier"
)

// maxCutBytes caps the memory of judged cuts of one worker. When it is full,
// all are forgotten, which costs time only.
const maxCutBytes = 48 << 20

// cutBytes is what an entry of the map takes besides its code.
const cutBytes = 64

// cutCache remembers what the images of a cut earned. Schedules that differ
// in what is in memory often leave the same device and the same history.
type cutCache struct {
	at    map[key.Key]judgedCut
	bytes int
}

var one = count.Of(1)

// judgedCut is the result of a cut in a compact form: pairs of a slot and a
// count.
type judgedCut []byte

func (c *cutCache) get(k key.Key) (judgedCut, bool) {
	j, ok := c.at[k]
	return j, ok
}

func (c *cutCache) put(k key.Key, r *verifier.Result) judgedCut {
	var j judgedCut
	if r.Worst == verifier.NotChecked {
		// There is always an image: a cut without one was not looked at.
		j = appendSlot(j, slotVerdicts+int(verifier.NotChecked), &one)
	}
	j = appendSlot(j, slotCovered, &r.Covered)
	j = appendSlot(j, slotRecut, &r.Recut)
	for v := range r.Verdicts {
		j = appendSlot(j, slotVerdicts+v, &r.Verdicts[v])
	}
	for n := range r.Behind {
		j = appendSlot(j, slotBehind+n, &r.Behind[n])
	}
	if c.at == nil || c.bytes > maxCutBytes {
		c.at, c.bytes = make(map[key.Key]judgedCut), 0
	}
	c.at[k] = j
	c.bytes += len(j) + cutBytes
	return j
}

func appendSlot(j judgedCut, slot int, n *count.Count) judgedCut {
	if n.IsZero() {
		return j
	}
	return n.Append(append(j, byte(slot)))
}

// addTo counts the images of a cut at a step.
func (j judgedCut) addTo(p *program, step uint32) {
	for len(j) > 0 {
		slot := int(j[0])
		var n count.Count
		j = n.Decode(j[1:])
		p.add(slot, &n)
		if v := slot - slotVerdicts; v >= int(verifier.Corrupt) && v <= int(verifier.Stale) {
			class := ClassOf(verifier.Verdict(v))
			p.tally.First[class] = min(p.tally.First[class], step)
		}
	}
}
