package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// flagError is the value of a flag that is not allowed.
type flagError struct{ name, value, allowed string }

func (e *flagError) Error() string {
	return fmt.Sprintf("--%s %s; allowed: %s", e.name, plainOrQuoted(e.value), e.allowed)
}

// plainOrQuoted quotes what is no number and no time.
func plainOrQuoted(value string) string {
	_, err1 := strconv.ParseFloat(value, 64)
	_, err2 := time.ParseDuration(value)
	if err1 == nil || err2 == nil {
		return value
	}
	return strconv.Quote(value)
}

// flagErrors has cobra say of a value what the other errors of the command line
// say, in place of what its parser says.
func flagErrors(c *cobra.Command, err error) error {
	var bad *flagError
	var parse *strconv.NumError // of a flag that is given or not
	switch {
	case errors.As(err, &bad):
		return usage(bad)
	case errors.As(err, &parse):
		what, _, _ := strings.Cut(err.Error(), ": "+parse.Error())
		return usage(fmt.Errorf("%s; allowed: true, false", what))
	}
	return usage(fmt.Errorf("%w; allowed: what %q lists", err, c.CommandPath()+" --help"))
}

// number is the value of a flag that takes whole numbers from min to max. What
// it refuses it says in the words of the other errors.
type number[N int | int64 | uint64] struct {
	name     string
	at       *N
	min, max int64
}

// numberFlag adds a flag whose default is what at holds.
func numberFlag[N int | int64 | uint64](c *cobra.Command, at *N, name string, least, most int64, about string) {
	c.Flags().Var(&number[N]{name, at, least, most}, name, about)
}

// unbounded is for a flag without a largest number.
const unbounded = math.MaxInt64

func (n *number[N]) Set(text string) error {
	v, err := strconv.ParseInt(text, 0, 64)
	switch {
	case err == nil && v >= n.min && v <= n.max && int64(N(v)) == v:
		*n.at = N(v)
		return nil
	case n.max == unbounded:
		return &flagError{n.name, text, fmt.Sprintf("whole numbers, %d and above", n.min)}
	}
	return &flagError{n.name, text, fmt.Sprintf("%d to %d", n.min, n.max)}
}

func (n *number[N]) String() string {
	if n.at == nil { // of a zero value, which pflag makes to know defaults
		return "0"
	}
	return fmt.Sprint(*n.at)
}

// Type is what the help calls the value.
func (n *number[N]) Type() string { return "number" }

// span is the value of a flag that takes a time, 0 and above.
type span struct {
	name string
	at   *time.Duration
}

// spanFlag adds a flag whose default is what at holds.
func spanFlag(c *cobra.Command, at *time.Duration, name, about string) {
	c.Flags().Var(&span{name, at}, name, about)
}

func (s *span) Set(text string) error {
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return &flagError{s.name, text, "times such as 90s, 10m or 1h30m, 0 and above"}
	}
	*s.at = v
	return nil
}

func (s *span) String() string {
	if s.at == nil || *s.at == 0 {
		return "0"
	}
	return s.at.String()
}

// Type is what the help calls the value.
func (s *span) Type() string { return "duration" }
