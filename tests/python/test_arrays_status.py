"""Arrays over time: how far the mirror is behind, several arrays and pairs, and after a close."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeFileSystem
from helpers import MIB, digest
from scenes import writable_maps
from several import mirrors_of
from splitmirror import MirrorPair, State
from splitmirror.arrays import Mirroring, Tracking
from splitmirror.reports import ArraysInUse
from splitmirror.states import Condition

BOTH = pytest.mark.parametrize("tracking", ["pages", "compare"])
LENGTH = 2 * MIB


def eventually(holds: Callable[[], bool], *, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[MirrorPair]:
    source = folder / "source"
    source.write_bytes(bytes(LENGTH))
    with MirrorPair.create(source, folder / "mirror") as pair:
        pair.establish()
        yield pair


def follows(pair: MirrorPair, content: bytes) -> bool:
    return pair.mirror_path.read_bytes() == content


def in_use(pair: MirrorPair) -> ArraysInUse:
    found = pair.status().arrays
    assert found is not None
    return found


def test_the_mirror_follows_by_itself(any_fs: Path) -> None:
    with opened(any_fs) as pair:
        array = pair.array("<i4", tracking="pages")
        for value in (1, 2):
            array[::1000] = value
            # Nobody asks the pair for anything.
            assert eventually(partial(follows, pair, array.tobytes()))
        found = in_use(pair)
        assert (found.views, found.bytes, found.tracking) == (1, LENGTH, "pages")
        assert found.mirroring == "interval"
        assert found.interval_seconds is not None
        assert 0.05 <= found.interval_seconds <= 60
        assert found.lag_seconds is not None
        del array


@pytest.mark.parametrize(
    ("tracking", "mirroring"),
    [("pages", "on-flush"), ("compare", "on-flush"), ("compare", "interval")],
)
def test_the_mirror_follows_at_a_flush(
    tmp_path: Path, tracking: Tracking, mirroring: Mirroring
) -> None:
    with opened(tmp_path) as pair:
        array = pair.array("<i4", tracking=tracking, mirroring=mirroring)
        array[5] = 1
        time.sleep(0.3)
        assert pair.mirror_path.read_bytes() == bytes(LENGTH)
        pair.flush()
        assert pair.mirror_path.read_bytes() == array.tobytes()
        assert in_use(pair).tracking == tracking
        del array


def test_nothing_is_said_of_arrays_when_there_are_none(tmp_path: Path) -> None:
    with opened(tmp_path) as pair:
        assert pair.status().arrays is None
        array = pair.array("u1")
        assert in_use(pair).views == 1
        del array
        gc.collect()
        assert pair.status().arrays is None
        assert not writable_maps(pair.source_path)


@BOTH
def test_arrays_that_overlap_are_the_same_bytes(tmp_path: Path, tracking: Tracking) -> None:
    with opened(tmp_path) as pair:
        bytes_ = pair.array("u1", tracking=tracking)
        numbers = pair.array("<u4", (100, 10), 4096, tracking=tracking)
        numbers[3, 3] = 0x01020304
        assert bytes(bytes_[4096 + 132 : 4096 + 136]) == b"\4\3\2\1"
        bytes_[4096] = 7
        assert numbers[0, 0] == 7
        assert in_use(pair).views == 2
        pair.split()
        assert pair.mirror_path.read_bytes() == bytes_.tobytes()
        del bytes_
        numbers[0, 0] = 8
        pair.restore()
        assert numbers[0, 0] == 7
        del numbers


@BOTH
def test_every_pair_of_the_source_sees_the_stores(tmp_path: Path, tracking: Tracking) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(LENGTH))
    with mirrors_of(source, 3) as (one, two, three):
        array = one.array("u1", tracking=tracking, mirroring="on-flush")
        two.split()
        array[10] = 1
        three.split()
        array[20] = 2
        one.flush()
        assert one.mirror_path.read_bytes() == array.tobytes()
        assert two.mirror_path.read_bytes() == bytes(LENGTH)
        assert three.mirror_path.read_bytes()[:30].count(1) == 1
        second = two.array("u1", tracking=tracking, mirroring="on-flush")
        second[30] = 3
        assert array[30] == 3
        three.restore()
        assert (array[10], array[20], array[30]) == (1, 0, 0)
        two.restore()
        assert not array.any()
        one.establish()
        assert one.mirror_path.read_bytes() == bytes(LENGTH)
        del array, second


@BOTH
@pytest.mark.parametrize("state", [State.SYNCHRONIZED, State.SPLIT])
def test_stores_after_the_close_are_found_by_the_next_pair(
    tmp_path: Path, tracking: Tracking, state: State
) -> None:
    with opened(tmp_path) as pair:
        mirror = pair.mirror_path
        if state is State.SPLIT:
            pair.split()
        array = pair.array("u1", tracking=tracking)
        array[1] = 1
    array[500_000] = 2
    point = digest(mirror)
    with MirrorPair.open(mirror) as pair:
        assert in_use(pair).views == 1
        array[1_000_000] = 3
        if state is State.SPLIT:
            assert digest(mirror) == point
            pair.restore()
            assert not array.any()
        else:
            pair.establish()
            pair.split()
        assert mirror.read_bytes() == array.tobytes()
    del array


@BOTH
def test_a_close_without_arrays_is_a_clean_one(tmp_path: Path, tracking: Tracking) -> None:
    with opened(tmp_path) as pair:
        mirror = pair.mirror_path
        array = pair.array("u1", tracking=tracking)
        pair.split()
        array[7] = 7
        del array
        # Without the kernel's help nobody knows which blocks were stored into: compared once.
        pair.restore()
        with_array = pair.array("u1", tracking="pages")
        with_array[LENGTH - 1] = 7
        del with_array
    with MirrorPair.open(mirror) as pair:
        plan = pair.plan_restore().report
        assert (plan.reason, plan.blocks) == ("bitmap", 1)


@BOTH
def test_all_blocks_of_an_array_are_allocated(any_fs: Path, tracking: Tracking) -> None:
    source = any_fs / "source"
    with source.open("xb") as file:
        file.truncate(LENGTH)
    with MirrorPair.create(source, any_fs / "mirror") as pair:
        pair.establish()
        assert source.stat().st_blocks * 512 < LENGTH
        array = pair.array("u1", tracking=tracking)
        assert source.stat().st_blocks * 512 >= LENGTH
        pair.discard(0, LENGTH)
        assert source.stat().st_blocks * 512 >= LENGTH, "a store into a hole could meet a full disk"
        assert not array.any()
        assert np.array_equal(array, np.frombuffer(pair.read(0, LENGTH), "u1"))
        del array


@BOTH
def test_i8_a_mirror_without_room_costs_the_program_nothing(
    make_file_system: MakeFileSystem, tmp_path: Path, tracking: Tracking
) -> None:
    disk = make_file_system("ext4", size=16 * MIB)
    source = tmp_path / "source"
    with source.open("xb") as file:
        file.truncate(6 * MIB)
    with MirrorPair.create(source, disk / "mirror") as pair:
        pair.establish()
        # The mirror is one hole; its disk fills up.
        with (disk / "other").open("xb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(64 * 1024))
        array = pair.array("u1", tracking=tracking, mirroring="on-flush")
        array[:] = 7
        pair.flush()
        assert Condition.MIRROR_FAILED in pair.conditions
        assert source.read_bytes() == array.tobytes()
        array[5] = 8
        (disk / "other").unlink()
        pair.establish()
        assert pair.mirror_path.read_bytes() == array.tobytes()
        del array


@BOTH
def test_a_file_that_is_renamed_over_the_source_is_another_one(
    tmp_path: Path, tracking: Tracking
) -> None:
    with opened(tmp_path) as pair:
        array = pair.array("u1", tracking=tracking)
        pair.split()
        point = digest(pair.mirror_path)
        other = tmp_path / "other"
        other.write_bytes(b"x" * LENGTH)
        other.replace(pair.source_path)
        array[:] = 1
        pair.flush()
        assert Condition.SOURCE_REPLACED in pair.status().conditions
        pair.restore()
        assert digest(pair.source_path) == digest(pair.mirror_path) == point
        array[:] = 2
        assert digest(pair.source_path) == point, "the array is of the file that is gone"
        fresh = pair.array("u1", tracking=tracking)
        fresh[9] = 9
        pair.restore()
        assert fresh[9] == 0
        del array, fresh
