package recorded

import (
	"untorn/internal/blk"
	"untorn/internal/blk/logwrites"
	"untorn/workloads"
)

// HistoryAt returns what the caller had seen before a cut.
func (r *Recording) HistoryAt(w *workloads.Workload, cut int) *workloads.History {
	h := workloads.NewHistory(w)
	for i := range r.Entries[:cut] {
		if e := &r.Entries[i]; e.Flags&logwrites.Mark != 0 {
			mark(h, string(e.Data))
		}
	}
	h.Cut = cut
	return h
}

func mark(h *workloads.History, text string) {
	if e, ok := logwrites.ParseMark(text); ok && e.Kind == blk.Call {
		h.Call(int(e.Op))
	} else if ok {
		h.Return(int(e.Op), workloads.Result(e.Result))
	}
}
