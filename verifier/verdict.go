// Package verifier judges crash images. It mounts an image with a read-only
// recovery of its own, reads the file and decides, unit by unit, whether the
// contract was kept. It shares no code with the engine but the encoding of
// the on-disk format.
package verifier

import "fmt"

// Verdict is what an image, or a run, earned. Verdicts are ordered from the
// one that fails a run without being a judgement, through the worst, to the
// best. The zero value is NotChecked: nothing looked.
type Verdict uint8

// The verdicts on an image, worst first.
const (
	NotChecked Verdict = iota // nothing looked
	Corrupt                   // recovery failed; garbage; a stamp where no operation put it; zeros nothing allows
	Exposed                   // content the file never held
	Torn                      // a unit is a mixture the application did not make
	Cut                       // the recovered size cuts a visible unit
	Short                     // an atomic write reported success for part of its length
	Lost                      // a sector holds what a durable operation replaced
	Stale                     // old-or-new only: older than the version before the newest
	AppTorn                   // a mixture the application may have made; never counted against a design
	Held                      // none of these
	NumImageVerdicts

	// Stuck, Refused, Inconclusive and Skipped are verdicts on a run or a row only.
	Stuck        Verdict = iota // a schedule deadlocked, cycled, ran into the step cap or panicked
	Refused                     // no schedule accepted an atomic write
	Inconclusive                // the control did not break, or a named fault never fired
	Skipped                     // the combination makes no sense
)

var verdictNames = map[Verdict]string{
	NotChecked: "not-checked", Corrupt: "corrupt", Exposed: "exposed", Torn: "torn", Cut: "cut", Short: "short",
	Lost: "lost", Stale: "stale", AppTorn: "app-torn", Held: "held",
	Stuck: "stuck", Refused: "refused", Inconclusive: "inconclusive", Skipped: "skipped",
}

func (v Verdict) String() string {
	if s, ok := verdictNames[v]; ok {
		return s
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// Bad reports whether the verdict on an image counts against a design.
func (v Verdict) Bad() bool { return v <= Stale }

// ParseVerdict returns the verdict of that name.
func ParseVerdict(s string) (Verdict, bool) {
	for v, name := range verdictNames {
		if name == s {
			return v, true
		}
	}
	return NotChecked, false
}

// Contract is what an image is judged by. The zero value is invalid.
type Contract uint8

// The contracts.
const (
	_        Contract = iota
	Untorn            // no unit is torn
	OldOrNew          // and each is the newest version submitted or the one before
)

var contractNames = [...]string{"invalid", "untorn", "old-or-new"}

func (c Contract) String() string {
	if int(c) < len(contractNames) {
		return contractNames[c]
	}
	return fmt.Sprintf("contract(%d)", uint8(c))
}
