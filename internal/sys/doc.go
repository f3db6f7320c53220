// Package sys holds the raw system calls: the ones that the standard library
// does not offer, each a thin function. No other package imports
// golang.org/x/sys/unix. Everything but this file is for Linux.
package sys
