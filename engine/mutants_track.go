package engine

// trackMutants are defects of how atomic ranges are remembered, steps 14 to 19.
var trackMutants = []Mutant{}
