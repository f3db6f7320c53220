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

// ErrNotJudged says that this judge of whole files does not know an operation
// of the workload.
var ErrNotJudged = errors.New("not judged on a real file yet")

// NewFiles returns a verifier that judges files and not images of disks: only
// JudgeFiles and JudgeRead may be used. What it cannot judge is ErrNotJudged.
func NewFiles(w *workloads.Workload, c Contract) (*Verifier, error) {
	if w.Files() > 1 {
		return nil, fmt.Errorf("a second file: %w", ErrNotJudged)
	}
	for i := range w.Ops {
		if w.Ops[i].Moves() {
			return nil, fmt.Errorf("operation %d, %s: %w", i+1, w.Ops[i].Kind, ErrNotJudged)
		}
	}
	// Sector n of the file is sector n of the image, and every block of one
	// sector is mapped where it is.
	n := max(1, newLayout(w).sectors)
	data := blk.Range{Len: n}
	return New(Config{Workload: w, Contract: c, Interner: blk.NewInterner(), Super: ondisk.Super{LBA: 1, Block: 1, Data: data, TotalLen: n}})
}

// JudgeFiles judges what a reader finds in the files of the workload after the
// caller had seen h, by the same rules as an image whose recovery gave these
// files. A verifier of NewFiles does this for any number of files, one after
// the other.
func (v *Verifier) JudgeFiles(files []File, h *workloads.History) (*Report, error) {
	if want := h.Workload().Files(); len(files) != want {
		return nil, fmt.Errorf("%d files where the workload has %d", len(files), want)
	}
	f := &files[0]
	if int64(len(f.Sectors)) != f.Size/blk.SectorSize {
		return nil, fmt.Errorf("%d sectors of a file of %d bytes", len(f.Sectors), f.Size)
	}
	v.Begin(h)
	n := min(len(f.Sectors), len(v.image))
	copy(v.image, f.Sectors[:n])
	at := &extentMap{block: make([]int32, n), unwritten: make([]bool, n)}
	for i := range at.block {
		at.block[i] = int32(i)
	}
	m := &mounted{size: f.Size}
	v.place(m, at)
	v.m, v.base, v.again = m, m, 0
	if v.refuse, v.inside = "", -1; f.Size%blk.SectorSize != 0 {
		v.refuse = fmt.Sprintf("a size of %d bytes, which no operation leaves", f.Size)
	} else {
		v.checkSize()
	}
	r := &Report{Contract: v.cfg.Contract, Size: f.Size}
	r.Verdict, r.Reason = v.JudgeImage()
	return r, nil
}
