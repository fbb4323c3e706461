"""The files of the live rows: sparse, written in a few regions, and read back to be compared."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

from files import PAGE, WrongResult
from splitmirror import MirrorPair

REGION = 4 << 20
BLOCK = 64 << 10
HOT_REGIONS = 16


def make_sparse(path: Path, size: int) -> Path:
    """A new file that is one hole."""
    with path.open("xb") as file:
        file.truncate(size)
    return path


def make_pairs(source: Path, mirrors: int = 1) -> list[MirrorPair]:
    """Pairs of one source that no one else writes, all synchronized."""
    pairs = [
        MirrorPair.create(source, source.with_name(f"{source.name}-mirror-{n}"), mode="exclusive")
        for n in range(mirrors)
    ]
    for pair in pairs:
        pair.establish()
    return pairs


def remove_pairs(pairs: Sequence[MirrorPair]) -> None:
    """End pairs and give their space back."""
    source = pairs[0].source_path
    for pair in pairs:
        mirror = pair.mirror_path
        pair.detach()
        mirror.unlink()
    source.unlink()


def open_bare(folder: Path, name: str, size: int) -> int:
    """A descriptor of a sparse file that was made as the source was; the file has no name."""
    path = make_sparse(folder / name, size)
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    finally:
        path.unlink()


def places(size: int, unit: int, count: int, draw: random.Random) -> list[int]:
    """Offsets of `count` different units of a file, or of all that it has."""
    units = size // unit
    return [unit * number for number in draw.sample(range(units), min(count, units))]


def units_of(regions: Sequence[int], unit: int) -> list[int]:
    """The offsets of all units in some regions."""
    return [start for region in regions for start in range(region, region + REGION, unit)]


def demand_equal(who: str, offsets: Sequence[int], *descriptors: int, unit: int = PAGE) -> None:
    """All files hold the same at these places."""
    for offset in offsets:
        if len({os.pread(descriptor, unit, offset) for descriptor in descriptors}) != 1:
            raise WrongResult(f"{who}: the files differ at {offset}")


def open_for_reading(*paths: Path) -> list[int]:
    """Descriptors that see what the page cache holds."""
    return [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in paths]


def close_all(descriptors: Sequence[int]) -> None:
    """Close descriptors."""
    for descriptor in descriptors:
        os.close(descriptor)
