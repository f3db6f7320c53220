package file

import (
	"untorn/internal/blk"
	"untorn/internal/stamp"
	"untorn/verifier"
)

// An Epoch tells the stamps of one round from those that other rounds and runs
// left in the same file. The zero value is that of a file that is made anew.
// Otherwise a stamp has it above the number of the operation.
type Epoch uint32

// EpochBits is how many bits an epoch has.
const EpochBits = 32 - opBits

// opBits hold 0 for version 0, and the number of an operation.
const opBits = 6

const _ = uint(1<<opBits - 1 - blk.MaxWrite)

// write returns the number that stamps of an operation, 0 for version 0, have.
func (e Epoch) write(op int) int { return int(e)<<opBits | op }

// handles reads sectors. foreign counts the stamps of other epochs, which are
// garbage here.
func (e Epoch) handles(b []byte) (all []blk.Handle, foreign int) {
	all = verifier.Handles(b, 0, nil)
	if e == 0 {
		return all, 0
	}
	for i := range all {
		if all[i] == blk.Zero {
			continue
		}
		all[i] = blk.Garbage
		write, place, ok := stamp.Decode(b[i*blk.SectorSize : (i+1)*blk.SectorSize])
		switch op := write & (1<<opBits - 1); {
		case !ok:
		case Epoch(write>>opBits) != e:
			foreign++
		case op <= blk.MaxWrite && place < blk.MaxPlace:
			all[i] = blk.Data(op, place)
		}
	}
	return all, foreign
}
