package engine

// directMutants are defects of direct I/O and write-through.
var directMutants = []Mutant{}
