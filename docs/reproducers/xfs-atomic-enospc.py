#!/usr/bin/env python3
"""An atomic write that finds no space on XFS where a plain one finds plenty.

usage (root): xfs-atomic-enospc.py NEW-IMAGE EMPTY-DIR

A file fills the file system and gives every second run of N blocks back, again until
no longer run is free, as FS_IOC_GETFSMAP says. Then 64 KiB are written without a flag
past the end of file, and 4 KiB with RWF_ATOMIC in it; both need new blocks. XFS looks
for as many blocks as its hint for copies says, which is 32 unless it is set.
"""
import ctypes
import fcntl
import mmap
import os
import struct
import subprocess
import sys

RWF_ATOMIC = 0x40
FS_IOC_GETFSMAP = 0xC0C0583B
PUNCH = 3  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
BLOCK = 4096

libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def free_runs(fd):
    """The lengths of the free runs in blocks."""
    count, key = 65536, struct.Struct("IIQQQQ24x")
    buf = bytearray(192 + count * key.size)
    struct.pack_into("IIII", buf, 0, 0, 0, count, 0)
    key.pack_into(buf, 128, 2**32 - 1, 2**32 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 1, 0)
    fcntl.ioctl(fd, FS_IOC_GETFSMAP, buf)
    runs = []
    for i in range(struct.unpack_from("IIII", buf)[3]):
        _, flags, _, owner, _, length = key.unpack_from(buf, 192 + i * key.size)
        if flags & 0x10 and owner == 1:
            runs.append(length // BLOCK)
    return runs


def fragment(fd, run):
    """Leaves no free run longer than run blocks, and returns the free ones."""
    while max(runs := free_runs(fd)) > run:
        start = at = os.lseek(fd, 0, os.SEEK_END)
        for n in runs:
            while n > run:
                whole = libc.fallocate(fd, 0, at, n * BLOCK) == 0
                at = os.lseek(fd, 0, os.SEEK_END)
                n = 0 if whole else n // 2
        for hole in range(start + run * BLOCK, at - 2 * run * BLOCK, 2 * run * BLOCK):
            if libc.fallocate(fd, PUNCH, hole, run * BLOCK):
                raise OSError(ctypes.get_errno(), "punch")
        os.fsync(fd)
    return runs


def write(fd, length, offset, flags):
    data = mmap.mmap(-1, length)
    try:
        return os.pwritev(fd, [data], offset, flags)
    except OSError as e:
        return e.strerror


def look(image, where, run, hint):
    subprocess.run(["mkfs.xfs", "-q", "-f", image] + hint, check=True)
    subprocess.run(["mount", "-o", "loop", image, where], check=True)
    try:
        with open(os.path.join(where, "file"), "wb") as f:
            f.write(b"old!" * (256 << 10))
        filler = os.open(os.path.join(where, "filler"), os.O_RDWR | os.O_CREAT)
        runs = fragment(filler, run)
        os.close(filler)
        fd = os.open(os.path.join(where, "file"), os.O_RDWR | os.O_DIRECT)
        print("%-15s: %5d free runs of at most %2d blocks, %3d MiB; plain 64 KiB: %s; atomic 4 KiB: %s" % (
            " ".join(hint) or "no hint", len(runs), max(runs), sum(runs) * BLOCK >> 20, write(fd, 64 << 10, 1 << 20, 0), write(fd, 4 << 10, 0, RWF_ATOMIC)))
        os.close(fd)
    finally:
        subprocess.run(["umount", where], check=True)


def main():
    image, where = sys.argv[1], sys.argv[2]
    with open(image, "xb") as f:
        f.truncate(320 << 20)
    try:
        for run, hint in (1, []), (16, []), (32, []), (1, ["-d", "cowextsize=1"]):
            look(image, where, run, hint)
    finally:
        os.remove(image)


main()
