package engine

// directMutants are defects of direct I/O and write-through.
var directMutants = []Mutant{
	{Name: "copy-before-wait", Defect: "write-through copies before it waits for writeback; the device reads LBA by LBA",
		Killers: []string{"write-through"}, plant: wrap(func(r rules) rules { return copyBeforeWait{r} })},
}

type copyBeforeWait struct{ rules }

func (copyBeforeWait) stablePages(*task) {}

func (m copyBeforeWait) tag(t *task) {
	m.rules.stablePages(t)
	m.rules.tag(t)
}
