package engine

import (
	"untorn/internal/blk"
	"untorn/workloads"
)

// View returns, sector by sector, what the page cache and the disk hold of
// the range of an operation. A sector that no folio holds, or that no block
// is mapped for, is Zero with its entry of cached or onDisk false.
func (k *Kernel) View(op *workloads.Op, fn func(cache blk.Handle, cached bool, disk blk.Handle, onDisk bool)) {
	first := k.inodes[op.File].base + int32(op.Offset/sectorBytes)
	for s := first; s < first+int32(op.Length/sectorBytes); s++ {
		var cache, disk blk.Handle
		cached := k.cache.folio(s/pageSectors) != nil
		if cached {
			cache = k.cache.content[s]
		}
		e := k.forks.data[s/k.blockSectors]
		onDisk := e.real() && !e.unwritten()
		if onDisk {
			disk = k.dev.Content(k.super.Sector(e.block()) + s%k.blockSectors)
		}
		fn(cache, cached, disk, onDisk)
	}
}
