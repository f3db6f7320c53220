// Package needs lets a test say what it needs of the machine. A test is skipped
// for a reason that has a type, and for no other; where CI is set a machine
// that lacks something fails it.
package needs

import (
	"errors"
	"os"
	"testing"

	"untorn/internal/loopfs"
)

// Scratch returns a scratch loop device for a test, which goes with it.
func Scratch(t testing.TB, o loopfs.Options) *loopfs.Scratch {
	t.Helper()
	s, err := loopfs.New(o)
	if err != nil {
		Or(t, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("clean-up: %v", err)
		}
	})
	return s
}

// Or skips the test when err says what the machine lacks, and fails it
// otherwise, or where CI is set.
func Or(t testing.TB, err error) {
	t.Helper()
	var missing *loopfs.MissingError
	if errors.As(err, &missing) && os.Getenv("CI") == "" {
		t.Skip(missing.What)
	}
	t.Fatal(err)
}
