"""Free memory that the host of a virtual machine does not take back.

What it has taken costs seconds per GiB when it is used again, which whoever comes first pays for
all. A host is told of free blocks of 2 MiB: where a page of each is in use there are none, and the
kernel hands out the pieces of such blocks first.
"""

import mmap
import re

PAGE = 4096
PIECE = 512 << 10


def available():
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"MemAvailable:\s+(\d+) kB", file.read()).group(1)) << 10


class HeldMemory:
    def __init__(self):
        self.maps = []
        self.octets = 0

    def hold(self, octets):
        """At least so many free octets are there from now on, or half of what there is."""
        more = min(octets - self.octets, available() // 2) // PIECE * PIECE
        if more <= 0:
            return
        memory = mmap.mmap(-1, more, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        zeros = bytes(PIECE)
        for _ in range(more // PIECE):
            memory.write(zeros)
        for start in range(0, more, PIECE):
            memory.madvise(mmap.MADV_DONTNEED, start + PAGE, PIECE - PAGE)
        self.maps.append(memory)
        self.octets += more
