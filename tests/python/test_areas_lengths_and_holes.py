"""Lengths and holes come over exactly, and come back exactly, on each file system.

Issue point 3: a source that was grown, shrunk, emptied, punched, filled, replaced or deleted is
restored, then compared byte for byte and hole for hole.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import run
from helpers import KIB, MIB, digest, hole_map, overwrite, write_pattern
from scenes import BLOCK, LENGTH, make_source, split, synchronized
from splitmirror import MirrorPair


def grown(source: Path) -> None:
    with source.open("ab") as file:
        file.write(os.urandom(200_000))


def grown_by_a_hole(source: Path) -> None:
    os.truncate(source, LENGTH + 3 * MIB)


def shrunk(source: Path) -> None:
    os.truncate(source, LENGTH // 2 + 5)


def emptied(source: Path) -> None:
    os.truncate(source, 0)


def shrunk_and_grown_back(source: Path) -> None:
    os.truncate(source, 100)
    os.truncate(source, LENGTH)


def punched(source: Path) -> None:
    run("fallocate", "-p", "-o", "0", "-l", str(8 * BLOCK), source)


def filled(source: Path) -> None:
    overwrite(source, 0, os.urandom(LENGTH))


def zeroed(source: Path) -> None:
    """Data that reads as the holes do must become holes again."""
    overwrite(source, 0, bytes(LENGTH))


def replaced(source: Path) -> None:
    other = source.with_name("other")
    other.write_bytes(os.urandom(LENGTH))
    other.chmod(0o644)
    other.replace(source)


def replaced_by_a_copy(source: Path) -> None:
    other = source.with_name("other")
    shutil.copy2(source, other)
    other.replace(source)
    overwrite(source, 1000, b"bad")


def deleted(source: Path) -> None:
    source.unlink()


CHANGES = [
    grown,
    grown_by_a_hole,
    shrunk,
    emptied,
    shrunk_and_grown_back,
    punched,
    filled,
    zeroed,
    replaced,
    replaced_by_a_copy,
    deleted,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_restore_brings_back_bytes_length_holes_and_mode(
    any_fs: Path, change: Callable[[Path], None]
) -> None:
    source = make_source(any_fs)
    source.chmod(0o640)
    with split(source) as pair:
        good, holes = digest(source), hole_map(source)
        assert holes, "the pattern has holes"
        assert hole_map(pair.mirror_path) == holes
        change(source)
        receipt = pair.restore()
        assert source.stat().st_size == LENGTH == receipt.length_after
        assert digest(source) == good
        assert hole_map(source) == holes
        # A file that was put in its place keeps the mode that it came with.
        assert source.stat().st_mode & 0o777 == (0o644 if change is replaced else 0o640)
        assert receipt.complete
        assert pair.verify().matches


@pytest.mark.parametrize("change", CHANGES[:-3], ids=lambda change: change.__name__)
def test_a_refresh_takes_bytes_length_and_holes_over(
    any_fs: Path, change: Callable[[Path], None]
) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        change(source)
        pair.refresh(accept={"shrunk"})
        assert digest(pair.mirror_path) == digest(source)
        assert hole_map(pair.mirror_path) == hole_map(source)
        assert pair.mirror_length == source.stat().st_size


@pytest.mark.parametrize("length", [0, 1, 4095, 4096, 65535, 65536, 65537, 3 * 65536 - 1])
def test_every_length_comes_back(any_fs: Path, length: int) -> None:
    source = any_fs / "source"
    write_pattern(source, length, seed=length, holes=False)
    good = source.read_bytes()
    with split(source) as pair:
        assert pair.mirror_path.read_bytes() == good
        sealed = pair.seal()
        assert (sealed.bytes, sealed.blocks) == (length, -(-length // BLOCK))
        source.write_bytes(b"something else, and longer than nothing")
        receipt = pair.restore()
        assert source.read_bytes() == good
        assert (receipt.complete, receipt.length_after) == (True, length)
        assert pair.verify().matches
        assert pair.scrub().intact
        pair.write(length, b"more")
        assert source.read_bytes() == good + b"more"
        pair.restore()
        assert source.read_bytes() == good


def test_a_file_that_is_one_hole(any_fs: Path) -> None:
    source = any_fs / "source"
    with source.open("wb") as file:
        file.truncate(2**33 + 1)
    with split(source, block_size=4 * MIB) as pair:
        assert hole_map(pair.mirror_path) == [(0, 2**33 + 1)]
        overwrite(source, 2**32, b"bad")
        pair.restore()
        assert hole_map(source) == [(0, 2**33 + 1)]
        # The list of mirrors that a source carries may take a block of its file system.
        assert source.stat().st_blocks - pair.mirror_path.stat().st_blocks in (0, 8)


def test_holes_that_writes_through_the_pair_leave_are_holes_on_both_sides(any_fs: Path) -> None:
    source = any_fs / "source"
    source.write_bytes(b"begin")
    with synchronized(source) as pair:
        pair.write(10 * MIB, b"far away")
        pair.flush()
        assert hole_map(source) == hole_map(pair.mirror_path)
        assert digest(source) == digest(pair.mirror_path)


@pytest.mark.parametrize("block_size", [4 * KIB, 64 * KIB, MIB, 4 * MIB])
def test_holes_smaller_than_a_block_stay(any_fs: Path, block_size: int) -> None:
    source = any_fs / "source"
    with source.open("wb") as file:
        for at in range(0, 3 * MIB, 128 * KIB):
            file.seek(at)
            file.write(b"d" * (64 * KIB))
        file.truncate(3 * MIB + 1)
    with split(source, block_size=block_size) as pair:
        holes = hole_map(source)
        assert len(holes) == 24
        assert hole_map(pair.mirror_path) == holes
        overwrite(source, 0, os.urandom(3 * MIB))
        pair.restore()
        assert hole_map(source) == holes
        assert digest(source) == digest(pair.mirror_path)


def test_ranges_leave_length_and_the_rest_alone(any_fs: Path) -> None:
    source = make_source(any_fs)
    with split(source) as pair:
        good = source.read_bytes()
        overwrite(source, 0, b"\xee" * LENGTH)
        grown(source)
        long = source.stat().st_size
        receipt = pair.restore(ranges=[(1000, 10), (100_000, 200_000), (LENGTH - 1, 1)])
        after = source.read_bytes()
        assert len(after) == long == receipt.length_after
        expected = bytearray(b"\xee" * LENGTH)
        for start, length in ((1000, 10), (100_000, 200_000), (LENGTH - 1, 1)):
            expected[start : start + length] = good[start : start + length]
        assert after[:LENGTH] == bytes(expected)
        # The rest is known to differ still, and the next restore takes it.
        pair.restore()
        assert source.read_bytes() == good


def test_a_pair_below_a_folder_with_an_odd_name(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n name"))
    folder.mkdir()
    source = make_source(folder)
    with split(source) as pair:
        good = digest(source)
    with MirrorPair.open(pair.mirror_path) as pair:
        emptied(source)
        pair.restore()
        assert digest(source) == good
