package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"untorn/internal/conform"
	"untorn/internal/loopfs"
	"untorn/internal/probe"
)

// Probe prints what decides whether atomic writes to a path can be trusted, as
// text, or as JSON. scratch is a new file to try writes on, "" for none.
func Probe(w io.Writer, path, scratch string, asJSON bool) (int, error) {
	r, err := probe.Probe(path, scratch)
	if err != nil {
		return ExitUsage, err
	}
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = r.Write(w)
	}
	if err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	return ExitOK, nil
}

// Conformance asks the running kernel and the model the same questions and
// prints where they differ. The code is ExitUnexpected when the table of known
// differences does not explain one.
func Conformance(w io.Writer, asJSON bool, progress func(string)) (int, error) {
	var all []*conform.Comparison
	code := ExitOK
	for i := range conform.Kinds {
		k := &conform.Kinds[i]
		if progress != nil {
			progress(k.Name)
		}
		c, err := conform.Compare(k)
		var missing *loopfs.MissingError
		switch {
		case errors.As(err, &missing):
			return ExitNotBuilt, fmt.Errorf("%s: %w", k.Name, err)
		case err != nil:
			return ExitEnvironment, &EnvironmentError{err}
		}
		if len(c.Unexplained()) > 0 {
			code = ExitUnexpected
		}
		all = append(all, c)
	}
	write := conform.Write
	if asJSON {
		write = conform.WriteJSON
	}
	if err := write(w, all); err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	return code, nil
}
