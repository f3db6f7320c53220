package engine

// writebackMutants are defects of the selection of folios and of their place, steps 20 to 28.
var writebackMutants = []Mutant{}
