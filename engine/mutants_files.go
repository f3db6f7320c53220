package engine

// fileMutants take one file for another.
var fileMutants = []Mutant{
	{Name: "fsync-other-file", Defect: "fsync forces the log when it holds something of another file, and not when of its own", Killers: []string{"second-file"},
		plant: wrap(func(r rules) rules { return fsyncOtherFile{r} })},
	{Name: "error-other-file", Defect: "a writeback error is kept for the fsync of another file", Killers: []string{"second-file-error"},
		plant: wrap(func(r rules) rules { return errorOtherFile{r} })},
}

type fsyncOtherFile struct{ rules }

func (m fsyncOtherFile) forcesLog(file int32) bool { return m.kernel().pins(m.kernel().other(file)) }

type errorOtherFile struct{ rules }

func (m errorOtherFile) keepsError(block int32) *inode {
	k := m.kernel()
	return &k.inodes[k.other(k.file(block*k.blockSectors))]
}

// other returns the file that is not this one, where there are two.
func (k *Kernel) other(file int32) int32 { return k.numFiles - 1 - file }
