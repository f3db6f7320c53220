package run

import (
	"encoding/json"
	"io"

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
