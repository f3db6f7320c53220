package main

import (
	"fmt"
	"image/color"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// plots are the figures: a line for each axis.
var plots = []struct {
	file, title string
	least       float64 // what is below is drawn there: a logarithm has no zero
	of          func(*point) float64
}{
	{"states.svg", "states", 1, func(p *point) float64 { return p.states }},
	{"seconds.svg", "seconds of processor time", 0.01, func(p *point) float64 { return p.seconds }},
	{"memory.svg", "MiB resident", 1, func(p *point) float64 { return p.mib }},
}

var colors = []color.Color{
	color.RGBA{0x1b, 0x6c, 0xa8, 0xff}, color.RGBA{0xc8, 0x55, 0x0d, 0xff}, color.RGBA{0x2e, 0x7d, 0x32, 0xff},
	color.RGBA{0x8e, 0x24, 0xaa, 0xff}, color.RGBA{0xb7, 0x1c, 0x1c, 0xff},
}

func plotAll(dir string, points []point) error {
	for _, f := range plots {
		p := plot.New()
		p.Title.Text = f.title
		p.X.Label.Text = "how many"
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		p.Legend.Top, p.Legend.Left = true, true
		p.Add(plotter.NewGrid())
		for i, a := range axes {
			var xys plotter.XYs
			for k := range points {
				if points[k].axis == a.name {
					xys = append(xys, plotter.XY{X: float64(points[k].value), Y: max(f.least, f.of(&points[k]))})
				}
			}
			if len(xys) == 0 {
				return fmt.Errorf("nothing was measured for %s", a.name)
			}
			line, dots, err := plotter.NewLinePoints(xys)
			if err != nil {
				return err
			}
			line.Color, dots.Color, dots.Shape = colors[i], colors[i], draw.CircleGlyph{}
			p.Add(line, dots)
			p.Legend.Add(a.name, line, dots)
		}
		if err := p.Save(14*vg.Centimeter, 10*vg.Centimeter, filepath.Join(dir, f.file)); err != nil {
			return err
		}
	}
	return nil
}
