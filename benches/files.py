"""The files of the bench: made, changed, compared, and brought into one state of cache.

Two traps make careless figures wrong, and are dealt with here. A virtual machine may have given
its free memory back to the host, so that whoever first copies into it pays for it: `warm_memory`
touches and frees twice the size before each timed run. And what a 4 KiB write into the page cache
costs depends on how the file came to be there: `warm_files` drops both files and reads them again
in order, so that every contestant meets them alike, clean and in the cache.
"""

from __future__ import annotations

import mmap
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PAGE = 4096
PIECE = 1 << 20

# Run in a process of its own: what it touched is free again when it ends, and it leaves no trace
# in the peak memory of anybody else.
TOUCH = """
import mmap, sys
size = int(sys.argv[1])
memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_HUGEPAGE)
memory[::4096] = b"x" * (size // 4096)
"""


class WrongResult(Exception):
    """Somebody's result is not what it must be: its figure does not count, the bench fails."""


def available_memory() -> int:
    """Bytes of memory that can be used without pushing anything out."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def warm_memory(size: int) -> None:
    """Touch and free twice `size`, at most half of what is available."""
    amount = min(2 * size, available_memory() // 2) // PAGE * PAGE
    if amount:
        subprocess.run([sys.executable, "-S", "-c", TOUCH, str(amount)], check=True)


def warm_files(*paths: Path) -> None:
    """Flush the files, drop their pages, and read them again in order."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            while os.read(descriptor, PIECE):
                pass
        finally:
            os.close(descriptor)


def settle(folder: Path) -> None:
    """Write out what the file system still has to write, so that nobody inherits it."""
    subprocess.run(["sync", "-f", folder], check=True)


def make_random(path: Path, size: int) -> None:
    """Fill a new file with `size` random bytes, durably."""
    with path.open("wb") as file:
        for start in range(0, size, PIECE):
            file.write(os.urandom(min(PIECE, size - start)))
        file.flush()
        os.fsync(file.fileno())


def random_pages(size: int, seed: int, share: float = 0.01) -> list[int]:
    """The sorted offsets of `share` of the 4 KiB pages, drawn at random."""
    pages = size // PAGE
    count = max(1, int(pages * share))
    return [PAGE * page for page in sorted(random.Random(seed).sample(range(pages), count))]


def overwrite_pages(path: Path, offsets: list[int]) -> None:
    """Put random bytes into these pages, natively and durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for offset in offsets:
            os.pwrite(descriptor, os.urandom(PAGE), offset)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def pieces(path: Path) -> Iterator[bytes]:
    """The content of a file, in order."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            yield piece


def check_equal(result: Path, wanted: Path, who: str) -> None:
    """Compare byte for byte; for a WrongResult say where."""
    if result.stat().st_size != wanted.stat().st_size:
        raise WrongResult(
            f"{who}: {result.stat().st_size} bytes instead of {wanted.stat().st_size}"
        )
    for index, (ours, theirs) in enumerate(zip(pieces(result), pieces(wanted), strict=True)):
        if ours != theirs:
            raise WrongResult(f"{who}: wrong bytes in the megabyte at {index * PIECE}")


def file_system(folder: Path) -> str:
    """What kind of file system a folder is on."""
    best, kind = "", "unknown"
    place = str(folder.resolve())
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, found, *_ = line.split()
        if (place + "/").startswith(mount.rstrip("/") + "/") and len(mount) >= len(best):
            best, kind = mount, found
    return kind


assert mmap.PAGESIZE == PAGE, "the bench counts in pages of 4 KiB"
