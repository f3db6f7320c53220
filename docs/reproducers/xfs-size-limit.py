#!/usr/bin/env python3
"""An atomic write that a limit on the size of files shortens on XFS.

usage (root): xfs-size-limit.py NEW-IMAGE EMPTY-DIR

Writes 8 KiB at 8 KiB into a file of 16 KiB of "old!", with O_DIRECT and a limit
(RLIMIT_FSIZE) that lies in the middle of the write, and one at its end. Prints what
the call returned and what the file has, in runs of sectors. With RWF_ATOMIC the
write should be refused, or made as a whole. No power is lost.
"""
import itertools
import mmap
import os
import resource
import signal
import subprocess
import sys

RWF_ATOMIC = 0x40
SECTOR = 512
NAMES = {b"old!": "old", b"new!": "new"}


def look(name, limit, flags):
    with open(name, "wb") as f:
        f.write(b"old!" * 4096)
        os.fsync(f.fileno())
    fd = os.open(name, os.O_RDWR | os.O_DIRECT)
    data = mmap.mmap(-1, 8192)
    data[:] = b"new!" * 2048
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        returned = os.pwritev(fd, [data], 8192, flags)
    except OSError as e:
        returned = e.strerror
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    os.close(fd)
    with open(name, "rb") as f:
        got = f.read()
    sectors = [NAMES.get(got[i:i + 4], "other") for i in range(0, len(got), SECTOR)]
    runs = ["%d %s" % (len(list(same)), what) for what, same in itertools.groupby(sectors)]
    print("limit %d, %s: returned %s; sectors: %s" % (limit, "atomic" if flags else "plain", returned, ", ".join(runs)), flush=True)


def main():
    image, where = sys.argv[1], sys.argv[2]
    with open(image, "xb") as f:
        f.truncate(320 << 20)
    try:
        subprocess.run(["mkfs.xfs", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, where], check=True)
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            for limit in 12288, 16384:
                for flags in 0, RWF_ATOMIC:
                    look(os.path.join(where, "file"), limit, flags)
        finally:
            subprocess.run(["umount", where], check=True)
    finally:
        os.remove(image)


main()
