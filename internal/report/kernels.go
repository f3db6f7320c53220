package report

import (
	"fmt"
	"strings"
)

// Fields of Device that a row of a running kernel has, as text.
const (
	FieldKernel    = "kernel"
	FieldUnitMin   = "atomic_unit_min"
	FieldUnitMax   = "atomic_unit_max"
	FieldPath      = "path"       // direct or buffered
	FieldPowerFail = "power_fail" // the size that survives whole
)

// kernels is table 12: what running kernels made of losses of power. Only rows
// of a disk that lost power have a line.
func kernels(r *Report) *grid {
	g := &grid{title: "Real kernels", names: "real kernels", text: 4,
		head: []string{"file system", "path", "whole", "verdict", "images", "control", "images"}}
	var notes []string
	seen := map[string]bool{}
	g.add(r, func(res *Result) []string {
		kernel := res.Device.Get(FieldKernel)
		if kernel == "" || res.Device.Get(FieldPowerFail) == "" {
			return nil
		}
		fs := res.Design.Get("filesystem")
		note := fmt.Sprintf("kernel %s takes no atomic writes on %s here", kernel, fs)
		if max := res.Device.Get(FieldUnitMax); max != "" && max != "0" {
			note = fmt.Sprintf("kernel %s takes direct atomic writes of %s to %s on %s here", kernel, res.Device.Get(FieldUnitMin), max, fs)
		}
		if !seen[note] {
			seen[note] = true
			notes = append(notes, note)
		}
		control, images := "-", "-"
		if res.Control != nil {
			control, images = res.Control.Verdict, short(res.Control.Covered)
		}
		return []string{fs, res.Device.Get(FieldPath), res.Device.Get(FieldPowerFail), marked(res), short(res.Covered), control, images}
	})
	g.legend = strings.Join(append(notes, "whole: what the device keeps whole when power is lost; images: at each cut"), "\n")
	return g
}
