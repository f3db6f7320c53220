package engine

import "slices"

// Mutant is a planted defect: a switch, off by default, that makes the engine
// break one rule.
type Mutant struct {
	Name   string
	Defect string // in one sentence
	// Killers names scenarios that are known to catch it, best first.
	Killers []string

	// plant changes a kernel that was just made. Where the design has no such
	// part it changes nothing.
	plant func(k *Kernel)
	// plantRecovery changes a mount that was just made; nil for the defects
	// that have nothing to do with mounting.
	plantRecovery func(r *Recovery)
}

// Mutants lists the planted defects that can be turned on, by stage.
func Mutants() []Mutant {
	return slices.Concat(copyMutants, trackMutants, writebackMutants, blockLayerMutants, completionMutants, logMutants,
		directMutants, operationMutants, moveMutants, fileMutants, filesystemMutants, recoveryMutants)
}

func mutantByName(name string) *Mutant {
	if name == "" {
		return nil
	}
	all := Mutants()
	if i := slices.IndexFunc(all, func(m Mutant) bool { return m.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// wrap returns a plant that replaces the rules by ones that embed them.
func wrap(with func(rules) rules) func(*Kernel) {
	return func(k *Kernel) { k.rules = with(k.rules) }
}
