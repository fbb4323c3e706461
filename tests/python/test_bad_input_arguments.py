"""Numbers, words and buffers that cannot be used: refused before anything changes."""

from __future__ import annotations

import array
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evidence import refused, unchanged
from helpers import KIB, MIB, write_pattern
from splitmirror import MirrorPair, errors

LENGTH = 256 * KIB + 7
BEYOND = 2**63


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    write_pattern(path, LENGTH, seed=11)
    return path


@pytest.fixture
def split(source: Path) -> Iterator[MirrorPair]:
    with MirrorPair.create(source, source.with_name("mirror")) as pair:
        pair.establish()
        pair.split()
        yield pair


@pytest.mark.parametrize("size", [0, 1, 512, 2048, 4095, 4097, 5000, 65537, 8 * MIB, 2**40, 2**63])
def test_a_block_size_that_is_no_power_of_two_or_out_of_range_is_refused(
    source: Path, size: int
) -> None:
    with refused(errors.ArgumentError, source.parent, argument="block_size") as caught:
        MirrorPair.create(source, source.with_name("mirror"), block_size=size)
    assert isinstance(caught.error, ValueError)


@pytest.mark.parametrize("size", [-1, 2**64, -(2**70)])
def test_a_block_size_that_is_no_number_of_bytes_is_refused(source: Path, size: int) -> None:
    with refused(errors.RangeError, source.parent, advice=str(size)):
        MirrorPair.create(source, source.with_name("mirror"), block_size=size)


@pytest.mark.parametrize("size", [4096, 4 * MIB])
def test_the_smallest_and_the_largest_block_size_work(source: Path, size: int) -> None:
    with MirrorPair.create(source, source.with_name("mirror"), block_size=size) as pair:
        pair.establish()
        assert pair.verify().matches


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (LENGTH, 1),
        (0, LENGTH + 1),
        (LENGTH - 1, 2),
        (-1, 4096),
        (0, -1),
        (BEYOND, 1),
        (BEYOND - 1, 2),
        (1, 2**64 - 1),
        (2**64, 1),
        (0, 2**64),
    ],
)
def test_a_range_that_does_not_lie_in_the_mirror_is_refused(
    split: MirrorPair, offset: int, length: int
) -> None:
    folder = split.source_path.parent
    calls: list[Callable[[], object]] = [
        lambda: split.restore(ranges=[(0, 4096), (offset, length)]),
        lambda: split.plan_restore(ranges=[(offset, length)]),
        lambda: split.restore(ranges=[(offset, length)], to=folder / "scratch"),
    ]
    for call in calls:
        with refused(errors.RangeError, folder):
            call()
    assert split.state == "split"


@pytest.mark.parametrize("ranges", [[], [(0, 0)], [(LENGTH, 0)]])
def test_an_empty_range_restores_nothing_or_says_why_not(
    split: MirrorPair, ranges: list[tuple[int, int]]
) -> None:
    split.write(0, b"kept")
    with unchanged(split.source_path, split.mirror_path), contextlib.suppress(ValueError):
        # RangeError and ArgumentError are ValueErrors.
        assert split.restore(ranges=ranges).bytes_copied == 0
    assert split.state == "split"
    assert not split.conditions


def test_ranges_that_are_no_pairs_of_numbers_are_a_type_error(split: MirrorPair) -> None:
    wrong: list[Any] = [5, [5], [(1,)], [("a", "b")], [(1, 2, 3)], [None]]
    for ranges in wrong:
        with (
            unchanged(split.source_path.parent, catalogs=False),
            pytest.raises((TypeError, ValueError)),
        ):
            split.restore(ranges=ranges)


@pytest.mark.parametrize("offset", [-1, 2**63, 2**64, 2**63 - 1])
def test_an_offset_that_is_negative_or_overflows_is_refused(split: MirrorPair, offset: int) -> None:
    folder = split.source_path.parent
    place = bytearray(16)
    calls: list[Callable[[], object]] = [lambda: split.write(offset, b"12")]
    if offset != 2**63 - 1:
        calls += [
            lambda: split.read(offset, 1),
            lambda: split.readinto(offset, place),
            lambda: split.mirror_array("u1", 1, offset),
        ]
    for call in calls:
        with refused(errors.RangeError, folder, catalogs=False):
            call()
    assert place == bytearray(16)


def test_a_size_that_is_negative_is_refused_and_a_huge_one_reads_what_is_there(
    split: MirrorPair,
) -> None:
    with refused(errors.RangeError, split.source_path.parent):
        split.read(0, -1)
    assert len(split.read(0, 2**62)) == LENGTH
    assert split.read(LENGTH, 10) == b""
    assert split.read(2**40, 10) == b""


def test_a_view_that_does_not_lie_in_the_mirror_is_refused(split: MirrorPair) -> None:
    folder = split.source_path.parent
    for shape, offset in (((LENGTH + 1,), 0), ((1,), LENGTH), ((2**40, 2**40), 0)):
        with refused(errors.RangeError, folder):
            split.mirror_array("u1", shape, offset)
    for dtype in ("O", "no-such-type"):
        with refused(errors.ArgumentError, folder):
            split.mirror_array(dtype, 1)


WORDS: dict[str, Callable[[MirrorPair], object]] = {
    "accept of establish": lambda pair: pair.establish(accept={"mirror-skewd"}),
    "accept of refresh": lambda pair: pair.refresh(accept={"everything"}),
    "accept of restore": lambda pair: pair.restore(accept=["Mirror-Skewed"]),
    "accept of seal": lambda pair: pair.seal(accept=[""]),
    "accept as one text": lambda pair: pair.restore(accept="mirror-skewed"),
    "require of split": lambda pair: pair.split(require="perfect"),
    "require of refresh": lambda pair: pair.refresh(require="Flushed"),
    "mode of a file": lambda pair: pair.open_source("w"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", WORDS)
def test_an_unknown_word_is_refused(split: MirrorPair, what: str) -> None:
    argument = what.split(" ", maxsplit=1)[0]
    with refused(errors.ArgumentError, split.source_path.parent, argument=argument):
        WORDS[what](split)
    assert split.state == "split"


def test_an_unknown_word_of_create_and_adopt_is_refused(source: Path) -> None:
    mirror = source.with_name("mirror")
    with refused(errors.ArgumentError, source.parent, argument="mode"):
        MirrorPair.create(source, mirror, mode="Shared")  # type: ignore[arg-type]
    mirror.write_bytes(source.read_bytes())
    with refused(errors.ArgumentError, source.parent, argument="accept"):
        MirrorPair.adopt(mirror, source, accept={"sealed"})


BUFFERS: dict[str, Callable[[], Any]] = {
    "not contiguous": lambda: np.zeros(100, "u1")[::2],
    "of negative strides": lambda: np.zeros(100, "u1")[::-1],
    "transposed": lambda: np.zeros((4, 5), "u4").T,
    "a memory view with steps": lambda: memoryview(bytearray(100))[::3],
    "a text": lambda: "text",
    "a number": lambda: 5,
    "nothing": lambda: None,
    "a list": lambda: [1, 2],
}


@pytest.mark.parametrize("what", BUFFERS)
def test_a_buffer_is_refused_that_is(split: MirrorPair, what: str) -> None:
    for verb in (split.write, split.readinto):
        with refused(errors.BufferMismatchError, split.source_path.parent) as caught:
            verb(0, BUFFERS[what]())
        assert isinstance(caught.error, BufferError)


def test_a_read_only_buffer_cannot_be_read_into(split: MirrorPair) -> None:
    fixed = np.zeros(8, "u1")
    fixed.flags.writeable = False
    for place in (b"fixed", memoryview(b"fixed"), fixed):
        with refused(errors.BufferMismatchError, split.source_path.parent, advice="read-only"):
            split.readinto(0, place)  # type: ignore[arg-type, unused-ignore]


def test_every_contiguous_buffer_works(split: MirrorPair) -> None:
    kinds: list[Any] = [b"1", bytearray(b"2"), memoryview(b"3"), array.array("B", [52])]
    for data in [*kinds, np.full((1, 1), 53, "u1")]:
        assert split.write(3, data) == 1
        place = bytearray(1)
        assert split.readinto(3, place) == 1
        assert bytes(place) == bytes(memoryview(data))
    assert split.write(0, b"") == 0
    assert split.readinto(LENGTH, bytearray(9)) == 0
