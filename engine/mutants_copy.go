package engine

// copyMutants are defects of how user data gets into the page cache, steps 1 to 18.
var copyMutants = []Mutant{}
