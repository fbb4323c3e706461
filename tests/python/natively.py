"""Ways in which other programs change a source, each a context manager that does it on entry.

What is held (a descriptor, a mapping, a process) is held until the exit. Every way except those
in `HARMLESS` leaves other bytes at the source's path than were there before.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from conftest import NotPermitted, run
from helpers import KIB
from scenes import child

Way = Callable[[Path], AbstractContextManager[None]]

BAD = b"written natively " * 10
# In the third block, and across the border of two blocks; neither is a multiple of a page.
PLACE = 2 * 64 * KIB + 123
BORDER = 5 * 64 * KIB - 50


def _write(descriptor: int) -> None:
    os.pwrite(descriptor, BAD, PLACE)
    os.pwrite(descriptor, BAD, BORDER)


@contextlib.contextmanager
def write_and_close(source: Path) -> Iterator[None]:
    with source.open("r+b", buffering=0) as file:
        _write(file.fileno())
    yield


@contextlib.contextmanager
def another_process(source: Path) -> Iterator[None]:
    program = (
        "import os, sys; fd = os.open(sys.argv[1], os.O_WRONLY); os.pwrite(fd, b'bad', 140000)"
    )
    subprocess.run([sys.executable, "-c", program, source], check=True)
    yield


@contextlib.contextmanager
def keeps_it_open(source: Path) -> Iterator[None]:
    with source.open("r+b", buffering=0) as file:
        _write(file.fileno())
        yield


@contextlib.contextmanager
def another_process_keeps_it_open(source: Path) -> Iterator[None]:
    program = (
        "import os, sys; fd = os.open(sys.argv[1], os.O_RDWR); os.pwrite(fd, b'bad', 140000)\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    with child(program, source):
        yield


@contextlib.contextmanager
def mapped(source: Path) -> Iterator[None]:
    with source.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[PLACE : PLACE + len(BAD)] = BAD
        yield


@contextlib.contextmanager
def mapping_outlives_descriptor(source: Path) -> Iterator[None]:
    program = (
        "import mmap, os, sys; fd = os.open(sys.argv[1], os.O_RDWR); view = mmap.mmap(fd, 0)\n"
        "os.close(fd)\n"
        # The module keeps a duplicate of its own, which is closed here behind its back.
        "[os.close(int(n)) for n in os.listdir('/proc/self/fd') if int(n) > 2 and "
        "os.path.exists(f'/proc/self/fd/{n}') and os.path.samestat(os.stat(f'/proc/self/fd/{n}'),"
        " os.stat(sys.argv[1]))]\n"
        "view[140000:140003] = b'bad'; print('ready', flush=True); sys.stdin.read(); os._exit(0)"
    )
    with child(program, source):
        yield


@contextlib.contextmanager
def mapped_and_gone(source: Path) -> Iterator[None]:
    with mapped(source):
        pass
    yield


@contextlib.contextmanager
def truncated_by_path(source: Path) -> Iterator[None]:
    os.truncate(source, PLACE)
    yield


@contextlib.contextmanager
def truncated_to_nothing(source: Path) -> Iterator[None]:
    os.truncate(source, 0)
    yield


@contextlib.contextmanager
def grown_by_path(source: Path) -> Iterator[None]:
    os.truncate(source, source.stat().st_size + 300 * KIB)
    yield


@contextlib.contextmanager
def punched(source: Path) -> Iterator[None]:
    run(
        "fallocate",
        "--punch-hole",
        "--offset",
        str(64 * KIB),
        "--length",
        str(9 * 64 * KIB),
        source,
    )
    yield


@contextlib.contextmanager
def renamed_over(source: Path) -> Iterator[None]:
    other = source.with_name("other")
    shutil.copyfile(source, other)
    with write_and_close(other):
        pass
    other.replace(source)
    yield


@contextlib.contextmanager
def another_inode_with_the_old_times(source: Path) -> Iterator[None]:
    stat = source.stat()
    with renamed_over(source):
        os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        yield


@contextlib.contextmanager
def unlinked(source: Path) -> Iterator[None]:
    source.unlink()
    yield


@contextlib.contextmanager
def moved_away(source: Path) -> Iterator[None]:
    source.rename(source.with_name("elsewhere"))
    yield


@contextlib.contextmanager
def time_forged(source: Path) -> Iterator[None]:
    stat = source.stat()
    with write_and_close(source):
        os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        yield


@contextlib.contextmanager
def by_a_hard_link(source: Path) -> Iterator[None]:
    link = source.with_name("link")
    os.link(source, link)
    with write_and_close(link):
        link.unlink()
        yield


@contextlib.contextmanager
def copied_onto(source: Path) -> Iterator[None]:
    other = source.with_name("other")
    shutil.copyfile(source, other)
    with write_and_close(other):
        run("cp", "--reflink=auto", other, source)
        yield


@contextlib.contextmanager
def cloned_into(source: Path) -> Iterator[None]:
    """A clone of another file's extent, where the file system can; else a plain copy."""
    other = source.with_name("other")
    other.write_bytes(os.urandom(64 * KIB))
    ficlonerange = 0x4020940D
    with other.open("rb") as giver, source.open("r+b") as taker:
        request = giver.fileno().to_bytes(8, "little") + b"".join(
            number.to_bytes(8, "little") for number in (0, 64 * KIB, 64 * KIB)
        )
        try:
            fcntl.ioctl(taker, ficlonerange, request)
        except OSError:
            os.copy_file_range(giver.fileno(), taker.fileno(), 64 * KIB, 0, 64 * KIB)
    yield


@contextlib.contextmanager
def through_a_loop_device(source: Path) -> Iterator[None]:
    try:
        device = run("losetup", "--find", "--show", source)
    except NotPermitted:
        # Without devices the same bytes arrive by another way.
        with write_and_close(source):
            yield
        return
    try:
        with Path(device).open("r+b", buffering=0) as file:
            _write(file.fileno())
            os.fsync(file.fileno())
    finally:
        run("losetup", "--detach", device)
    yield


@contextlib.contextmanager
def tag_removed(source: Path) -> Iterator[None]:
    with write_and_close(source):
        os.removexattr(source, "user.splitmirror")
        yield


@contextlib.contextmanager
def mode_changed(source: Path) -> Iterator[None]:
    source.chmod(0o640)
    yield


@contextlib.contextmanager
def only_read(source: Path) -> Iterator[None]:
    with source.open("rb") as file:
        file.read()
        yield


# Those that end with everything closed, so that they work as well before an open.
COME_AND_GONE: tuple[Way, ...] = (
    write_and_close,
    another_process,
    mapped_and_gone,
    truncated_by_path,
    truncated_to_nothing,
    grown_by_path,
    punched,
    renamed_over,
    another_inode_with_the_old_times,
    time_forged,
    by_a_hard_link,
    copied_onto,
    cloned_into,
    through_a_loop_device,
    tag_removed,
)
HOLDING: tuple[Way, ...] = (
    keeps_it_open,
    another_process_keeps_it_open,
    mapped,
    mapping_outlives_descriptor,
)
# The source is missing afterwards.
TAKING_AWAY: tuple[Way, ...] = (unlinked, moved_away)
HARMLESS: tuple[Way, ...] = (mode_changed, only_read)
