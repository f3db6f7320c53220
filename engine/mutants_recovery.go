package engine

import "untorn/crashsim"

// recoveryMutants are defects of the mount after a power loss, steps R1 to R4.
var recoveryMutants = []Mutant{
	{Name: "recovery-half", Defect: "the mount forgets the log before every intent in it is finished; a crash during it leaves intents half done",
		Killers: []string{"recovery"}, plant: func(*Kernel) {},
		plantRecovery: func(r *Recovery) { r.finish = r.finishHalf }},
	{Name: "recovery-over-live", Defect: "the mount writes the inode over the copy that is valid",
		Killers: []string{"recovery-long"}, plant: func(*Kernel) {},
		plantRecovery: func(r *Recovery) { r.home = func(live int) int { return live } }},
}

// finishHalf writes the inode home after each intent, as if the log had nothing
// more to say.
func (r *Recovery) finishHalf(t *crashsim.Task, at replayed) {
	for _, it := range at.intents {
		at.blocks.set(it.Ext)
		t.Step(stepRecoverHome)
		r.writeHome(t, at)
		r.flush(t)
	}
}
