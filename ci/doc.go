// Package ci holds the tests that keep the project's structure: who may
// import whom, and what the deterministic packages must not do.
package ci
