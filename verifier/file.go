package verifier

import (
	"errors"
	"fmt"

	"untorn/internal/blk"
	"untorn/internal/ondisk"
	"untorn/workloads"
)

// MaxFile bounds a file that is judged, in bytes.
const MaxFile = maxFileSize

// File is a file as a reader sees it, after a real kernel has recovered it or
// while one runs: no format of a disk is involved.
type File struct {
	Size int64 // bytes
	// Sectors is the content, as Handles makes it of bytes; a last sector that
	// the size cuts is left out.
	Sectors []blk.Handle
}

// ErrNotJudged says that this judge of whole files does not know what a workload
// does.
var ErrNotJudged = errors.New("not judged on a real file")

// NewFiles returns a verifier that judges files and not images of disks: only
// JudgeFiles and JudgeRead may be used. What it cannot judge is ErrNotJudged.
func NewFiles(w *workloads.Workload, c Contract) (*Verifier, error) {
	// The sectors of the files are those of the image, one file after the other,
	// and every block of one sector is mapped where it is.
	l, err := newLayout(w, 1)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrNotJudged)
	}
	n := l.end[0] + max(0, l.end[1]-baseOf(1))
	data := blk.Range{Len: max(1, n)}
	super := ondisk.Super{LBA: 1, Block: 1, Data: data, TotalLen: data.Len}
	if w.Files() == 2 {
		super.Second = baseOf(1)
	}
	return New(Config{Workload: w, Contract: c, Interner: blk.NewInterner(), Super: super})
}

// JudgeFiles judges what a reader finds in the files of the workload after the
// caller had seen h, by the same rules as an image whose recovery gave these
// files. A verifier of NewFiles does this for any number of files, one after
// the other.
func (v *Verifier) JudgeFiles(files []File, h *workloads.History) (*Report, error) {
	if want := h.Workload().Files(); len(files) != want {
		return nil, fmt.Errorf("%d files where the workload has %d", len(files), want)
	}
	v.Begin(h)
	m, at := new(mounted), newExtentMaps(&v.super)
	first := 0
	for i := range files {
		f := &files[i]
		if int64(len(f.Sectors)) != f.Size/blk.SectorSize {
			return nil, fmt.Errorf("%d sectors of a file of %d bytes", len(f.Sectors), f.Size)
		}
		n := min(len(f.Sectors), int(v.layout.end[i]-baseOf(i)))
		copy(v.image[first:], f.Sectors[:n])
		to := &at.of[i]
		to.unwritten = make([]bool, n)
		for k := range n {
			to.block = append(to.block, int32(first+k))
		}
		first += int(v.layout.end[i] - baseOf(i))
		m.size[i] = f.Size
	}
	v.place(m, at)
	v.m, v.base, v.again = m, m, 0
	v.refuse, v.inside = "", [ondisk.Files]int32{-1, -1}
	for i := 0; i < len(files) && v.refuse == ""; i++ {
		if v.checkSize(i); m.size[i]%blk.SectorSize != 0 {
			v.refuse = fmt.Sprintf("a size of %d bytes%s, which no operation leaves", m.size[i], ofFile(i))
		}
	}
	r := &Report{Contract: v.cfg.Contract, Size: m.size[0], Second: m.size[1]}
	r.Verdict, r.Reason = v.JudgeImage()
	return r, nil
}
