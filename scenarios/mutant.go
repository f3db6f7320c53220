package scenarios

// knownMutants lists every planted defect that has a name. Those that the
// engine cannot turn on yet are refused by name when a row is run.
var knownMutants = []string{
	"pin-late", "unpin-early", "accept-short-copy", "retry-per-folio", "eintr-leaves-dirty",
	"tag-after-unlock", "flag-lost-on-split", "bits-clear-wrong-end", "bits-survive-overwrite",
	"bits-freed-when-clean", "sidecar-stale-truncate", "sidecar-stale-punch", "es-shrinker-drops",
	"partial-selection", "skip-under-writeback", "early-ioend", "remap-per-extent", "remap-no-flush",
	"log-no-fua", "reuse-busy-extent", "size-apart", "recovery-half", "merge-over-max", "merge-mixed",
	"split-atomic", "ignore-boundary", "ignore-boundary-offset", "trust-awun", "fragmented-in-place",
	"copy-before-wait", "stable-cleared-early", "shared-cow-blocks", "fsync-no-flush",
	"error-marks-clean", "error-lost", "nospace-falls-back", "append-unaligned", "silent-buffered",
	"range-sync-half", "limit-shortens", "neighbour-error", "stale-remap-half", "shared-writer-lock",
	"cow-gc-drops", "ioend-spans-units", "discard-early", "reject-then-plain", "ordered-half",
}

// WithMutant returns the row with a planted defect turned on in its design.
func (r *Row) WithMutant(name string) Row {
	out := *r
	s := *r.Scenario
	s.mutant = name
	out.Scenario, out.Design.Mutant = &s, name
	return out
}
