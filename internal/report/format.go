package report

import (
	"io"
	"strings"
)

// A Format is one form that a report can be written in.
type Format struct {
	Name  string
	About string // a few words for people
	Write func(w io.Writer, r *Report) error
}

// formats has the one that is used when none is named first.
var formats = []Format{
	{"text", "tables of at most 78 columns, for a terminal or a mail", WriteText},
	{"json", "everything that is known; the other forms are made from it", WriteJSON},
	{"markdown", "the tables of text, with whole names", WriteMarkdown},
	{"csv", "a line for each row, with exact counts", WriteCSV},
	{"junit", "JUnit XML: a test case for each row, for a CI server", WriteJUnit},
	{"ktap", "KTAP version 1: a test for each row, for kernel test tools", WriteKTAP},
}

// Formats lists every form of a report.
func Formats() []Format { return append([]Format(nil), formats...) }

// FormatNames lists the names of the forms, "text, json, ...".
func FormatNames() string {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// FormatOf finds a form by its name.
func FormatOf(name string) (Format, bool) {
	for _, f := range formats {
		if f.Name == name {
			return f, true
		}
	}
	return Format{}, false
}
