"""restore(ranges=): these bytes and no others, however many ranges there are and wherever."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from helpers import digest
from scenes import BLOCK, LENGTH, cancelled_at_once, make_source, split
from splitmirror import MirrorPair, errors

Ranges = list[tuple[int, int]]

SCATTERED: Ranges = [(n * 200 + 7, 60) for n in range(LENGTH // 200)]


def corrupted(folder: Path, kind: str) -> tuple[MirrorPair, bytes, bytes]:
    """A split pair whose source was written all over, and both sides' bytes."""
    source = make_source(folder)
    pair = split(source, block_size=BLOCK)
    point = source.read_bytes()
    bad = random.Random(3).randbytes(len(point))
    if kind == "sealed":
        # Every block of the mirror is checked before a byte of it is used.
        pair.seal()
    if kind == "by others":
        source.write_bytes(bad)
    else:
        pair.write(0, bad)
        pair.flush()
    return pair, point, bad


def mixed(point: bytes, bad: bytes, ranges: Ranges) -> bytes:
    wanted = bytearray(bad)
    for offset, length in ranges:
        wanted[offset : offset + length] = point[offset : offset + length]
    return bytes(wanted)


@pytest.mark.parametrize("kind", ["by the pair", "by others", "sealed"])
@pytest.mark.parametrize(
    "ranges",
    [
        [(0, 100), (200, 100)],
        [(3 * BLOCK + 5, 1), (3 * BLOCK + 7, 1), (3 * BLOCK + 40_000, 5_000)],
        [(10, BLOCK), (BLOCK + 20, 30), (LENGTH - 7, 7)],
        SCATTERED,
    ],
    ids=["two in a block", "three in a block", "over a border", "thousands"],
)
def test_every_range_comes_back_and_nothing_else(tmp_path: Path, kind: str, ranges: Ranges) -> None:
    pair, point, bad = corrupted(tmp_path, kind)
    with pair:
        before = digest(pair.mirror_path)
        pair.restore(ranges=ranges)
        assert pair.source_path.read_bytes() == mixed(point, bad, ranges)
        assert digest(pair.mirror_path) == before
        pair.restore()
        assert pair.source_path.read_bytes() == point


def test_thousands_of_ranges_that_are_pending_outlive_the_pair(tmp_path: Path) -> None:
    pair, point, bad = corrupted(tmp_path, "by the pair")
    mirror = pair.mirror_path
    with pair:
        cancelled_at_once(lambda cancel: pair.restore(ranges=SCATTERED, cancel=cancel))
        # Another one begins before this one has ended: both files of ranges are used.
        others = [(offset + 80, 50) for offset, _ in SCATTERED]
        cancelled_at_once(lambda cancel: pair.restore(ranges=others, cancel=cancel, restart=True))
    with MirrorPair.open(mirror) as pair:
        assert pair.read(0, LENGTH) == mixed(point, bad, others)
        pair.resume_restore()
        assert pair.source_path.read_bytes() == mixed(point, bad, others)


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_damaged_ranges_are_not_believed(tmp_path: Path, damage: str) -> None:
    pair, _, bad = corrupted(tmp_path, "by the pair")
    with pair:
        cancelled_at_once(lambda cancel: pair.restore(ranges=SCATTERED, cancel=cancel))
    stored = pair.mirror_path.with_name("mirror.splitmirror") / "ranges.0"
    content = stored.read_bytes()
    if damage == "flipped":
        stored.write_bytes(content[:100] + bytes([content[100] ^ 4]) + content[101:])
    elif damage == "cut":
        stored.write_bytes(content[: len(content) // 2])
    else:
        stored.unlink()
    with pytest.raises(errors.CatalogCorruptError):
        MirrorPair.open(pair.mirror_path)
    assert pair.source_path.read_bytes() == bad


def test_detach_leaves_no_file_of_ranges(tmp_path: Path) -> None:
    pair, _, _ = corrupted(tmp_path, "by the pair")
    pair.restore(ranges=SCATTERED)
    pair.detach()
    assert not (tmp_path / "mirror.splitmirror").exists()
