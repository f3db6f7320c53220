package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"untorn/internal/conform"
	"untorn/internal/loopfs"
	"untorn/internal/probe"
	"untorn/internal/target/file"
	"untorn/workloads"
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
// prints where they differ: on files and devices that it makes, or on path, a
// new file or a block device with the word to destroy it. The code is
// ExitUnexpected when the table of known differences does not explain one.
func Conformance(ctx context.Context, w io.Writer, path, destroy string, asJSON bool, progress func(string)) (int, error) {
	all, err := conformance(ctx, path, destroy, progress)
	var missing *loopfs.MissingError
	var exists *conform.ExistsError
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		return ExitUnexpected, errors.New("ended before all was asked")
	case errors.As(err, &missing):
		return ExitNotBuilt, err
	case errors.As(err, &exists):
		return ExitUsage, err
	case LiveExit(err) == ExitEnvironment:
		return ExitEnvironment, &EnvironmentError{err}
	default:
		return LiveExit(err), err
	}
	code := ExitOK
	for _, c := range all {
		if len(c.Unexplained()) > 0 {
			code = ExitUnexpected
		}
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

func conformance(ctx context.Context, path, destroy string, progress func(string)) (all []*conform.Comparison, err error) {
	if path != "" {
		if err := file.Claim(path, destroy); err != nil {
			return nil, err
		}
		progress(path)
		c, err := conform.ComparePath(ctx, path)
		return []*conform.Comparison{c}, err
	}
	for i := range conform.Kinds {
		k := &conform.Kinds[i]
		progress(k.Name)
		c, err := conform.Compare(ctx, k)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.Name, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// Speed runs a load on a file, which it makes and removes unless existing is
// set, or on a block device, and prints its rate.
func Speed(ctx context.Context, w io.Writer, l file.Load, existing bool, destroy string, asJSON bool) (code int, err error) {
	if err := errors.Join(l.Check(), file.Claim(l.Path, destroy)); err != nil {
		return LiveExit(err), err
	}
	if destroy == "" {
		st, statErr := os.Stat(l.Path)
		if end := l.Offset + l.Size; statErr != nil || !existing || st.Size() < end {
			if err := file.Lay(ctx, l.Path, end, existing); errors.Is(err, context.Canceled) {
				return ExitUnexpected, fmt.Errorf("%s: interrupted before it was laid out", l.Path)
			} else if err != nil {
				return LiveExit(err), err
			}
		}
		if os.IsNotExist(statErr) {
			defer func() {
				if gone := remove(l.Path); gone != nil && err == nil {
					code, err = ExitEnvironment, &EnvironmentError{gone}
				}
			}()
		}
	}
	r, err := l.Run(ctx)
	var mixture *file.MixtureError
	switch {
	case errors.As(err, &mixture):
		return ExitUnexpected, err
	case err != nil:
		return LiveExit(err), err
	case r.Writes == 0:
		return ExitUnexpected, fmt.Errorf("%s: ended before a write did", l.Path)
	case asJSON:
		err = json.NewEncoder(w).Encode(r)
	default:
		_, err = fmt.Fprintf(w, "%d writes in %.1f s: %.0f a second; %d units read back, each whole\n", r.Writes, r.Seconds, r.PerSec, r.Units)
	}
	if err != nil {
		return ExitEnvironment, &EnvironmentError{err}
	}
	return ExitOK, nil
}

// Load is what Speed runs.
type Load = file.Load

// ParseSize reads a number of bytes such as 16KiB.
func ParseSize(s string) (int64, error) { return workloads.ParseSize(s) }
