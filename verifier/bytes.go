package verifier

import (
	"errors"
	"fmt"

	"untorn/internal/blk"
	"untorn/internal/ondisk"
	"untorn/internal/stamp"
	"untorn/workloads"
)

// Bytes returns an image as it lies on the medium.
func Bytes(image []blk.Handle, in *blk.Interner) []byte {
	out := make([]byte, 0, len(image)*blk.SectorSize)
	for _, h := range image {
		out = append(out, sectorBytes(h, in)...)
	}
	return out
}

func sectorBytes(h blk.Handle, in *blk.Interner) []byte {
	switch {
	case h == blk.Zero:
		return make([]byte, blk.SectorSize)
	case h.IsMeta():
		return in.Bytes(h)
	case h.IsData():
		b := stamp.Encode(h.Write(), h.Place())
		return b[:]
	}
	b := stamp.Garbage()
	return b[:]
}

// Handles reads an image from the medium: what is no stamp, no zeros and not
// in the first meta sectors is garbage. The length must be a whole number of
// sectors.
func Handles(image []byte, meta blk.Sector, in *blk.Interner) []blk.Handle {
	out := make([]blk.Handle, len(image)/blk.SectorSize)
	garbage := stamp.Garbage()
	for i := range out {
		b := image[i*blk.SectorSize : (i+1)*blk.SectorSize]
		w, p, ok := stamp.Decode(b)
		switch {
		case ok && (w <= blk.MaxWrite || w == blk.FreeSpace) && p < blk.MaxPlace:
			out[i] = blk.Data(w, p)
		case [blk.SectorSize]byte(b) == [blk.SectorSize]byte{}:
			out[i] = blk.Zero
		case i < int(meta) && [blk.SectorSize]byte(b) != garbage:
			out[i] = in.Intern(b)
		default:
			out[i] = blk.Garbage
		}
	}
	return out
}

// Report is the judgement on one image.
type Report struct {
	Verdict  Verdict
	Reason   string // in one sentence
	Contract Contract
	Size     int64 // recovered size of the file in bytes, 0 if recovery failed
	Second   int64 // the same of the second file
}

// ParseContract returns the contract of that name.
func ParseContract(s string) (Contract, bool) {
	for c, name := range contractNames {
		if c > 0 && name == s {
			return Contract(c), true
		}
	}
	return 0, false
}

// JudgeBytes judges an image as it lies on the medium by a history, whose
// contract it takes. An image that is truncated, or has no superblock to find
// anything by, is an error, not a verdict.
func JudgeBytes(image []byte, h *workloads.History) (*Report, error) {
	contract, ok := ParseContract(h.Contract)
	if !ok {
		return nil, fmt.Errorf("history: %q is no contract; there are untorn, old-or-new", h.Contract)
	}
	if len(image) < blk.SectorSize {
		return nil, fmt.Errorf("image: %d bytes, less than one sector", len(image))
	}
	super, err := ondisk.DecodeSuper(image[:blk.SectorSize])
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	if want := int64(super.TotalLen) * blk.SectorSize; int64(len(image)) != want {
		what := "truncated"
		if int64(len(image)) > want {
			what = "too long"
		}
		return nil, fmt.Errorf("image: %s: %d bytes, the superblock says %d", what, len(image), want)
	}
	in := blk.NewInterner()
	v, err := New(Config{Workload: h.Workload(), Contract: contract, Super: super, Interner: in})
	if err != nil {
		return nil, err
	}
	return v.JudgeOne(Handles(image, super.Data.Start, in), h)
}

// JudgeOne judges a single image.
func (v *Verifier) JudgeOne(image []blk.Handle, h *workloads.History) (*Report, error) {
	if len(image) != len(v.image) {
		return nil, errors.New("the image and the geometry differ in length")
	}
	v.Begin(h)
	v.Set(0, image)
	v.Recover()
	r := &Report{Contract: v.cfg.Contract}
	r.Verdict, r.Reason = v.JudgeImage()
	if v.m.broken == "" {
		r.Size, r.Second = v.m.size[0], v.m.size[1]
	}
	return r, nil
}
