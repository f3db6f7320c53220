package engine

// blockLayerMutants are defects of the block layer and the driver, step 30.
var blockLayerMutants = []Mutant{}
