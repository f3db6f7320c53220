package disk

import (
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"untorn/internal/sys"
)

// nodeFile is the number of the one file.
const nodeFile = 2

// fileSystem serves a disk as one file. It follows FUSE's protocol directly:
// there is nothing to cache and nothing to look up.
type fileSystem struct {
	fuse.RawFileSystem
	disk *Disk
}

func (f *fileSystem) String() string { return "untorn" }

func (f *fileSystem) attr(node uint64, out *fuse.Attr) fuse.Status {
	out.Ino, out.Nlink, out.Blksize = node, 1, 4096
	switch node {
	case fuse.FUSE_ROOT_ID:
		out.Mode = fuse.S_IFDIR | 0o500
	case nodeFile:
		out.Mode = fuse.S_IFREG | 0o600
		out.Size = uint64(f.disk.size)
	default:
		return fuse.ENOENT
	}
	return fuse.OK
}

func (f *fileSystem) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if h.NodeId != fuse.FUSE_ROOT_ID || name != fileName {
		return fuse.ENOENT
	}
	out.NodeId, out.EntryValid, out.AttrValid = nodeFile, 3600, 3600
	return f.attr(nodeFile, &out.Attr)
}

func (f *fileSystem) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	out.AttrValid = 3600
	return f.attr(in.NodeId, &out.Attr)
}

// SetAttr takes times, which loop sets, and refuses to change the size.
func (f *fileSystem) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if in.Valid&fuse.FATTR_SIZE != 0 && int64(in.Size) != f.disk.size {
		return fuse.EPERM
	}
	out.AttrValid = 3600
	return f.attr(in.NodeId, &out.Attr)
}

func (f *fileSystem) Open(_ <-chan struct{}, _ *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	out.OpenFlags = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES
	return fuse.OK
}

func (f *fileSystem) Access(<-chan struct{}, *fuse.AccessIn) fuse.Status { return fuse.OK }

func (f *fileSystem) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	out.Bsize, out.NameLen = 4096, 255
	return fuse.OK
}

func (f *fileSystem) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if err := f.disk.Read(buf[:in.Size], int64(in.Offset)); err != nil {
		return nil, status(err)
	}
	return fuse.ReadResultData(buf[:in.Size]), fuse.OK
}

func (f *fileSystem) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	n, err := f.disk.Write(data, int64(in.Offset))
	return uint32(n), status(err)
}

// Flush is what close(2) sends; it makes nothing durable.
func (f *fileSystem) Flush(<-chan struct{}, *fuse.FlushIn) fuse.Status { return fuse.OK }

// Fsync is a flush of the disk's cache: what a loop device makes of
// REQ_OP_FLUSH (lo_req_flush).
func (f *fileSystem) Fsync(_ <-chan struct{}, _ *fuse.FsyncIn) fuse.Status {
	time.Sleep(f.disk.flushTime())
	return status(f.disk.Flush())
}

// Fallocate is a discard or a write of zeros (lo_fallocate).
func (f *fileSystem) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	const punchHole, zeroRange, keepSize = 0x2, 0x10, 0x1
	switch in.Mode &^ keepSize {
	case punchHole, zeroRange:
		return status(f.disk.Zero(int64(in.Offset), int64(in.Length)))
	}
	return fuse.Status(sys.EOPNOTSUPP)
}

func status(err error) fuse.Status {
	switch err {
	case nil:
		return fuse.OK
	case errFault:
		return fuse.EIO
	}
	return fuse.EINVAL
}
