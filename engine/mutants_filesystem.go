package engine

// filesystemMutants are defects of what differs between file systems.
var filesystemMutants = []Mutant{}
