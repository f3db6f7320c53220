#!/usr/bin/env python3
"""One sector of garbage after the end of XFS's log, and what fsync made durable is gone.

usage (root): xfs-log-garbage.py NEW-IMAGE EMPTY-DIR

Makes a file durable with fsync and shuts the file system down, so that it is in the
log and nowhere else. Then the sector after the last record of the log is made what a
device may leave that lost power under the next log write: old or new, or, where it
promises nothing of a write as long as that, anything. Is the file there?
"""
import fcntl
import os
import struct
import subprocess
import sys

XFS_IOC_GOINGDOWN = 0x8004587D
NOLOGFLUSH = 2
MAGIC = 0xFEEDBABE


def log_end(image):
    """The sector after the newest record of the log."""
    with open(image, "rb") as f:
        sb = f.read(512)
        block, = struct.unpack_from(">I", sb, 4)
        start, = struct.unpack_from(">Q", sb, 48)
        ag_blocks, = struct.unpack_from(">I", sb, 84)
        blocks, = struct.unpack_from(">I", sb, 96)
        shift = sb[124]
        first = ((start >> shift) * ag_blocks + (start & ((1 << shift) - 1))) * block // 512
        newest, end = (0, 0), None
        for sector in range(first, first + blocks * block // 512):
            f.seek(sector * 512)
            magic, cycle, _, length = struct.unpack(">IIII", f.read(16))
            # What XFS cleared ahead has the length 0.
            if magic == MAGIC and length and (cycle, sector) > newest:
                newest, end = (cycle, sector), sector + 1 + (length + 511) // 512
    return end


def mounted(image, where, f):
    subprocess.run(["mount", "-o", "loop", image, where], check=True)
    try:
        return f()
    finally:
        subprocess.run(["umount", where], check=True)


def durable(name, where):
    fd = os.open(name, os.O_RDWR | os.O_CREAT)
    os.fsync(fd)
    os.close(fd)
    root = os.open(where, os.O_RDONLY)
    os.fsync(root)
    fcntl.ioctl(root, XFS_IOC_GOINGDOWN, struct.pack("I", NOLOGFLUSH))
    os.close(root)


def main():
    image, where = sys.argv[1], sys.argv[2]
    name = os.path.join(where, "durable")
    with open(image, "xb") as f:
        f.truncate(320 << 20)
    try:
        for what, sector in ("as it was", None), ("garbage", os.urandom(512)):
            subprocess.run(["mkfs.xfs", "-q", "-f", image], check=True)
            mounted(image, where, lambda: durable(name, where))
            if sector:
                with open(image, "r+b") as f:
                    f.seek(log_end(image) * 512)
                    f.write(sector)
            there = mounted(image, where, lambda: os.path.exists(name))
            print("next sector of the log %-9s: the file that was synced is %s" % (what, "there" if there else "GONE"))
    finally:
        os.remove(image)


main()
