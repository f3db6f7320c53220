package file

import (
	"fmt"

	"untorn/internal/sys"
	"untorn/workloads"
)

// Limits are what the kernel says of atomic writes to a file, in bytes. All are
// 0 for a file that takes none, or where the kernel does not say.
type Limits struct {
	Kernel     string
	Filesystem string // "block" for a block device
	UnitMin    int64
	UnitMax    int64
	UnitMaxOpt int64
}

// LimitsOf asks for the limits of a path.
func LimitsOf(path string) (*Limits, error) {
	st, err := sys.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l := &Limits{Filesystem: "block", UnitMin: int64(st.UnitMin), UnitMax: int64(st.UnitMax), UnitMaxOpt: int64(st.UnitMaxOpt)}
	if l.Kernel, err = sys.Kernel(); err != nil {
		return nil, err
	}
	if st.Kind == sys.BlockDevice {
		return l, nil
	}
	l.Filesystem, err = sys.Filesystem(path)
	return l, err
}

// Limits returns those of the first file, as it is now.
func (t *Target) Limits() (*Limits, error) { return LimitsOf(t.cfg.Path) }

func (l *Limits) String() string {
	if l.UnitMax == 0 {
		return fmt.Sprintf("kernel %s takes no atomic writes to this file (%s)", l.Kernel, l.Filesystem)
	}
	return fmt.Sprintf("kernel %s takes direct atomic writes of %s to %s here (%s)", l.Kernel,
		workloads.FormatSize(l.UnitMin), workloads.FormatSize(l.UnitMax), l.Filesystem)
}

// allows reports whether the limits, and the rules for every file, allow an
// atomic write; where it will lie is not known of an append.
func (l *Limits) allows(o *workloads.Op) bool {
	n := o.Length
	return n&(n-1) == 0 && o.Offset%n == 0 && !o.Append && l.UnitMax > 0 && l.UnitMin <= n && n <= l.UnitMax
}

// Allow reports whether one atomic write of a workload has to be accepted: a
// direct one that the limits allow.
func (l *Limits) Allow(w *workloads.Workload) bool {
	for i := range w.Ops {
		if o := &w.Ops[i]; o.Atomic && !o.Unflagged && o.Direct && l.allows(o) {
			return true
		}
	}
	return false
}

// Differences lists the atomic writes that were refused although the limits
// allow them, or accepted although they do not. That a write through the page
// cache is accepted is none: a kernel may be able to do that.
func (l *Limits) Differences(h *workloads.History) []string {
	var out []string
	for i := range h.Workload().Ops {
		o := &h.Workload().Ops[i]
		r, ok := h.Result(i + 1)
		if !ok || !o.Atomic || o.Unflagged || o.Append || o.Limit != 0 {
			continue
		}
		e := r.Err()
		switch allowed := l.allows(o); {
		case allowed && o.Direct && (e == workloads.EINVAL || e == workloads.EOPNOTSUPP):
			out = append(out, fmt.Sprintf("operation %d, %v, is within the limits and was refused: %v", i+1, o, e))
		case !allowed && e == 0:
			out = append(out, fmt.Sprintf("operation %d, %v, is outside of the limits and was accepted", i+1, o))
		}
	}
	return out
}
