package tape

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// String prints an entry on one line: task, site, visit and option, each
// quoted as in Go where a bare word would not do.
func (e Entry) String() string {
	return word(e.Task) + " " + word(e.Site) + " " + strconv.Itoa(e.Visit) + " " + word(e.Option)
}

// String prints a tape, one entry a line. Parse reads it back exactly.
func (t Tape) String() string {
	var b strings.Builder
	for _, e := range t {
		b.WriteString(e.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// word returns s as it is when it is one bare word, else quoted.
func word(s string) string {
	if s == "" || s[0] == '#' || !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	for _, r := range s {
		if r == ' ' || r == '"' || r == '\\' || !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// Parse reads a tape. Empty lines, and lines whose first character other than
// a space or a tab is '#', hold no entry. An error names the line, counted
// from 1.
func Parse(text string) (Tape, error) {
	var t Tape
	for n, line := range strings.Split(text, "\n") {
		line = strings.Trim(line, " \t\r")
		if line == "" || line[0] == '#' {
			continue
		}
		e, err := parseEntry(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		t = append(t, e)
	}
	return t, nil
}

// ParseEntry reads one entry as Entry.String prints it.
func ParseEntry(line string) (Entry, error) { return parseEntry(strings.Trim(line, " \t\r")) }

func parseEntry(line string) (e Entry, err error) {
	var visit string
	for i, field := range []struct {
		name string
		to   *string
	}{{"task", &e.Task}, {"site", &e.Site}, {"visit", &visit}, {"option", &e.Option}} {
		if i > 0 {
			if line != "" && line[0] != ' ' && line[0] != '\t' {
				return Entry{}, fmt.Errorf("no space before the %s at %.20q", field.name, line)
			}
			line = strings.TrimLeft(line, " \t")
		}
		if line == "" {
			return Entry{}, fmt.Errorf("no %s; an entry is: task site visit option", field.name)
		}
		if *field.to, line, err = nextWord(line); err != nil {
			return Entry{}, fmt.Errorf("%s: %w", field.name, err)
		}
	}
	if line != "" {
		return Entry{}, fmt.Errorf("more than task, site, visit and option: %.20q", line)
	}
	v, err := strconv.ParseUint(visit, 10, 31)
	if err != nil || strconv.FormatUint(v, 10) != visit {
		return Entry{}, fmt.Errorf("visit %q is not a number below 2147483648", visit)
	}
	e.Visit = int(v)
	return e, nil
}

// nextWord cuts the first word off a line that is not empty.
func nextWord(line string) (word, rest string, err error) {
	if line[0] == '"' {
		q, err := strconv.QuotedPrefix(line)
		if err != nil {
			return "", "", fmt.Errorf("bad quotes at %.20q", line)
		}
		word, err = strconv.Unquote(q)
		return word, line[len(q):], err
	}
	end := strings.IndexAny(line, " \t")
	if end < 0 {
		end = len(line)
	}
	word = line[:end]
	if strings.ContainsAny(word, "\"\\") || !utf8.ValidString(word) {
		return "", "", fmt.Errorf("%.20q needs quotes", word)
	}
	return word, line[end:], nil
}
