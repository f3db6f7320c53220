package report

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// table renders lines of cells. left tells how many columns, from the first,
// are text; the rest are numbers.
func table(b *bytes.Buffer, left int, head []string, rows [][]string) {
	var raw bytes.Buffer
	align := make([]tw.Align, len(head))
	for i := range align {
		align[i] = tw.AlignRight
		if i < left {
			align[i] = tw.AlignLeft
		}
	}
	cell := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoFormat: tw.Off, AutoWrap: tw.WrapNone},
		Alignment:  tw.CellAlignment{Global: tw.AlignLeft, PerColumn: align},
		Padding:    tw.CellPadding{Global: tw.Padding{Right: " ", Overwrite: true}},
	}
	plain := tw.NewSymbolCustom("plain").WithColumn("").WithRow("-").WithCenter("-").WithHeaderMid("-")
	t := tablewriter.NewTable(&raw,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: tw.BorderNone, Symbols: plain,
			Settings: tw.Settings{
				Separators: tw.Separators{BetweenColumns: tw.Off, BetweenRows: tw.Off},
				Lines:      tw.Lines{ShowHeaderLine: tw.On},
			},
		})),
		tablewriter.WithConfig(tablewriter.Config{Header: cell, Row: cell, Behavior: tw.Behavior{TrimSpace: tw.Off}}))
	t.Header(head)
	err := t.Bulk(rows)
	if err == nil {
		err = t.Render()
	}
	if err != nil {
		panic(err) // a bytes.Buffer takes everything, and all rows have one shape
	}
	for line := range strings.Lines(raw.String()) {
		line = strings.TrimRight(line, " \n")
		if strings.Trim(line, "-") == "" {
			line = line[:len(line)-1] // the rule spans the last column's padding too
		}
		b.WriteString(line + "\n")
	}
	b.WriteByte('\n')
}

// short prints a decimal number in at most seven characters: exact up to
// 9999999, then rounded down with an exponent.
func short(n string) string {
	more := ""
	if rest, ok := strings.CutPrefix(n, ">="); ok {
		more, n = ">", rest
	}
	if len(n) <= 7 {
		return more + n
	}
	if _, ok := new(big.Int).SetString(n, 10); !ok {
		return n
	}
	return fmt.Sprintf("%s%c.%ce%d", more, n[0], n[1], len(n)-1)
}

// wrap breaks text at spaces.
func wrap(text string, width int) []string {
	var out []string
	for len(text) > width {
		i := strings.LastIndexByte(text[:width+1], ' ')
		if i <= 0 {
			i = width
		}
		out = append(out, text[:i])
		text = strings.TrimPrefix(text[i:], " ")
	}
	return append(out, text)
}
