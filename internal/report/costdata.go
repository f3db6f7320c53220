package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"

	"untorn/internal/cost"
)

// A CostFormat is one form that Costs can be written in.
type CostFormat struct {
	Name  string
	About string // a few words for people
	Write func(w io.Writer, c *Costs) error
}

// CostFormats lists every form; the first is used when none is named.
func CostFormats() []CostFormat {
	return []CostFormat{
		{"text", "tables of at most 78 columns", WriteCostText},
		{"json", "all figures", WriteCostJSON},
		{"markdown", "the tables of text, with whole names", WriteCostMarkdown},
		{"csv", "a line for each row, with all figures", WriteCostCSV},
	}
}

// WriteCostJSON writes the JSON form, indented, with a newline at the end.
func WriteCostJSON(w io.Writer, c *Costs) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(c)
}

// WriteCostCSV writes a line for each row with every figure, by the names that
// they have in JSON. Those of a row without figures are empty.
func WriteCostCSV(w io.Writer, c *Costs) error {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	head := []string{"scenario", "row", "verdict", "reason"}
	eachFigure(&cost.Figures{}, func(name, _ string) { head = append(head, name) })
	err := out.Write(head)
	for i := 0; i < len(c.Results) && err == nil; i++ {
		x := &c.Results[i]
		line := []string{x.Scenario, x.Row, x.Verdict, oneLine(x.Reason)}
		if x.Cost != nil {
			eachFigure(x.Cost, func(_, value string) { line = append(line, value) })
		}
		for len(line) < len(head) {
			line = append(line, "")
		}
		err = out.Write(line)
	}
	if out.Flush(); err == nil {
		err = out.Error()
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// eachFigure calls fn with the name and the value of each figure, in the order
// of their fields. A spread gives one for each of its own, a list is one value
// with spaces.
func eachFigure(f *cost.Figures, fn func(name, value string)) {
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for i := range v.NumField() {
			name, field := prefix+v.Type().Field(i).Tag.Get("json"), v.Field(i)
			switch field.Kind() {
			case reflect.Struct:
				walk(name+"_", field)
			case reflect.Slice:
				fn(name, strings.Trim(fmt.Sprint(field.Interface()), "[]"))
			default:
				fn(name, fmt.Sprint(field.Interface()))
			}
		}
	}
	walk("", reflect.ValueOf(f).Elem())
}
