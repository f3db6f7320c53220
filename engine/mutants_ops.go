package engine

// operationMutants are defects of operations other than writes.
var operationMutants = []Mutant{}
