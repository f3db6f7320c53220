//go:build !linux

package disk

import (
	"errors"
	"io"
)

// Serve is for Linux.
func Serve(io.Reader, io.Writer) error { return errors.ErrUnsupported }
