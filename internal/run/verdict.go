package run

import (
	"context"
	"fmt"
	"strings"

	"untorn/crashsim"
	"untorn/scenarios"
	"untorn/verifier"
)

// explainDesign explores and judges the arm of the design. It ends at the
// cheapest finding that counts against a design.
func (o *Options) explainDesign(ctx context.Context, r *scenarios.Row, design *arm) error {
	if err := o.exploreDesign(ctx, design, r); err != nil {
		return err
	}
	design.judge()
	if err := o.showExample(design, r, design.verdict); err != nil {
		return fmt.Errorf("%s: %w", rowTitle(r), err)
	}
	return nil
}

// explainControl does the same for the control. One that was never reached
// because of a timeout stays without a result.
func (o *Options) explainControl(ctx context.Context, r *scenarios.Row, control *arm, whole bool) error {
	if ctx.Err() != nil {
		return nil
	}
	if err := o.exploreControl(ctx, control, r, whole); err != nil {
		return err
	}
	control.judge()
	// A control may earn a worse verdict than the one under test; the one
	// under test is what proves the test.
	if want, _ := verifier.ParseVerdict(r.Control.Breaks); control.verdict != verifier.NotChecked && control.finding(want) != nil {
		control.verdict = want
	}
	if err := o.showExample(control, r, control.verdict); err != nil {
		return fmt.Errorf("%s: control: %w", rowTitle(r), err)
	}
	return nil
}

// rowVerdict combines the arms: a design that broke has its verdict, one that
// held is believed only when the test is proved able to fail.
func rowVerdict(r *scenarios.Row, design, control *arm) (verifier.Verdict, string) {
	if design.verdict != verifier.Held {
		reason := design.reason
		if design.example != nil && reason == "" {
			reason = design.example.replay.Reason
		}
		return design.verdict, reason
	}
	if design.res.Limited {
		return verifier.Inconclusive, "over the limit: " + design.limited + "; what was explored until then held"
	}
	if design.res.Partial || control.res == nil || control.res.Partial {
		return verifier.Inconclusive, "ended early: what was explored until then held"
	}
	if control.verdict == verifier.NotChecked {
		return verifier.NotChecked, "control: " + control.reason
	}
	if control.res.Limited && control.verdict.String() != r.Control.Breaks {
		return verifier.Inconclusive, "control: over the limit: " + control.limited + "; what was explored until then did not break"
	}
	if want := r.Control.Breaks; control.verdict.String() != want {
		return verifier.Inconclusive, fmt.Sprintf("the control has to earn %s, and earned %v: this test was not seen to fail", want, control.verdict)
	}
	if silent := silentFaults(r, design, control); len(silent) > 0 {
		return verifier.Inconclusive, fmt.Sprintf("the scenario names %s, which struck in neither arm", strings.Join(silent, ", "))
	}
	if design.limited != "" {
		return verifier.Held, fmt.Sprintf("a sample of %v schedules: %s", &design.res.Schedules, design.limited)
	}
	return verifier.Held, ""
}

// silentFaults lists the faults that the scenario's text turns on and that
// struck in neither arm.
func silentFaults(r *scenarios.Row, design, control *arm) []string {
	var out []string
	d, c := &design.res.Counts, &control.res.Counts
	if r.NamedPowerLoss && d.Cuts.IsZero() && c.Cuts.IsZero() {
		out = append(out, "power_loss")
	}
	if r.NamedRecovery && d.Recut.IsZero() && c.Recut.IsZero() {
		out = append(out, "recovery_power_loss")
	}
	for k := crashsim.Reclaim; k < crashsim.NumFaultKinds; k++ {
		if r.Named[k] && d.Fired[k].IsZero() && c.Fired[k].IsZero() {
			out = append(out, k.String())
		}
	}
	return out
}
