"""What the tests of slices and members share: pairs of a file that is then written round."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from splitmirror import MirrorPair

Extents = Iterable[tuple[int, int]]
MakeFile = Callable[[Path], object]


def split_pair(source: Path, make: MakeFile) -> MirrorPair:
    """A pair of a file that `make` writes, split; it is closed by the caller."""
    make(source)
    pair = MirrorPair.create(source, source.with_name("mirror"))
    pair.establish()
    pair.split(label="good")
    return pair


def spoil(path: Path, extents: Extents | None = None) -> bytes:
    """Flip every bit of a file, or of these ranges of it; gives what it holds now."""
    data = bytearray(path.read_bytes())
    for offset, length in [(0, len(data))] if extents is None else extents:
        piece = data[offset : offset + length]
        data[offset : offset + length] = bytes(byte ^ 0xFF for byte in piece)
    with path.open("rb+") as file:
        file.write(data)
    return bytes(data)


def mixed(kept: bytes, restored: bytes, extents: Extents) -> bytes:
    """The bytes `kept`, with those of `restored` at these places."""
    data = bytearray(kept)
    for offset, length in extents:
        data[offset : offset + length] = restored[offset : offset + length]
    return bytes(data)
