"""Scenes that several tests of the real core begin with, and a look at the open descriptors."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from helpers import KIB, write_pattern
from splitmirror import CancelToken, MirrorPair, errors

BLOCK = 64 * KIB
# Sixteen blocks and a bit: the last block is a partial one.
LENGTH = 16 * BLOCK + 777


def make_source(folder: Path, *, length: int = LENGTH, seed: int = 8) -> Path:
    """A new source with holes and random bytes; the same seed gives the same bytes."""
    source = folder / "source"
    write_pattern(source, length, seed=seed)
    return source


def synchronized(source: Path, *, block_size: int = BLOCK) -> MirrorPair:
    """A new pair of `source` with a mirror beside it that follows it."""
    pair = MirrorPair.create(source, source.with_name("mirror"), block_size=block_size)
    pair.establish()
    return pair


def split(source: Path, *, label: str = "good", block_size: int = BLOCK) -> MirrorPair:
    """A new pair of `source` whose mirror is a point in time."""
    pair = synchronized(source, block_size=block_size)
    pair.split(label=label)
    return pair


def reopened(pair: MirrorPair) -> MirrorPair:
    """The same pair, closed and opened again."""
    mirror = pair.mirror_path
    pair.close()
    return MirrorPair.open(mirror)


@contextlib.contextmanager
def child(program: str, *arguments: Path | str) -> Iterator[subprocess.Popen[bytes]]:
    """Another Python process that is past its first printed line; it ends when told over stdin."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline(), "the process ended before it was ready"
            yield process
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()


def cancelled_at_once(verb: Callable[..., object]) -> None:
    """Call a verb with a token that is used already: it stops before the first block."""
    token = CancelToken()
    token.cancel()
    try:
        verb(cancel=token)
    except errors.CancelledError:
        return
    raise AssertionError("the verb was not cancelled")


def writable_descriptors(path: Path) -> list[int]:
    """The descriptors of this process that may write the file or device at `path`."""
    wanted = os.stat(path)
    found = []
    for entry in os.listdir("/proc/self/fd"):
        # A descriptor may be closed, by another thread, while it is looked at.
        with contextlib.suppress(FileNotFoundError):
            there = os.stat(f"/proc/self/fd/{entry}")
            lines = Path(f"/proc/self/fdinfo/{entry}").read_text().splitlines()
            flags = int(next(line for line in lines if line.startswith("flags:")).split()[1], 8)
            same = (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino)
            # O_PATH descriptors have the access bits of O_RDONLY.
            if same and flags & os.O_ACCMODE != os.O_RDONLY:
                found.append(int(entry))
    return found


def writable_maps(path: Path) -> list[str]:
    """The mappings of this process through which the file at `path` could be written."""
    inode = os.stat(path).st_ino
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [
        line
        for line in lines
        if len(line.split()) > 5 and int(line.split()[4]) == inode and line.split()[1][1] == "w"
    ]
