"""What several tests share and no fixture needs: data with holes, digests, hole maps."""

from __future__ import annotations

import errno
import hashlib
import os
import random
from pathlib import Path

KIB = 1024
MIB = 1024 * KIB


def write_pattern(path: Path, length: int, *, seed: int = 0, holes: bool = True) -> None:
    """Make `path` a file of `length` random bytes, about a third of it holes if `holes`.

    The same seed gives the same bytes. Pieces are multiples of 64 KiB, except the last one, so
    every file system keeps each hole as a hole.
    """
    chooser = random.Random(seed)
    with path.open("wb") as file:
        # The length first: xfs takes what it reserves beyond a growing end for data.
        file.truncate(length)
        at = 0
        while at < length:
            piece = min(chooser.randint(1, 8) * 64 * KIB, length - at)
            if holes and chooser.random() < 1 / 3:
                file.seek(at + piece)
            else:
                file.write(chooser.randbytes(piece))
            at += piece


def overwrite(path: Path, offset: int, data: bytes) -> None:
    """Write `data` into an existing file or device, natively and durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        while data:
            written = os.pwrite(descriptor, data, offset)
            data, offset = data[written:], offset + written
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(path: Path) -> str:
    """The SHA-256 of the bytes of a file or device."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hole_map(path: Path) -> list[tuple[int, int]]:
    """The holes of a file as (offset, length), as SEEK_DATA and SEEK_HOLE tell them.

    The file is synced first: a file system may answer differently for delayed allocations.
    """
    holes: list[tuple[int, int]] = []
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        length = os.fstat(descriptor).st_size
        at = 0
        while at < length:
            hole = os.lseek(descriptor, at, os.SEEK_HOLE)
            if hole >= length:
                break
            try:
                at = os.lseek(descriptor, hole, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                at = length
            holes.append((hole, at - hole))
    finally:
        os.close(descriptor)
    return holes
