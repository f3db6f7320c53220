package engine

// completionMutants are defects of I/O completion, steps 32 to 36.
var completionMutants = []Mutant{}
