#!/usr/bin/env python3
"""An atomic write over the end of file that XFS recovers in part.

usage (root): xfs-eof-cut.py NEW-IMAGE EMPTY-DIR [ROUNDS]

Each round writes 8 KiB with RWF_ATOMIC over a file of 2 KiB while two processes
fsync it, then shuts the file system down without a log flush, so that only what
the log holds is left, mounts it again and looks. Whole is 2048 bytes of "old!" or
8192 bytes of "new!". 2048 bytes of "new!" are a part of the write.
"""
import fcntl
import mmap
import multiprocessing
import os
import struct
import subprocess
import sys
import time

RWF_ATOMIC = 0x40
XFS_IOC_GOINGDOWN = 0x8004587D
NOLOGFLUSH = 2


def sync(fd, stop):
    while stop[0] == 0:
        os.fsync(fd)


def round_of(image, where):
    name = os.path.join(where, "file")
    subprocess.run(["mount", "-o", "loop", image, where], check=True)
    try:
        with open(name, "wb") as f:
            f.write(b"old!" * 512)
        os.sync()
        fd = os.open(name, os.O_RDWR | os.O_DIRECT)
        root = os.open(where, os.O_RDONLY)
        stop, data = mmap.mmap(-1, 4096), mmap.mmap(-1, 8192)
        data[:] = b"new!" * 2048
        syncers = [multiprocessing.Process(target=sync, args=(fd, stop)) for _ in range(2)]
        for p in syncers:
            p.start()
        time.sleep(0.003)
        n = os.pwritev(fd, [data], 0, RWF_ATOMIC)
        stop[0] = 1
        for p in syncers:
            p.join()
        fcntl.ioctl(root, XFS_IOC_GOINGDOWN, struct.pack("I", NOLOGFLUSH))
        os.close(fd)
        os.close(root)
        assert n == 8192, n
    finally:
        subprocess.run(["umount", where], check=True)
    subprocess.run(["mount", "-o", "loop", image, where], check=True)
    try:
        with open(name, "rb") as f:
            got = f.read()
    finally:
        subprocess.run(["umount", where], check=True)
    if got == b"old!" * 512 or got == b"new!" * 2048:
        return "whole, %d bytes" % len(got)
    return "IN PART: %d bytes of %r" % (len(got), got[:4])


def main():
    image, where = sys.argv[1], sys.argv[2]
    with open(image, "xb") as f:
        f.truncate(320 << 20)
    try:
        subprocess.run(["mkfs.xfs", "-q", image], check=True)
        seen = {}
        for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 200):
            what = round_of(image, where)
            seen[what] = seen.get(what, 0) + 1
        for what in sorted(seen):
            print(seen[what], what)
    finally:
        os.remove(image)


main()
